import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { configureShim, shimSettings, startDaemon } from "../../sandboxes/host/docker-daemon.ts";
import { ensureDockerHost } from "../../sandboxes/host/docker-host.ts";
import { installPackages } from "../../sandboxes/host/docker-install.ts";
import { addToJournal, readJournal } from "../../sandboxes/host/docker-journal.ts";
import { uninstallFromHost } from "../../sandboxes/host/docker-uninstall.ts";
import { findRemovable, packagesIn } from "../../sandboxes/host/removable-packages.ts";
import { publishedNodeImage, pullPublishedNode } from "../../sandboxes/images/node-image-published.ts";
import type { ProgressEvent } from "../../sandboxes/progress.ts";
import { run } from "../../sandboxes/run.ts";
import { type MadeUpHost, madeUpHost } from "../support/made-up-host.ts";

const restarts = async (host: MadeUpHost) =>
  (await host.calls()).filter((call) => call === "systemctl restart docker");

const backupOf = (host: MadeUpHost) => `${host.paths.daemonJson}.before-footbridge`;

/** A Docker that runs and holds nothing. */
const EMPTY_DOCKER = `[ "$1" != info ] || echo '{"ServerVersion":"26.1.5"}'`;

const comesWithUs = (host: MadeUpHost) =>
  addToJournal(host.paths.journalFile, (journal) => {
    journal.installedDocker = true;
  });

describe("a Docker that was there before us", () => {
  test.each([undefined, '{"log-driver":"local"}'])(
    "keeps its daemon.json (%s) and is not restarted without consent",
    async (text) => {
      const host = await madeUpHost();
      if (text) await host.write(host.paths.daemonJson, text);
      await expect(configureShim(host, { consent: false })).rejects.toMatchObject({
        code: "docker_unavailable",
        hint: expect.stringContaining("--change-docker"),
      });
      expect(await host.read(host.paths.daemonJson)).toBe(text);
      expect(await host.read(backupOf(host))).toBeUndefined();
      expect(await restarts(host)).toEqual([]);
      expect(await readJournal(host.paths.journalFile)).toMatchObject({ files: [], changed: [] });
    },
  );

  test.each(['{"log-driver":', '{"runtimes": []}', "[]"])(
    "whose daemon.json is none (%s) is left as it is",
    async (text) => {
      const host = await madeUpHost();
      await host.write(host.paths.daemonJson, text);
      await expect(configureShim(host, { consent: true })).rejects.toMatchObject({
        code: "docker_unavailable",
        message: expect.stringContaining(host.paths.daemonJson),
        hint: expect.stringContaining("mend it"),
      });
      expect(await host.read(host.paths.daemonJson)).toBe(text);
      expect(await restarts(host)).toEqual([]);
    },
  );

  test.each([undefined, '{"log-driver":"local"}'])(
    "is changed with consent, and gets its daemon.json (%s) back at uninstall",
    async (text) => {
      const host = await madeUpHost();
      if (text) await host.write(host.paths.daemonJson, text);
      // The second time finds what the first has written, and must not take that for the original.
      for (const time of [1, 2]) {
        await configureShim(host, { consent: true });
        expect(await restarts(host)).toHaveLength(time);
      }
      const written = JSON.parse((await host.read(host.paths.daemonJson)) ?? "");
      expect(written).toEqual({ ...JSON.parse(text ?? "{}"), ...shimSettings(host.paths) });

      await host.put("docker", EMPTY_DOCKER);
      await uninstallFromHost(host, { consent: false });
      expect(await host.read(host.paths.daemonJson)).toBe(text);
      expect(await host.read(backupOf(host))).toBeUndefined();
      expect(await restarts(host)).toHaveLength(3);
    },
  );

  test("is started where it stands still, not enabled", async () => {
    const host = await madeUpHost();
    await host.put("docker", `echo '{"ServerVersion":"26.1.5"}'`);
    await startDaemon(host, { shim: false });
    expect(await host.calls()).toContain("systemctl start docker");
  });

  test("that others use is restarted at uninstall only with consent", async () => {
    const host = await madeUpHost();
    await configureShim(host, { consent: true });
    await host.put(
      "docker",
      `case "$1 $2" in info*) echo '{"ServerVersion":"20.10.24"}' ;; "container ls") echo "4f1c\tcom.example=1" ;; esac`,
    );
    await uninstallFromHost(host, { consent: false });
    expect(await host.read(host.paths.daemonJson)).toContain("footbridge");
    expect((await readJournal(host.paths.journalFile)).files).toEqual([host.paths.daemonJson]);
    expect(await restarts(host)).toHaveLength(1);

    await uninstallFromHost(host, { consent: true });
    expect(await host.read(host.paths.daemonJson)).toBeUndefined();
    expect(await host.read(host.paths.journalFile)).toBeUndefined();
    expect(await restarts(host)).toHaveLength(2);
  });
});

