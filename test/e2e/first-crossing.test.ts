import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DockerEngine } from "../../sandboxes/engine/docker-engine.ts";
import { LABELS } from "../../sandboxes/sandbox.ts";
import { labsDir } from "../../server/cli/places.ts";
import type { Task } from "../../server/labs/lab.ts";
import { loadLabs } from "../../server/labs/load-labs.ts";
import { launchChromium } from "../support/chromium.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import { makeInstallation, type TestInstallation } from "../support/test-installation.ts";
import { picture } from "./support/picture.ts";

/**
 * A learner's whole way through the first lab on the real thing: the server in a process of its own, QEMU, kind, and
 * Chromium. The tests below are its stations, in order; with FOOTBRIDGE_TEST_SCREENSHOTS=1 they take the
 * documentation's pictures on the way.
 */
const START_MS = 120_000;
const BRING_UP_MS = 480_000;
const TASK_MS = 180_000;
/** One that nothing in the lab uses. */
const NODE_PORT = 30_123;

let server: ServerProcess;
let browser: Browser;
let page: Page;
let installation: TestInstallation;
let tasks: Task[];

beforeAll(async () => {
  installation = await makeInstallation();
  const lab = (await loadLabs(labsDir)).find((one) => one.id === "first-crossing");
  if (!lab) throw new Error("the lab first-crossing is gone");
  tasks = lab.tasks;
  [server, browser] = await Promise.all([startServer(installation.env, START_MS), launchChromium()]);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en" });
  // Terminals put their text where screen readers, and this test, find it.
  await context.addInitScript(() =>
    localStorage.setItem("footbridge.preferences", JSON.stringify({ language: "en", screenReader: true })),
  );
  page = await context.newPage();
});

afterAll(async () => {
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
});

const taskRow = (title: string): Locator =>
  page.getByRole("region", { name: "Instructions" }).getByRole("listitem").filter({ hasText: title }).first();
const shell = () => page.getByRole("tabpanel").filter({ visible: true }).first();

async function openTab(name: "vm" | "cluster" | "console") {
  await page.getByRole("tab", { name, exact: true }).click({ timeout: BRING_UP_MS });
}

/** The shell waits for a command, and is not only what was seen of it before a connection was lost. */
async function prompted() {
  await shell().locator(".terminal[data-state=open]").waitFor({ timeout: TASK_MS });
  const lastLine = async () =>
    (await shell().getByRole("listitem").allTextContents()).map((line) => line.trim()).findLast(Boolean);
  await expect.poll(lastLine, { timeout: TASK_MS, interval: 250 }).toMatch(/^admin@\S+\$$/);
}

