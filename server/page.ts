import { join } from "node:path";
import express, { type NextFunction, type Request, type Response } from "express";
import helmet from "helmet";

/**
 * Headers of every answer. The page brings all it needs itself; xterm.js writes its colours into style elements, which
 * is why styles may be inline and nothing else.
 */
export function securityHeaders(isSecure: boolean) {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", "data:", "blob:"],
        fontSrc: ["'self'", "data:"],
        connectSrc: ["'self'"],
        manifestSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: isSecure,
    referrerPolicy: { policy: "no-referrer" },
    xFrameOptions: { action: "deny" },
  });
}

/** The built client's files. Names under `assets` change with their content, so browsers keep them. */
export function clientFiles(clientDir: string) {
  return express.static(clientDir, {
    index: false,
    setHeaders(response, path) {
      const isNamedByContent = path.startsWith(join(clientDir, "assets"));
      response.set("cache-control", isNamedByContent ? "public, max-age=31536000, immutable" : "no-cache");
    },
  });
}

/** The page for every address that the client's router may know. */
export function clientPage(clientDir: string) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const isPage = request.method === "GET" && !request.path.startsWith("/api") && request.accepts("html");
    if (!isPage || /\.\w+$/.test(request.path)) next();
    else response.set("cache-control", "no-cache").sendFile("index.html", { root: clientDir });
  };
}