describe("a Docker that can't be asked at uninstall", () => {
  test.each([
    ["stands still", "echo 'Cannot connect to the Docker daemon' >&2; exit 1", "docker_unavailable"],
    [
      "refuses this user",
      `echo '{"ServerErrors":["permission denied while trying to connect to the Docker daemon socket"]}'`,
      "forbidden",
    ],
  ])("because it %s is left as it is, and so is all that is known of it", async (_, answer, code) => {
    const host = await madeUpHost();
    await configureShim(host, { consent: true });
    await host.write(join(host.paths.stateDir, "installation.json"), "{}");
    await host.put("docker", answer);
    await expect(uninstallFromHost(host, { consent: true })).rejects.toMatchObject({ code });
    expect(await host.read(host.paths.daemonJson)).toContain("footbridge");
    expect((await readJournal(host.paths.journalFile)).files).toEqual([host.paths.daemonJson]);
    expect(await host.read(join(host.paths.stateDir, "installation.json"))).toBe("{}");
    expect(await restarts(host)).toHaveLength(1);
  });

  test("is not asked again once nothing was left in it", async () => {
    const host = await madeUpHost();
    await configureShim(host, { consent: true });
    await host.put("docker", EMPTY_DOCKER);
    await host.put("systemctl", "exit 3");
    await expect(uninstallFromHost(host, { consent: false })).rejects.toMatchObject({
      code: "command_failed",
    });
    await host.put("docker", "echo no daemon >&2; exit 1");
    await host.put("systemctl", "");
    await uninstallFromHost(host, { consent: false });
    expect(await host.read(host.paths.journalFile)).toBeUndefined();
  });

  test("because it is gone has nothing left to lose", async () => {
    const host = await madeUpHost();
    await configureShim(host, { consent: true });
    for (const name of ["docker", "dockerd"]) await rm(join(host.folder, name));
    await uninstallFromHost({ ...host, env: { PATH: host.folder } }, { consent: false });
    expect(await host.read(host.paths.journalFile)).toBeUndefined();
  });
});

describe("a Docker that came with us", () => {
  test("is given what it needs without asking, and starts with the host", async () => {
    const host = await madeUpHost();
    await comesWithUs(host);
    await configureShim(host, { consent: false });
    expect(JSON.parse((await host.read(host.paths.daemonJson)) ?? "")).toEqual(shimSettings(host.paths));
    await host.put("docker", `echo '{"ServerVersion":"26.1.5"}'`);
    await startDaemon(host, { shim: false });
    expect(await host.calls()).toContain("systemctl enable --now docker");
  });

  test("is not taken away while it does not answer, for others may use it", async () => {
    const host = await madeUpHost();
    await comesWithUs(host);
    await expect(uninstallFromHost(host, { consent: true })).rejects.toMatchObject({
      code: "docker_unavailable",
      hint: expect.stringContaining("start it"),
    });
    expect((await readJournal(host.paths.journalFile)).installedDocker).toBe(true);
    expect((await host.calls()).filter((call) => /purge|rm -rf/.test(call))).toEqual([]);
  });

  test("is not waited for where it goes on refusing this user, who has installed it by sudo", async () => {
    const host = await madeUpHost();
    await host.put("dockerd", 'echo "Docker version 26.1.5, build a72d7cd"');
    const refusal = "permission denied while trying to connect to the Docker daemon socket";
    await host.put(
      "docker",
      `[ "$1" = --version ] && exit
       if [ -f ${host.folder}/started ]; then echo '{"ServerErrors":["${refusal}"]}'
       else echo no daemon >&2; exit 1; fi`,
    );
    await host.put("systemctl", `touch ${host.folder}/started`);
    await expect(ensureDockerHost(host, { consent: false })).rejects.toMatchObject({
      code: "docker_unavailable",
      message: "Docker runs, but this user may not use it",
      hint: expect.stringMatching(/`sudo npm start`.*`sudo usermod -aG docker \$USER`.*sign in again/),
    });
  });

  test("is waited for where it refuses this user only while it starts", async () => {
    const host = await madeUpHost();
    await host.put(
      "docker",
      `if [ -f ${host.folder}/refused ]; then echo '{"ServerVersion":"26.1.5"}'
       else touch ${host.folder}/refused; echo "permission denied" >&2; exit 1; fi`,
    );
    expect(await startDaemon(host, { shim: false })).toMatchObject({ version: "26.1.5" });
  });

  test("is none where the host is no Debian: the words name what to install, and nothing is noted", async () => {
    const host = await madeUpHost();
    await host.write(host.paths.osRelease, "ID=fedora\nVERSION_ID=43\n");
    for (const name of ["docker", "dockerd"]) await rm(join(host.folder, name));
    vi.stubEnv("PATH", host.folder);
    const deps = { ...host, env: { PATH: host.folder } };
    await expect(ensureDockerHost(deps, { consent: false })).rejects.toMatchObject({
      code: "not_supported",
      hint: expect.stringMatching(/Docker Engine 24 or newer.*dnf install moby-engine/),
    });
    expect((await readJournal(host.paths.journalFile)).installedDocker).toBe(false);
  });
});

