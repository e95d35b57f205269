import { describe, expect, test } from "vitest";
import { en } from "../../client/messages/en.ts";
import { zh } from "../../client/messages/zh.ts";
import { routes } from "../../server/protocol/http.ts";
import { gone, seen, shellOpen, soon, type Visitor } from "./support/browser.ts";
import {
  attempt,
  creatingSandbox,
  degradedSandbox,
  erroredVerdict,
  failedAtDisk,
  failedSandbox,
  readySandbox,
  tasks,
} from "./support/sample-views.ts";
import { setUpScriptedPages } from "./support/scripted-pages.ts";

const pages = setUpScriptedPages();
const { server } = pages;

describe("bring-up", () => {
  test("steps by name, and no terminal before there is a VM", async () => {
    server.script.attempt = attempt({ sandbox: creatingSandbox, tasks: tasks(0) });
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await seen(page.getByText(en.step.names["boot guest"]));
    expect(await page.getByRole("tab").count()).toBe(0);
    // The shell of the VM comes as soon as the lab is prepared in it; the cluster's waits and says so.
    const machine = readySandbox.machine && { ...readySandbox.machine, labStart: "started" as const };
    server.push(attempt({ sandbox: { ...creatingSandbox, machine }, tasks: tasks(0) }));
    await seen(page.getByText(en.terminal.preparing.vm));
    expect(await page.getByRole("textbox", { name: en.terminal.roleNames.vm }).count()).toBe(0);
    server.push(attempt({ sandbox: { ...creatingSandbox, machine: readySandbox.machine }, tasks: tasks(0) }));
    await shellOpen(page, en.terminal.roleNames.vm);
    await page.getByRole("tab", { name: "cluster" }).click();
    await seen(page.getByText(en.terminal.waitCluster));
    server.push(attempt({ tasks: tasks(0) }));
    await shellOpen(page, en.terminal.roleNames.cluster);
  });

  test("a step that knows how far it is gives an estimate, others do not", async () => {
    server.script.attempt = attempt({ sandbox: creatingSandbox, tasks: tasks(0) });
    await using visitor = await pages.open("/attempts/a1");
    const step = (name: string) => visitor.page.getByRole("listitem").filter({ hasText: name });
    await seen(step(en.step.names["boot guest"]).getByText(/about \d+ sec left/));
    expect(await step(en.step.names["create cluster"]).textContent()).not.toContain("left");
  });

  test("the place in the queue", async () => {
    const { sandbox, ...queued } = attempt({ state: "queued", queuePosition: 2, tasks: tasks(0) });
    expect(sandbox).toBeDefined();
    server.script.attempt = queued;
    await using visitor = await pages.open("/attempts/a1");
    await seen(visitor.page.getByText(en.attempt.queuePosition(2)));
  });

  test("a sandbox that could not be made says why and offers a remedy", async () => {
    server.script.attempt = attempt({ sandbox: failedSandbox });
    await using visitor = await pages.open("/attempts/a1");
    const alert = visitor.page.getByRole("alert");
    await seen(alert.getByText("Could not create cluster fb-7f3a: no space left on device."));
    await alert.getByRole("button", { name: en.sandbox.repair }).click();
    await soon(() => server.requests.map(({ route }) => route)).toContain(routes.repair);
  });

  test("a repair that goes on is told, whoever asked for it, and asked for only when it is over", async () => {
    server.script.attempt = attempt({ sandbox: { ...degradedSandbox, action: "repair" } });
    await using visitor = await pages.open("/attempts/a1");
    const alert = visitor.page.getByRole("alert");
    const repairing = alert.getByRole("button", { name: en.sandbox.repairing });
    await seen(repairing);
    expect(await repairing.isDisabled()).toBe(true);
    server.push(attempt({ sandbox: degradedSandbox }));
    await alert.getByRole("button", { name: en.sandbox.repair, exact: true }).click();
    await soon(() => server.requests.map(({ route }) => route)).toEqual([routes.repair]);
  });
});

