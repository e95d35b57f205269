import { randomBytes } from "node:crypto";
import { isIPv4 } from "node:net";
import type { Engine, ExecResult } from "../engine/engine.ts";
import { LabError } from "../errors.ts";
import { LABELS } from "../sandbox.ts";
import { type FirewallSettings, firewallRules, removalRules, tableName } from "./rules.ts";

/** What the firewall needs to reach the network namespace of the Docker host, wherever that is. */
export interface FirewallDeps {
  engine: Engine;
  /** An image with `nft`, `sleep` and `cat`: the machine image. */
  image: string;
}

const CONTAINER_PREFIX = "fb-firewall-";

type HostShell = (argv: readonly string[], input?: string) => Promise<ExecResult>;

/**
 * Puts the guard rails of the network in place, or replaces them by the current ones, in one transaction.
 * @throws LabError `command_failed` when the host's kernel or rules refuse them
 */
export async function applyFirewall(
  deps: FirewallDeps,
  settings: Omit<FirewallSettings, "nameservers">,
): Promise<void> {
  await ensureFirewall(deps, settings, undefined);
}

/**
 * Puts the rules in place unless they are still as they were seen to be loaded, to the last word: emptied chains are as
 * open as none. Answers how they are listed now, for the next time.
 * @throws LabError as `applyFirewall`
 */
export async function ensureFirewall(
  deps: FirewallDeps,
  settings: Omit<FirewallSettings, "nameservers">,
  known: string | undefined,
): Promise<{ listing: string; wasLoaded: boolean }> {
  const { installation } = settings;
  return await withHostNetwork(deps, installation, async (host) => {
    if (known !== undefined && (await list(host, installation)).listing === known)
      return { listing: known, wasLoaded: false };
    const nameservers = nameserversIn((await host(["cat", "/etc/resolv.conf"])).stdout);
    await load(host, firewallRules({ ...settings, nameservers }));
    const { listing, stderr } = await list(host, installation);
    // Kept as what was loaded, it would say of a table that is gone that all is well.
    if (listing === "")
      throw new LabError("command_failed", `the firewall rules can't be seen once loaded: ${stderr}`, {
        hint: "look for them on the host with `nft list tables`; something else may take them away at once",
      });
    return { listing, wasLoaded: true };
  });
}

/** Whether the rules are there; someone may have flushed them. */
export async function hasFirewall(deps: FirewallDeps, installation: string): Promise<boolean> {
  return withHostNetwork(deps, installation, async (host) => {
    return (await list(host, installation)).listing.includes("jump refuse");
  });
}

/** Takes the rules away, at uninstall. */
export async function removeFirewall(deps: FirewallDeps, installation: string): Promise<void> {
  await withHostNetwork(deps, installation, (host) => load(host, removalRules(installation)));
}

/**
 * Removes containers with which a server of this installation that died was at the firewall: they end by themselves, and
 * stay. By name, since the VM template's making has such containers of its own.
 */
export async function removeLeftovers({ engine }: FirewallDeps, installation: string): Promise<void> {
  const found = await engine.listContainers(labelsOf(installation));
  const names = found.map(({ name }) => name).filter((name) => name.startsWith(CONTAINER_PREFIX));
  await Promise.all(names.map((name) => engine.removeContainer(name)));
}

function labelsOf(installation: string): Record<string, string> {
  return { [LABELS.installation]: installation, [LABELS.part]: "setup" };
}

/**
 * Name servers of a resolv.conf that a container asks itself, IPv4 only as its network is. One on loopback needs no rule:
 * Docker asks it in the host's name (tried with 127.0.0.53 and 127.0.0.11 on Docker 20.10).
 */
export function nameserversIn(resolvConf: string): string[] {
  const found = [...resolvConf.matchAll(/^nameserver\s+(\S+)/gm)].map(([, address]) => address ?? "");
  return found.filter((address) => isIPv4(address) && !address.startsWith("127."));
}

/** The table as nft prints it; empty when there is none, or when it can't be listed, with what nft says of that. */
async function list(host: HostShell, installation: string): Promise<{ listing: string; stderr: string }> {
  const argv = ["nft", "list", "table", "inet", tableName(installation)];
  const { exitCode, stdout, stderr } = await host(argv);
  return { listing: exitCode === 0 ? stdout : "", stderr: stderr.slice(0, 600) };
}

async function load(host: HostShell, rules: string): Promise<void> {
  const { exitCode, stderr } = await host(["nft", "-f", "-"], rules);
  if (exitCode !== 0)
    throw new LabError("command_failed", `the host refused the firewall rules: ${stderr.slice(0, 600)}`, {
      hint: "its kernel needs nf_tables with inet, conntrack and reject support (Linux 5.10 or later)",
    });
}

async function withHostNetwork<T>(
  { engine, image }: FirewallDeps,
  installation: string,
  work: (host: HostShell) => Promise<T>,
): Promise<T> {
  const name = `${CONTAINER_PREFIX}${randomBytes(4).toString("hex")}`;
  try {
    await engine.runContainer({
      name,
      image,
      // Ends by itself should the lab server die in between.
      entrypoint: ["sleep"],
      command: ["60"],
      labels: labelsOf(installation),
      network: { name: "host" },
      user: "0:0",
      capabilities: ["NET_ADMIN"],
      limits: { memoryMib: 128, pids: 16 },
    });
    return await work((argv, input) =>
      engine.exec(name, argv, { timeoutMs: 20_000, user: "0:0", ...(input === undefined ? {} : { input }) }),
    );
  } finally {
    await engine.removeContainer(name);
  }
}
