import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { inheritBuildEnvironment } from "../../sandboxes/images/build-environment.ts";
import { createImageBuilder } from "../../sandboxes/images/image-builder.ts";
import { run } from "../../sandboxes/run.ts";

/** A container that is a host of its own: what is installed in it and started in it is real. */
const host = `fb-fresh-host-${process.pid}`;
const checkout = fileURLToPath(new URL("../..", import.meta.url));

beforeAll(async () => {
  const builder = await createImageBuilder({ env: process.env, paths: hostPaths(process.env), report() {} });
  const folder = fileURLToPath(new URL("images-fresh-host", import.meta.url));
  const recipe = { name: "test-host", folder, settings: {}, output: { kind: "rootfs" } } as const;
  const { tag } = await builder.ensureImage({ ...recipe, timeoutMs: 900_000 });
  const flags = ["--detach", "--privileged", "--init", "--label", "footbridge.test=fresh-host"];
  // Its Docker's data can't lie on a container's own overlay.
  const volumes = ["--volume", "/var/lib/docker", "--volume", `${checkout}:/footbridge:ro`];
  const start = ["docker", "run", "--name", host, ...flags, ...volumes, tag, "sleep", "infinity"] as const;
  await run(start, { timeoutMs: 60_000 });
  await giveMirror();
});

afterAll(async () => {
  await run(["docker", "rm", "--force", "--volumes", host], { timeoutMs: 120_000, okExitCodes: [1] });
});

/** The one thing even a fresh host has: where its packages come from, which is where this host's come from. */
async function giveMirror(): Promise<void> {
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

async function inHost(script: string): Promise<{ stdout: string; exitCode: number }> {
  const okExitCodes = [1, 2, 3, 100, 125, 126, 127];
  return await run(["docker", "exec", host, "sh", "-c", script], { timeoutMs: 600_000, okExitCodes });
}

async function drive(deed: string): Promise<{ steps: string[]; result: Record<string, string> }> {
  const node = "/footbridge/node_modules/.bin/node";
  const script = "/footbridge/test/integration/images-fresh-host/drive.ts";
  const { stdout } = await run(["docker", "exec", host, node, script, deed], { timeoutMs: 1_200_000 });
  return JSON.parse(stdout.split("\n").at(-1) ?? "");
}

/** A checkout to write in, whose npm packages are those of this one: bringing them anew is npm's business. */
const writableCheckout = `mkdir -p /overlay /checkout && mount -t tmpfs tmpfs /overlay && mkdir /overlay/up /overlay/work &&
  mount -t overlay -o lowerdir=/footbridge,upperdir=/overlay/up,workdir=/overlay/work overlay /checkout && cd /checkout &&
  cksum <package-lock.json >node_modules/.footbridge-lock && touch node_modules/.package-lock.json`;

test("the first stage asks for what is missing, then brings the library that Node.js needs", async () => {
  expect((await inHost(writableCheckout)).exitCode).toBe(0);
  const start = "sh /checkout/server/cli/first-stage.sh server/cli/main.ts --help 2>&1";
  expect((await inHost(`linux32 ${start}`)).stdout).toContain("x86_64, not on Linux on i686");
  expect((await inHost(start)).stdout).toContain("npm is missing");

  // Of npm only its version is asked, since the packages are there.
  const npm = "printf '#!/bin/sh\\necho 9.2.0\\n' >/usr/local/bin/npm && chmod +x /usr/local/bin/npm";
  expect((await inHost(npm)).exitCode).toBe(0);
  const { stdout } = await inHost(start);
  expect(stdout).toContain("installing libatomic1");
  expect(stdout).toContain("Usage: footbridge");
  expect((await inHost(start)).stdout).not.toContain("libatomic1");
});

test("a fresh host gets Docker, keeps it, and gives everything back", async () => {
  expect((await inHost("docker info")).exitCode).not.toBe(0);
  // As if somebody's apt had been cut off: apt refuses to install anything until that is mended.
  expect((await inHost(": >/var/lib/dpkg/updates/0000; apt-get install -y hello")).exitCode).toBe(100);
  const first = await drive("docker");
  expect(first.steps).toContain("finish an interrupted installation (dpkg --configure -a): done");
  expect(first.steps).toContain("install docker.io, docker-cli: started");
  expect(first.steps).toContain("start Docker: done");
  expect(Number.parseInt(first.result.version ?? "", 10)).toBeGreaterThanOrEqual(26);
  expect((await drive("docker")).steps).toEqual([]);

  // A stand-in for what a registry would give: this very Debian, under the name that is asked for.
  const base =
    "tar -C / --one-file-system --exclude=./footbridge --exclude=./recipe-lib -c . | docker import - debian:13-slim";
  expect((await inHost(base)).exitCode).toBe(0);
  expect(
    (await inHost("docker run --rm --privileged debian:13-slim cat /etc/debian_version")).stdout,
  ).toMatch(/^13/);

  const hello = `mkdir -p /hello && echo '. /recipe-lib/lib.sh; mkdir /out/r; echo hi >/out/r/hi; pack_rootfs /out/r' >/hello/build.sh`;
  expect((await inHost(hello)).exitCode).toBe(0);
  const built = await drive("build");
  expect(built.steps).toContain("make the image builder: done");
  const inside =
    "docker history --no-trunc footbridge/builder | grep -c http; docker run --rm $(docker images -q footbridge/builder) cat /etc/apt/apt.conf.d/99footbridge";
  expect((await inHost(inside)).stdout).toBe("0");

  // Somebody else's image is there: their Docker stays, ours goes.
  const kept = await drive("uninstall");
  expect(kept.steps).toContain("leave Docker: done");
  expect((await inHost("docker images --format '{{.Repository}}:{{.Tag}}'")).stdout).toBe("debian:13-slim");

  expect((await inHost("docker image rm debian:13-slim")).exitCode).toBe(0);
  const gone = await drive("uninstall");
  expect(gone.steps).toContain("stop Docker: done");
  const left =
    "command -v dockerd docker; ls -A /var/lib/docker /root/.local/state/footbridge /root/.cache/footbridge /usr/local/lib/footbridge; dpkg -l docker.io containerd runc libatomic1 | grep ^ii; pgrep dockerd";
  expect((await inHost(`{ ${left}; } 2>/dev/null`)).stdout.replace("/var/lib/docker:", "").trim()).toBe("");
  // Node.js itself went without its library.
  expect((await inHost("apt-get -q install -y libatomic1")).exitCode).toBe(0);
  expect((await drive("uninstall")).steps.filter((one) => !one.startsWith("remove state"))).toEqual([
    "remove sandboxes and images: done",
  ]);
}, 1_800_000);
