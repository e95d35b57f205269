import { fileURLToPath } from "node:url";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { inheritBuildEnvironment } from "../../sandboxes/images/build-environment.ts";
import { createImageBuilder } from "../../sandboxes/images/image-builder.ts";
import { run } from "../../sandboxes/run.ts";

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const recipeFolder = fileURLToPath(new URL("../integration/images-fresh-host", import.meta.url));

/** A container that is a host of its own: what is installed in it and started in it is real. */
export interface FreshHost extends AsyncDisposable {
  /** Its container. */
  name: string;
  /** The image of that container. */
  image: string;
  /** Runs a script of sh in it; a command that fails is not an error. */
  inHost(script: string, timeoutMs?: number): Promise<{ stdout: string; exitCode: number }>;
  /** Has one of the deeds of `images-fresh-host/drive.ts` done in it. */
  drive(deed: string): Promise<{ steps: string[]; result: Record<string, string> }>;
}

/** The Debian releases that it can be, by the names of their suites. */
const suites = { 12: "bookworm", 13: "trixie" } as const;

export interface FreshHostOptions {
  /** Which Debian it is; 13 unless it says otherwise. */
  debian?: keyof typeof suites;
  /** Folders of this host that it sees, by their path there. */
  folders?: Record<string, string>;
  /** Its checkout has no npm packages, and it reaches npm's registry the way this host does. */
  isCloned?: boolean;
  /** The size of a disk of its own for Docker's data, in memory; otherwise they lie on this host's. */
  dockerDiskMib?: number;
}

const WRITABLE_CHECKOUT = `mkdir -p /checkout /overlay/up /overlay/work &&
  mount -t overlay -o lowerdir=/footbridge,upperdir=/overlay/up,workdir=/overlay/work overlay /checkout && cd /checkout`;
/** The npm packages are those of this checkout: bringing them anew is npm's business. */
const WITH_PACKAGES =
  "cksum <package-lock.json >node_modules/.footbridge-lock && touch node_modules/.package-lock.json";
const AS_CLONED = "rm -rf node_modules client/dist";

/** A Debian as small as it comes, with this checkout at `/checkout`, where it can write. */
export async function startFreshHost(options: FreshHostOptions = {}): Promise<FreshHost> {
  const { debian = 13, folders = {}, isCloned = false, dockerDiskMib } = options;
  const name = `fb-fresh-host-${debian}-${process.pid}`;
  const builder = await createImageBuilder({ env: process.env, paths: hostPaths(process.env), report() {} });
  const recipe = {
    name: "test-host",
    folder: recipeFolder,
    settings: { SUITE: suites[debian] },
    output: { kind: "rootfs" },
  } as const;
  const { tag } = await builder.ensureImage({ ...recipe, timeoutMs: 900_000 });
  const npm = isCloned ? await npmEnvironment() : {};
  const flags = [
    ...["--detach", "--privileged", "--init", "--label", "footbridge.test=fresh-host"],
    ...Object.keys(npm).flatMap((variable) => ["--env", variable]),
  ];
  const seen = { [checkout]: "/footbridge", ...folders };
  const volumes = [
    // Neither its Docker's data nor what it writes in its checkout can lie on a container's own overlay.
    ...(dockerDiskMib
      ? ["--tmpfs", `/var/lib/docker:size=${dockerDiskMib}m`]
      : ["--volume", "/var/lib/docker"]),
    ...["--volume", "/overlay"],
    ...Object.entries(seen).flatMap(([here, there]) => ["--volume", `${here}:${there}:ro`]),
  ];
  const start = ["docker", "run", "--name", name, ...flags, ...volumes, tag, "sleep", "infinity"] as const;
  const okExitCodes = [1, 2, 3, 100, 125, 126, 127];
  const host: FreshHost = {
    name,
    image: tag,
    inHost: (script, timeoutMs = 600_000) =>
      run(["docker", "exec", name, "sh", "-c", script], { timeoutMs, okExitCodes }),
    async drive(deed) {
      const node = "/footbridge/node_modules/.bin/node";
      const script = "/footbridge/test/integration/images-fresh-host/drive.ts";
      const { stdout } = await run(["docker", "exec", name, node, script, deed], { timeoutMs: 1_200_000 });
      return JSON.parse(stdout.split("\n").at(-1) ?? "");
    },
    async [Symbol.asyncDispose]() {
      await run(["docker", "rm", "--force", "--volumes", name], { timeoutMs: 120_000, okExitCodes: [1] });
    },
  };
  try {
    await run(start, { timeoutMs: 60_000, env: npm });
    await giveMirror(name, suites[debian]);
    const { exitCode } = await host.inHost(`${WRITABLE_CHECKOUT} && ${isCloned ? AS_CLONED : WITH_PACKAGES}`);
    if (exitCode !== 0) throw new Error("the fresh host has no checkout to write in");
    return host;
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

/** How this host reaches npm's registry, for an npm that has no settings but its environment. */
async function npmEnvironment(): Promise<Record<string, string>> {
  const names = ["registry", "proxy", "https-proxy", "noproxy"];
  const { stdout } = await run(["npm", "config", "get", ...names], { timeoutMs: 60_000 });
  const settings = stdout.split("\n").map((line) => /^([a-z-]+)=(.+)$/.exec(line));
  return Object.fromEntries(
    settings.flatMap((match) =>
      match?.[1] && match[2] && match[2] !== "null"
        ? [[`npm_config_${match[1].replaceAll("-", "_")}`, match[2]]]
        : [],
    ),
  );
}

/** The one thing even a fresh host has: where its packages come from, which is where this host's come from. */
async function giveMirror(host: string, suite: string): Promise<void> {
  const { variables, certificates } = await inheritBuildEnvironment(process.env);
  const library = fileURLToPath(new URL("../../sandboxes/images/builder", import.meta.url));
  await run(["docker", "cp", library, `${host}:/recipe-lib`], { timeoutMs: 30_000 });
  if (certificates) {
    const bundle = "/etc/ssl/certs/ca-certificates.crt";
    await run(["docker", "cp", "-L", certificates, `${host}:${bundle}`], { timeoutMs: 30_000 });
  }
  const env = { ...variables, SUITE: suite };
  const names = Object.keys(env).flatMap((name) => ["--env", name]);
  const script =
    '. /recipe-lib/sources.sh; suite=$SUITE; debian_sources >/tmp/s; [ ! -s /tmp/s ] || cp /tmp/s /etc/apt/sources.list; printf "%s\\n" "$FB_APT_SETTINGS" >/etc/apt/apt.conf.d/99mirror';
  await run(["docker", "exec", ...names, host, "sh", "-c", script], { timeoutMs: 30_000, env });
}
