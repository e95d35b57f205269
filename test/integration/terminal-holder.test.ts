import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmod, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encodeFrame, encodeOffset, type Frame, FrameReader } from "../../sandboxes/terminal/frames.ts";
import { openHolderLink } from "../../sandboxes/terminal/holder-link.ts";
import { InputOutbox } from "../../sandboxes/terminal/input-outbox.ts";
import type { KnownOutput, TerminalLink } from "../../sandboxes/terminal/terminal-link.ts";
import { poll } from "../poll.ts";
import { type LocalPlace, makeLocalPlace } from "../support/local-place.ts";

let place: LocalPlace;
beforeEach(async () => {
  place = await makeLocalPlace();
});
afterEach(async () => {
  await place[Symbol.asyncDispose]();
});

/** An attached server that notes what it is told. */
class Visit {
  link!: TerminalLink;
  text = "";
  bytes = 0;
  end = 0;
  status: number | undefined;
  lost: string | undefined;
  sizes: string[] = [];

  static async to(name: string, known?: KnownOutput, outbox = new InputOutbox()): Promise<Visit> {
    const visit = new Visit();
    const signal = new AbortController().signal;
    visit.link = await openHolderLink(place, { name, cols: 80, rows: 24, known, outbox, signal });
    visit.end = visit.link.from;
    visit.link.begin({
      output: (offset, data) => {
        expect(offset).toBe(visit.end);
        visit.end += data.length;
        visit.bytes += data.length;
        visit.text = (visit.text + data.toString()).slice(-100_000);
        visit.link.ack(visit.end);
      },
      resized: (cols, rows) => visit.sizes.push(`${cols}x${rows}`),
      exited: (status) => {
        visit.status = status;
      },
      lost: (error) => {
        visit.lost = error.message;
      },
    });
    return visit;
  }

  type(text: string): Promise<void> {
    return this.link.input(Buffer.from(text));
  }

  async until(text: string, timeoutMs = 20_000): Promise<void> {
    const isThere = poll(() => this.text.includes(text), text, { timeoutMs, pauseMs: 2 });
    await isThere.catch((error: Error) => {
      throw new Error(`${error.message}; there is ${JSON.stringify(this.text.slice(-300))}`);
    });
  }
}

async function onlyHolder(): Promise<number> {
  // A shell that is just being started still looks like its holder.
  await poll(async () => (await place.holders()).length === 1, "one holder");
  const [pid] = await place.holders();
  return pid ?? Number.NaN;
}

