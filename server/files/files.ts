import { posix } from "node:path";
import express, { type Request, type Response } from "express";
import type { z } from "zod";
import { LabError } from "../../sandboxes/errors.ts";
import type { Place } from "../../sandboxes/place.ts";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import { through } from "../access/through.ts";
import { FILE_LIMIT_BYTES, type FileQuery } from "../protocol/http.ts";

type FileAddress = z.infer<typeof FileQuery>;

const readBody = express.raw({ type: () => true, limit: FILE_LIMIT_BYTES });

/** Sends a file of the sandbox as a download, whatever it is: the browser must not show it in our origin. */
export async function download(sandbox: Sandbox, address: FileAddress, response: Response): Promise<void> {
  const path = plainPath(address.path);
  const bytes = await placeOf(sandbox, address.place).readFile(path, {
    maxBytes: FILE_LIMIT_BYTES,
    user: "admin",
  });
  response
    .attachment(posix.basename(path))
    .set({
      "content-type": "application/octet-stream",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "content-security-policy": "sandbox; default-src 'none'",
    })
    .send(Buffer.from(bytes));
}

/** Writes the request's body to a file of the sandbox, as the learner's own user. */
export async function upload(
  sandbox: Sandbox,
  address: FileAddress,
  request: Request,
  response: Response,
): Promise<void> {
  const path = plainPath(address.path);
  const place = placeOf(sandbox, address.place);
  await through(readBody, request, response);
  const bytes: unknown = request.body;
  await place.writeFile(path, Buffer.isBuffer(bytes) ? bytes : new Uint8Array(), {
    mode: 0o644,
    owner: "admin",
  });
}

function placeOf(sandbox: Sandbox, name: FileAddress["place"]): Place {
  const place = name === "vm" ? sandbox.machine()?.place : sandbox.cluster()?.place;
  if (place) return place;
  throw new LabError("conflict", `the ${name === "vm" ? "VM" : "cluster"} is not there yet`, {
    hint: "wait until the bring-up is over",
  });
}

function plainPath(path: string): string {
  const plain = posix.normalize(path);
  if (plain.includes("\0") || plain.endsWith("/"))
    throw new LabError("bad_request", "this is not the path of a file");
  return plain;
}
