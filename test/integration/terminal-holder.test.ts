import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { describe, expect, test } from "vitest";
import { encodeFrame, encodeOffset, type Frame, FrameReader } from "../../sandboxes/terminal/frames.ts";
import { poll } from "../poll.ts";
import { setUpHolderVisits } from "../support/holder-visits.ts";

const visits = setUpHolderVisits();

describe("the holder of a shell", () => {
  test("gives a login shell of its user on a terminal of the right kind and size", async () => {
    visits.place.shell = [];
    const visit = await visits.to("vm-1");
    await visit.type('echo "$0 $TERM $LANG $(stty size) $PWD ="$((40+2))\r');
    await visit.until("=42");
    expect(visit.text).toContain(`-bash xterm-256color C.UTF-8 24 80 ${process.env.HOME} =42`);
  });

  test("stands alone: a session of its own, nothing of its starter open", async () => {
    await visits.to("vm-1");
    const holder = await visits.onlyHolder();
    const stat = await readFile(`/proc/${holder}/stat`, "utf8");
    const [, parent, , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    expect(session).not.toBe(`${process.pid}`);
    expect(parent).not.toBe(`${process.pid}`);
    visits.place.cut();
    // That it listens is the last of its sockets.
    await poll(async () => {
      const sockets = (await openFiles(holder)).filter((file) => file.startsWith("socket:"));
      return sockets.length === 1;
    }, "those of its visit close");
    const files = (await openFiles(holder)).filter((file) => file !== "");
    expect(files.filter((file) => !/^\/dev\/(null|ptmx|pts\/ptmx)$|^socket:|^anon_inode/.test(file))).toEqual(
      [],
    );
  });

  test("outlives every connection and goes on where it was", async () => {
    const first = await visits.to("vm-1");
    const go = join(visits.place.directory, "go");
    await first.type(`echo $$-$((6*7)); (until [ -e ${go} ]; do sleep 0.05; done; echo late-$((1+1))) &\r`);
    await first.until("-42");
    const holder = await visits.onlyHolder();
    visits.place.cut();
    await poll(() => first.lost !== undefined, "the connection is known to be lost");
    await writeFile(go, "");
    const second = await visits.to("vm-1", { instance: first.link.instance, end: first.end });
    await second.until("late-2");
    expect(second.link.instance).toBe(first.link.instance);
    expect(second.link.from).toBe(first.end);
    expect(await visits.onlyHolder()).toBe(holder);
  });

  test("a server that knows nothing gets the kept screen and all output since", async () => {
    const first = await visits.to("vm-1");
    await first.type("echo one-$((1)); stty -echo\r");
    await first.until("one-1");
    const kept = { offset: first.end, cols: 80, rows: 24, text: "the screen ✓ ".repeat(10_000) };
    expect(first.link.keep(() => kept)).toBe(true);
    await poll(() => first.link.keep(() => kept), "the next one is taken, so this one is sent");
    await first.type("echo two-$((2))\r");
    await first.until("two-2");
    first.link.close();
    const second = await visits.to("vm-1");
    expect(second.link.snapshot).toEqual(kept);
    expect(second.link.from).toBe(kept.offset);
    await second.until("two-2");
  });

  test("starts once, however many ask at the same time", async () => {
    const five = await Promise.all(Array.from({ length: 5 }, () => visits.to("vm-1")));
    await visits.onlyHolder();
    expect(new Set(five.map(({ link }) => link.instance)).size).toBe(1);
    // The newest visit wins; the others are told.
    await poll(() => five.filter(({ lost }) => lost !== undefined).length === 4, "older visits end");
  });

  test("outlives a terminal without keys for signals", async () => {
    const visit = await visits.to("vm-1");
    await visit.type("stty intr undef quit undef susp undef; echo none-$((6*7))\r");
    await visit.until("none-42");
    await visit.type("echo still-$((6*7))\r");
    await visit.until("still-42");
  });

  test("ends when its shell ends, and says how", async () => {
    const visit = await visits.to("vm-1");
    await visit.type("seq 1 20000; exit 7\r");
    await poll(() => visit.status !== undefined, "exit status");
    expect(visit.status).toBe(7);
    expect(visit.text).toContain("20000\r\n");
    await poll(async () => (await visits.place.holders()).length === 0, "holder ends");
    expect(await readdir(visits.place.directory)).toEqual([]);
  });

  test("waits at its end until the server has read how, whatever that still says", async () => {
    const stream = await rawVisit("vm-1");
    await once(stream, "readable");
    stream.write(encodeFrame("I", Buffer.from("exit 7\r")));
    await poll(async () => (await readdir(visits.place.directory)).length === 0, "the name is free");
    const { promise: said, resolve, reject } = Promise.withResolvers<void>();
    stream.write(encodeFrame("A", encodeOffset(0)), (error) => (error ? reject(error) : resolve()));
    await said;
    expect((await lastFrame(stream)).payload.readInt32BE(0)).toBe(7);
    stream.destroy();
    await poll(async () => (await visits.place.holders()).length === 0, "holder ends");
  });

  test("ends when its shell is killed while nobody is there", async () => {
    const visit = await visits.to("vm-1");
    await visit.type("echo pid=$$.\r");
    await visit.until("pid=");
    await poll(() => /pid=\d+\./.test(visit.text), "pid");
    visit.link.close();
    process.kill(Number(/pid=(\d+)\./.exec(visit.text)?.[1]), "SIGKILL");
    await poll(async () => (await visits.place.holders()).length === 0, "holder ends");
  });

  test("changes size in order with the output", async () => {
    const visit = await visits.to("vm-1");
    visit.link.resize(132, 43);
    await visit.type("stty size; echo $((6*7))\r");
    await visit.until("43 132");
    expect(visit.sizes).toEqual(["80x24", "132x43"]);
  });
});

describe("it is not disturbed by", () => {
  test.each([
    ["a frame it does not know", encodeFrame("Q", Buffer.from("?"))],
    ["a frame that is too long", Buffer.from([0x49, 0xff, 0xff, 0xff, 0xff])],
    ["an acknowledgement that is none", encodeFrame("A", Buffer.from("x"))],
    ["a size that is none", encodeFrame("R", Buffer.from("xyz"))],
    ["a snapshot from the future", encodeFrame("S", Buffer.alloc(12, 0xff))],
    ["a text", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ])("%s", async (_name, garbage) => {
    const good = await visits.to("vm-1");
    await good.type("echo before-$((6*7))\r");
    await good.until("before-42");
    const stream = await rawVisit("vm-1");
    stream.resume();
    stream.write(garbage);
    await poll(() => good.lost !== undefined, "the raw visit took over");
    const after = await visits.to("vm-1");
    await after.type("echo after-$((6*7))\r");
    await after.until("after-42");
    expect(after.link.instance).toBe(good.link.instance);
    stream.destroy();
  });

  test("a caller that says nothing", async () => {
    const visit = await visits.to("vm-1");
    const silent = await Promise.all(Array.from({ length: 3 }, () => rawSocket("vm-1")));
    await visit.type("echo $((6*7))\r");
    await visit.until("42");
    for (const one of silent) one.kill("SIGKILL");
  });

  /** Needs root, to be somebody else for a moment. */
  test("other users", async (context) => {
    if (process.getuid?.() !== 0) return context.skip("only root can act as another user");
    await visits.to("vm-1");
    const asNobody = (directory: string) =>
      outputOf("setpriv", ["--reuid=65534", "--clear-groups", ...callArgs(directory, "vm-1")]);
    expect(await asNobody(visits.place.directory)).toContain("Permission denied");
    // Even with the directory open to all, the holder hangs up on strangers.
    await chmod(visits.place.directory, 0o755);
    await chmod(join(visits.place.directory, "vm-1"), 0o777);
    expect(await asNobody(visits.place.directory)).toContain("hung up");
  });
});

test("somebody else's directory is refused", async (context) => {
  if (process.getuid?.() !== 0) return context.skip("only root can make a directory of another user");
  await chmod(visits.place.directory, 0o777);
  await expect(visits.to("vm-1")).rejects.toThrow();
  await chmod(visits.place.directory, 0o700);
});

async function openFiles(pid: number): Promise<string[]> {
  const directory = `/proc/${pid}/fd`;
  const names = await readdir(directory);
  return await Promise.all(names.map((name) => readlink(join(directory, name)).catch(() => "")));
}

/** Attaches as a server does, but leaves what is said to the test. */
async function rawVisit(name: string): Promise<Duplex> {
  const source = await readFile(new URL("../../sandboxes/terminal/holder.py", import.meta.url));
  const feed = `exec(open(0,"rb",closefd=False).read(${source.length}))`;
  const stream = await visits.place.stream(
    ["python3", "-I", "-S", "-c", feed, "attach", name, "80", "24", "-", "0"],
    { user: "admin" },
  );
  stream.on("error", () => {});
  stream.write(source);
  return stream;
}

/** How the shell ended. */
async function lastFrame(stream: Duplex): Promise<Frame> {
  const reader = new FrameReader();
  for await (const chunk of stream)
    for (const frame of reader.push(chunk as Buffer)) if (frame.kind === "X") return frame;
  throw new Error("the holder hung up without a last word");
}

/** A program that connects to the holder's socket and says what becomes of it. */
function callArgs(directory: string, name: string): string[] {
  const program = [
    "import socket",
    "peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)",
    "try:",
    `    peer.connect("${join(directory, name)}")`,
    '    print("connected", flush=True)',
    '    print("hung up" if peer.recv(1) == b"" else "answered", flush=True)',
    "except OSError as error:",
    "    print(error)",
  ].join("\n");
  return ["/usr/bin/python3", "-c", program];
}

async function rawSocket(name: string) {
  const [file = "", ...args] = callArgs(visits.place.directory, name);
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return child;
}

async function outputOf(file: string, args: string[]): Promise<string> {
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => (text += data.toString()));
  await once(child, "close");
  return text;
}
