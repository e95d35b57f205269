import { toLabError } from "../../sandboxes/errors.ts";
import { type BenchResult, type Measurement, summarize } from "./result.ts";

/** What can be asked for by name. Some bring rows of their own along, such as `echo` with `echo_added`. */
export const figureNames = [
  "start_warm",
  "claim_to_vm_prompt",
  "claim_to_cluster_ready",
  "fork_to_running",
  "fork_to_vm_prompt",
  "verdict_cluster",
  "verdict_vm",
  "echo_added",
  "throughput",
  "flood_interrupted",
  "reconnect",
  "sandbox_idle_cpu",
  "sandbox_memory",
] as const;
export type FigureName = (typeof figureNames)[number];

export function isFigureName(name: string): name is FigureName {
  return figureNames.some((one) => one === name);
}

/** Figures that are measured together, because they need the same preparations. */
export interface Bench {
  names: readonly FigureName[];
  measure(figures: Figures): Promise<void>;
}

/** What is wanted and what has come of it. A figure that fails is told, and the next one is measured. */
export class Figures {
  readonly results: BenchResult[] = [];
  readonly failed = new Set<FigureName>();
  readonly #wanted: ReadonlySet<FigureName>;
  readonly #tell: (line: string) => void;

  constructor(wanted: readonly FigureName[], tell: (line: string) => void) {
    this.#wanted = new Set(wanted);
    this.#tell = tell;
  }

  wants(...names: readonly FigureName[]): boolean {
    return names.some((name) => this.#wanted.has(name));
  }

  /** Runs a bench if anything of it is wanted; where its preparations fail, so do all its figures. */
  async take({ names, measure }: Bench): Promise<void> {
    const wanted = names.filter((name) => this.wants(name));
    if (wanted.length > 0) await this.#attempt(wanted, () => measure(this));
  }

  /** Measures figures that come of one piece of work, if one of them is wanted. */
  async measure(names: readonly FigureName[], work: () => Promise<Measurement[]>): Promise<void> {
    const wanted = names.filter((name) => this.wants(name));
    if (wanted.length === 0) return;
    this.#tell(`measuring ${wanted.join(", ")}…`);
    await this.#attempt(wanted, async () => {
      const isUnwanted = ({ name }: Measurement) => isFigureName(name) && !this.wants(name);
      for (const one of await work()) if (!isUnwanted(one)) this.results.push(summarize(one));
    });
  }

  /** Something that is missing from a comparison, with the reason. */
  note(line: string): void {
    this.#tell(line);
  }

  async #attempt(names: readonly FigureName[], work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      for (const name of names) this.failed.add(name);
      this.#tell(`could not measure ${names.join(", ")}: ${toLabError(error)}`);
    }
  }
}
