import headless from "@xterm/headless";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { containerPlace } from "../../sandboxes/cluster/toolbox.ts";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import type { Machine, MachineSpec } from "../../sandboxes/machine/machine.ts";
import { QemuDriver } from "../../sandboxes/machine/qemu-driver.ts";
import { createTerminalHub, type TerminalTarget } from "../../server/terminal/terminal-hub.ts";
import { poll } from "../poll.ts";
import { builtImage } from "../support/built-image.ts";
import { copiedMachine } from "../support/shared-template.ts";
import { TestViewer, type TestViewerOptions } from "../support/terminal-viewer.ts";

/** One step in an emulated VM beside other work. */
const STEP_MS = 180_000;
const MEGABYTES = 4;

let engine: DockerEngine;
let spec: MachineSpec | undefined;
let toolbox: string;
let machine: Machine | undefined;
let target: TerminalTarget;
let hub: ReturnType<typeof createTerminalHub>;

beforeAll(async () => {
  engine = new DockerEngine();
  const copied = await copiedMachine(engine);
  spec = copied.spec;
  toolbox = `fb-${spec.sandboxId}-toolbox`;
  await engine.runContainer({
    name: toolbox,
    image: await builtImage("toolbox"),
    labels: spec.labels,
    network: { name: spec.network },
    capabilities: [],
  });
  machine = await new QemuDriver({ engine, privateKey: copied.privateKey }).create(
    spec,
    () => {},
    AbortSignal.timeout(600_000),
  );
  const vm = machine;
  target = {
    place: (role) => (role === "vm" ? vm.place : containerPlace(engine, toolbox)),
    openConsole: () => vm.openConsole(),
  };
  hub = createTerminalHub({ resolve: () => target });
});
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]();
  await machine?.destroy();
  if (spec) {
    await engine.removeContainer(toolbox);
    await engine.removeNetwork(spec.network);
  }
  await engine?.[Symbol.asyncDispose]();
});

const open = (options: TestViewerOptions) => TestViewer.open(hub, options);

const numbersTo = (last: number, count: number) =>
  Array.from({ length: count }, (_, index) => `${last - count + 1 + index}`);

