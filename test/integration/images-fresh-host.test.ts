import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FreshHost, startFreshHost } from "../support/fresh-host.ts";

/** Debian 13 has split Docker's command off, and its Docker asks only for capabilities that the host has. */
const releases = [
  { debian: 12, packages: "docker.io", docker: /^20\.10\./ },
  { debian: 13, packages: "docker.io, docker-cli", docker: /^(2[6-9]|[3-9]\d)\./ },
] as const;

describe.each(releases)("Debian $debian", ({ debian, packages: dockerPackages, docker }) => {
  let host: FreshHost;

  beforeAll(async () => {
    host = await startFreshHost({ debian });
  });

  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
  });

  test("the first stage asks for what is missing, then brings the library that Node.js needs", async () => {
    const start = "sh /checkout/server/cli/first-stage.sh server/cli/main.ts --help 2>&1";
    expect((await host.inHost(`linux32 ${start}`)).stdout).toContain("x86_64, not on Linux on i686");
    expect((await host.inHost(start)).stdout).toContain("npm is missing");

    // Of npm only its version is asked, since the packages are there.
    const npm = "printf '#!/bin/sh\\necho 9.2.0\\n' >/usr/local/bin/npm && chmod +x /usr/local/bin/npm";
    expect((await host.inHost(npm)).exitCode).toBe(0);
    const { stdout } = await host.inHost(start);
    expect(stdout).toContain("installing libatomic1");
    expect(stdout).toContain("Usage: footbridge");
    expect((await host.inHost(start)).stdout).not.toContain("libatomic1");
  });

  test("a fresh host gets Docker, keeps it, and gives everything back", async () => {
    const packages = async () => (await host.inHost("dpkg -l | awk '/^ii/ { print $2 }'")).stdout.split("\n");
    const before = new Set(await packages());
    expect((await host.inHost("docker info")).exitCode).not.toBe(0);
    // As if somebody's apt had been cut off: apt refuses to install anything until that is mended.
    expect((await host.inHost(": >/var/lib/dpkg/updates/0000; apt-get install -y hello")).exitCode).toBe(100);
    const first = await host.drive("docker");
    expect(first.steps).toContain("finish an interrupted installation (dpkg --configure -a): done");
    expect(first.steps).toContain(`install ${dockerPackages}: started`);
    expect(first.steps).toContain("start Docker: done");
    expect(first.result.version).toMatch(docker);
    expect((await host.drive("docker")).steps).toEqual([]);

    // A stand-in for what a registry would give: this very Debian, under the name that is asked for.
    const image = `debian:${debian}-slim`;
    const base = `tar -C / --one-file-system --exclude=./footbridge --exclude=./recipe-lib -c . | docker import - ${image}`;
    expect((await host.inHost(base)).exitCode).toBe(0);
    expect(
      (await host.inHost(`docker run --rm --privileged ${image} cat /etc/debian_version`)).stdout,
    ).toMatch(new RegExp(`^${debian}\\.`));

    if (debian === 13) await buildsAnImage(host);

    // Somebody else's image is there: their Docker stays, ours goes.
    const kept = await host.drive("uninstall");
    expect(kept.steps).toContain("leave Docker: done");
    expect((await host.inHost("docker images --format '{{.Repository}}:{{.Tag}}'")).stdout).toBe(image);

    expect((await host.inHost(`docker image rm ${image}`)).exitCode).toBe(0);
    const gone = await host.drive("uninstall");
    expect(gone.steps).toContain("stop Docker: done");
    const left =
      "command -v dockerd docker; ls -A /var/lib/docker /root/.local/state/footbridge /root/.cache/footbridge /usr/local/lib/footbridge; dpkg -l docker.io containerd runc libatomic1 | grep ^ii; pgrep dockerd";
    expect(
      (await host.inHost(`{ ${left}; } 2>/dev/null`)).stdout.replace("/var/lib/docker:", "").trim(),
    ).toBe("");
    expect((await packages()).filter((name) => !before.has(name))).toEqual([]);
    // Node.js itself went without its library.
    expect((await host.inHost("apt-get -q install -y libatomic1")).exitCode).toBe(0);
    expect((await host.drive("uninstall")).steps.filter((one) => !one.startsWith("remove state"))).toEqual([
      "remove sandboxes and images: done",
    ]);
  }, 1_800_000);
});

/** The builder is a Debian 13, whichever the host is; here it is completed from the image of that name. */
async function buildsAnImage(host: FreshHost): Promise<void> {
  const hello = `mkdir -p /hello && echo '. /recipe-lib/lib.sh; mkdir /out/r; echo hi >/out/r/hi; pack_rootfs /out/r' >/hello/build.sh`;
  expect((await host.inHost(hello)).exitCode).toBe(0);
  const built = await host.drive("build");
  expect(built.steps).toContain("make the image builder: done");
  const inside =
    "docker history --no-trunc footbridge/builder | grep -c http; docker run --rm $(docker images -q footbridge/builder) cat /etc/apt/apt.conf.d/99footbridge";
  expect((await host.inHost(inside)).stdout).toBe("0");
}
