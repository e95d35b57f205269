import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ApiException, CoreV1Api, type KubeConfig, type V1Pod } from "@kubernetes/client-node";
import { z } from "zod";
import { LabError } from "../../../sandboxes/errors.ts";
import { KubeApi } from "../cluster/kube-api.ts";

/** An answer as the prober got it; `error` in an administrator's words where there was none. */
export interface ProbeAnswer {
  status?: number | undefined;
  body?: string | undefined;
  error?: string | undefined;
  ms: number;
}

/**
 * What was answered since the line before. `unfair` questions had a control that failed as well: the host was too slow
 * for anybody.
 */
export interface FollowLine {
  /** How long the oldest question without an answer waits for it; 0 where there is none. */
  waitingMs: number;
  asked: number;
  failures: string[];
  who: string[];
  unfair: number;
}

/** Asks from within the pod network. Every method throws LabError `check_errored` when it can't. */
export interface Prober {
  /** Makes it ready to ask, so that the first question need not wait for that. */
  warmUp(): Promise<void>;
  http(url: string, options?: { times?: number }): Promise<ProbeAnswer[]>;
  /** `open`, `refused`, `silent`, `unknown` (the name) or an error's words. */
  knock(host: string, port: number): Promise<string>;
  follow(url: string, who: string, signal: AbortSignal): AsyncIterable<FollowLine>;
  /** Followers ask more often for a while. */
  burst(seconds: number): Promise<void>;
}

const NAMESPACE = "kube-system";
const POD = "footbridge-prober";
const PORT = 8099;
/** Has Python, and is on every node: the course's own application. */
const IMAGE = "inventory-api:1.0";
const SCRIPT = readFileSync(fileURLToPath(new URL("prober.py", import.meta.url)), "utf8");
const START_MS = 60_000;
const ANSWER_MS = 15_000;

const Answers = z.object({
  answers: z.array(
    z.object({
      status: z.int().optional(),
      body: z.string().optional(),
      error: z.string().optional(),
      ms: z.number(),
    }),
  ),
});
const Knock = z.object({ state: z.string() });
const Line = z.object({
  waitingMs: z.number(),
  asked: z.int(),
  failures: z.array(z.string()),
  who: z.array(z.string()),
  unfair: z.int(),
});

/**
 * A Pod of ours where the learner can't write (`kube-system`), made when first needed and again when it is gone. It is
 * reached through the API server's proxy, so no address of the cluster need be reachable from here.
 */
export function createProber(config: KubeConfig): Prober {
  const api = new KubeApi(config);
  const core = config.makeApiClient(CoreV1Api);
  const proxy = `/api/v1/namespaces/${NAMESPACE}/pods/${POD}:${PORT}/proxy`;
  let ready: Promise<void> | undefined;

  const ensure = () => {
    ready ??= ensurePod(core, api, `${proxy}/control`).catch((error: unknown) => {
      ready = undefined;
      throw error;
    });
    return ready;
  };
  async function ask<T>(path: string, shape: z.ZodType<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      await ensure();
      const answer = await api.get(`${proxy}${path}`, { timeoutMs: ANSWER_MS });
      if (answer.status === 200) return shape.parse(JSON.parse(answer.body));
      ready = undefined;
      if (attempt === 2)
        throw new LabError("check_errored", `the prober's Pod can't be asked: status ${answer.status}`);
    }
  }

  return {
    warmUp: ensure,
    async http(url, { times = 1 } = {}) {
      const query = new URLSearchParams({ url, times: String(times) });
      return (await ask(`/http?${query}`, Answers)).answers;
    },
    async knock(host, port) {
      return (await ask(`/tcp?${new URLSearchParams({ host, port: String(port) })}`, Knock)).state;
    },
    async *follow(url, who, signal) {
      await ensure();
      for await (const line of api.lines(`${proxy}/follow?${new URLSearchParams({ url, who })}`, signal))
        yield Line.parse(JSON.parse(line));
    },
    async burst(seconds) {
      await ask(`/burst?seconds=${seconds}`, z.object({}));
    },
  };
}

async function ensurePod(core: CoreV1Api, api: KubeApi, control: string): Promise<void> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    const answers = await api.get(control, { timeoutMs: ANSWER_MS }).catch(() => undefined);
    if (answers?.status === 200) return;
    await makePod(core);
    if (performance.now() > deadline)
      throw new LabError("check_errored", `the prober's Pod did not start within ${START_MS / 1000} s`);
    await setTimeout(200);
  }
}

/** Makes the Pod; one that has ended or runs another script makes room for the new one. */
async function makePod(core: CoreV1Api): Promise<void> {
  const where = { name: POD, namespace: NAMESPACE };
  try {
    const there = await core.readNamespacedPod(where).catch((error: unknown) => {
      if (error instanceof ApiException && error.code === 404) return undefined;
      throw error;
    });
    const isOurs = there?.spec?.containers[0]?.command?.includes(SCRIPT) === true;
    const hasEnded = there?.status?.phase === "Failed" || there?.status?.phase === "Succeeded";
    if (there && (!isOurs || hasEnded) && !there.metadata?.deletionTimestamp)
      await core.deleteNamespacedPod({ ...where, gracePeriodSeconds: 0 });
    else if (!there) await core.createNamespacedPod({ namespace: NAMESPACE, body: podSpec() });
  } catch (error) {
    if (error instanceof ApiException && (error.code === 404 || error.code === 409)) return;
    throw new LabError("check_errored", "the prober's Pod could not be made", { cause: error });
  }
}

function podSpec(): V1Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: POD, namespace: NAMESPACE, labels: { app: POD } },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 0,
      // A cordoned node is a lab's subject; it must not take the checks away.
      tolerations: [{ operator: "Exists" }],
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65_534,
        runAsGroup: 65_534,
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [
        {
          name: "prober",
          image: IMAGE,
          imagePullPolicy: "IfNotPresent",
          command: ["/usr/bin/python3", "-I", "-u", "-c", SCRIPT, String(PORT)],
          resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "96Mi" } },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
        },
      ],
    },
  };
}