/** What a page that opens the terminal now has on its 24 rows, as soon as it is what is waited for. */
async function rowsFor(
  role: "vm" | "cluster",
  name: string,
  isThere: (rows: string[]) => boolean,
): Promise<string[]> {
  let rows: string[] = [];
  const look = async () => {
    const later = await open({ id: "later", open: { role, name } });
    const terminal = new headless.Terminal({ cols: 80, rows: 24, allowProposedApi: true });
    await new Promise<void>((resolve) => terminal.write(later.snapshotText, resolve));
    hub.leave(later.id);
    const { active } = terminal.buffer;
    rows = Array.from(
      { length: 24 },
      (_, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? "",
    );
    return isThere(rows);
  };
  await poll(look, "what is waited for is on the screen", { timeoutMs: STEP_MS, pauseMs: 500 }).catch(
    (error) => {
      throw new Error(`${error.message}; there is\n${rows.join("\n")}`);
    },
  );
  return rows;
}

describe.each([
  { role: "vm" as const, home: "/home/admin" },
  { role: "cluster" as const, home: "/home/admin" },
])("a terminal into the $role", ({ role, home }) => {
  test("is a login shell of admin", async () => {
    const viewer = await open({ open: { role, name: "who" } });
    await poll(() => viewer.instance !== "", "attached", { timeoutMs: STEP_MS });
    await viewer.run('echo "$(whoami) $0 $PWD $LANG $TERM $(stty size)" =$((6*7))', "=42", STEP_MS);
    expect(viewer.text).toContain(`admin -bash ${home} C.UTF-8 xterm-256color 24 80 =42`);
    hub.leave(viewer.id);
  });

  test("lives on when the server dies", async () => {
    const viewer = await open({ id: "first", open: { role, name: "life" } });
    await poll(() => viewer.instance !== "", "attached", { timeoutMs: STEP_MS });
    await viewer.run("seq 1 500; echo pid-$$- =$((6*7))", "=42", STEP_MS);
    // Another server's hub: this one knows nothing of the shell.
    await using other = createTerminalHub({ resolve: () => target });
    const later = await TestViewer.open(other, { id: "later", open: { role, name: "life" } });
    await poll(() => later.snapshotText.includes("=42"), "the screen", { timeoutMs: STEP_MS });
    expect(later.snapshotText).toContain("\r\n250\r\n");
    expect(later.instance).toBe(viewer.instance);
    hub.leave(viewer.id);
  });

  test("shows vim and top as full-screen programs, to whoever comes later too", async () => {
    const viewer = await open({ open: { role, name: "screens" } });
    await poll(() => viewer.instance !== "", "attached", { timeoutMs: STEP_MS });
    await viewer.run("cd; seq 1 500 > numbers; echo made =$((6*7))", "=42", STEP_MS);
    await viewer.run("vim -u NONE -N numbers", "\x1b[?1049h", STEP_MS);
    // To the last line and behind it, where a line is added.
    await viewer.type("Goadded in vim\x1b");
    const inVim = await rowsFor(role, "screens", (rows) => rows.includes("added in vim"));
    expect(inVim.slice(0, 23)).toEqual([...numbersTo(500, 22), "added in vim"]);
    await viewer.run(":wq", "\x1b[?1049l", STEP_MS);
    await viewer.run("tail -n 1 numbers; echo kept =$((6*7))", "=42", STEP_MS);
    expect(viewer.text).toContain("added in vim\r\n");
    await viewer.run("top", "PID USER", STEP_MS);
    const inTop = await rowsFor(role, "screens", (rows) =>
      rows.some((row) => /PID USER .*COMMAND/.test(row)),
    );
    expect(inTop[0]).toMatch(/^top - /);
    viewer.text = "";
    await viewer.type("q");
    // It drops what is typed ahead of its end.
    await viewer.until("\x1b[?2004h", STEP_MS);
    await viewer.run("rm numbers; echo left =$((6*7))", "=42", STEP_MS);
    await rowsFor(role, "screens", (rows) => rows.includes("left =42"));
    hub.leave(viewer.id);
  });

  test("gives all of a large output, and ctrl-c stops a flood", async () => {
    const viewer = await open({ open: { role, name: "flood" } });
    await poll(() => viewer.instance !== "", "attached", { timeoutMs: STEP_MS });
    await viewer.run("stty -onlcr; echo ready =$((6*7))", "=42", STEP_MS);
    const before = viewer.bytes;
    await viewer.run(
      `yes 0123456789abcde | head -c ${MEGABYTES * 1_000_000}; echo =$((40+3))`,
      "=43",
      STEP_MS,
    );
    expect(viewer.bytes - before).toBeGreaterThanOrEqual(MEGABYTES * 1_000_000);
    expect(viewer.gaps).toBe(0);
    viewer.bytes = 0;
    await viewer.type("yes\r");
    await poll(() => viewer.bytes > 1_000_000, "a flood", { timeoutMs: STEP_MS });
    viewer.text = "";
    await viewer.type("\x03");
    await viewer.until("\x1b[?2004h", STEP_MS);
    hub.leave(viewer.id);
  });
});

test("the console is the serial line: its log, and a login", async () => {
  const viewer = await open({ open: { role: "console" } });
  const shown = () => `${viewer.snapshotText}${viewer.text}`;
  await poll(() => shown().includes("login:"), "a login", { timeoutMs: STEP_MS });
  expect(shown()).toContain("Linux");
  viewer.text = "";
  await viewer.type("nobody\r");
  await viewer.until("assword", STEP_MS);
  hub.leave(viewer.id);
});

test("a VM that is reset has new shells by itself", async () => {
  const viewer = await open({ open: { role: "vm", name: "reset" } });
  await poll(() => viewer.instance !== "", "attached", { timeoutMs: STEP_MS });
  const { instance } = viewer;
  await machine?.hardReset(AbortSignal.timeout(STEP_MS));
  hub.reattach("sandbox");
  await poll(() => viewer.events.some((event) => event.startsWith("lost")), "told");
  await poll(() => viewer.instance !== "" && viewer.instance !== instance, "a new shell", {
    timeoutMs: STEP_MS,
  });
  await viewer.run("echo new =$((6*7))", "=42", STEP_MS);
});
