import { describe, expect, it } from "vitest";
import type { ContainerSpec, ContainerState, Engine, NetworkSpec } from "../../sandboxes/engine/engine.ts";
import { LabError } from "../../sandboxes/errors.ts";
import { bridgeName, bridgePrefix } from "../../sandboxes/network/bridges.ts";
import { formatCidr, overlaps, parseCidr, piecesOf } from "../../sandboxes/network/cidr.ts";
import { ensureFirewall, nameserversIn } from "../../sandboxes/network/firewall.ts";
import { FirewallKeeper } from "../../sandboxes/network/firewall-keeper.ts";
import { firewallRules } from "../../sandboxes/network/rules.ts";
import { createSandboxNetwork } from "../../sandboxes/network/subnets.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";

const cidr = (text: string) => {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(`no CIDR: ${text}`);
  return parsed;
};

/** Docker's networks as far as allocation sees them: overlapping pools and taken names are refused. */
function networksOf(existing: { name: string; subnet: string }[]) {
  const networks = existing.map((network) => ({ ...network, labels: {} }));
  const hidden: string[] = [];
  const engine = {
    listNetworks: async () => [...networks],
    createNetwork: async (spec: NetworkSpec) => {
      const others = [...networks.map(({ subnet }) => subnet), ...hidden].flatMap(
        (text) => parseCidr(text) ?? [],
      );
      if (others.some((other) => overlaps(other, cidr(spec.subnet))))
        throw new LabError("conflict", "pool overlaps with other one on this address space");
      networks.push(spec);
    },
  } as Pick<Engine, "listNetworks" | "createNetwork"> as Engine;
  return { engine, networks, hidden };
}

/** A host whose nft keeps what it is given, in containers that are names with labels. */
function nftHost() {
  const host = { table: "", canList: true, containers: new Map<string, Record<string, string>>() };
  const answer = (stdout: string, stderr = "") => ({ exitCode: stderr === "" ? 0 : 1, stdout, stderr });
  const engine = {
    runContainer: async ({ name, labels }: ContainerSpec) => void host.containers.set(name, labels),
    removeContainer: async (name: string) => void host.containers.delete(name),
    listContainers: async (wanted: Record<string, string>) =>
      [...host.containers]
        .filter(([, labels]) => Object.entries(wanted).every(([key, value]) => labels[key] === value))
        .map(([name, labels]) => ({ name, labels }) as ContainerState),
    exec: async (_name: string, argv: readonly string[], { input }: { input?: string }) => {
      if (argv[0] !== "nft") return answer("");
      if (argv[1] === "list") return host.canList ? answer(host.table) : answer("", "netlink: out of memory");
      host.table = input ?? "";
      return answer("");
    },
  } as unknown as Engine;
  return { engine, host };
}

const request = (sandboxId: string, more = {}) => ({
  sandboxId,
  range: "10.88.0.0/24",
  piecePrefix: 26,
  installation: "test",
  egress: false,
  labels: {},
  ...more,
});

describe("address ranges", () => {
  it("reads and writes CIDRs, and nothing else", () => {
    expect(formatCidr(cidr("10.88.3.77/26"))).toBe("10.88.3.64/26");
    expect(formatCidr(cidr("255.255.255.255/32"))).toBe("255.255.255.255/32");
    for (const text of ["", "fd00::/8", "10.88.0.0", "10.88.0.0/33", "10.88.0.0/a", "10.88.0.0/16/2"])
      expect(parseCidr(text), text).toBeUndefined();
  });

  it("sees overlaps in both directions", () => {
    expect(overlaps(cidr("10.88.0.0/16"), cidr("10.88.9.0/26"))).toBe(true);
    expect(overlaps(cidr("10.88.9.0/26"), cidr("10.88.0.0/16"))).toBe(true);
    expect(overlaps(cidr("10.88.0.0/26"), cidr("10.88.0.64/26"))).toBe(false);
  });

  it("cuts the default range into 1024 networks and refuses nonsense", () => {
    const pieces = piecesOf({ range: "10.88.0.0/16", piecePrefix: 26 });
    expect(pieces).toHaveLength(1024);
    expect(formatCidr(pieces[1023] ?? cidr("0.0.0.0/0"))).toBe("10.88.255.192/26");
    for (const [range, piecePrefix] of [
      ["10.88.0.0/28", 26],
      ["10.0.0.0/8", 26],
      ["10.88.0.0/16", 31],
      ["nonsense", 26],
    ] as const)
      expect(() => piecesOf({ range, piecePrefix }), range).toThrow(LabError);
  });
});

