import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { run } from "../../sandboxes/run.ts";

/** A certificate of its own for these names, e.g. `IP:127.0.0.1`, as PEM files that are gone after the test. */
export async function makeCertificate(...names: string[]) {
  const dir = await mkdtemp(join(tmpdir(), "fb-tls-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const [tlsKeyFile, tlsCertFile] = [join(dir, "key.pem"), join(dir, "cert.pem")];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tlsKeyFile];
  const subject = ["-subj", "/CN=lab.test", "-addext", `subjectAltName=${names.join(",")}`];
  await run(["openssl", "req", "-x509", ...key, "-days", "2", "-out", tlsCertFile, ...subject], {
    timeoutMs: 20_000,
  });
  return { tlsKeyFile, tlsCertFile };
}
