import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { SandboxPhase, SandboxService } from "../../sandboxes/sandbox.ts";

const PHASES: SandboxPhase[] = ["creating", "ready", "degraded", "failed", "destroying"];

/** What Prometheus sees of this lab server. */
export class Metrics {
  readonly #registry = new Registry();
  readonly claims: Counter<"outcome">;
  readonly verdictSeconds: Histogram<"state">;
  readonly terminalViewers: Gauge;
  readonly httpSeconds: Histogram<"method" | "route" | "status">;

  constructor(sandboxes: SandboxService) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.claims = new Counter({
      name: "footbridge_claims_total",
      help: "Sandboxes asked for, by outcome: given, no_room or failed.",
      labelNames: ["outcome"],
      registers,
    });
    this.verdictSeconds = new Histogram({
      name: "footbridge_verdict_duration_seconds",
      help: "How long evaluations of tasks took, by verdict.",
      labelNames: ["state"],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30],
      registers,
    });
    this.terminalViewers = new Gauge({
      name: "footbridge_terminal_viewers",
      help: "Terminals that pages look at now.",
      registers,
    });
    this.httpSeconds = new Histogram({
      name: "footbridge_http_duration_seconds",
      help: "How long requests took, by method, route and status.",
      labelNames: ["method", "route", "status"],
      buckets: [0.005, 0.025, 0.1, 0.5, 1, 5, 30],
      registers,
    });
    new Gauge({
      name: "footbridge_sandboxes",
      help: "Sandboxes by phase, those of the pool included.",
      labelNames: ["phase"],
      registers,
      async collect() {
        const phases = await Promise.all(
          sandboxes.list().map(async (sandbox) => (await sandbox.inspect()).phase),
        );
        for (const phase of PHASES) this.set({ phase }, phases.filter((one) => one === phase).length);
      },
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
