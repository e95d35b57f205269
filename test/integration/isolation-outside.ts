import type { ContainerSpec, Engine } from "../../sandboxes/engine/engine.ts";
import { toLabError } from "../../sandboxes/errors.ts";
import { poll } from "../poll.ts";

/** Port on which everything that answers here answers. */
export const PORT = 8080;

export interface OutsideWorld extends AsyncDisposable {
  /** What a forbidden address says when it is reached after all. */
  readonly greeting: string;
}

/**
 * A stand-in for the world behind the host: network namespaces with a small server, joined to the host by interfaces
 * that Docker knows nothing of, so that only our rules can be in the way. The addresses are routed there, and no packet
 * leaves the host. There is one such world at a time: who comes second waits until the first is gone.
 */
export async function startOutsideWorld(
  deps: { engine: Engine; image: string },
  options: { name: string; links: { interface: string; host: string; peer: string; addresses: string[] }[] },
): Promise<OutsideWorld> {
  const { engine, image } = deps;
  const greeting = `outside-${options.name}`;
  // $1 host's interface, $2 host's address, $3 the other end's, then the addresses behind it.
  const link = `set -e
    name=$1 host=$2 peer=$3; shift 3
    # The parent's namespace is compared, so that the interface is not moved before unshare has done its work.
    unshare -n sh -c '
      until ip link show peer >/dev/null 2>&1; do sleep 0.1; done
      own=$1; gateway=$2; shift 2
      ip link set lo up; ip addr add "$own/30" dev peer; ip link set peer up
      ip route add default via "$gateway"
      for address; do ip addr add "$address/32" dev lo; done
      # One per address, so that the answer comes from where it was asked.
      for address; do
        socat "UDP-RECVFROM:${PORT},fork,reuseaddr,bind=$address" "SYSTEM:read line; echo ${greeting}" &
      done
      exec socat "TCP-LISTEN:${PORT},fork,reuseaddr" "SYSTEM:read line; echo ${greeting}"
    ' sh "$peer" "$host" "$@" &
    other=$!
    until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.1; done
    ip link add "$name" type veth peer name peer netns "$other"
    ip addr add "$host/30" dev "$name"; ip link set "$name" up
    for address; do ip route add "$address/32" via "$peer" dev "$name"; done
    wait`;
  const containers: string[] = [];
  const world: OutsideWorld = {
    greeting,
    async [Symbol.asyncDispose]() {
      for (const container of containers) await engine.removeContainer(container);
    },
  };
  try {
    for (const [index, { interface: name, host, peer, addresses }] of options.links.entries()) {
      const container = `fb-outside-${index}`;
      await runWhenFree(engine, {
        name: container,
        image,
        entrypoint: ["sh", "-c", link, "sh", name, host, peer, ...addresses],
        labels: { "footbridge.test": options.name },
        network: { name: "host" },
        user: "0:0",
        capabilities: ["NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"],
      });
      containers.unshift(container);
      await poll(
        async () => (await probe(engine, container, addresses[0] ?? peer)).includes(greeting),
        `the outside behind ${name} answers`,
      );
    }
    return world;
  } catch (error) {
    await world[Symbol.asyncDispose]();
    throw error;
  }
}

/** The container's name is held by one test at a time. */
async function runWhenFree(engine: Engine, spec: ContainerSpec): Promise<void> {
  await poll(
    async () => {
      if (await engine.inspectContainer(spec.name)) return false;
      try {
        await engine.runContainer(spec);
        return true;
      } catch (error) {
        // Another was faster.
        if (toLabError(error).code === "conflict") return false;
        throw error;
      }
    },
    `\`${spec.name}\` is free; \`docker rm -f ${spec.name}\` helps where a test was killed`,
    { timeoutMs: 480_000, pauseMs: 500 },
  );
}

/**
 * What a container hears from an address, an error's words otherwise. Our rules refuse at once, so a busy host's answer
 * is waited for; by UDP for less, since nothing ends there and the time is always used up.
 */
export async function probe(
  engine: Engine,
  container: string,
  address: string,
  protocol: "TCP" | "UDP" = "TCP",
  port = PORT,
): Promise<string> {
  const target = address.includes(":") ? `[${address}]` : address;
  const family = address.includes(":") ? `${protocol}6` : protocol;
  const [patience, options] = protocol === "TCP" ? [10, ",connect-timeout=10"] : [3, ""];
  const { stdout, stderr } = await engine.exec(
    container,
    ["socat", `-t${patience}`, `-T${patience}`, "-", `${family}:${target}:${port}${options}`],
    {
      timeoutMs: 20_000,
      input: "hello\n",
    },
  );
  return stdout || stderr || "silence";
}
