import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { bridgeName, bridgePrefix } from "../../sandboxes/network/bridges.ts";
import { formatCidr, parseCidr } from "../../sandboxes/network/cidr.ts";
import { applyFirewall, hasFirewall, removeFirewall } from "../../sandboxes/network/firewall.ts";
import { FirewallKeeper } from "../../sandboxes/network/firewall-keeper.ts";
import { createSandboxNetwork, networkName, type SandboxNetwork } from "../../sandboxes/network/subnets.ts";
import { run } from "../../sandboxes/run.ts";
import { poll } from "../poll.ts";
import { builtImage } from "../support/built-image.ts";
import { type OutsideWorld, PORT, probe, startOutsideWorld } from "./isolation-outside.ts";

const unique = randomBytes(3).toString("hex");
const installation = `isolation-${unique}`;
const range = { range: "10.213.64.0/24", piecePrefix: 27 };
const labels = { "footbridge.test": unique };
const HELLO = `hello from ${unique}`;

/** What lies behind the host, by what it stands for. */
const OUTSIDE = {
  "a cloud's metadata service": "169.254.169.254",
  "another cloud's metadata service": "100.100.100.200",
  "a private network, 10.0.0.0/8": "10.254.254.7",
  "a private network, 172.16.0.0/12": "172.31.254.7",
  "a private network, 192.168.0.0/16": "192.168.254.7",
};
const INTERNET = "203.0.113.7";
/** Joined by an interface named like a sandbox's bridge: a sandbox from which Docker's own rules don't keep us. */
const NEIGHBOUR = "198.51.100.7";

type Answers = Record<string, string>;

