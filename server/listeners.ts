import { readFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { LabError } from "../sandboxes/errors.ts";
import type { Settings } from "./settings.ts";

/** An HTTP server, or an HTTPS one where the settings name a certificate. */
export async function createListener(settings: Settings, onRequest: RequestListener): Promise<Server> {
  const { tlsCertFile, tlsKeyFile } = settings;
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return createServer(onRequest);
  const [cert, key] = await Promise.all([readPem(tlsCertFile), readPem(tlsKeyFile)]);
  try {
    return createTlsServer({ cert, key }, onRequest);
  } catch (error) {
    throw new LabError("bad_settings", `certificate \`${tlsCertFile}\` and its key don't work together`, {
      hint: "both must be PEM files, and the key the certificate's",
      cause: error,
    });
  }
}

/** Listens and says on which port. @throws LabError `bad_settings` */
export async function listen(server: Server, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, host, resolve);
  try {
    await promise;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "EADDRINUSE" ? "something else listens there" : message;
    throw new LabError("bad_settings", `could not listen on \`${host}:${port}\`: ${why}`, {
      hint: "set `host`, `port`, `vmWebPort` and `clusterWebPort` to what is free",
    });
  }
  server.off("error", reject);
  return (server.address() as AddressInfo).port;
}

export async function close(server: Server): Promise<void> {
  if (!server.listening) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}

async function readPem(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new LabError("bad_settings", `can't read \`${file}\``, {
      hint: "check `tlsCertFile` and `tlsKeyFile`",
      cause: error,
    });
  }
}
