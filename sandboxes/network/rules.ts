import { bridgeName, bridgePrefix } from "./bridges.ts";
import { type NetworkRange, piecesOf } from "./cidr.ts";

export interface FirewallSettings extends NetworkRange {
  installation: string;
  /** Name servers of the host that sandboxes with egress may ask although they are private addresses. */
  nameservers?: readonly string[];
}

/**
 * Where no sandbox goes even with egress: this host, private networks, carriers' NAT, link-local with the clouds'
 * metadata services, benchmarks, multicast, reserved (RFC 6890, RFC 1918, RFC 6598, RFC 3927). 100.100.100.200 and
 * 192.0.0.192, metadata addresses too, are within 100.64.0.0/10 and 192.0.0.0/24; 168.63.129.16 is Azure's platform.
 * IPv6 is never let out, so that `fd00:ec2::254` needs no line of its own.
 */
export const FORBIDDEN_RANGES = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "168.63.129.16",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "224.0.0.0/3",
] as const;

export const tableName = (installation: string): string => `footbridge_${bridgePrefix(installation)}`;

/**
 * The guard rails of the network as one nftables script, applied in one transaction. It is the same whatever sandboxes
 * exist: bridge names carry all it needs to know, so a new sandbox is guarded from its first packet on.
 *
 * A table of our own with base chains of its own, before Docker's: of several base chains at one hook any drop is
 * final, and an accept here only hands the packet on to Docker's rules. By interface, not address: an address can be
 * forged.
 */
export function firewallRules(settings: FirewallSettings): string {
  const table = `inet ${tableName(settings.installation)}`;
  const prefix = bridgePrefix(settings.installation);
  const pairs = piecesOf(settings).flatMap((_, index) =>
    [false, true].map((egress) => {
      const name = bridgeName(settings.installation, index, egress);
      return `"${name}" . "${name}"`;
    }),
  );
  const nameservers = (settings.nameservers ?? []).map(
    (address) => `    ip daddr ${address} meta l4proto { tcp, udp } th dport 53 accept\n`,
  );
  // Naming the table before deleting it makes the deletion valid on the first run as well.
  return `table ${table} {}
delete table ${table}
table ${table} {
  # Both ends on one bridge: with bridge netfilter on, the traffic inside a sandbox passes the forward hook too.
  set same_sandbox {
    type ifname . ifname
    elements = { ${pairs.join(", ")} }
  }
  set forbidden {
    type ipv4_addr
    flags interval
    elements = { ${FORBIDDEN_RANGES.join(", ")} }
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    iifname . oifname @same_sandbox accept
    iifname "${prefix}*" jump from_sandbox
    oifname "${prefix}*" jump to_sandbox
  }
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname "${prefix}*" ct state established,related accept
    iifname "${prefix}*" jump refuse
  }
  chain from_sandbox {
    ct state established,related accept
    iifname "${prefix}e*" jump egress
    jump refuse
  }
  chain egress {
${nameservers.join("")}    ip daddr @forbidden jump refuse
    meta nfproto ipv4 oifname != "${prefix}*" accept
  }
  chain to_sandbox {
    ct state established,related accept
    jump refuse
  }
  # Refused rather than dropped: a learner sees "connection refused" at once instead of a hanging command.
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject with icmpx type admin-prohibited
  }
}
`;
}

/** Takes the table away; fine when there is none. */
export function removalRules(installation: string): string {
  const table = `inet ${tableName(installation)}`;
  return `table ${table} {}\ndelete table ${table}\n`;
}