describe("tasks", () => {
  test("turn green by themselves, and it is said", async () => {
    server.script.attempt = attempt({ tasks: tasks(2) });
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await seen(page.getByText(en.task.progress(2, 8)));
    server.push(attempt({ tasks: tasks(3) }));
    await seen(page.getByText(en.task.progress(3, 8)));
    const said = page.locator("[aria-live=polite] li", { hasText: "Grow the data file system" });
    await soon(() => said.count()).toBe(1);
  });

  test("a verdict says what was expected and what was found", async () => {
    server.script.attempt = attempt({ tasks: failedAtDisk });
    await using visitor = await pages.open("/attempts/a1");
    const card = visitor.page.getByRole("region", { name: "Grow the data file system that is full" });
    await seen(card.getByText("at least 1 GiB, a fifth of it free"));
    await seen(card.getByText("488 MiB, 100 % used"));
  });

  test("what could not be checked is not the learner's failure", async () => {
    server.script.attempt = attempt({
      tasks: tasks(2).map((task) => (task.id === "disk" ? { ...task, verdict: erroredVerdict } : task)),
    });
    await using visitor = await pages.open("/attempts/a1");
    const card = visitor.page.getByRole("region", { name: "Grow the data file system that is full" });
    await seen(card.getByText(en.task.couldNotCheck));
    await seen(card.getByText(en.task.couldNotCheckHelp));
    expect(await card.getByText(en.task.notYet).count()).toBe(0);
  });

  test("the solution is asked for twice", async () => {
    server.script.attempt = attempt({
      tasks: tasks(0).map((task, index) =>
        index === 0 ? { ...task, hintsShown: ["<p>1</p>", "<p>2</p>"] } : task,
      ),
    });
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    const ask = page.getByRole("button", { name: en.task.showSolution });
    await ask.click();
    const dialog = page.getByRole("dialog", { name: en.task.solutionTitle });
    await seen(dialog);
    await page.keyboard.press("Escape");
    await gone(dialog);
    expect(server.requests).toEqual([]);
    await ask.click();
    await dialog.getByRole("button", { name: en.task.showSolution }).click();
    await soon(() => server.requests).toEqual([{ route: routes.revealHint, body: { taskId: "service" } }]);
  });

  test.each([2, 0])(
    "a task that passes while one is asked shows no solution, after %i hints",
    async (hints) => {
      const first = (passed: number) => {
        const hintsShown = ["<p>1</p>", "<p>2</p>"].slice(0, hints);
        const [task, ...others] = tasks(passed);
        if (!task) throw new Error("there is no task");
        return attempt({ tasks: [{ ...task, hintsShown, hintsTotal: hints + 1 }, ...others] });
      };
      server.script.attempt = first(0);
      await using visitor = await pages.open("/attempts/a1");
      const { page } = visitor;
      await page.getByRole("button", { name: en.task.showSolution }).click();
      const dialog = page.getByRole("dialog", { name: en.task.solutionTitle });
      await seen(dialog);
      server.push(first(1));
      await seen(page.getByText(en.task.progress(1, 8)));
      await dialog.getByRole("button", { name: en.task.showSolution }).click();
      await gone(dialog);
      await page.getByRole("button", { name: en.attempt.extend("1 hr") }).click();
      await soon(() => server.requests.map(({ route }) => route)).toEqual([routes.extendAttempt]);
    },
  );
});

