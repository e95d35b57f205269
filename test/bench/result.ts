/** One figure: samples of ours and, where there is something to compare with, of the other in the same run. */
export interface Measurement {
  name: string;
  unit: "ms" | "MB/s" | "cores" | "MiB";
  samples: number[];
  /** What it was measured against, e.g. `kind create cluster`. */
  against?: { name: string; samples: number[] };
}

export interface BenchResult {
  name: string;
  unit: string;
  n: number;
  p50: number;
  p95: number;
  against?: { name: string; p50: number; p95: number };
  /** Ours over the other's, at the median and at p95. */
  ratio?: { p50: number; p95: number };
}

/** The host the figures were measured on. */
export interface BenchMachine {
  cpu: string;
  cpus: number;
  memoryMib: number;
  node: string;
}

/** What `--json` prints. */
export function benchReport(machine: BenchMachine, results: readonly BenchResult[]) {
  return { machine, results };
}

/** Percentile by the nearest rank, so that it is always a value that was seen. */
export function percentile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError("no samples");
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function summarize({ name, unit, samples, against }: Measurement): BenchResult {
  const ours = { p50: percentile(samples, 0.5), p95: percentile(samples, 0.95) };
  const result: BenchResult = { name, unit, n: samples.length, ...ours };
  if (!against) return result;
  const theirs = { p50: percentile(against.samples, 0.5), p95: percentile(against.samples, 0.95) };
  return {
    ...result,
    against: { name: against.name, ...theirs },
    ratio: { p50: ours.p50 / theirs.p50, p95: ours.p95 / theirs.p95 },
  };
}

/** A Markdown table, as `docs/benchmarks.md` shows it. */
export function renderTable(results: readonly BenchResult[]): string {
  const head = "| figure | unit | n | p50 | p95 | against | p50 | p95 | ratio p50 | ratio p95 |";
  const rule = "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";
  const rows = results.map(({ name, unit, n, p50, p95, against, ratio }) =>
    [
      "",
      name,
      unit,
      n,
      round(p50),
      round(p95),
      against?.name ?? "",
      round(against?.p50),
      round(against?.p95),
      round(ratio?.p50),
      round(ratio?.p95),
      "",
    ]
      .join(" | ")
      .trim(),
  );
  return [head, rule, ...rows].join("\n");
}

function round(value: number | undefined): string {
  return value === undefined ? "" : value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
