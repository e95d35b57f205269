import { randomUUID } from "node:crypto";
import { Changes } from "../../sandboxes/changes.ts";
import { LabError } from "../../sandboxes/errors.ts";
import type { Sandbox } from "../../sandboxes/sandbox.ts";
import { Turns } from "../../sandboxes/turns.ts";
import type { AttemptView, Language, SandboxAction, ViewVersion } from "../protocol/views.ts";
import type { Settings } from "../settings.ts";
import type { Attempt, Person } from "../store/store.ts";
import { Activity } from "./activity.ts";
import { AttemptSandboxes, type AttemptSandboxesDeps } from "./attempt-sandboxes.ts";
import { attemptView } from "./attempt-view.ts";
import { minutesAfter } from "./minutes-after.ts";
import { NOT_PREPARED, newAttempt } from "./new-attempt.ts";

export interface AttemptsDeps extends Omit<AttemptSandboxesDeps, "settings" | "turns" | "onChange"> {
  settings: Settings;
}

/**
 * Learners' attempts at labs: each gets a sandbox or waits for one, is brought to the lab's start, judged, extended,
 * reset and ended. The store is the truth about attempts; what is here in memory can be made anew from it.
 */
export class Attempts implements AsyncDisposable {
  readonly #deps: AttemptsDeps;
  readonly #sandboxes: AttemptSandboxes;
  readonly #activity: Activity;
  readonly #changes = new Changes<[attemptId: string]>();
  /** Changes of one attempt, and starts of one person, come one after the other: a double click does a thing once. */
  readonly #turns = new Turns();
  /** Of this run of the server. */
  readonly #id = randomUUID();
  #views = 0;

