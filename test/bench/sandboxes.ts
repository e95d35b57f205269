import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { recallImageSet } from "../../sandboxes/images/image-set.ts";
import { kindNodeConfig } from "../../sandboxes/images/kind-node-config.ts";
import { run } from "../../sandboxes/run.ts";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import { freeSubnet } from "../support/free-subnet.ts";
import { openRealStack, type RealStack, untilPhase } from "../support/real-stack.ts";
import type { Figures } from "./figures.ts";
import type { Measurement } from "./result.ts";

const ROUNDS = 3;
const BRING_UP_MS = 600_000;
/** A new sandbox is busy with itself for a while; idle is what comes after. */
const SETTLE_MS = 60_000;
const IDLE_SAMPLES = 5;
const IDLE_SAMPLE_MS = 10_000;

/** Bring-ups; then what the last sandbox takes when nobody touches it. */
export async function measureSandboxes(figures: Figures): Promise<void> {
  await using real = await openRealStack();
  const { service } = real.stack;
  await figures.measure(["claim_to_vm_prompt", "claim_to_cluster_ready"], () =>
    measureClaims(real, { besideKind: figures.wants("claim_to_cluster_ready") }),
  );
  await figures.measure(["sandbox_idle_cpu", "sandbox_memory"], async () => {
    await Promise.all(service.list().map((one) => service.destroy(one.id)));
    return await measureIdle(real, await real.claimReady());
  });
}

/**
 * Cold bring-ups, one after the other, each after a bare `kind create cluster --wait` with the same node image and
 * nothing else of ours.
 */
async function measureClaims(real: RealStack, options: { besideKind: boolean }): Promise<Measurement[]> {
  const prompt: number[] = [];
  const ready: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    if (options.besideKind) bare.push(await bareKind());
    const begun = performance.now();
    const sandbox = await real.stack.service.claim();
    const [promptMs] = await Promise.all([
      untilPrompt(sandbox, begun),
      untilClusterReady(sandbox).then(() => ready.push(performance.now() - begun)),
    ]);
    prompt.push(promptMs);
    await untilPhase(sandbox, "ready", BRING_UP_MS);
    await real.stack.service.destroy(sandbox.id);
  }
  const against = options.besideKind ? { against: { name: "kind create cluster", samples: bare } } : {};
  return [
    { name: "claim_to_vm_prompt", unit: "ms", samples: prompt },
    { name: "claim_to_cluster_ready", unit: "ms", samples: ready, ...against },
  ];
}

async function untilPrompt(sandbox: Sandbox, begun: number): Promise<number> {
  await until(sandbox, () => sandbox.machine() !== undefined);
  await sandbox.machine()?.place.exec(["true"], { timeoutMs: 60_000, user: "admin" });
  return performance.now() - begun;
}

async function untilClusterReady(sandbox: Sandbox): Promise<void> {
  await until(sandbox, () => sandbox.cluster() !== undefined);
}

/** Waits for the sandbox's own events, so that no polling disturbs what is measured. */
async function until(sandbox: Sandbox, isSo: () => boolean): Promise<void> {
  const done = new AbortController();
  const deadline = AbortSignal.timeout(BRING_UP_MS);
  await new Promise<void>((resolve, reject) => {
    const look = () => isSo() && resolve();
    sandbox.onChange(look, done.signal);
    deadline.addEventListener("abort", () => reject(deadline.reason), { signal: done.signal });
    look();
  }).finally(() => done.abort());
}

async function bareKind(): Promise<number> {
  const images = await recallImageSet({ paths: hostPaths(process.env) });
  if (!images) throw new Error("no images; `npm start` or `npm test` builds them");
  const name = `fb-bench-${randomBytes(3).toString("hex")}`;
  const folder = await mkdtemp(join(tmpdir(), "footbridge-bench-"));
  const config = join(folder, "kind.yaml");
  const { kindBinary, image } = images.node;
  await using engine = new DockerEngine();
  // kind's own network would stay, with nothing to say whose it is.
  const env = { KIND_EXPERIMENTAL_DOCKER_NETWORK: name };
  await run(["docker", "network", "create", "--subnet", await freeSubnet(engine), name], {
    timeoutMs: 60_000,
  });
  try {
    // What any cluster of this image needs on this host, without our guard rails.
    const node = kindNodeConfig({ kubernetesVersion: images.node.kubernetesVersion });
    await writeFile(
      config,
      JSON.stringify({ kind: "Cluster", apiVersion: "kind.x-k8s.io/v1alpha4", ...node }),
    );
    const begun = performance.now();
    const create = [
      kindBinary,
      "create",
      "cluster",
      "--name",
      name,
      "--image",
      image,
      "--config",
      config,
    ] as const;
    await run([...create, "--kubeconfig", join(folder, "kubeconfig"), "--wait", "10m"], {
      timeoutMs: 900_000,
      env,
    });
    return performance.now() - begun;
  } finally {
    await run([kindBinary, "delete", "cluster", "--name", name, "--kubeconfig", join(folder, "kubeconfig")], {
      timeoutMs: 120_000,
      env,
    });
    await engine.removeNetwork(name);
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureIdle(real: RealStack, sandbox: Sandbox): Promise<Measurement[]> {
  const { engine } = real.stack;
  const own = await engine.listContainers({ "footbridge.sandbox": sandbox.id });
  const nodes = await engine.listContainers({ "io.x-k8s.kind.cluster": `fb-${sandbox.id}` });
  const names = [...own, ...nodes].filter((one) => one.running).map((one) => one.name);
  const use = async () => {
    const each = await Promise.all(names.map((name) => engine.usage(name)));
    return {
      cpus: each.reduce((sum, one) => sum + one.cpus, 0),
      memoryMib: each.reduce((sum, one) => sum + one.memoryMib, 0),
    };
  };
  await setTimeout(SETTLE_MS);
  await use();
  const cpus: number[] = [];
  const memory: number[] = [];
  for (let sample = 0; sample < IDLE_SAMPLES; sample += 1) {
    await setTimeout(IDLE_SAMPLE_MS);
    const now = await use();
    cpus.push(now.cpus);
    memory.push(now.memoryMib);
  }
  return [
    { name: "sandbox_idle_cpu", unit: "cores", samples: cpus },
    { name: "sandbox_memory", unit: "MiB", samples: memory },
  ];
}
