import { connect, createServer, type Server } from "node:net";
import type { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import type { ClusterSpec } from "../../sandboxes/cluster/cluster.ts";
import { forwardTcpPort, forwardUnixSocket } from "../../sandboxes/cluster/docker-forward.ts";
import { policies } from "../../sandboxes/cluster/guard-rails/policies.ts";
import { troubleOfContainers } from "../../sandboxes/cluster/inspect-cluster.ts";
import { KindCluster } from "../../sandboxes/cluster/kind-cluster.ts";
import { parsePhase } from "../../sandboxes/cluster/kind-command.ts";
import { kindConfig } from "../../sandboxes/cluster/kind-config.ts";
import { serverOf, withServer } from "../../sandboxes/cluster/kubeconfig.ts";
import { type NodeHost, openNodeHost } from "../../sandboxes/cluster/node-host.ts";
import type { ContainerState, Engine, ExecResult } from "../../sandboxes/engine/engine.ts";
import { LabError } from "../../sandboxes/errors.ts";
import type { Machine } from "../../sandboxes/machine/machine.ts";
import type { Place } from "../../sandboxes/place.ts";
import { containerState } from "../support/container-state.ts";

describe("what kind says", () => {
  it("tells phases and their ends", () => {
    expect(parsePhase(" • Starting control-plane 🕹️  ...")).toEqual({
      name: "Starting control-plane",
      state: "started",
      fraction: 0.25,
    });
    expect(parsePhase(" ✓ Joining worker nodes 🚜")).toMatchObject({
      name: "Joining worker nodes",
      state: "done",
    });
    for (const line of ['Creating cluster "fb-a" ...', "Starting control-plane", "", "Have a nice day! 👋"])
      expect(parsePhase(line), line).toBeUndefined();
  });
});

describe("a cluster's configuration", () => {
  const spec = {
    nodes: 2,
    kubernetesVersion: "v1.37.0",
    limits: { nodeMemoryMib: 2560, nodeCpus: 1.5, nodePids: 4096 },
  };
  const host = { cpus: 4, memoryMib: 16_384 };
  const read = (placement: "beside" | "nested") => JSON.parse(kindConfig({ ...spec, placement }, host));
  const patches = (config: { kubeadmConfigPatches: string[] }) =>
    config.kubeadmConfigPatches.map((patch) => JSON.parse(patch));

  it("has one control plane, and workers", () => {
    expect(read("beside").nodes).toEqual([{ role: "control-plane" }, { role: "worker" }]);
  });

  it("tells the kubelet what of the host is not the node's", () => {
    const kubelet = patches(read("beside")).find(({ kind }) => kind === "KubeletConfiguration");
    expect(kubelet.systemReserved).toEqual({ memory: "14080Mi", cpu: "2500m" });
  });

  it("guards the API server beside, where nodes share the host, and calms it nested", () => {
    const apiServer = (placement: "beside" | "nested") =>
      read(placement).kubeadmConfigPatchesJSON6902.flatMap(({ patch }: { patch: string }) =>
        JSON.parse(patch).flatMap(({ path, value }: { path: string; value: { name: string } }) =>
          path === "/apiServer/extraArgs/-" ? value.name : [],
        ),
      );
    const etcd = (placement: "beside" | "nested") =>
      patches(read(placement)).find(({ kind }) => kind === "ClusterConfiguration").etcd;
    expect(apiServer("beside")).toEqual(
      expect.arrayContaining(["admission-control-config-file", "authentication-config"]),
    );
    expect(apiServer("nested")).toEqual([]);
    expect(etcd("beside")).toBeUndefined();
    expect(etcd("nested").local.extraArgs).toContainEqual({ name: "unsafe-no-fsync", value: "true" });
    expect(read("nested").networking.apiServerPort).toBe(6443);
  });
});

describe("admission policies", () => {
  it("fail closed, and each is bound with a refusal", () => {
    for (const { policy, binding } of policies) {
      expect(policy.spec?.failurePolicy, policy.metadata?.name).toBe("Fail");
      expect(binding.spec).toEqual({ policyName: policy.metadata?.name, validationActions: ["Deny"] });
    }
  });
});

describe("a kubeconfig", () => {
  const kubeconfig =
    "clusters:\n- name: a\n  cluster:\n    server: https://127.0.0.1:6443\nusers: [{name: b, user: {token: secret}}]\n";

  it("is rewritten for whoever reaches the API elsewhere", () => {
    expect(serverOf(withServer(kubeconfig, "https://fb-a-control-plane:6443")).host).toBe(
      "fb-a-control-plane:6443",
    );
    expect(withServer(kubeconfig, "https://a:1")).toContain("token: secret");
  });

  it("is not quoted when it is broken", () => {
    for (const broken of ["", "clusters: []\ntoken: secret", "- secret"])
      try {
        serverOf(broken);
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(LabError);
        expect(String(error)).not.toContain("secret");
      }
  });
});

describe("the containers of a cluster", () => {
  it("say what is wrong and what helps", () => {
    expect(troubleOfContainers([containerState("a"), containerState("b")], 2)).toBeUndefined();
    expect(troubleOfContainers([], 2)).toEqual({ phase: "absent" });
    expect(troubleOfContainers([containerState("a")], 2)).toMatchObject({
      phase: "broken",
      remedy: expect.stringContaining("reset"),
    });
    expect(
      troubleOfContainers([containerState("a", { running: false, oomKilled: true }), containerState("b")], 2),
    ).toMatchObject({ phase: "broken", reason: "node `a` stopped (it ran out of memory)" });
  });
});

describe("a cluster whose nodes are halted while they are started", () => {
  it("starts none of the others again, and says why", async () => {
    const started: string[] = [];
    const engine = {
      listContainers: async () =>
        ["fb-a-control-plane", "fb-a-worker"].map((name) => ({ name, running: false }) as ContainerState),
      startContainer: async (name: string) => {
        started.push(name);
        await cluster.halt({
          code: "sandbox_disk_full",
          values: [],
          reason: "it filled its disk",
          remedy: "reset",
        });
      },
      stopContainer: async () => {},
    } as unknown as Engine;
    const spec = { sandboxId: "a", placement: "beside", nodes: 2 } as ClusterSpec;
    const cluster = new KindCluster(spec, { engine } as NodeHost, {} as Place);
    await expect(cluster.repair(() => {}, new AbortController().signal)).rejects.toMatchObject({
      code: "disk_full",
      message: "it filled its disk",
    });
    expect(started).toEqual(["fb-a-control-plane"]);
  });
});

describe("a VM around its nodes", () => {
  it("is told their names, and no look waits for it", async () => {
    const told = Promise.withResolvers<ExecResult>();
    const hosts: string[] = [];
    const place = {
      exec: (argv: readonly string[]) => {
        hosts.push(argv.at(-1) ?? "");
        return told.promise;
      },
    } as unknown as Place;
    const node = (name: string, startedAt: Date) =>
      ({
        name,
        id: name,
        running: true,
        startedAt,
        addresses: { fb: "10.88.0.2" },
      }) as unknown as ContainerState;
    let nodes = [node("fb-a-control-plane", new Date(1))];
    const engine = { listContainers: async () => nodes } as unknown as Engine;
    const machine = { inspect: async () => ({ state: { power: "on" } }) } as Machine;
    const spec = { sandboxId: "a", placement: "nested", nodes: 2, machine } as ClusterSpec;
    const cluster = new KindCluster(spec, { engine } as NodeHost, place);
    for (const startedAt of [1, 1, 2]) {
      nodes = [node("fb-a-control-plane", new Date(startedAt))];
      expect((await cluster.inspect()).state).toMatchObject({ phase: "broken" });
    }
    expect(hosts).toEqual(["10.88.0.2 fb-a-control-plane # node"]);
    told.resolve({ exitCode: 0, stdout: "", stderr: "" });
    await expect.poll(() => hosts).toHaveLength(2);
  });
});

describe("a forward", () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });
  /** Answers only once the other side has said all it has to say, as `docker load` does. */
  const echoAtEnd = async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      let said = "";
      socket.on("data", (chunk) => {
        said += chunk;
      });
      socket.on("end", () => socket.end(said.toUpperCase()));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (typeof address !== "object" || !address) throw new Error("no address");
    const { port } = address;
    return async (): Promise<Duplex> => connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  };

  it("carries both directions, each to its own end", async () => {
    await using unix = await forwardUnixSocket(await echoAtEnd());
    const socket = connect({ path: unix.address.replace("unix://", ""), allowHalfOpen: true });
    socket.end("x".repeat(300_000));
    expect(await text(socket)).toBe("X".repeat(300_000));
    await using tcp = await forwardTcpPort(await echoAtEnd());
    const [host = "", port] = tcp.address.split(":");
    const other = connect({ host, port: Number(port), allowHalfOpen: true });
    other.end("hello");
    expect(await text(other)).toBe("HELLO");
  });

  it("leads to an API server at a Docker elsewhere, while one here is reached where it is published", async () => {
    const open = await echoAtEnd();
    const calls: unknown[] = [];
    const stream = (...call: unknown[]) => {
      calls.push(call);
      return open();
    };
    const engine = { stream } as unknown as Engine;
    const deps = { engine, engineAt: () => engine };
    const specOf = (dockerHost: string) =>
      ({ sandboxId: "a", placement: "beside", endpoint: { dockerHost, env: {} } }) as ClusterSpec;
    const published = new URL("https://127.0.0.1:40123");
    await using here = await openNodeHost(deps, specOf("unix:///run/docker.sock"));
    expect(here.apiServer(published)).toBe(published.origin);

    await using there = await openNodeHost(deps, specOf("tcp://lab.example:2375"));
    const { hostname, port } = new URL(there.apiServer(published));
    expect(hostname).toBe("localhost");
    const socket = connect({ host: "127.0.0.1", port: Number(port), allowHalfOpen: true });
    socket.end("hello");
    expect(await text(socket)).toBe("HELLO");
    const command = ["socat", "-", "TCP:fb-a-control-plane:6443,connect-timeout=5"];
    expect(calls).toEqual([["fb-a-machine", command]]);
  });

  it("closes a connection whose far end can't be had, and goes on", async () => {
    const open = await echoAtEnd();
    let tries = 0;
    await using forward = await forwardTcpPort(() => {
      tries += 1;
      return tries === 1 ? Promise.reject(new Error("not yet")) : open();
    });
    const [host = "", port] = forward.address.split(":");
    const first = connect({ host, port: Number(port) });
    first.on("error", () => {});
    await new Promise((resolve) => first.once("close", resolve));
    const second = connect({ host, port: Number(port), allowHalfOpen: true });
    second.end("hello");
    expect(await text(second)).toBe("HELLO");
  });
});
