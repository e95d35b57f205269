import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Cluster, ClusterSpec } from "../../sandboxes/cluster/cluster.ts";
import { bridgeName } from "../../sandboxes/network/bridges.ts";
import { applyFirewall, removeFirewall } from "../../sandboxes/network/firewall.ts";
import { poll } from "../poll.ts";
import { builtImage } from "../support/built-image.ts";
import { type ClusterParts, clusterParts, LOCAL_DOCKER, podImage, RANGE } from "./cluster-parts.ts";
import { type OutsideWorld, PORT, startOutsideWorld } from "./isolation-outside.ts";

/** Its own, so that its firewall concerns no other test's cluster. */
const INSTALLATION = "cluster-network-test";
const METADATA = "169.254.169.254";
const PRIVATE = "10.254.254.7";
const INTERNET = "203.0.113.7";
const NEIGHBOUR = "198.51.100.7";
const HELLO = "hello from the lab server";

/**
 * The same guard rails as in the test of the network, from where a learner's code runs: a pod, its node, the toolbox.
 */
describe("the network of a cluster", () => {
  let parts: ClusterParts;
  let spec: ClusterSpec;
  let cluster: Cluster;
  let outside: OutsideWorld;
  let image: string;
  let node: string;
  let podAddress: string;
  const host = createServer((_, response) => response.end(HELLO));

  const learner = async (line: string, input = "") =>
    await cluster.place.exec(["sh", "-c", line], { timeoutMs: 240_000, user: "admin", input });
  const curl = (url: string) => ["curl", "-gs", "--http0.9", "--max-time", "10", url];
  const from: Record<string, (argv: string[]) => Promise<string>> = {
    "a pod": async (argv) => {
      // Its network namespace rather than itself, since its image has no curl.
      const script = `address=$1; shift
        for name in $(ip netns | cut -d' ' -f1); do
          ip -n "$name" -4 -o addr | grep -q " $address/" && exec ip netns exec "$name" "$@"
        done; exit 99`;
      const argvInPod = ["sh", "-c", script, "sh", podAddress, ...argv];
      const { exitCode, stdout } = await parts.engine.exec(node, argvInPod, { timeoutMs: 30_000 });
      expect(exitCode, "the pod's namespace is found").not.toBe(99);
      return stdout;
    },
    "the node": async (argv) => (await parts.engine.exec(node, argv, { timeoutMs: 30_000 })).stdout,
    "the toolbox": async (argv) =>
      (await cluster.place.exec(argv, { timeoutMs: 30_000, user: "admin" })).stdout,
  };
  const targets = (): Record<string, string> => {
    const { port } = host.address() as AddressInfo;
    const gateway = Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.family === "IPv4" && sameNetwork(one.address, podNodeAddress));
    return {
      "a cloud's metadata service": `http://${METADATA}:${PORT}`,
      "a private network": `http://${PRIVATE}:${PORT}`,
      "the internet": `http://${INTERNET}:${PORT}`,
      "a neighbour": `http://${NEIGHBOUR}:${PORT}`,
      "the lab server": `http://${gateway?.address}:${port}`,
    };
  };
  let podNodeAddress: string;

  const ask = async () => {
    const heard: Record<string, Record<string, string>> = {};
    for (const [place, run] of Object.entries(from)) {
      heard[place] = {};
      for (const [what, url] of Object.entries(targets())) heard[place][what] = await run(curl(url));
    }
    return heard;
  };
  let without: Awaited<ReturnType<typeof ask>>;
  let withRules: Awaited<ReturnType<typeof ask>>;

  beforeAll(async () => {
    image = await builtImage("machine");
    parts = await clusterParts(LOCAL_DOCKER, INSTALLATION);
    spec = await parts.newSpec();
    node = `fb-${spec.sandboxId}-control-plane`;
    await removeFirewall({ engine: parts.engine, image }, INSTALLATION);
    outside = await startOutsideWorld(
      { engine: parts.engine, image },
      {
        name: spec.sandboxId,
        links: [
          {
            interface: `fbt${spec.sandboxId}`,
            host: "198.18.78.1",
            peer: "198.18.78.2",
            addresses: [METADATA, PRIVATE, INTERNET],
          },
          {
            interface: bridgeName(INSTALLATION, 120, false),
            host: "198.18.78.5",
            peer: "198.18.78.6",
            addresses: [NEIGHBOUR],
          },
        ],
      },
    );
    await new Promise<void>((resolve) => host.listen(0, "0.0.0.0", resolve));
    // A stand-in for the VM: another container of the sandbox, known by the VM's name.
    await parts.engine.runContainer({
      name: `fb-${spec.sandboxId}-stand-in`,
      image,
      entrypoint: ["socat", `TCP-LISTEN:${PORT},fork,reuseaddr`, "SYSTEM:read line; echo hello from the VM"],
      labels: spec.labels,
      network: { name: spec.endpoint.network ?? "", aliases: ["machine"] },
      user: "0:0",
      capabilities: [],
    });
    cluster = await parts.driver.create(spec, () => {}, new AbortController().signal);
    const addresses = (await parts.engine.inspectContainer(node))?.addresses ?? {};
    podNodeAddress = Object.values(addresses)[0] ?? "";
    await learner(
      `kubectl run mine --image=${await podImage(parts.engine, spec.sandboxId)} --image-pull-policy=Never --command -- sh -c 'sleep 3600'`,
    );
    await learner("kubectl wait pod/mine --for=condition=Ready --timeout=120s");
    podAddress = (await learner("kubectl get pod mine -o jsonpath={.status.podIP}")).stdout.trim();
    without = await ask();
    await applyFirewall({ engine: parts.engine, image }, { ...RANGE, installation: INSTALLATION });
    withRules = await ask();
  });

  afterAll(async () => {
    host.close();
    await outside?.[Symbol.asyncDispose]();
    if (parts) await removeFirewall({ engine: parts.engine, image }, INSTALLATION);
    await parts?.[Symbol.asyncDispose]();
  });

  const attempts = Object.keys(from).flatMap((place) =>
    ["a cloud's metadata service", "a private network", "the internet", "a neighbour", "the lab server"].map(
      (what) => [place, what] as const,
    ),
  );

  it.each(attempts)("is closed from %s to %s", (place, what) => {
    expect(without[place]?.[what], "without the rules it answers").toMatch(
      new RegExp(`${HELLO}|${outside.greeting}`),
    );
    expect(withRules[place]?.[what]).toBe("");
  });

  it("lets pods, node and toolbox reach the VM and each other", async () => {
    for (const [place, run] of Object.entries(from)) {
      const address = Object.values(
        (await parts.engine.inspectContainer(`fb-${spec.sandboxId}-stand-in`))?.addresses ?? {},
      )[0];
      expect(await run(curl(`http://${address}:${PORT}`)), place).toContain("hello from the VM");
    }
    for (const place of ["the node", "the toolbox"])
      expect(await from[place]?.(curl(`http://machine:${PORT}`)), place).toContain("hello from the VM");
    expect(await from["the toolbox"]?.(curl(`http://${podAddress}:1`))).toBe("");
  });

  it("knows the sandbox's names inside pods", async () => {
    const standIn = await parts.engine.inspectContainer(`fb-${spec.sandboxId}-stand-in`);
    const address = Object.values(standIn?.addresses ?? {})[0] ?? "it has no address";
    // The cluster's own DNS comes up a little after its nodes.
    await poll(async () => {
      const { stdout, stderr } = await learner("kubectl exec mine -- /bin/busybox nslookup machine.");
      return (stdout + stderr).includes(address);
    }, "the name is found");
  });

  it("still lets the lab server and the learner use the cluster", async () => {
    expect(await cluster.inspect()).toMatchObject({ state: { phase: "ready" } });
    expect((await learner("kubectl get nodes")).exitCode).toBe(0);
    expect((await learner("kubectl logs mine")).exitCode).toBe(0);
  });
});

/** Whether two addresses are in one /27, as the tests' networks are. */
function sameNetwork(one: string, other: string): boolean {
  const parts = (address: string) => address.split(".").map(Number);
  const [a, b] = [parts(one), parts(other)];
  return (
    a.slice(0, 3).join() === b.slice(0, 3).join() &&
    Math.floor((a[3] ?? 0) / 32) === Math.floor((b[3] ?? 0) / 32)
  );
}