  constructor(deps: AttemptsDeps) {
    this.#deps = deps;
    this.#sandboxes = new AttemptSandboxes({
      ...deps,
      turns: this.#turns,
      onChange: (id) => this.changed(id),
    });
    this.#activity = new Activity(deps.store, deps.clock);
  }

  /** After a start of the server: takes up every attempt where it was. Call once, first. */
  async recover(): Promise<void> {
    const { store, sandboxes, labs, log } = this.#deps;
    const open = await store.openAttempts();
    const inUse = new Map<string, Attempt["isPrepared"]>();
    for (const { sandboxId, isPrepared } of open) if (sandboxId) inUse.set(sandboxId, isPrepared);
    await sandboxes.recover(new Set(inUse.keys()), (id) => inUse.get(id) ?? NOT_PREPARED);
    for (const attempt of open) {
      const lab = labs.find(attempt.labId);
      if (lab) await this.#sandboxes.takeUp(attempt, lab);
      else {
        log.warn({ attempt: attempt.id, lab: attempt.labId }, "lab is gone, attempt ended");
        await this.end(attempt.id);
      }
    }
    await this.#sandboxes.serve();
  }

  /**
   * The person's open attempt at this lab, or a new one; it waits where there is no room.
   * @throws LabError `conflict` while an attempt at another lab is open, `not_supported`, `not_found`.
   */
  async start(person: Person, labId: string): Promise<Attempt> {
    return await this.#turns.run(person.id, async () => {
      const { store, clock, settings, labs } = this.#deps;
      const open = await store.openAttemptOf(person.id);
      if (open?.labId === labId) return open;
      if (open)
        throw new LabError("conflict", `you are still at lab \`${open.labId}\``, {
          hint: "end it first; what you have passed is kept",
        });
      labs.offered(labId);
      const fresh = newAttempt({ personId: person.id, labId }, clock(), settings.attemptMinutes);
      await store.addAttempt(fresh);
      const trouble = await this.#sandboxes.serve();
      const attempt = await this.get(fresh.id);
      if (trouble && attempt.sandboxId === undefined) {
        await this.end(attempt.id);
        throw trouble;
      }
      return attempt;
    });
  }

  /** @throws LabError `not_found` */
  async get(id: string): Promise<Attempt> {
    const attempt = await this.#deps.store.attempt(id);
    if (!attempt) throw noAttempt(id);
    return attempt;
  }

  /** The person's attempt that has not ended. */
  async openOf(person: Person): Promise<Attempt | undefined> {
    return await this.#deps.store.openAttemptOf(person.id);
  }

  /** The sandbox of an open attempt. @throws LabError `conflict` while there is none. */
  sandboxOf(id: string): Sandbox {
    return this.#sandboxes.of(id);
  }

  /** What a reader of `language` sees of the attempt now. */
  async view(id: string, language: Language): Promise<AttemptView> {
    const { store, settings, labs } = this.#deps;
    const version = this.nextVersion();
    const attempt = await this.get(id);
    const lab = labs.get(attempt.labId);
    const [person, evidence, hintsRevealed, sandbox] = await Promise.all([
      store.person(attempt.personId),
      store.latestEvidence(id, attempt.round),
      store.hintsRevealed(id),
      this.#sandboxes.look(attempt),
    ]);
    return attemptView(
      { version, attempt, learner: person?.name ?? "", lab, evidence, hintsRevealed, ...sandbox },
      settings,
      language,
    );
  }

  /** The version of a view, to be drawn before anything for it is read: what has changed by then will be in it. */
  nextVersion(): ViewVersion {
    this.#views += 1;
    return { server: this.#id, count: this.#views };
  }

  /** A new sandbox and a new round: tasks start over, the evidence of earlier rounds is kept. */
  async reset(id: string): Promise<void> {
    await this.#turns.run(id, async () => {
      const attempt = await this.#getOpen(id);
      if (attempt.sandboxId === undefined) return;
      // The store first: a server that dies from here on finds a waiting attempt and a sandbox nobody owns.
      const change = { sandboxId: undefined, isPrepared: NOT_PREPARED, round: attempt.round + 1 };
      await this.#deps.store.updateAttempt(id, change);
      this.#sandboxes.replace(id, attempt.sandboxId);
    });
    await this.#sandboxes.serve();
  }

  /** @throws LabError `conflict` where it may not be extended any more. */
  async extend(id: string): Promise<void> {
    const { store, settings } = this.#deps;
    await this.#turns.run(id, async () => {
      const attempt = await this.#getOpen(id);
      if (attempt.extensions >= settings.maxExtensions)
        throw new LabError("conflict", "this attempt can't be extended any more", {
          hint: "end it and start the lab again; what you have passed is kept",
        });
      const endsAt = minutesAfter(attempt.endsAt, settings.extensionMinutes);
      await store.updateAttempt(id, { endsAt, extensions: attempt.extensions + 1 });
    });
    this.changed(id);
  }

  /** Ends it for good; its record is kept. Safe to repeat. */
  async end(id: string): Promise<void> {
    const { store, clock } = this.#deps;
    await this.#turns.run(id, async () => {
      const attempt = await this.get(id);
      if (attempt.endedAt) return;
      const lastActivityAt = this.lastActivityOf(attempt);
      await store.updateAttempt(id, { sandboxId: undefined, endedAt: clock(), lastActivityAt });
      this.#activity.forget(id);
      if (attempt.sandboxId !== undefined) this.#sandboxes.remove(id, attempt.sandboxId);
    });
    this.changed(id);
  }

  /** Shows the task's next hint. @throws LabError `not_found`, `conflict` */
  async revealHint(id: string, taskId: string): Promise<void> {
    const { store, clock, labs } = this.#deps;
    const attempt = await this.#getOpen(id);
    const task = labs.get(attempt.labId).tasks.find((one) => one.id === taskId);
    if (!task) throw new LabError("not_found", `there is no task \`${taskId}\``);
    await store.revealHint(id, taskId, task.hints.length, clock());
    this.changed(id);
  }

  /** The learner did something. */
  touch(id: string): void {
    this.#activity.touch(id);
  }

  lastActivityOf(attempt: Attempt): Date {
    return this.#activity.last(attempt.id, attempt.lastActivityAt);
  }

  /** Has `work` done to the attempt's sandbox, which its views tell of. */
  async act(id: string, action: SandboxAction, work: () => Promise<void>): Promise<void> {
    await this.#sandboxes.act(id, action, work);
  }

  /** Begins the lab's set-up again where it failed. */
  retrySetup(id: string): void {
    this.#sandboxes.retrySetup(id);
  }

  /** Something that pages show has changed. */
  changed(id: string): void {
    this.#changes.tell(id);
  }

  /** Calls back with the attempt's id whenever its view may have changed, until the signal aborts. */
  onChange(listener: (attemptId: string) => void, signal: AbortSignal): void {
    this.#changes.onChange(listener, signal);
  }

  /** Looks for room for whoever waits. */
  async serveWaiting(): Promise<void> {
    await this.#sandboxes.serveWaiting();
  }

  /** Writes down what is known of activity, now and then. */
  async writeActivity(): Promise<void> {
    await this.#activity.write();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sandboxes[Symbol.asyncDispose]();
    await this.#activity.write(true);
  }

  async #getOpen(id: string): Promise<Attempt> {
    const attempt = await this.get(id);
    if (attempt.endedAt)
      throw new LabError("conflict", "this attempt has ended", { hint: "start the lab again" });
    return attempt;
  }
}

export function noAttempt(id: string): LabError {
  return new LabError("not_found", `there is no attempt \`${id}\``);
}