describe("a sandbox's network", () => {
  it("takes the first free piece, whoever the others belong to", async () => {
    const { engine } = networksOf([
      { name: "none", subnet: "" },
      { name: "podman", subnet: "10.88.0.0/26" },
      { name: "office", subnet: "10.88.0.96/27" },
    ]);
    expect(await createSandboxNetwork({ engine }, request("a"))).toEqual({
      name: "fb-a",
      subnet: "10.88.0.128/26",
      bridge: bridgeName("test", 2, false),
    });
  });

  it("takes the next piece when another server was faster", async () => {
    const { engine, hidden } = networksOf([]);
    hidden.push("10.88.0.0/26");
    expect((await createSandboxNetwork({ engine }, request("a"))).subnet).toBe("10.88.0.64/26");
  });

  it("gives different pieces to sandboxes made at once", async () => {
    const { engine } = networksOf([]);
    const made = await Promise.all(
      ["a", "b", "c", "d"].map((id) => createSandboxNetwork({ engine }, request(id))),
    );
    expect(new Set(made.map(({ subnet }) => subnet)).size).toBe(4);
  });

  it("says so when the range is used up, and when the sandbox has its network", async () => {
    const { engine } = networksOf([]);
    const small = { range: "10.88.0.0/26" };
    await createSandboxNetwork({ engine }, request("a", small));
    await expect(createSandboxNetwork({ engine }, request("b", small))).rejects.toMatchObject({
      code: "no_room",
    });
    await expect(createSandboxNetwork({ engine }, request("a", small))).rejects.toMatchObject({
      code: "conflict",
    });
  });
});

describe("the firewall's rules", () => {
  it("know every bridge by a name Linux takes", () => {
    const longest = bridgeName("any", 4095, true);
    expect(longest.length).toBeLessThanOrEqual(15);
    expect(longest.startsWith(bridgePrefix("any"))).toBe(true);
    expect(bridgePrefix("one")).not.toBe(bridgePrefix("two"));
    const rules = firewallRules({ installation: "any", range: "10.88.0.0/24", piecePrefix: 26 });
    for (const egress of [false, true])
      for (const index of [0, 1, 2, 3]) {
        const name = bridgeName("any", index, egress);
        expect(rules).toContain(`"${name}" . "${name}"`);
      }
  });

  it("are not taken for loaded where nobody can see them", async () => {
    const { engine, host } = nftHost();
    host.canList = false;
    const rules = { ...request("a"), installation: "test" };
    await expect(ensureFirewall({ engine, image: "machine" }, rules, undefined)).rejects.toMatchObject({
      code: "command_failed",
      message: expect.stringContaining("netlink: out of memory"),
      hint: expect.any(String),
    });
    host.canList = true;
    const first = await ensureFirewall({ engine, image: "machine" }, rules, undefined);
    expect(await ensureFirewall({ engine, image: "machine" }, rules, first.listing)).toEqual({
      listing: first.listing,
      wasLoaded: false,
    });
  });

  it("leave no container of a server that was killed while it looked at them", async () => {
    const { engine, host } = nftHost();
    const of = (installation: string) => ({ [LABELS.installation]: installation, [LABELS.part]: "setup" });
    host.containers.set("fb-firewall-1", of("test"));
    host.containers.set("fb-firewall-2", of("other"));
    host.containers.set("fb-template-1-setup", of("test"));
    const deps = { engine, image: "machine", onTrouble: () => {} };
    await using _keeper = await FirewallKeeper.start(deps, { ...request("a"), installation: "test" });
    expect([...host.containers.keys()]).toEqual(["fb-firewall-2", "fb-template-1-setup"]);
  });

  it("let only name servers that are not the host itself be asked", () => {
    expect(
      nameserversIn(
        "# a comment\nnameserver 127.0.0.53\nnameserver 192.168.1.1\nnameserver fe80::1\nsearch lan\n",
      ),
    ).toEqual(["192.168.1.1"]);
  });
});
