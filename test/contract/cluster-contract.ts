import { CoreV1Api } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Cluster, ClusterDriver, ClusterSpec } from "../../sandboxes/cluster/cluster.ts";
import { loadKubeconfig } from "../../sandboxes/cluster/cluster-api.ts";
import type { ProgressEvent } from "../../sandboxes/progress.ts";
import { poll } from "../poll.ts";
import { deploymentManifest } from "../support/manifests.ts";

export interface ClusterUnderTest extends AsyncDisposable {
  driver: ClusterDriver;
  newSpec(): Promise<ClusterSpec>;
  /** Names of the containers and volumes of a sandbox's cluster that exist, wherever its Docker is. */
  leftOvers(sandboxId: string): Promise<string[]>;
  killNode(name: string): Promise<void>;
  /** An image that is in the nodes, with `sh` and `sleep`. */
  podImage(sandboxId: string): Promise<string>;
  /** The same with something wrong that shows only while it is made. */
  unmakeable(spec: ClusterSpec): ClusterSpec;
}

const MINUTES = 60_000;

/** What every cluster must do, tried on a real one. */
export function describeCluster(name: string, make: () => Promise<ClusterUnderTest>): void {
  describe(`${name} as a cluster`, () => {
    let test: ClusterUnderTest;
    let spec: ClusterSpec;
    let cluster: Cluster;
    const events: ProgressEvent[] = [];
    const nothing = new AbortController().signal;
    /** A shell line in the learner's own shell. */
    const learner = async (line: string, input?: string) =>
      await cluster.place.exec(["sh", "-c", line], {
        timeoutMs: 5 * MINUTES,
        user: "admin",
        ...(input === undefined ? {} : { input }),
      });
    const succeeds = async (line: string, input?: string) => {
      const { exitCode, stdout, stderr } = await learner(line, input);
      expect(exitCode, `${line}: ${stderr}`).toBe(0);
      return stdout;
    };

    beforeAll(async () => {
      test = await make();
      spec = await test.newSpec();
      cluster = await test.driver.create(spec, (event) => events.push(event), nothing);
    }, 90 * MINUTES);
    afterAll(async () => {
      await test?.[Symbol.asyncDispose]();
    }, 10 * MINUTES);

    it("tells its steps, each started once and done", () => {
      for (const step of ["create cluster", "guard rails", "nodes ready"]) {
        const states = events.filter((event) => event.step === step).map(({ state }) => state);
        expect(states[0], step).toBe("started");
        expect(states.at(-1), step).toBe("done");
        expect(states.filter((state) => state !== "progress")).toEqual(["started", "done"]);
      }
      const fractions = events.flatMap(({ step, fraction }) =>
        step === "create cluster" && fraction ? [fraction] : [],
      );
      expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    });

    it("is ready, with every node", async () => {
      expect(await cluster.inspect()).toEqual({
        state: { phase: "ready" },
        nodes: [{ name: `fb-${spec.sandboxId}-control-plane`, ready: true }],
        enforcesNetworkPolicy: true,
      });
    });

    it("gives the lab server credentials of both kinds that work from here", async () => {
      for (const subject of ["admin", "learner"] as const) {
        const core = loadKubeconfig(await cluster.kubeconfig(subject)).makeApiClient(CoreV1Api);
        expect((await core.listNode()).items).toHaveLength(1);
      }
    });

    it("lets the learner do the work of a first lab in his own shell", async () => {
      const image = await test.podImage(spec.sandboxId);
      await succeeds("kubectl create namespace lab && kubectl config set-context --current --namespace=lab");
      await succeeds("kubectl create configmap settings --from-literal=greeting=hello");
      await succeeds("kubectl create secret generic password --from-literal=password=secret");
      await succeeds("kubectl apply -f -", workload(image));
      await succeeds("kubectl rollout status deployment/web --timeout=240s");
      const shown = await succeeds("kubectl exec deployment/web -- sh -c 'echo $greeting $password'");
      expect(shown.trim()).toBe("hello secret");
      await succeeds("kubectl expose deployment web --port=80 --type=NodePort");
      await succeeds("kubectl scale deployment web --replicas=3");
      await succeeds("kubectl rollout status deployment/web --timeout=240s");
      const first = (await succeeds("kubectl get pods -l app=web -o name")).split("\n")[0];
      await succeeds(`kubectl delete ${first} --wait=false`);
      await poll(
        async () =>
          (await succeeds("kubectl get deployment web -o jsonpath={.status.readyReplicas}")).trim() === "3",
        "the deleted pod is replaced",
        { timeoutMs: 4 * MINUTES, pauseMs: 500 },
      );
      await succeeds("kubectl logs deployment/web --tail=1 && kubectl get events | head -3");
      await succeeds(
        "kubectl delete namespace lab --wait=false && kubectl config set-context --current --namespace=",
      );
    });

    it("keeps binary files as they are in the learner's place", async () => {
      await succeeds("mkdir 'new folder'");
      const content = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256);
      await cluster.place.writeFile("/home/admin/new folder/file", content, { mode: 0o640, owner: "admin" });
      expect(
        Buffer.from(
          await cluster.place.readFile("/home/admin/new folder/file", { maxBytes: 70_000, user: "admin" }),
        ).equals(content),
      ).toBe(true);
      expect((await succeeds('stat -c "%a %U" "/home/admin/new folder/file"')).trim()).toBe("640 admin");
      await expect(
        cluster.place.readFile("/home/admin/new folder/file", { maxBytes: 69_999, user: "admin" }),
      ).rejects.toMatchObject({ code: "bad_request" });
      await expect(
        cluster.place.readFile("/home/admin/none", { maxBytes: 10, user: "admin" }),
      ).rejects.toMatchObject({ code: "not_found" });
    });

    it("is adopted by another lab server, and only where there is one", async () => {
      const adopted = await test.driver.adopt(spec);
      expect(await adopted?.inspect()).toMatchObject({ state: { phase: "ready" } });
      expect(await adopted?.kubeconfig("learner")).toBe(await cluster.kubeconfig("learner"));
      expect(await test.driver.adopt({ ...spec, sandboxId: `${spec.sandboxId}x` })).toBeUndefined();
    });

    it("says that a node was killed and what helps, and repair brings it back", async () => {
      const node = `fb-${spec.sandboxId}-control-plane`;
      await test.killNode(node);
      expect(await cluster.inspect()).toMatchObject({
        state: { phase: "broken", reason: expect.stringContaining(node), remedy: expect.any(String) },
        nodes: [{ name: node, ready: false }],
      });
      await cluster.repair((event) => events.push(event), nothing);
      expect(await cluster.inspect()).toMatchObject({ state: { phase: "ready" } });
      await succeeds("kubectl get nodes");
    });

    it("leaves nothing when its making is interrupted", async () => {
      const other = await test.newSpec();
      const abort = new AbortController();
      const making = test.driver.create(
        other,
        ({ message }) => message === "writing configuration" && abort.abort(),
        abort.signal,
      );
      await expect(making).rejects.toMatchObject({ code: "aborted" });
      expect(await test.leftOvers(other.sandboxId)).toEqual([]);
    });

    it("leaves nothing when it can't be made, and says why", async () => {
      const other = test.unmakeable(await test.newSpec());
      await expect(test.driver.create(other, () => {}, nothing)).rejects.toThrow(/`.+`/);
      expect(await test.leftOvers(other.sandboxId)).toEqual([]);
    });

    it("leaves nothing when it is destroyed, twice", async () => {
      expect(await test.leftOvers(spec.sandboxId)).not.toEqual([]);
      await cluster.destroy();
      await cluster.destroy();
      expect(await test.leftOvers(spec.sandboxId)).toEqual([]);
      expect(await test.driver.adopt(spec)).toBeUndefined();
    });
  });
}

function workload(image: string): string {
  const script = "echo started; exec sleep 3600";
  const envFrom = [{ configMapRef: { name: "settings" } }, { secretRef: { name: "password" } }];
  return JSON.stringify(deploymentManifest("web", 1, { image, script, container: { envFrom } }));
}
