import { expect } from "vitest";
import type { Engine } from "../../sandboxes/engine/engine.ts";
import type { Machine, MachineDriver, MachineSpec, MachineState } from "../../sandboxes/machine/machine.ts";
import type { ProgressEvent } from "../../sandboxes/progress.ts";

/** Longest that a boot may take, or its end. */
export const bootMs = 300_000;
/** Longest that a command in the guest may take. */
export const commandMs = 60_000;
/** Aborts what waits longer than that for a boot. */
export const untilLate = () => AbortSignal.timeout(bootMs);

export interface MachineUnderTest {
  engine: Engine;
  /** A driver as a server that has just started has it; several may exist. */
  makeDriver(): MachineDriver;
  /** The network exists; nothing else does. */
  spec: MachineSpec;
  /** The container with the machine, whose stop is what a restart of Docker looks like. */
  container: string;
  /** Ends the hypervisor: without a word, or as a fault of its own would. */
  killHypervisor(signal: "KILL" | "ABRT"): Promise<void>;
  /** The kernel's word on the hypervisor's process: `/proc/<pid>/status`. */
  hypervisorStatus(): Promise<string>;
  /** Names of everything that belongs to the machine and is still there. */
  leftovers(): Promise<string[]>;
}

/** The one machine that goes through the contract, with a neighbour in its network. */
export class MachineTrial implements AsyncDisposable {
  subject!: MachineUnderTest & AsyncDisposable;
  driver!: MachineDriver;
  machine!: Machine;
  /** Name of the neighbour's container. */
  neighbour!: string;
  /** What was told of the bring-up. */
  readonly events: ProgressEvent[] = [];

  async begin(make: () => Promise<MachineUnderTest & AsyncDisposable>): Promise<void> {
    this.subject = await make();
    const { engine, spec } = this.subject;
    this.driver = this.subject.makeDriver();
    this.machine = await this.driver.create(spec, (event) => this.events.push(event), untilLate());
    this.neighbour = `fb-${spec.sandboxId}-neighbour`;
    await engine.runContainer({
      name: this.neighbour,
      image: spec.image,
      entrypoint: ["sleep", "3600"],
      labels: spec.labels,
      network: { name: spec.network },
      capabilities: [],
    });
  }

  /** Also where its beginning failed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.neighbour) await this.subject.engine.removeContainer(this.neighbour);
    await this.machine?.destroy();
    await this.driver?.[Symbol.asyncDispose]();
    await this.subject?.[Symbol.asyncDispose]();
  }

  async power(): Promise<MachineState["power"]> {
    return (await this.machine.inspect()).state.power;
  }

  /** Looks when the machine tells of a change, and at no other time. */
  async untilPower(wanted: MachineState["power"]): Promise<void> {
    const done = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => void this.power().then((is) => is === wanted && resolve(), reject);
    this.machine.onChange(look, done.signal);
    const late = setTimeout(() => reject(new Error(`it did not become ${wanted}`)), bootMs);
    look();
    await promise.finally(() => {
      clearTimeout(late);
      done.abort();
    });
  }

  /** Runs it in the guest as root, expects that it succeeds, and gives what it prints. */
  async root(...argv: string[]): Promise<string> {
    const result = await this.machine.place.exec(argv, { timeoutMs: commandMs, user: "root" });
    expect(result).toMatchObject({ exitCode: 0 });
    return result.stdout.trim();
  }

  /** What the neighbour hears from the address when it has said this. */
  fromNeighbour(address: string, input: string) {
    const talk = ["socat", "-t", "60", "-", address];
    return this.subject.engine.exec(this.neighbour, talk, { timeoutMs: commandMs, input });
  }
}
