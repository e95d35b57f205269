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