describe("the holder of a shell", () => {
  test("gives a login shell of its user on a terminal of the right kind and size", async () => {
    const visit = await Visit.to("vm-1");
    await visit.type('echo "$0 $TERM $LANG $(stty size) $PWD ="$((40+2))\r');
    await visit.until("=42");
    expect(visit.text).toContain(`-bash xterm-256color C.UTF-8 24 80 ${process.env.HOME} =42`);
  });

  test("stands alone: a session of its own, nothing of its starter open", async () => {
    await Visit.to("vm-1");
    const holder = await onlyHolder();
    const stat = await readFile(`/proc/${holder}/stat`, "utf8");
    const [, parent, , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    expect(session).not.toBe(`${process.pid}`);
    expect(parent).not.toBe(`${process.pid}`);
    place.cut();
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
    const first = await Visit.to("vm-1");
    const go = join(place.directory, "go");
    await first.type(`echo $$-$((6*7)); (until [ -e ${go} ]; do sleep 0.05; done; echo late-$((1+1))) &\r`);
    await first.until("-42");
    const holder = await onlyHolder();
    place.cut();
    await poll(() => first.lost !== undefined, "the connection is known to be lost");
    await writeFile(go, "");
    const second = await Visit.to("vm-1", { instance: first.link.instance, end: first.end });
    await second.until("late-2");
    expect(second.link.instance).toBe(first.link.instance);
    expect(second.link.from).toBe(first.end);
    expect(await onlyHolder()).toBe(holder);
  });

  test("a server that knows nothing gets the kept screen and all output since", async () => {
    const first = await Visit.to("vm-1");
    await first.type("echo one-$((1)); stty -echo\r");
    await first.until("one-1");
    const kept = { offset: first.end, cols: 80, rows: 24, text: "the screen ✓ ".repeat(10_000) };
    expect(first.link.keep(() => kept)).toBe(true);
    await poll(() => first.link.keep(() => kept), "the next one is taken, so this one is sent");
    await first.type("echo two-$((2))\r");
    await first.until("two-2");
    first.link.close();
    const second = await Visit.to("vm-1");
    expect(second.link.snapshot).toEqual(kept);
    expect(second.link.from).toBe(kept.offset);
    await second.until("two-2");
  });

  test("starts once, however many ask at the same time", async () => {
    const visits = await Promise.all(Array.from({ length: 5 }, () => Visit.to("vm-1")));
    await onlyHolder();
    expect(new Set(visits.map(({ link }) => link.instance)).size).toBe(1);
    // The newest visit wins; the others are told.
    await poll(() => visits.filter(({ lost }) => lost !== undefined).length === 4, "older visits end");
  });

  test("outlives a terminal without keys for signals", async () => {
    const visit = await Visit.to("vm-1");
    await visit.type("stty intr undef quit undef susp undef; echo none-$((6*7))\r");
    await visit.until("none-42");
    await visit.type("echo still-$((6*7))\r");
    await visit.until("still-42");
  });

  test("ends when its shell ends, and says how", async () => {
    const visit = await Visit.to("vm-1");
    await visit.type("seq 1 20000; exit 7\r");
    await poll(() => visit.status !== undefined, "exit status");
    expect(visit.status).toBe(7);
    expect(visit.text).toContain("20000\r\n");
    await poll(async () => (await place.holders()).length === 0, "holder ends");
    expect(await readdir(place.directory)).toEqual([]);
  });

  test("waits at its end until the server has read how, whatever that still says", async () => {
    const stream = await rawVisit("vm-1");
    await once(stream, "readable");
    stream.write(encodeFrame("I", Buffer.from("exit 7\r")));
    await poll(async () => (await readdir(place.directory)).length === 0, "the name is free");
    const { promise: said, resolve, reject } = Promise.withResolvers<void>();
    stream.write(encodeFrame("A", encodeOffset(0)), (error) => (error ? reject(error) : resolve()));
    await said;
    expect((await lastFrame(stream)).payload.readInt32BE(0)).toBe(7);
    stream.destroy();
    await poll(async () => (await place.holders()).length === 0, "holder ends");
  });

  test("ends when its shell is killed while nobody is there", async () => {
    const visit = await Visit.to("vm-1");
    await visit.type("echo pid=$$.\r");
    await visit.until("pid=");
    await poll(() => /pid=\d+\./.test(visit.text), "pid");
    visit.link.close();
    process.kill(Number(/pid=(\d+)\./.exec(visit.text)?.[1]), "SIGKILL");
    await poll(async () => (await place.holders()).length === 0, "holder ends");
  });

  test("changes size in order with the output", async () => {
    const visit = await Visit.to("vm-1");
    visit.link.resize(132, 43);
    await visit.type("stty size; echo $((6*7))\r");
    await visit.until("43 132");
    expect(visit.sizes).toEqual(["80x24", "132x43"]);
  });

  test("keeps the newest output while nobody is there, and no more memory than that", async () => {
    const visit = await Visit.to("vm-1");
    await visit.type("stty -echo; PS1=; clear\r");
    await visit.until("\x1b[H");
    const known = { instance: visit.link.instance, end: visit.end };
    await visit.type("sleep 0.3; seq 1 1500000; echo end-$((2+2))\r");
    visit.link.close();
    const holder = await onlyHolder();
    await poll(
      async () => {
        const again = await Visit.to("vm-1", known);
        await poll(() => again.end >= again.link.end, "replay");
        const isOver = again.text.includes("end-4");
        if (isOver) expect(again.link.end - again.link.from).toBeLessThanOrEqual(2 * 1024 * 1024 + 64);
        again.link.close();
        return isOver;
      },
      "the flood passes unseen",
      { timeoutMs: 60_000, pauseMs: 3_000 },
    );
    const status = await readFile(`/proc/${holder}/status`, "utf8");
    expect(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])).toBeLessThan(40_000);
  });
});