describe("machine", () => {
  const panel = async (visitor: Visitor) => {
    await visitor.page
      .getByRole("region", { name: en.attempt.sandbox })
      .getByRole("button", { name: /^VM/ })
      .click();
  };

  test("pulling the plug asks first, and leaves it when told to", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await panel(visitor);
    await page.getByRole("button", { name: en.machine.actions.plug }).click();
    const dialog = page.getByRole("dialog", { name: en.machine.confirm.plug.title });
    await dialog.getByRole("button", { name: en.cancel }).click();
    await gone(dialog);
    expect(server.requests).toEqual([]);
    await page.getByRole("button", { name: en.machine.actions.plug }).click();
    await dialog.getByRole("button", { name: en.machine.actions.plug }).click();
    await soon(() => server.requests).toEqual([{ route: routes.power, body: { action: "plug" } }]);
  });

  test("resetting the VM asks first, and is asked of the server once", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await panel(visitor);
    await page.getByRole("button", { name: en.machine.actions.reset, exact: true }).click();
    const dialog = page.getByRole("dialog", { name: en.machine.confirm.reset.title });
    await seen(dialog.getByText(en.machine.confirm.reset.body));
    expect(server.requests).toEqual([]);
    await dialog.getByRole("button", { name: en.machine.actions.reset, exact: true }).click();
    await soon(() => server.requests).toEqual([{ route: routes.power, body: { action: "reset" } }]);
    await gone(dialog);
  });

  test("an action that outlasts its answer is told until it is over, and how it failed", async () => {
    server.script.attempt = attempt({ sandbox: { ...readySandbox, action: "off" } });
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await panel(visitor);
    expect(await page.getByRole("button", { name: en.machine.busy.off }).isDisabled()).toBe(true);
    for (const action of ["on", "reset"] as const)
      expect(
        await page.getByRole("button", { name: en.machine.actions[action], exact: true }).isDisabled(),
      ).toBe(true);
    const actionFailure = {
      code: "machine_failed",
      message: "QEMU does not end",
      hint: "is the disk stuck?",
    };
    server.push(attempt({ sandbox: { ...readySandbox, actionFailure } }));
    await seen(page.getByRole("alert").getByText(actionFailure.message));
    await seen(page.getByRole("alert").getByText(actionFailure.hint));
    expect(await page.getByRole("button", { name: en.machine.actions.off }).isEnabled()).toBe(true);
  });

  test("the plug can be pulled while the VM shuts down", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await panel(visitor);
    const answer = server.hold(routes.power);
    await page.getByRole("button", { name: en.machine.actions.off }).click();
    await page.getByRole("dialog").getByRole("button", { name: en.machine.actions.off }).click();
    await seen(page.getByRole("button", { name: en.machine.busy.off }));
    await page.getByRole("button", { name: en.machine.actions.plug }).click();
    await page.getByRole("dialog").getByRole("button", { name: en.machine.actions.plug }).click();
    await soon(() => server.requests.map(({ body }) => body)).toEqual([
      { action: "off" },
      { action: "plug" },
    ]);
    answer();
    await seen(page.getByRole("button", { name: en.machine.actions.off }));
  });

  test.each([
    ["en-GB", en],
    ["zh-CN", zh],
  ] as const)("a shell of a VM that is off says so, in the reader's language: %s", async (locale, words) => {
    const machine = readySandbox.machine && { ...readySandbox.machine, power: "off" as const };
    await using visitor = await pages.open("/attempts/a1", { locale });
    const { page } = visitor;
    await shellOpen(page, words.terminal.roleNames.vm);
    const state = page.getByRole("status").filter({ hasText: words.terminal.screen.lost });
    const reason = { code: "machine_failed", message: "the connection to the shell `vm-1` was lost" };
    server.loseShell("vm-1", reason);
    await seen(state);
    server.push(attempt({ sandbox: { ...readySandbox, machine } }));
    await seen(page.getByRole("status").filter({ hasText: words.terminal.waitVm }));
    expect(await page.getByText("vm-1").count()).toBe(0);
  });

  test("hardware: what it is, what it will be, and no disk that shrinks", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await panel(visitor);
    const apply = page.getByRole("button", { name: en.machine.apply });
    expect(await apply.isDisabled()).toBe(true);
    await page.getByLabel(en.machine.diskGib).fill("2");
    await seen(page.getByText(en.machine.invalidDisk(4)));
    await page.getByLabel(en.machine.diskGib).fill("8");
    await page.getByLabel(en.machine.memoryMib).fill("4096");
    await apply.click();
    await soon(() => server.requests).toEqual([
      { route: routes.hardware, body: { cpus: 2, memoryMib: 4096, dataDiskGib: 8 } },
    ]);
    server.push(
      attempt({
        sandbox: {
          ...readySandbox,
          machine: {
            power: "on",
            accelerator: "kvm",
            hardware: { cpus: 2, memoryMib: 1536, dataDiskGib: 4 },
            pendingHardware: { cpus: 2, memoryMib: 4096, dataDiskGib: 8 },
            labStart: "done",
          },
        },
      }),
    );
    await seen(page.getByText("2 CPUs · 4 GiB · 8 GiB"));
    await seen(page.getByText(en.machine.accelerators.kvm, { exact: true }));
  });
});

describe("cluster", () => {
  test("says whether it enforces network policies", async () => {
    const { cluster } = readySandbox;
    const having = (enforcesNetworkPolicy: boolean) =>
      attempt({
        sandbox: { ...readySandbox, ...(cluster && { cluster: { ...cluster, enforcesNetworkPolicy } }) },
      });
    server.script.attempt = having(false);
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    const sandbox = page.getByRole("region", { name: en.attempt.sandbox });
    await sandbox.getByRole("button", { name: /^Cluster/ }).click();
    await seen(page.getByText(en.sandbox.noNetworkPolicy));
    server.push(having(true));
    await seen(page.getByText(en.sandbox.networkPolicy, { exact: true }));
  });
});

