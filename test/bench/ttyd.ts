import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostPaths } from "../../sandboxes/host/docker-paths.ts";
import { createImageBuilder } from "../../sandboxes/images/image-builder.ts";
import { run } from "../../sandboxes/run.ts";
import { poll } from "../poll.ts";
import { freePorts } from "../support/free-port.ts";
import type { PlainShell } from "./terminal-page.ts";

const INSTALLED = "/usr/bin/ttyd";
const PLUGIN = "libwebsockets-evlib_uv.so";

/** The command that runs Debian's ttyd on this host. */
export interface Ttyd extends AsyncDisposable {
  command: PlainShell;
}

/** The host's own where it is installed, else one unpacked into a folder: its package would start a service. */
export async function findTtyd(): Promise<Ttyd> {
  if (existsSync(INSTALLED)) return { command: [INSTALLED], [Symbol.asyncDispose]: async () => {} };
  const builder = await createImageBuilder({
    env: process.env,
    paths: hostPaths(process.env),
    report: (event) => event.state === "started" && process.stderr.write(`${event.step}\n`),
  });
  const { files } = await builder.ensureImage({
    name: "ttyd",
    folder: join(import.meta.dirname, "ttyd"),
    settings: {},
    output: { kind: "files" },
    files: ["ttyd.tar"],
    timeoutMs: 10 * 60_000,
  });
  const folder = await mkdtemp(join(tmpdir(), "footbridge-ttyd-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await run(["tar", "-xf", files["ttyd.tar"] ?? "", "-C", folder], { timeoutMs: 60_000 });
    const libraries = join(folder, "usr/lib/x86_64-linux-gnu");
    // Looked for by this variable only. In a folder of its own, since what ttyd starts is the host's, with the host's
    // libraries.
    const plugins = join(folder, "plugins");
    await mkdir(plugins);
    await copyFile(join(libraries, PLUGIN), join(plugins, PLUGIN));
    const loader = [join(libraries, "ld-linux-x86-64.so.2"), "--library-path", libraries];
    return {
      command: ["env", `LD_LIBRARY_PATH=${plugins}`, ...loader, join(folder, "usr/bin/ttyd")],
      [Symbol.asyncDispose]: remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** ttyd with a plain shell behind it, listening on this host only. */
export async function startTtyd(
  { command: [file, ...args] }: Ttyd,
  shell: PlainShell,
): Promise<{ port: number } & AsyncDisposable> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error("there is no free port");
  // Its pings get no turn in a flood, and ttyd then gives the page up.
  const options = ["--port", `${port}`, "--interface", "lo", "--writable", "--ping-interval", "600"];
  const child = spawn(file, [...args, ...options, ...shell], { stdio: "ignore" });
  const closed = once(child, "close");
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => {
    child.kill("SIGKILL");
    await closed;
  });
  await poll(
    async () => (await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined))?.ok === true,
    "ttyd answers",
  );
  const owned = stack.move();
  return { port, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