describe("input", () => {
  test("is never lost under back-pressure", async () => {
    const visit = await Visit.to("vm-1");
    const lines = `${"0123456789abcdef".repeat(4)}\r`.repeat(8_000);
    await visit.type("stty -echo; echo go-$((6*7)); sleep 0.5; head -n 8000 | sha256sum\r");
    await visit.until("go-42");
    for (let at = 0; at < lines.length; at += 16_384) await visit.type(lines.slice(at, at + 16_384));
    await visit.until(createHash("sha256").update(lines.replaceAll("\r", "\n")).digest("hex"), 60_000);
  });

  test("ctrl-c passes input that nobody reads", async () => {
    const visit = await Visit.to("vm-1");
    await visit.type("echo go-$((6*7)); sleep 1000\r");
    await visit.until("go-42");
    void visit.type("never read\r".repeat(15_000));
    await poll(() => visit.link.bufferedBytes > 50_000, "input is held up");
    visit.text = "";
    await visit.type("\x03");
    await visit.until("^C");
    await visit.type("echo alive-$((6*7))\r");
    await visit.until("alive-42");
    expect(visit.text).not.toContain("command not found");
  });

  test("ctrl-c is an ordinary key for a program that asked for it", async () => {
    const visit = await Visit.to("vm-1");
    await visit.type("stty raw -echo; printf 'raw-%s\\n' now; head -c 3 | od -An -tx1; stty sane\r");
    await visit.until("raw-now");
    await visit.type("a\x03b");
    await visit.until("61 03 62");
  });

  test("what a dying connection swallowed is sent again", async () => {
    const outbox = new InputOutbox();
    const first = await Visit.to("vm-1", undefined, outbox);
    await first.type("echo ready-$((6*7))\r");
    await first.until("ready-42");
    const holder = await onlyHolder();
    // Stopped, it reads nothing: what is sent now dies with the connection.
    process.kill(holder, "SIGSTOP");
    void first.type(`: ${"x".repeat(1_000)}\r`.repeat(150));
    void first.type("echo resent-$((6*7))\r");
    place.cut();
    process.kill(holder, "SIGCONT");
    const second = await Visit.to("vm-1", { instance: first.link.instance, end: first.end }, outbox);
    await second.until("resent-42");
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
    const good = await Visit.to("vm-1");
    await good.type("echo before-$((6*7))\r");
    await good.until("before-42");
    const stream = await rawVisit("vm-1");
    stream.resume();
    stream.write(garbage);
    await poll(() => good.lost !== undefined, "the raw visit took over");
    const after = await Visit.to("vm-1");
    await after.type("echo after-$((6*7))\r");
    await after.until("after-42");
    expect(after.link.instance).toBe(good.link.instance);
    stream.destroy();
  });

  test("a caller that says nothing", async () => {
    const visit = await Visit.to("vm-1");
    const silent = await Promise.all(Array.from({ length: 3 }, () => rawSocket("vm-1")));
    await visit.type("echo $((6*7))\r");
    await visit.until("42");
    for (const one of silent) one.kill("SIGKILL");
  });

  /** Needs root, to be somebody else for a moment. */
  test("other users", async (context) => {
    if (process.getuid?.() !== 0) return context.skip("only root can act as another user");
    await Visit.to("vm-1");
    const asNobody = (directory: string) =>
      outputOf("setpriv", ["--reuid=65534", "--clear-groups", ...callArgs(directory, "vm-1")]);
    expect(await asNobody(place.directory)).toContain("Permission denied");
    // Even with the directory open to all, the holder hangs up on strangers.
    await chmod(place.directory, 0o755);
    await chmod(join(place.directory, "vm-1"), 0o777);
    expect(await asNobody(place.directory)).toContain("hung up");
  });
});

test("somebody else's directory is refused", async (context) => {
  if (process.getuid?.() !== 0) return context.skip("only root can make a directory of another user");
  await chmod(place.directory, 0o777);
  await expect(Visit.to("vm-1")).rejects.toThrow();
  await chmod(place.directory, 0o700);
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
  const stream = await place.stream(
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
  const [file = "", ...args] = callArgs(place.directory, name);
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