describe("files and services", () => {
  const view = (visitor: Visitor, name: string) =>
    visitor.page.getByRole("region", { name: en.attempt.sandbox }).getByRole("button", { name }).click();

  test("a file is opened, changed and saved; unsaved changes are not lost by accident", async () => {
    server.script.files.set("/etc/app.yaml", "app:\n  port: 80\n");
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await view(visitor, en.files.title);
    const get = page.getByRole("form", { name: en.files.fetchSection });
    await get.getByLabel(en.files.path).fill("/etc/app.yaml");
    await get.getByRole("button", { name: en.files.edit }).click();
    const text = page.getByRole("textbox", { name: en.editor.text });
    await soon(() => text.inputValue()).toBe("app:\n  port: 80\n");
    // Enter keeps the indentation of the line.
    await text.press("ControlOrMeta+End");
    await text.press("ArrowLeft");
    await page.keyboard.type("\nhost: db");
    expect(await text.inputValue()).toBe("app:\n  port: 80\n  host: db\n");
    await seen(page.getByText(en.editor.unsaved, { exact: true }));
    await page.getByRole("tab", { name: /app\.yaml|Editor/ }).press("Delete");
    await page.getByRole("dialog").getByRole("button", { name: en.cancel }).click();
    await text.press("ControlOrMeta+s");
    await seen(page.getByText(/Saved at/));
    expect(server.script.files.get("/etc/app.yaml")).toBe("app:\n  port: 80\n  host: db\n");
  });

  test("a download, an upload, and a path that is none", async () => {
    server.script.files.set("/home/admin/notes.txt", "remember\n");
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await view(visitor, en.files.title);
    const get = page.getByRole("form", { name: en.files.fetchSection });
    await get.getByLabel(en.files.path).fill("notes.txt");
    await get.getByRole("button", { name: en.files.download }).click();
    await seen(get.getByText(en.files.pathInvalid));
    await get.getByLabel(en.files.path).fill("/home/admin/notes.txt");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      get.getByRole("button", { name: en.files.download }).click(),
    ]);
    expect(download.suggestedFilename()).toBe("notes.txt");
    await get.getByLabel(en.files.path).fill("/home/admin/none.txt");
    await get.getByRole("button", { name: en.files.download }).click();
    await seen(get.getByRole("alert").getByText(en.failure.codes.not_found));
    const send = page.getByRole("form", { name: en.files.sendSection });
    await send
      .getByLabel(en.files.chooseFile)
      .setInputFiles({ name: "hosts", mimeType: "text/plain", buffer: Buffer.from("10.0.0.1 db\n") });
    await send.getByRole("button", { name: en.files.upload }).click();
    await seen(send.getByText(en.files.uploaded("/home/admin/hosts")));
    expect(server.script.files.get("/home/admin/hosts")).toBe("10.0.0.1 db\n");
  });

  test("a web service opens in a tab of its own that can't reach back", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page, context } = visitor;
    await view(visitor, en.web.title);
    const [tab] = await Promise.all([
      context.waitForEvent("page"),
      page.getByRole("button", { name: en.web.openService("Inventory on the VM") }).click(),
    ]);
    await seen(tab.getByRole("heading", { name: "service on vm" }));
    expect(await tab.evaluate(() => window.opener)).toBeNull();
    await page.getByRole("form", { name: en.web.other }).getByLabel(en.web.port).fill("70000");
    await page.getByRole("form", { name: en.web.other }).getByRole("button", { name: en.web.open }).click();
    await seen(page.getByText(en.web.portInvalid));
  });
});

describe("the end of an attempt", () => {
  test("is announced, can be put off, and reset asks first", async () => {
    server.script.attempt = attempt({ endsAt: new Date(Date.now() + 12 * 60_000).toISOString() });
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await seen(page.getByText(en.attempt.endingSoon("15 min")));
    await page.getByRole("button", { name: en.attempt.extend("1 hr") }).click();
    await page.getByRole("button", { name: en.attempt.actions, exact: true }).click();
    await page.getByRole("button", { name: en.attempt.reset }).click();
    await page.getByRole("dialog").getByRole("button", { name: en.attempt.resetAction }).click();
    await soon(() => server.requests.map(({ route }) => route)).toEqual([
      routes.extendAttempt,
      routes.resetAttempt,
    ]);
  });
});