test("a node image that was pulled is taken away again, so that nobody's seems to be left", async () => {
  const host = await madeUpHost();
  await host.put(
    "docker",
    `case "$1 $2" in
      info*) echo '{"ServerVersion":"26.1.5"}' ;;
      "image inspect" | "container inspect") exit 1 ;;
      pull*) echo "0123456789ab: Pull complete" ;;
      run*) echo v1.37.0 ;;
      create*) echo 4f1c ;;
      cp*) : >"$3" ;;
    esac`,
  );
  const { cacheDir, journalFile } = host.paths;
  const deps = { dockerEnv: {}, report: host.report, cacheDir, journalFile };
  expect(await pullPublishedNode(deps, {}, true)).toMatchObject({ image: publishedNodeImage });
  await uninstallFromHost(host, { consent: false });
  expect(await host.calls()).toContain(`docker image rm ${publishedNodeImage}`);
});

describe("installing packages", () => {
  const aptCalls = async (host: MadeUpHost) =>
    (await host.calls()).flatMap(
      (call) => /(?:apt-get .*|dpkg) ((?:--audit|--configure|update|install).*)/.exec(call)?.[1] ?? [],
    );

  test("finishes what an interrupted dpkg left, where dpkg says so, before anything else", async () => {
    const host = await madeUpHost();
    await host.put("dpkg", '[ "$1" != --audit ] || echo "The following packages are only half configured"');
    await installPackages(host, ["hello"], "the test");
    expect((await aptCalls(host)).slice(0, 3)).toEqual(["--audit", "--configure -a", "update"]);
    expect(host.steps).toContain("finish an interrupted installation (dpkg --configure -a): done");
  });

  test("leaves a dpkg alone that is well", async () => {
    const host = await madeUpHost();
    await installPackages(host, ["hello"], "the test");
    expect(await aptCalls(host)).not.toContain("--configure -a");
  });

  test.each([
    ["is ended by an abort while it downloads", "--download-only", false],
    ["is waited for once packages change", "install -y --no-install-recommends hello$", true],
  ])("%s", async (_, phase, isWaitedFor) => {
    const host = await madeUpHost();
    const [gate, end] = [join(host.folder, "gate"), join(host.folder, "end")];
    await run(["mkfifo", gate], { timeoutMs: 10_000 });
    await host.put(
      "apt-get",
      `echo "$*" | grep -qe "${phase}" || exit 0; echo at work; read -r go <${gate}; echo "$go" >${end}`,
    );
    const stop = new AbortController();
    const report = ({ message }: ProgressEvent) => {
      if (message !== "at work") return;
      stop.abort();
      if (isWaitedFor) void writeFile(gate, "went on\n");
    };
    const installing = installPackages({ ...host, report, signal: stop.signal }, ["hello"], "the test");
    if (isWaitedFor) await installing;
    else await expect(installing).rejects.toMatchObject({ code: "aborted" });
    expect(await host.read(end)).toBe(isWaitedFor ? "went on\n" : undefined);
  });
});

describe("removing packages", () => {
  test("apt's plan is read", () => {
    expect(packagesIn("Reading...\nPurg gcc [4:12.2.0-3]\nRemv libatomic1 [12.2.0]\nInst x\n")).toEqual([
      "gcc",
      "libatomic1",
    ]);
  });

  test("what something else needs by now stays, with all that it needs in turn", async () => {
    const dependents: Record<string, string[]> = {
      runc: ["containerd", "docker.io"],
      containerd: ["docker.io"],
      iptables: ["docker.io", "ufw"],
      libnftnl11: ["iptables", "docker.io", "ufw"],
    };
    const plan = async (names: readonly string[]) =>
      names.flatMap((name) => [name, ...(dependents[name] ?? [])]);
    const ours = ["containerd", "docker.io", "iptables", "libnftnl11", "runc"];
    expect(await findRemovable(ours, plan)).toEqual(["containerd", "docker.io", "runc"]);
    expect(await findRemovable(["containerd", "docker.io", "runc"], plan)).toHaveLength(3);
  });
});
