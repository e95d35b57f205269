import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LabError } from "../../sandboxes/errors.ts";
import { poll } from "../poll.ts";
import { duplexOf } from "../support/duplex-of.ts";
import { type LocalHub, makeLocalHub, screenText } from "../support/local-hub.ts";
import type { TestViewerOptions } from "../support/terminal-viewer.ts";

let local: LocalHub;
let hub: LocalHub["hub"];
let place: LocalHub["place"];
beforeEach(async () => {
  local = await makeLocalHub();
  ({ hub, place } = local);
});
afterEach(() => local[Symbol.asyncDispose]());

const open = (options?: TestViewerOptions) => local.open(options);

describe("when the place is out of reach", () => {
  test("viewers are told why, and the shell goes on where it was", async () => {
    const viewer = await open();
    await viewer.run("echo pid-$$- $((6*7))", "- 42");
    place.failure = new LabError("docker_unavailable", "Docker does not answer");
    place.cut();
    await poll(() => viewer.events.includes("lost Docker does not answer"), "told the reason");
    place.failure = undefined;
    await poll(() => viewer.events.at(-1) === "size 80x24 writer", "back");
    const before = /pid-(\d+)-/.exec(viewer.text)?.[1];
    await viewer.run("echo pid-$$- $((6*7))", "- 42");
    expect(/pid-(\d+)-/.exec(viewer.text)?.[1]).toBe(before);
    expect(viewer.gaps).toBe(0);
    expect(viewer.events).not.toContain("snapshot");
  });

  test("a restarted VM gives a new shell to the pages that are there", async () => {
    const viewer = await open();
    const { instance } = viewer;
    await viewer.run("echo one-$((6*7))", "one-42");
    for (const holder of await place.holders()) process.kill(holder, "SIGKILL");
    await poll(() => !["", instance].includes(viewer.instance), "a new shell");
    await viewer.run("echo two-$((6*7))", "two-42");
  });

  test("a terminal opened too early opens by itself", async () => {
    local.target = {
      place: () => undefined,
      openConsole: () => Promise.reject(new Error("no console here")),
    };
    const viewer = await open();
    await poll(() => viewer.events.includes("lost the VM is not there yet"), "told the reason");
    local.target = { place: () => place, openConsole: () => Promise.reject(new Error("no console here")) };
    await poll(() => viewer.instance !== "", "a shell");
    await viewer.run("echo one-$((6*7))", "one-42");
  });

  test("reattach finds out at once", async () => {
    const viewer = await open();
    hub.reattach("sandbox");
    await poll(() => viewer.events.some((event) => event.startsWith("lost")), "told");
    await poll(() => viewer.events.at(-1) === "size 80x24 writer", "back");
  });

  test("a sandbox that is gone ends its terminals", async () => {
    const viewer = await open();
    local.target = undefined;
    hub.forget("sandbox");
    expect(viewer.events.at(-1)).toBe("lost the sandbox is gone");
    await expect(viewer.reopen()).rejects.toThrow("the sandbox is gone");
  });
});

test("the console tells what it printed before, takes input and begins anew with the VM", async () => {
  const makeConsole = (log: string) => {
    const [screen, keyboard] = [new PassThrough(), new PassThrough()];
    screen.write(log);
    return { screen, keyboard, stream: duplexOf(screen, keyboard) };
  };
  const first = makeConsole("[    0.0] Linux version 6.12\r\nlogin: \x1b[6n");
  const second = makeConsole("[    0.0] Linux again\r\n");
  const consoles = [first, second];
  local.target = {
    place: () => undefined,
    openConsole: async () => consoles.shift()?.stream ?? Promise.reject(new Error("off")),
  };
  const viewer = await open({ open: { role: "console" } });
  // As a screen, not as output: the question in the log was asked long ago.
  expect(viewer.snapshotText).toContain("Linux version 6.12");
  expect(viewer.snapshotText).not.toContain("\x1b[6n");
  await viewer.type("root\r");
  await poll(() => first.keyboard.read()?.toString() === "root\r", "typed");
  first.screen.write("Password: ");
  await viewer.until("Password: ");
  first.stream.destroy();
  await poll(() => viewer.snapshotText.includes("Linux again"), "the next boot");
});

describe("a server that is killed", () => {
  const servers: ChildProcess[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.kill("SIGKILL");
  });

  /** A server of its own process, with one viewer that types a command; ends its speech with what it saw. */
  async function startServer(
    command: string,
    until: string,
  ): Promise<{ seen: string; kill(): Promise<void> }> {
    const script = join(import.meta.dirname, "../support/terminal-server-process.ts");
    const child = spawn(process.execPath, [script, place.directory, command, until], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    servers.push(child);
    let seen = "";
    child.stdout.on("data", (data: Buffer) => {
      seen += data.toString();
    });
    await poll(() => seen.includes("\nSEEN\n"), "server is there", { timeoutMs: 60_000 });
    return {
      seen,
      kill: async () => {
        child.kill("SIGKILL");
        await once(child, "close");
      },
    };
  }

  test("takes no shell with it: same process, same screen, same scrollback", async () => {
    const server = await startServer("seq 1 3000; echo pid-$$-$((6*7))", "-42");
    await server.kill();
    const viewer = await open();
    const rows = await screenText(viewer.snapshotText);
    expect(rows.filter((row) => /^\d+$/.test(row))).toEqual(
      Array.from({ length: 3_000 }, (_, index) => `${index + 1}`),
    );
    const before = /pid-(\d+)-42/.exec(rows.join("\n"))?.[1];
    await viewer.run("echo pid-$$-$((6*7))", "-42");
    expect(/pid-(\d+)-42/.exec(viewer.text)?.[1]).toBe(before);
  });

  test("in the middle of a flood: the next one has a screen that fits the output after it", async () => {
    const server = await startServer("seq 1 100000000", "200000\r\n");
    await server.kill();
    const viewer = await open();
    viewer.text = "";
    await viewer.type("\x03");
    await viewer.until("\x1b[?2004h", 60_000);
    const later = await open({ id: "later" });
    const numbers = (await screenText(later.snapshotText)).filter((row) => /^\d+$/.test(row)).map(Number);
    expect(numbers.length).toBeGreaterThan(500);
    // No line is missing or there twice, also where the old server's screen and the new one's output meet.
    expect(numbers.every((number, index) => index === 0 || number === (numbers[index - 1] ?? 0) + 1)).toBe(
      true,
    );
  });
});
