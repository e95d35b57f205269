import { once } from "node:events";
import { CoreV1Api } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import { loadKubeconfig } from "../../sandboxes/cluster/cluster-api.ts";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import { prepareLab } from "../../server/checks/prepare-lab.ts";
import { startSilentApi } from "../support/silent-api.ts";
import { stubLab } from "../support/stub-lab.ts";
import { StubCluster } from "../support/stub-parts.ts";

test("a request that gets no answer in time is ended, not only left", async () => {
  await using api = await startSilentApi();
  const call = loadKubeconfig(api.kubeconfig, 200).makeApiClient(CoreV1Api).listNode();
  call.catch(() => {});
  await once(await api.asked(), "close");
  await expect(call).rejects.toThrow();
});

test("a set-up that the cluster does not answer ends when it is interrupted", async () => {
  await using api = await startSilentApi();
  const cluster = new StubCluster("none", "/nonexistent", () => {});
  cluster.kubeconfig = async () => api.kubeconfig;
  const sandbox: Sandbox = {
    id: "none",
    placement: "beside",
    machine: () => undefined,
    cluster: () => cluster,
    inspect: () => Promise.reject(new Error("nobody asks")),
    onChange: () => {},
  };
  const manifests = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: one\n";
  const lab = { ...stubLab, setup: [{ on: "cluster" as const, name: "namespace.yaml", manifests }] };
  const stop = new AbortController();
  const preparing = prepareLab(lab, sandbox, "cluster", stop.signal);
  await api.asked();
  stop.abort();
  await expect(preparing).rejects.toMatchObject({ name: "AbortError" });
});
