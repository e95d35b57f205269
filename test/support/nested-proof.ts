import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { addTree } from "../../sandboxes/images/image-key.ts";

const proofFile = new URL("../integration/cluster-nested.proof.json", import.meta.url);
const sandboxesFolder = fileURLToPath(new URL("../../sandboxes", import.meta.url));

const proofShape = z.object({
  /** Of all of `sandboxes/` at the time. */
  key: z.string(),
  on: z.iso.date(),
  accelerator: z.enum(["kvm", "tcg"]),
  minutes: z.number(),
});
type Proof = z.infer<typeof proofShape>;

/**
 * The nested cluster's test takes a quarter of an hour under emulation, so it runs when `sandboxes/` is not what it was
 * when the test last passed. What it passed with is a file of the repository, committed with the change it proves.
 */
export async function readNestedProof(): Promise<{ key: string; proof: Proof | undefined }> {
  const hash = createHash("sha256");
  await addTree(hash, "sandboxes", sandboxesFolder);
  const key = hash.digest("hex").slice(0, 12);
  const text = await readFile(proofFile, "utf8").catch(() => undefined);
  const proof = text === undefined ? undefined : proofShape.parse(JSON.parse(text));
  return { key, proof: proof?.key === key ? proof : undefined };
}

/** Call once everything has passed. */
export async function writeNestedProof(proof: Proof): Promise<void> {
  await writeFile(proofFile, `${JSON.stringify(proof, null, 2)}\n`);
}
