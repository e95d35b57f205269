import { io } from "socket.io-client";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { routes } from "../../server/protocol/http.ts";
import type { TerminalOpened } from "../../server/protocol/socket.ts";
import type { AttemptView, RoomView } from "../../server/protocol/views.ts";
import { poll } from "../poll.ts";
import { answered, type Browser, connected, openTerminal, type TestSocket } from "../support/browser.ts";
import { type LabServer, startAttempt, startLabServer } from "../support/lab-server.ts";

let server: LabServer;
let learner: Browser;
let other: Browser;
let instructor: Browser;
let attemptId: string;

beforeAll(async () => {
  server = await startLabServer();
  learner = await server.learner("Ada");
  other = await server.learner("Grace");
  instructor = await server.instructor();
  attemptId = (await startAttempt(learner)).id;
});
afterAll(() => server[Symbol.asyncDispose]());

async function socketOf(browser: Browser): Promise<TestSocket> {
  const socket = browser.socket();
  onTestFinished(() => void socket.disconnect());
  return await connected(socket);
}

const shell = (name: string) => ({ attemptId, role: "vm", name, cols: 80, rows: 24 }) as const;
const open = (socket: TestSocket, body: object) =>
  answered<TerminalOpened>((ack) => socket.emit("terminal:open", body as ReturnType<typeof shell>, ack));
const watch = (socket: TestSocket, language: "en" | "zh" = "en") =>
  answered<AttemptView>((ack) => socket.emit("attempt:watch", { attemptId, language }, ack));
const watchRoom = (socket: TestSocket) =>
  answered<RoomView>((ack) => socket.emit("room:watch", { language: "en" }, ack));

describe("connecting", () => {
  const refused = (browser: Browser, headers: Record<string, string>) => {
    const socket = browser.socket(headers);
    onTestFinished(() => void socket.disconnect());
    return expect(connected(socket)).rejects;
  };

  test("a stranger is refused, and told as what", async () => {
    await refused(await server.stranger(), {}).toMatchObject({ data: { code: "not_signed_in" } });
  });
  test("a page of another origin is refused, whoever looks at it", async () => {
    await refused(learner, { origin: "https://evil.example" }).toThrow();
    await refused(learner, { origin: server.vmWebUrl }).toThrow();
  });
  test("a changed cookie is refused", async () => {
    await refused(learner, { cookie: learner.cookieHeader().slice(0, -3) }).toMatchObject({
      data: { code: "not_signed_in" },
    });
  });
  test("long polling, with which none of this was thought of, is not served", async () => {
    const socket = io(server.url, {
      transports: ["polling"],
      reconnection: false,
      forceNew: true,
      extraHeaders: { cookie: learner.cookieHeader(), origin: server.url },
    });
    onTestFinished(() => void socket.disconnect());
    await expect(connected(socket)).rejects.toThrow();
  });
});

describe("who may use which event", () => {
  test("another learner reaches nothing of the attempt", async () => {
    const socket = await socketOf(other);
    await expect(open(socket, shell("x"))).rejects.toMatchObject({ code: "not_found" });
    await expect(watch(socket)).rejects.toMatchObject({ code: "not_found" });
    await expect(watchRoom(socket)).rejects.toMatchObject({ code: "forbidden" });
  });

  test("knowing a terminal's id is worth nothing", async () => {
    const owner = await socketOf(learner);
    const mine = await openTerminal(owner, shell("secret"));
    const { terminalId } = mine;
    const intruder = await socketOf(other);
    const overheard: unknown[] = [];
    intruder.onAny((...event) => overheard.push(event));
    intruder.emit("terminal:input", { terminalId, data: "echo intruder-$((1+1))\r" });
    intruder.emit("terminal:resize", { terminalId, cols: 10, rows: 10 });
    intruder.emit("terminal:ack", { terminalId, offset: 0 });
    intruder.emit("terminal:close", { terminalId });
    await expect(
      answered<null>((ack) => intruder.emit("terminal:write", { terminalId }, ack)),
    ).rejects.toMatchObject({ code: "not_found" });
    await mine.type("echo owner-$((1+1))\r");
    await poll(() => mine.text().includes("owner-2"), "the owner's shell answers");
    expect(mine.text()).not.toContain("intruder");
    expect(overheard).toEqual([]);
  });

  test("the instructor sees terminals and types into none, even when the first to come", async () => {
    const watcher = await socketOf(instructor);
    const seen = await openTerminal(watcher, shell("watched"));
    const { terminalId } = seen;
    expect(seen.isWriter).toBe(false);
    await seen.type("echo instructor-$((1+1))\r");
    await expect(
      answered<null>((ack) => watcher.emit("terminal:write", { terminalId }, ack)),
    ).rejects.toMatchObject({ code: "forbidden" });
    const mine = await openTerminal(await socketOf(learner), shell("watched"));
    expect(mine.isWriter).toBe(true);
    await mine.type("echo learner-$((1+1))\r");
    await poll(() => seen.text().includes("learner-2"), "the instructor sees what the learner typed");
    expect(seen.text()).not.toContain("instructor-2");
    expect((await watchRoom(watcher)).rows.map(({ attempt }) => attempt.id)).toContain(attemptId);
    expect((await watch(watcher)).id).toBe(attemptId);
  });

  test("signing out ends the sockets of that session, and no others", async () => {
    const [leaving, staying] = [await server.learner("Leaving"), await server.learner("Staying")];
    const [one, two] = [await socketOf(leaving), await socketOf(staying)];
    await leaving.ask(routes.leave);
    await poll(() => one.disconnected, "the socket is closed");
    expect(two.connected).toBe(true);
  });
});