/** Enters commands at the prompt as a person does: one line is typed, several are pasted; then Enter. */
async function enter(where: "vm" | "cluster", commands: string) {
  await openTab(where);
  await prompted();
  const keyboard = shell().getByRole("textbox").first();
  await keyboard.focus();
  const text = commands.trimEnd();
  if (text.includes("\n")) await keyboard.evaluate(paste, text);
  else await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

/** What the browser does at Ctrl-V. */
function paste(element: Element, text: string) {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", text);
  element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
}

async function sees(text: string | RegExp, timeoutMs: number) {
  await shell().getByText(text).first().waitFor({ state: "attached", timeout: timeoutMs });
}

async function solve(index: number) {
  const task = tasks[index];
  if (!task) throw new Error(`there is no task ${index + 1}`);
  const passed = taskRow(task.title.en).getByText("Passed");
  // On a host that is too slow to judge a deletion the page asks for another one.
  const asked = page.getByText("delete another");
  do {
    for (const { run, commands } of task.solution) await enter(run, commands);
    await passed.or(asked).first().waitFor({ timeout: TASK_MS });
  } while (!(await passed.isVisible()));
}

async function speak(menu: string, language: string) {
  await page.getByRole("button", { name: menu, exact: true }).click();
  await page.getByRole("radio", { name: language }).check();
  await page.keyboard.press("Escape");
}

const progress = (passed: number) => page.getByRole("progressbar", { name: `${passed} of 8 tasks passed` });

test("a learner joins by the course link and starts the lab", async () => {
  await page.goto(server.learnerLink);
  await page.getByLabel("Your name").fill("Ada Wirth");
  await picture(page, "join");
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("heading", { name: "Labs", level: 1 }).waitFor();
  await picture(page, "labs");
  await page
    .getByRole("link", { name: /first crossing/i })
    .first()
    .click();
  await page.getByRole("button", { name: "Start the lab" }).click();
  await page.getByRole("heading", { name: "Bringing up the sandbox" }).waitFor();
  await page.getByText("Create cluster").first().waitFor({ timeout: BRING_UP_MS });
  await picture(page, "bring-up");
});

test("VM and cluster come up, and their shells open by themselves", async () => {
  await openTab("vm");
  await sees(/admin@machine/, BRING_UP_MS);
  await openTab("cluster");
  await sees(/admin@cluster/, BRING_UP_MS);
  await page.getByText("Bringing up the sandbox").waitFor({ state: "hidden", timeout: BRING_UP_MS });
});

test("a wrong state says what was expected and found", async () => {
  const expected = page.getByText("Expected").first();
  await expected.waitFor({ timeout: TASK_MS });
  await page.getByText("Found").first().waitFor();
});

test("the tasks on the VM turn green when their solutions are typed", async () => {
  await solve(0);
  await solve(1);
  await progress(2).waitFor();
});

test("the lab page stands beside itself, in the dark and in Chinese", async () => {
  await enter("cluster", "kubectl get nodes");
  await sees(/control-plane/, TASK_MS);
  await enter("vm", "df -h /srv/inventory && sudo vgs");
  await sees(/VG +#PV/, TASK_MS);
  await page.getByRole("button", { name: "Split view" }).click();
  await picture(page, "lab-page");
  await page.getByRole("button", { name: "Single view" }).click();
  const machine = page.getByRole("region", { name: "Sandbox" }).getByRole("button", { name: /^VM/ });
  await machine.click();
  await picture(page, "lab-page-dark", { isDark: true });
  await machine.click();
  await speak("Display", "简体中文");
  await page.getByRole("region", { name: "实验指导" }).waitFor();
  await picture(page, "lab-page-tablet-zh", { width: 820, height: 1180 });
  await speak("显示", "English");
  await progress(2).waitFor();
});

test("a reload gives back screen, scrollback and progress", async () => {
  await enter("vm", "echo before-$((20+22))-reload; echo shell-$$-lives");
  await sees("before-42-reload", TASK_MS);
  await page.reload();
  await progress(2).waitFor();
  await openTab("vm");
  await sees("before-42-reload", TASK_MS);
});

test("the next tasks on the VM, then the server is killed and comes back with the same shells", async () => {
  await solve(2);
  await solve(3);
  // Keys on their way to a server that dies are lost, as with ssh.
  for (const where of ["cluster", "vm"] as const) {
    await enter(where, `MARK=kept-by-${where}; echo set-$((20+22))`);
    await sees("set-42", TASK_MS);
  }
  await server.killHard();
  await page.getByText("Connection to the lab server lost").waitFor();
  server = await startServer(installation.env, START_MS);
  await page.getByText("Connection to the lab server lost").waitFor({ state: "hidden", timeout: START_MS });
  await progress(4).waitFor({ timeout: TASK_MS });
  await enter("cluster", "echo $MARK | tr a-z A-Z");
  await sees("KEPT-BY-CLUSTER", TASK_MS);
  await enter("vm", "echo $MARK | tr a-z A-Z");
  await sees("KEPT-BY-VM", TASK_MS);
  await sees("before-42-reload", TASK_MS);
});

test("the tasks on Kubernetes turn green when their solutions are typed", async () => {
  for (const index of [4, 5, 6, 7]) await solve(index);
  await page.getByRole("progressbar", { name: "All tasks passed" }).waitFor({ timeout: TASK_MS });
});

test("an instructor sees the learner in the room", async () => {
  const context = await browser.newContext({ locale: "en" });
  try {
    const room = await context.newPage();
    await room.goto(server.instructorLink);
    await room
      .getByRole("row")
      .filter({ hasText: "Ada Wirth" })
      .getByText("8/8")
      .waitFor({ timeout: TASK_MS });
    await picture(room, "room");
  } finally {
    await context.close();
  }
});

test("Inventory opens in the browser through the server, on an origin of its own", async () => {
  await page.getByRole("button", { name: "Web services" }).click();
  const opened = page.context().waitForEvent("page");
  await page
    .getByRole("button", { name: /Open Inventory.* in a new tab/ })
    .first()
    .click();
  const inventory = await opened;
  await inventory.getByText("Inventory").first().waitFor({ timeout: TASK_MS });
  expect(new URL(inventory.url()).origin).not.toBe(new URL(page.url()).origin);
  await inventory.close();
});

test("a NodePort of the cluster opens in the browser through the server", async () => {
  const ports = JSON.stringify({ spec: { ports: [{ port: 80, targetPort: 8080, nodePort: NODE_PORT }] } });
  await enter(
    "cluster",
    `kubectl -n inventory expose deployment inventory-api --name outside --type NodePort --port 80 --overrides '${ports}'`,
  );
  await sees("service/outside exposed", TASK_MS);
  const other = page.getByRole("form", { name: "Another port" });
  await other.getByLabel("Port", { exact: true }).fill(String(NODE_PORT));
  const opened = page.context().waitForEvent("page");
  await other.getByRole("button", { name: "Open" }).click();
  const api = await opened;
  await api.waitForURL((url) => url.protocol === "http:", { timeout: TASK_MS });
  // Until the nodes have learnt of the Service, the server's own page says that nothing answers there yet.
  const whoami = async () =>
    await (await api.goto(new URL("/whoami", api.url()).href, { timeout: TASK_MS }))?.text();
  await expect.poll(whoami, { timeout: TASK_MS, interval: 500 }).toContain("Kubernetes pod");
  expect(new URL(api.url()).origin).not.toBe(new URL(page.url()).origin);
  await api.close();
});

test("reset gives a new sandbox, with the tasks beginning again", async () => {
  await page.getByRole("button", { name: "Lab", exact: true }).click();
  await page.getByRole("button", { name: "Reset sandbox" }).click();
  await page.getByRole("button", { name: "Delete and make anew" }).click();
  await progress(0).waitFor({ timeout: TASK_MS });
  await openTab("vm");
  await sees(/admin@machine/, BRING_UP_MS);
  expect(await shell().getByText("before-42-reload").count()).toBe(0);
  await using engine = new DockerEngine();
  const { id } = installation;
  // The template was made meanwhile, so this one is a copy and did not boot.
  const copies = await engine.listContainers({ [LABELS.installation]: id, [LABELS.template]: "" });
  expect(copies).toHaveLength(1);
});

test("ending the lab leaves nothing of the sandbox in Docker", async () => {
  await page.getByRole("button", { name: "Lab", exact: true }).click();
  await page.getByRole("button", { name: "End lab" }).click();
  await page.getByRole("button", { name: "Delete sandbox and end" }).click();
  await page.getByText("This lab has ended").waitFor();
  await using engine = new DockerEngine();
  const { id } = installation;
  await expect
    .poll(async () => await engine.listContainers({ [LABELS.installation]: id, [LABELS.sandbox]: "" }), {
      timeout: TASK_MS,
    })
    .toEqual([]);
  await expect
    .poll(async () => await engine.listNetworks({ [LABELS.installation]: id }), { timeout: TASK_MS })
    .toEqual([]);
});
