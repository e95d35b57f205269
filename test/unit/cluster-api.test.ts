import { once } from "node:events";
import { CoreV1Api } from "@kubernetes/client-node";
import { expect, onTestFinished, test, vi } from "vitest";
import { loadKubeconfig } from "../../sandboxes/cluster/cluster-api.ts";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import { prepareLab } from "../../server/checks/prepare-lab.ts";
import { startSilentApi } from "../support/silent-api.ts";
import { stubLab } from "../support/stub-lab.ts";
import { StubCluster } from "../support/stub-parts.ts";

test("a request that gets no answer in time is ended, not only left", async () => {
  await using api = await startSilentApi();
  // Its time is over once it was asked; a real 200 ms may be over before, on a busy host.
  const deadline = new AbortController();
  const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(deadline.signal);
  onTestFinished(() => timeout.mockRestore());
  const call = loadKubeconfig(api.kubeconfig, 200).makeApiClient(CoreV1Api).listNode();
  call.catch(() => {});
  const connection = await api.asked();
  expect(timeout).toHaveBeenCalledWith(200);
  deadline.abort();
  await once(connection, "close");
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