describe("the network of a sandbox", () => {
  const engine = new DockerEngine();
  const host = createServer((_, response) => response.end(HELLO));
  let image: string;
  let outside: OutsideWorld;
  let networks: Record<"own" | "other" | "open", SandboxNetwork>;
  let hostPort: number;
  /** What the container hears, first without our rules, then with them. */
  const heard: Record<"without" | "withRules", Record<"own" | "open", Answers>> = {
    without: { own: {}, open: {} },
    withRules: { own: {}, open: {} },
  };
  const box = (name: string) => `fb-${unique}-${name}`;

  const start = (name: string, network: SandboxNetwork) =>
    engine.runContainer({
      name: box(name),
      image,
      entrypoint: ["socat", `TCP-LISTEN:${PORT},fork,reuseaddr`, `SYSTEM:read line; echo ${name}`],
      labels,
      network: { name: network.name, aliases: [name] },
      user: "0:0",
      capabilities: ["NET_RAW"],
      sysctls: { "net.ipv6.conf.all.disable_ipv6": "0" },
    });

  const ask = async (name: string, network: "own" | "open"): Promise<Answers> => {
    const answers: Answers = {};
    const targets: [string, string][] = [
      ...Object.entries(OUTSIDE),
      ["the internet", INTERNET],
      ["a neighbour", NEIGHBOUR],
    ];
    for (const [what, address] of targets) answers[what] = await probe(engine, box(name), address);
    answers["the internet by UDP"] = await probe(engine, box(name), INTERNET, "UDP");
    answers["the lab server by its network's gateway"] = await http(
      name,
      await gatewayOf(`fb-${unique}-own`),
    );
    answers["the lab server by Docker's bridge"] = await http(name, await gatewayOf("bridge"));
    answers["the lab server by IPv6"] = await http(name, `[${linkLocalOf(networks[network].bridge)}%eth0]`);
    return answers;
  };

  /** An HTTP request by socat, since the image has no curl. */
  const http = async (name: string, address: string) => {
    const { stdout, stderr } = await engine.exec(
      box(name),
      [
        "socat",
        "-t10",
        "-T10",
        "-",
        `${address.includes(":") ? "TCP6" : "TCP"}:${address}:${hostPort},connect-timeout=10`,
      ],
      { timeoutMs: 20_000, input: "GET / HTTP/1.0\r\n\r\n" },
    );
    return stdout || stderr || "silence";
  };

  beforeAll(async () => {
    image = await builtImage("machine");
    const make = (sandboxId: string, egress = false) =>
      createSandboxNetwork({ engine }, { ...range, sandboxId, installation, egress, labels });
    networks = {
      own: await make(`${unique}-own`),
      other: await make(`${unique}-other`),
      open: await make(`${unique}-open`, true),
    };
    outside = await startOutsideWorld(
      { engine, image },
      {
        name: unique,
        links: [
          {
            interface: `fbt${unique}`,
            host: "198.18.77.1",
            peer: "198.18.77.2",
            addresses: [...Object.values(OUTSIDE), INTERNET],
          },
          {
            interface: bridgeName(installation, 7, false),
            host: "198.18.77.5",
            peer: "198.18.77.6",
            addresses: [NEIGHBOUR],
          },
        ],
      },
    );
    await new Promise<void>((resolve) => host.listen(0, "::", resolve));
    hostPort = (host.address() as AddressInfo).port;
    await Promise.all([
      start("one", networks.own),
      start("two", networks.own),
      start("three", networks.other),
      start("free", networks.open),
    ]);
    await Promise.all(["one", "free"].map(untilAddressed));
    heard.without.own = await ask("one", "own");
    heard.without.open = await ask("free", "open");
    // Twice: it replaces what is there.
    await applyFirewall({ engine, image }, { ...range, installation });
    await applyFirewall({ engine, image }, { ...range, installation });
    heard.withRules.own = await ask("one", "own");
    heard.withRules.open = await ask("free", "open");
  });

  afterAll(async () => {
    host.close();
    await outside?.[Symbol.asyncDispose]();
    for (const { name } of await engine.listContainers(labels)) await engine.removeContainer(name);
    for (const { name } of await engine.listNetworks(labels)) await engine.removeNetwork(name);
    if (image) await removeFirewall({ engine, image }, installation);
  });

  const forbidden = [
    ...Object.keys(OUTSIDE),
    "a neighbour",
    "the lab server by its network's gateway",
    "the lab server by Docker's bridge",
    "the lab server by IPv6",
  ];

  it.each([...forbidden, "the internet", "the internet by UDP"])("does not reach %s", (what) => {
    expect(heard.without.own[what], "without the rules it answers").toMatch(
      new RegExp(`${HELLO}|${outside.greeting}`),
    );
    expect(heard.withRules.own[what]).toMatch(/refused|prohibited|unreachable|No route|silence/i);
  });

  it.each(forbidden)("does not reach %s when it may go out", (what) => {
    expect(heard.without.open[what], "without the rules it answers").toMatch(
      new RegExp(`${HELLO}|${outside.greeting}`),
    );
    expect(heard.withRules.open[what]).toMatch(/refused|prohibited|unreachable|No route|silence/i);
  });

  it.each(["the internet", "the internet by UDP"])("reaches %s when it may go out", (what) => {
    expect(heard.withRules.open[what]).toContain(outside.greeting);
  });

  it("does not reach a container of another sandbox, which its own host reaches", async () => {
    const address = await addressOf("three");
    expect(await probe(engine, box("three"), address)).toContain("three");
    expect(await probe(engine, box("one"), address)).not.toContain("three");
  });

  it("reaches its own containers by name", async () => {
    expect(await probe(engine, box("one"), "two")).toContain("two");
  });

  it("is reached from the host, with the answers coming back", async () => {
    const { stdout } = await run(
      [
        "docker",
        "run",
        "--rm",
        "--network=host",
        "--entrypoint=socat",
        image,
        "-t10",
        "-T10",
        "-",
        `TCP:${await addressOf("one")}:${PORT},connect-timeout=10`,
      ],
      { timeoutMs: 30_000 },
    );
    expect(stdout).toContain("one");
  });

  it("is open again once the rules are removed, and closed again by putting them back", async () => {
    const address = OUTSIDE["a cloud's metadata service"];
    await removeFirewall({ engine, image }, installation);
    expect(await hasFirewall({ engine, image }, installation)).toBe(false);
    expect(await probe(engine, box("one"), address)).toContain(outside.greeting);
    await removeFirewall({ engine, image }, installation);
    await applyFirewall({ engine, image }, { ...range, installation });
    expect(await hasFirewall({ engine, image }, installation)).toBe(true);
    expect(await probe(engine, box("one"), address)).not.toContain(outside.greeting);
  });

  it("is closed again soon after somebody has emptied, deleted or changed its rules", async () => {
    const table = `inet footbridge_${bridgePrefix(installation)}`;
    const address = OUTSIDE["a cloud's metadata service"];
    const troubles: string[] = [];
    await using keeper = await FirewallKeeper.start(
      { engine, image, lookEveryMs: 200, onTrouble: ({ message }) => troubles.push(message) },
      { ...range, installation },
    );
    for (const [index, deed] of [
      `flush table ${table}`,
      `delete table ${table}`,
      `insert rule ${table} from_sandbox accept`,
    ].entries()) {
      const nft = ["run", "--rm", "--network=host", "--cap-drop=ALL", "--cap-add=NET_ADMIN", "--user=0:0"];
      await run(["docker", ...nft, "--entrypoint=nft", image, deed], { timeoutMs: 30_000 });
      await poll(() => troubles.length > index, `the rules are back after \`nft ${deed}\``);
      expect(await probe(engine, box("one"), address)).not.toContain(outside.greeting);
    }
    await keeper[Symbol.asyncDispose]();
    // One word for each deed: what is as it was is left alone.
    expect(troubles).toEqual([expect.stringContaining("back"), expect.any(String), expect.any(String)]);
  });

  /** For about a second IPv6 tries whether anybody else has its address, and can't be used. */
  async function untilAddressed(name: string): Promise<void> {
    const list = ["ip", "-6", "address", "show", "tentative"];
    const isTried = async () => (await engine.exec(box(name), list, { timeoutMs: 20_000 })).stdout === "";
    await poll(isTried, `${name} has its IPv6 address`);
  }

  async function addressOf(name: string): Promise<string> {
    const state = await engine.inspectContainer(box(name));
    const address = Object.values(state?.addresses ?? {})[0];
    if (!address) throw new Error(`${name} has no address`);
    return address;
  }
});

