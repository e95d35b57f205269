import { describe, expect, it } from "vitest";
import { kindNodeConfig } from "../../sandboxes/images/kind-node-config.ts";

const patchesOf = (options: Parameters<typeof kindNodeConfig>[0]) => {
  const config = kindNodeConfig(options);
  const merged = config.kubeadmConfigPatches.map((patch) => JSON.parse(patch));
  return {
    config,
    of: (kind: string) => merged.filter((patch) => patch.kind === kind),
  };
};

describe("kindNodeConfig", () => {
  it("lets nodes run without CAP_SYS_RESOURCE and on cgroup v1", () => {
    const { config, of } = patchesOf({ kubernetesVersion: "v1.34.4" });
    expect(config.containerdConfigPatches.join()).toContain("restrict_oom_score_adj = true");
    expect(of("KubeletConfiguration")).toEqual([
      { kind: "KubeletConfiguration", failCgroupV1: false, featureGates: { KubeletInUserNamespace: true } },
    ]);
  });

  it("keeps its own feature gate beside the caller's kubelet fields", () => {
    const kubelet = { maxPods: 40, featureGates: { NodeSwap: true } };
    const { of } = patchesOf({ kubernetesVersion: "v1.34.4", kubelet });
    expect(of("KubeletConfiguration")[0]).toMatchObject({
      maxPods: 40,
      failCgroupV1: false,
      featureGates: { NodeSwap: true, KubeletInUserNamespace: true },
    });
  });

  it("writes arguments as a map below 1.36, where kind writes kubeadm's v1beta3", () => {
    const { config, of } = patchesOf({
      kubernetesVersion: "v1.35.9",
      controlPlaneArgs: { apiServer: { v: "1" }, etcd: { "unsafe-no-fsync": "true" } },
      controlPlaneTimeoutSeconds: 900,
    });
    expect(of("ClusterConfiguration")[0]).toMatchObject({
      apiServer: { extraArgs: { v: "1" }, timeoutForControlPlane: "900s" },
      etcd: { local: { extraArgs: { "unsafe-no-fsync": "true" } } },
    });
    expect(config.kubeadmConfigPatchesJSON6902).toEqual([]);
  });

  it("appends arguments to v1beta4's lists, so that kind's own stay", () => {
    const { config, of } = patchesOf({
      kubernetesVersion: "v1.37.0",
      controlPlaneArgs: { apiServer: { v: "1" }, scheduler: { "leader-elect": "false" } },
      controlPlaneTimeoutSeconds: 900,
    });
    const [json] = config.kubeadmConfigPatchesJSON6902;
    expect(json).toMatchObject({ version: "v1beta4", kind: "ClusterConfiguration" });
    expect(JSON.parse(json?.patch ?? "")).toEqual([
      { op: "add", path: "/apiServer/extraArgs/-", value: { name: "v", value: "1" } },
    ]);
    expect(of("ClusterConfiguration")[0].apiServer).toBeUndefined();
    expect(of("ClusterConfiguration")[0].scheduler.extraArgs).toEqual([
      { name: "leader-elect", value: "false" },
    ]);
    for (const kind of ["InitConfiguration", "JoinConfiguration"])
      expect(of(kind)[0].timeouts).toMatchObject({
        controlPlaneComponentHealthCheck: "900s",
        kubernetesAPICall: "900s",
      });
  });
});