describe("connection", () => {
  test("a lost connection is told, and its return too", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await shellOpen(page, en.terminal.roleNames.vm);
    server.setReachable(false);
    await seen(page.getByText(en.connection.lostHelp));
    // It has tried by itself; what comes next is a person's.
    await soon(() => server.refused()).toBeGreaterThan(0);
    server.setReachable(true);
    server.script.attempt = attempt({ tasks: tasks(5) });
    await page.getByRole("button", { name: en.connection.tryNow }).click();
    await gone(page.getByText(en.connection.lostHelp));
    // What changed meanwhile is there.
    await seen(page.getByText(en.task.progress(5, 8)));
  });

  test("an older view never takes the place of a newer one, neither at once nor after a reconnect", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await shellOpen(page, en.terminal.roleNames.vm);
    server.push(attempt({ version: { server: "first", count: 7 }, tasks: tasks(5) }));
    await seen(page.getByText(en.task.progress(5, 8)));
    server.push(attempt({ version: { server: "first", count: 6 }, tasks: tasks(3) }));
    const refused = server.refused();
    // Comes after it on the same connection.
    server.setReachable(false);
    await seen(page.getByText(en.connection.lostHelp));
    expect(await page.getByText(en.task.progress(5, 8)).count()).toBe(1);
    await soon(() => server.refused()).toBeGreaterThan(refused);
    server.script.refusal = { code: "timed_out", message: "the lab server is still starting" };
    server.setReachable(true);
    await page.getByRole("button", { name: en.connection.tryNow }).click();
    await seen(page.getByText(en.failure.codes.timed_out));
    const extend = page.getByRole("button", { name: en.attempt.extend("1 hr"), disabled: false });
    await extend.click();
    await soon(() => server.requests.map(({ route }) => route)).toEqual([routes.extendAttempt]);
    await seen(extend);
    expect(await page.getByText(en.task.progress(5, 8)).count()).toBe(1);
  });

  test("what another server answers is shown, before the page is connected to it and after", async () => {
    server.script.attempt = attempt({ version: { server: "first", count: 7 }, tasks: tasks(5) });
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await shellOpen(page, en.terminal.roleNames.vm);
    server.setReachable(false);
    await seen(page.getByText(en.connection.lostHelp));
    server.script.attempt = attempt({ version: { server: "second", count: 2 }, tasks: tasks(6) });
    await page.getByRole("button", { name: en.attempt.extend("1 hr") }).click();
    await seen(page.getByText(en.task.progress(6, 8)));
    expect(await page.getByText(en.connection.lostHelp).count()).toBe(1);
    server.setReachable(true);
    await page.getByRole("button", { name: en.connection.tryNow }).click();
    await gone(page.getByText(en.connection.lostHelp));
    server.push(attempt({ version: { server: "third", count: 1 }, tasks: tasks(7) }));
    await seen(page.getByText(en.task.progress(7, 8)));
  });

  test("a question lost with its connection spoils nothing once it was answered over the next", async () => {
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await page.clock.install();
    server.script.isSilent = true;
    await page.reload();
    await soon(() => server.unanswered()).toBeGreaterThan(0);
    server.setReachable(false);
    await seen(page.getByText(en.connection.lostHelp));
    server.script.isSilent = false;
    server.script.attempt = attempt({ tasks: tasks(5) });
    server.setReachable(true);
    await page.getByRole("button", { name: en.connection.tryNow }).click();
    await seen(page.getByText(en.task.progress(5, 8)));
    // By then the first is given up.
    await page.clock.runFor(20_000);
    expect(await page.getByText(en.failure.unreachable).count()).toBe(0);
  });

  test("what a server refused while it started comes by itself when it is ready", async () => {
    server.script.refusal = { code: "timed_out", message: "the lab server is still starting" };
    await using visitor = await pages.open("/attempts/a1");
    const { page } = visitor;
    await seen(page.getByText(en.terminal.screen.refused));
    await seen(page.getByText(en.failure.codes.timed_out));
    server.script.attempt = attempt({ tasks: tasks(5) });
    server.script.screens = { vm: "admin@vm:~$ " };
    server.becomeReady();
    await gone(page.getByText(en.terminal.screen.refused));
    await gone(page.getByText(en.failure.codes.timed_out));
    await seen(page.getByText(en.task.progress(5, 8)));
    await (await shellOpen(page, en.terminal.roleNames.vm)).focus();
    await page.keyboard.type("id");
    await soon(() => server.typed.get("vm-1")).toBe("id");
  });
});