describe("networks of many sandboxes", () => {
  /** Docker's own pools end at about 30. */
  const COUNT = 40;
  const many = { range: "10.213.128.0/20", piecePrefix: 26 };

  it("are more than Docker has pools for, each with addresses of its own", async () => {
    await using engine = new DockerEngine();
    const ids = Array.from({ length: COUNT }, (_, index) => `${unique}-many-${index}`);
    try {
      for (const sandboxId of ids)
        await createSandboxNetwork(
          { engine },
          { ...many, sandboxId, installation: unique, egress: false, labels },
        );
      const names = new Set(ids.map(networkName));
      const made = (await engine.listNetworks(labels)).filter(({ name }) => names.has(name));
      expect(made).toHaveLength(COUNT);
      expect(new Set(made.map(({ subnet }) => subnet)).size).toBe(COUNT);
    } finally {
      await Promise.all(ids.map((sandboxId) => engine.removeNetwork(networkName(sandboxId))));
    }
    const left = (await engine.listNetworks(labels)).filter(({ name }) => name.includes("-many-"));
    expect(left).toEqual([]);
  });
});

/** The host's own address on one of its Docker's networks. */
async function gatewayOf(network: string): Promise<string> {
  const format = "{{(index .IPAM.Config 0).Subnet}}";
  const { stdout } = await run(["docker", "network", "inspect", "--format", format, network], {
    timeoutMs: 20_000,
  });
  const subnet = parseCidr(stdout.trim());
  if (!subnet) throw new Error(`network ${network} has no subnet`);
  return formatCidr({ first: subnet.first + 1, prefix: 32 }).replace("/32", "");
}

/** Docker gives none of its bridges an IPv6 address, but the kernel does. */
function linkLocalOf(bridge: string): string {
  const address = networkInterfaces()[bridge]?.find(({ family }) => family === "IPv6")?.address;
  if (!address) throw new Error(`${bridge} has no IPv6 address`);
  return address;
}
