import { expect } from "vitest";
import type { Cluster, ClusterSpec } from "../../sandboxes/cluster/cluster.ts";
import { type ClusterParts, clusterParts, podImage } from "./cluster-parts.ts";
import { CREATE } from "./isolation-cases.ts";

export interface Answer {
  isDone: boolean;
  said: string;
}

/** A shell line, with something on its standard input. */
export type Shell = (line: string, input?: string) => Promise<Answer>;

/** A cluster with a learner who tries things, and an administrator who may do them. */
export interface Attempts extends AsyncDisposable {
  spec: ClusterSpec;
  cluster: Cluster;
  parts: ClusterParts;
  /** Name of the control-plane node. */
  node: string;
  /** Image that the node has, with a shell. */
  image: string;
  /** In the learner's own shell, with his credentials. */
  learner: Shell;
  /** On the node, with the administrator's. */
  admin: Shell;
  /** Fails unless it is done; what was said. */
  may(who: Shell, line: string, input?: string): Promise<string>;
  /** Fails unless the learner is refused, for that reason and no other. */
  refused(line: string, input?: string, why?: RegExp): Promise<void>;
  /** A pod as JSON, with additions to its spec and to its container. */
  pod(name: string, more?: object, container?: object, namespace?: string): string;
}

export const manifest = (object: object): string => JSON.stringify(object);

const REFUSAL = /forbidden|denied|read-only in this lab/i;

/** Makes a cluster with one pod of the learner's, `mine`, running. */
export async function startAttempts(): Promise<Attempts> {
  const parts = await clusterParts();
  try {
    const spec = await parts.newSpec();
    const cluster = await parts.driver.create(spec, () => {}, new AbortController().signal);
    const node = `fb-${spec.sandboxId}-control-plane`;
    const image = await podImage(parts.engine, spec.sandboxId);
    const answer = (given: { exitCode: number; stdout: string; stderr: string }): Answer => ({
      isDone: given.exitCode === 0,
      said: `${given.stdout}\n${given.stderr}`,
    });
    const timeoutMs = 120_000;
    const learner: Shell = async (line, input = "") =>
      answer(await cluster.place.exec(["sh", "-c", line], { timeoutMs, user: "admin", input }));
    const admin: Shell = async (line, input = "") => {
      const env = { KUBECONFIG: "/etc/kubernetes/admin.conf" };
      return answer(await parts.engine.exec(node, ["sh", "-c", line], { timeoutMs, env, input }));
    };
    const attempts: Attempts = {
      spec,
      cluster,
      parts,
      node,
      image,
      learner,
      admin,
      async may(who, line, input) {
        const { isDone, said } = await who(line, input);
        expect(isDone, `${line}: ${said}`).toBe(true);
        return said;
      },
      async refused(line, input, why = REFUSAL) {
        const { isDone, said } = await learner(line, input);
        expect(isDone, `${line}: ${said}`).toBe(false);
        expect(said).toMatch(why);
      },
      pod: (name, more = {}, container = {}, namespace = "default") =>
        manifest({
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name, namespace },
          spec: {
            terminationGracePeriodSeconds: 0,
            containers: [
              {
                ...{ name: "main", image, imagePullPolicy: "Never", command: ["sh", "-c", "sleep 3600"] },
                ...container,
              },
            ],
            ...more,
          },
        }),
      [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose](),
    };
    await attempts.may(learner, CREATE, attempts.pod("mine"));
    await attempts.may(learner, "kubectl wait pod/mine --for=condition=Ready --timeout=120s");
    return attempts;
  } catch (error) {
    await parts[Symbol.asyncDispose]();
    throw error;
  }
}
