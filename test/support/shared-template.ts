import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import type { Engine } from "../../sandboxes/engine/engine.ts";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { recallImageSet } from "../../sandboxes/images/image-set.ts";
import type { MachineSpec } from "../../sandboxes/machine/machine.ts";
import { ensureTemplate, removeTemplates } from "../../sandboxes/machine/machine-template.ts";
import { machineContainer } from "../../sandboxes/machine/names.ts";
import { makeSshKeys } from "../../sandboxes/machine/ssh-keys.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { loadSettings } from "../../server/load-settings.ts";
import { sandboxSettings } from "../../server/sandbox-settings.ts";
import { acceleratorOf, makeTestNetwork } from "./machine-spec.ts";

/** Owns the template; no lab server is of this name. */
const OWNER = "tests";
/** Less than the hook that waits for it has. */
const MAKING_MS = 480_000;

const Keys = z.object({ private: z.string(), public: z.string() });
type Keys = z.infer<typeof Keys>;

export interface SharedTemplate {
  /** What a VM has to have in common with the template to be a copy of it. */
  like: Pick<MachineSpec, "image" | "accelerator" | "hardware" | "authorizedKey" | "template">;
  /** With these any installation finds the template and takes it for its own. */
  keys: Keys;
}

/**
 * A template of the product's own VM for tests that are not about a boot, which takes an emulated VM most of a minute
 * of both processors. Made by the first that asks, and kept like an image, until its inputs change.
 */
export async function sharedTemplate(): Promise<SharedTemplate> {
  const paths = hostPaths(process.env);
  const images = await recallImageSet({ paths });
  if (!images) throw new Error("no images: `footbridge images build` makes them");
  await using engine = new DockerEngine();
  const image = images.machine;
  const accelerator = await acceleratorOf(engine, image);
  const usesKvm = accelerator === "kvm";
  const { hardware } = sandboxSettings(await loadSettings(process.env), { id: OWNER, usesKvm });
  await using _one = await untilAlone();
  const keys = await keptKeys(paths.cacheDir);
  const spec = { image, accelerator, hardware, authorizedKey: keys.public };
  const { id, volume } = await ensureTemplate(
    { engine, privateKey: keys.private },
    { ...spec, labels: { [LABELS.installation]: OWNER } },
    () => {},
    AbortSignal.timeout(MAKING_MS),
  );
  await removeTemplates(engine, OWNER, machineContainer(id));
  return { like: { ...spec, template: volume }, keys };
}

/** What a copy of it is made of, in a network that `makeTestNetwork` makes for it. */
export async function copiedMachine(engine: Engine): Promise<{ spec: MachineSpec; privateKey: string }> {
  const { like, keys } = await sharedTemplate();
  return { spec: { ...(await makeTestNetwork(engine)), ...like }, privateKey: keys.private };
}

/** Gives an installation that is yet to be made the template's keys: it finds the template then, and makes none. */
export async function adoptKeys(stateDir: string, { keys }: SharedTemplate): Promise<void> {
  const id = randomUUID().slice(0, 8);
  const installation = { id, sshPrivateKey: keys.private, sshPublicKey: keys.public };
  await writeFile(join(stateDir, "installation.json"), JSON.stringify(installation), { mode: 0o600 });
}

async function keptKeys(cacheDir: string): Promise<Keys> {
  const file = join(cacheDir, "test-vm-keys.json");
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text !== undefined) return Keys.parse(JSON.parse(text));
  const keys = makeSshKeys("test");
  await mkdir(cacheDir, { recursive: true });
  const partial = `${file}.${randomUUID()}`;
  await writeFile(partial, JSON.stringify({ private: keys.private, public: keys.public }), { mode: 0o600 });
  await rename(partial, file);
  return keys;
}

/** Holds a name that one process of this host may have at a time, and that goes with the process. */
async function untilAlone(): Promise<AsyncDisposable> {
  const server = createServer();
  const deadline = performance.now() + MAKING_MS;
  while (!(await isListening(server))) {
    if (performance.now() > deadline)
      throw new Error("another process makes the tests' template for too long");
    await delay(500);
  }
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
}

async function isListening(server: Server): Promise<boolean> {
  server.listen("\0footbridge-test-template");
  try {
    await once(server, "listening");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
}
