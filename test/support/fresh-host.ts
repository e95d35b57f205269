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
  /** Runs a script of sh in it; a command that fails is not an error. */
  inHost(script: string, timeoutMs?: number): Promise<{ stdout: string; exitCode: number }>;
  /** Has one of the deeds of `images-fresh-host/drive.ts` done in it. */
  drive(deed: string): Promise<{ steps: string[]; result: Record<string, string> }>;
}

/** A checkout to write in, whose npm packages are those of this one: bringing them anew is npm's business. */
const WRITABLE_CHECKOUT = `mkdir -p /overlay /checkout && mount -t tmpfs tmpfs /overlay && mkdir /overlay/up /overlay/work &&
  mount -t overlay -o lowerdir=/footbridge,upperdir=/overlay/up,workdir=/overlay/work overlay /checkout && cd /checkout &&
  cksum <package-lock.json >node_modules/.footbridge-lock && touch node_modules/.package-lock.json`;

/**
 * A Debian 13 as small as it comes, with this checkout at `/checkout`.
 * @param folders of this host that it sees, by their path there.
 */
export async function startFreshHost(folders: Record<string, string> = {}): Promise<FreshHost> {
  const name = `fb-fresh-host-${process.pid}`;
  const builder = await createImageBuilder({ env: process.env, paths: hostPaths(process.env), report() {} });
  const recipe = {
    name: "test-host",
    folder: recipeFolder,
    settings: {},
    output: { kind: "rootfs" },
  } as const;
  const { tag } = await builder.ensureImage({ ...recipe, timeoutMs: 900_000 });
  const flags = ["--detach", "--privileged", "--init", "--label", "footbridge.test=fresh-host"];
  const seen = { [checkout]: "/footbridge", ...folders };
  const volumes = [
    // Its Docker's data can't lie on a container's own overlay.
    ...["--volume", "/var/lib/docker"],
    ...Object.entries(seen).flatMap(([here, there]) => ["--volume", `${here}:${there}:ro`]),
  ];
  const start = ["docker", "run", "--name", name, ...flags, ...volumes, tag, "sleep", "infinity"] as const;
  const okExitCodes = [1, 2, 3, 100, 125, 126, 127];
  const host: FreshHost = {
    name,
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
    await run(start, { timeoutMs: 60_000 });
    await giveMirror(name);
    const { exitCode } = await host.inHost(WRITABLE_CHECKOUT);
    if (exitCode !== 0) throw new Error("the fresh host has no checkout to write in");
    return host;
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

/** The one thing even a fresh host has: where its packages come from, which is where this host's come from. */
async function giveMirror(host: string): Promise<void> {
  const { variables, certificates } = await inheritBuildEnvironment(process.env);
  const library = fileURLToPath(new URL("../../sandboxes/images/builder", import.meta.url));
  await run(["docker", "cp", library, `${host}:/recipe-lib`], { timeoutMs: 30_000 });
  if (certificates) {
    const bundle = "/etc/ssl/certs/ca-certificates.crt";
    await run(["docker", "cp", "-L", certificates, `${host}:${bundle}`], { timeoutMs: 30_000 });
  }
  const names = Object.keys(variables).flatMap((name) => ["--env", name]);
  const script =
    '. /recipe-lib/sources.sh; debian_sources >/tmp/s; [ ! -s /tmp/s ] || cp /tmp/s /etc/apt/sources.list; printf "%s\\n" "$FB_APT_SETTINGS" >/etc/apt/apt.conf.d/99mirror';
  await run(["docker", "exec", ...names, host, "sh", "-c", script], { timeoutMs: 30_000, env: variables });
}