describe("events that break the rules", () => {
  /** However busy the host, what may be asked is not refilled while it is asked for. Gives what starts it again. */
  function stopClock(): () => void {
    const clock = vi.spyOn(performance, "now").mockReturnValue(performance.now());
    onTestFinished(() => clock.mockRestore());
    return () => clock.mockRestore();
  }

  test.each([
    ["a role that is none", { ...shell("1"), attemptId: "", role: "root" }],
    ["a name with a path", { ...shell("../1"), attemptId: "" }],
    ["a size beyond all screens", { ...shell("1"), attemptId: "", cols: 1e9 }],
    ["nothing", null],
  ])("opening with %s is refused", async (_what, body) => {
    await expect(open(await socketOf(learner), body as object)).rejects.toMatchObject({
      code: "bad_request",
    });
  });

  test("an event without an answer that is not valid ends the socket", async () => {
    const socket = await socketOf(learner);
    socket.emit("terminal:input", { terminalId: 7 } as never);
    await poll(() => socket.disconnected, "the socket is closed");
  });

  test("an event that wants an answer and takes none ends the socket", async () => {
    const socket = await socketOf(learner);
    (socket as { emit(name: string, body: unknown): void }).emit("attempt:watch", { attemptId });
    await poll(() => socket.disconnected, "the socket is closed");
  });

  test("a message beyond all bounds ends the socket", async () => {
    const socket = await socketOf(learner);
    socket.emit("terminal:input", { terminalId: "x", data: "x".repeat(1_000_000) });
    await poll(() => socket.disconnected, "the socket is closed");
  });

  test("asking all the time is refused, in every tab, then possible again", async () => {
    const asker = await server.learner("Asker");
    const { id } = await startAttempt(asker);
    const [socket, tab] = [await socketOf(asker), await socketOf(asker)];
    const watch = (by: TestSocket) =>
      answered<AttemptView>((ack) => by.emit("attempt:watch", { attemptId: id, language: "en" }, ack));
    const startClock = stopClock();
    const answers = await Promise.allSettled(
      Array.from({ length: 240 }, (_, index) => watch(index % 2 === 0 ? socket : tab)),
    );
    const refused = answers.filter((one) => one.status === "rejected");
    expect(refused.length).toBeGreaterThan(20);
    expect(refused[0]?.reason).toMatchObject({ code: "too_many_requests" });
    expect(answers[0]?.status).toBe("fulfilled");
    startClock();
    await poll(
      () =>
        watch(socket).then(
          () => true,
          () => false,
        ),
      "it is possible again",
    );
  });

  test("three terminals come back at once with each of several reloads; opening them without end does not", async () => {
    const own = await server.learner("Reloader");
    const { id } = await startAttempt(own);
    const openThree = async () => {
      const socket = await socketOf(own);
      await Promise.all(["1", "2", "3"].map((name) => open(socket, { ...shell(name), attemptId: id })));
      return socket;
    };
    for (let reload = 1; reload <= 4; reload += 1) (await openThree()).disconnect();
    const socket = await openThree();
    stopClock();
    const opens = await Promise.allSettled(
      Array.from({ length: 60 }, () => open(socket, { ...shell("1"), attemptId: id })),
    );
    expect(opens.at(-1)).toMatchObject({ reason: { code: "too_many_requests" } });
  });

  test("one tab too many is refused until another is closed; others have theirs", async () => {
    const own = await server.learner("Tabs");
    const tabs = await Promise.all(Array.from({ length: 16 }, () => socketOf(own)));
    await expect(socketOf(own)).rejects.toMatchObject({ data: { code: "too_many_pages" } });
    await socketOf(await server.learner("Neighbour"));
    tabs[0]?.disconnect();
    await poll(
      () =>
        socketOf(own).then(
          () => true,
          () => false,
        ),
      "there is room for one again",
    );
  });

  test("an instructor has more tabs than a learner", async () => {
    const own = await server.instructor();
    await Promise.all(Array.from({ length: 24 }, () => socketOf(own)));
  });

  test("a flood of input ends the socket that sends it", async () => {
    const socket = await socketOf(await server.learner("Flooder"));
    stopClock();
    const closed = new Promise((resolve) => socket.once("disconnect", resolve));
    for (let n = 0; n < 12_000; n += 1) socket.emit("terminal:input", { terminalId: "x", data: "x" });
    await closed;
  });
});

