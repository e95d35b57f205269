import type { Request, RequestHandler, Response } from "express";

/** Sends a request through a middleware in the midst of a handler. Rejects with what the middleware gives to `next`. */
export function through(middleware: RequestHandler, request: Request, response: Response): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  void middleware(request, response, (error?: unknown) => {
    if (error === undefined) resolve();
    else reject(error);
  });
  return promise;
}
