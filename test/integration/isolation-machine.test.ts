import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import type { Machine } from "../../sandboxes/machine/machine.ts";
import { QemuDriver } from "../../sandboxes/machine/qemu-driver.ts";
import { bridgeName } from "../../sandboxes/network/bridges.ts";
import { applyFirewall, removeFirewall } from "../../sandboxes/network/firewall.ts";
import { createSandboxNetwork } from "../../sandboxes/network/subnets.ts";
import { sharedTemplate } from "../support/shared-template.ts";
import { type OutsideWorld, PORT, startOutsideWorld } from "./isolation-outside.ts";

const sandboxId = `v${Date.now().toString(36).slice(-5)}`;
const installation = `isolation-${sandboxId}`;
const range = { range: "10.213.66.0/24", piecePrefix: 27 };
const labels = { "footbridge.test": sandboxId };
const HELLO = "hello from the lab server";
const METADATA = "169.254.169.254";
const PRIVATE = "10.254.254.7";
const INTERNET = "203.0.113.7";
const NEIGHBOUR = "198.51.100.7";

/** The learner is root in the VM; what keeps it in is outside of it. */
describe("the network of a VM", () => {
  const engine = new DockerEngine();
  const host = createServer((_, response) => response.end(HELLO));
  let image: string;
  let machines: QemuDriver;
  let machine: Machine;
  let outside: OutsideWorld;
  let urls: Record<string, string>;
  let without: Record<string, string>;
  let withRules: Record<string, string>;

  const ask = async () => {
    const heard: Record<string, string> = {};
    for (const [what, url] of Object.entries(urls)) {
      const argv = ["curl", "-gs", "--http0.9", "--max-time", "15", url];
      heard[what] = (await machine.place.exec(argv, { timeoutMs: 120_000, user: "root" })).stdout;
    }
    return heard;
  };

  beforeAll(async () => {
    const { like, keys } = await sharedTemplate();
    ({ image } = like);
    machines = new QemuDriver({ engine, privateKey: keys.private });
    const network = await createSandboxNetwork(
      { engine },
      { ...range, sandboxId, installation, egress: false, labels },
    );
    outside = await startOutsideWorld(
      { engine, image },
      {
        name: sandboxId,
        links: [
          {
            interface: `fbt${sandboxId}`,
            host: "198.18.79.1",
            peer: "198.18.79.2",
            addresses: [METADATA, PRIVATE, INTERNET],
          },
          {
            interface: bridgeName(installation, 7, false),
            host: "198.18.79.5",
            peer: "198.18.79.6",
            addresses: [NEIGHBOUR],
          },
        ],
      },
    );
    await new Promise<void>((resolve) => host.listen(0, "0.0.0.0", resolve));
    machine = await machines.create(
      { ...like, sandboxId, network: network.name, labels },
      () => {},
      new AbortController().signal,
    );
    // The bridge is up now that the VM's container is on it.
    const bridge = networkInterfaces()[network.bridge]?.find(({ family }) => family === "IPv4");
    urls = {
      "a cloud's metadata service": `http://${METADATA}:${PORT}`,
      "a private network": `http://${PRIVATE}:${PORT}`,
      "the internet": `http://${INTERNET}:${PORT}`,
      "a neighbour": `http://${NEIGHBOUR}:${PORT}`,
      "the lab server": `http://${bridge?.address}:${(host.address() as AddressInfo).port}`,
    };
    without = await ask();
    await applyFirewall({ engine, image }, { ...range, installation });
    withRules = await ask();
  });

  afterAll(async () => {
    host.close();
    await machine?.destroy();
    await machines?.[Symbol.asyncDispose]();
    await outside?.[Symbol.asyncDispose]();
    for (const { name } of await engine.listNetworks(labels)) await engine.removeNetwork(name);
    if (image) await removeFirewall({ engine, image }, installation);
    await engine[Symbol.asyncDispose]();
  });

  it.each([
    "a cloud's metadata service",
    "a private network",
    "the internet",
    "a neighbour",
    "the lab server",
  ])("does not reach %s", (what) => {
    expect(without[what], "without the rules it answers").toMatch(new RegExp(`${HELLO}|${outside.greeting}`));
    expect(withRules[what]).toBe("");
  });

  it("is still reached by the lab server", async () => {
    expect(
      (await machine.place.exec(["id", "-un"], { timeoutMs: 60_000, user: "admin" })).stdout.trim(),
    ).toBe("admin");
  });
});