describe("live views", () => {
  test("who watches sees changes, each in their language", async () => {
    const [english, chinese] = [await socketOf(learner), await socketOf(instructor)];
    const titles: string[] = [];
    english.on("attempt:changed", (view) => titles.push(view.labTitle));
    chinese.on("attempt:changed", (view) => titles.push(view.labTitle));
    expect((await watch(english)).labTitle).toBe("Stub lab");
    expect((await watch(chinese, "zh")).labTitle).toBe("占位实验");
    await learner.ask(routes.revealHint, { parameters: { attemptId }, json: { taskId: "first" } });
    await poll(() => new Set(titles).size === 2, "both saw it");
  });

  test("power off and on comes as it happens", async () => {
    const socket = await socketOf(learner);
    const powers: string[] = [];
    socket.on("attempt:changed", (view) => powers.push(view.sandbox?.machine?.power ?? ""));
    await watch(socket);
    for (const action of ["off", "on"]) {
      await learner.ask(routes.power, { parameters: { attemptId }, json: { action } });
      await poll(() => powers.at(-1) === action, `the VM is told to be ${action}`);
    }
  });

  test("the room shows newcomers", async () => {
    const socket = await socketOf(instructor);
    const rooms: RoomView[] = [];
    socket.on("room:changed", (room) => rooms.push(room));
    await watchRoom(socket);
    await startAttempt(await server.learner("Newcomer"));
    await poll(
      () => rooms.at(-1)?.rows.some(({ attempt }) => attempt.learner === "Newcomer") ?? false,
      "the newcomer is in the room",
    );
  });

  test("after a reset the old terminals end and new ones open in the new sandbox", async () => {
    const own = await server.learner("Resetter");
    const before = await startAttempt(own);
    const socket = await socketOf(own);
    const body = { ...shell("1"), attemptId: before.id };
    const old = await open(socket, body);
    const ended: string[] = [];
    socket.on("terminal:lost", (id) => ended.push(id));
    socket.on("terminal:exit", (id) => ended.push(id));
    await own.ask(routes.resetAttempt, { parameters: { attemptId: before.id } });
    await poll(() => ended.includes(old.terminalId), "the old terminal is told to be gone");
    await poll(
      () =>
        open(socket, body).then(
          (one) => one.terminalId !== old.terminalId,
          () => false,
        ),
      "a new one",
    );
  });
});

test("typing keeps an attempt from ending idle", async () => {
  let now = Date.now();
  await using own = await startLabServer({
    settings: { idleMinutes: 30 },
    app: { clock: () => new Date(now) },
  });
  const [typing, idle] = [await own.learner("Typing"), await own.learner("Idle")];
  const [mine, theirs] = [await startAttempt(typing), await startAttempt(idle)];
  const socket = await socketOf(typing);
  const terminal = await openTerminal(socket, { ...shell("1"), attemptId: mine.id });
  now += 29 * 60_000;
  await terminal.type("#");
  now += 2 * 60_000;
  const stateOf = async (browser: Browser, id: string) =>
    (await browser.ask(routes.attempt, { parameters: { attemptId: id } })).body.state;
  await poll(async () => (await stateOf(idle, theirs.id)) === "ended", "the idle one has ended");
  expect(await stateOf(typing, mine.id)).toBe("running");
});
