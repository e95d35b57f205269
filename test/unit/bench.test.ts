import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadLabs } from "../../server/labs/load-labs.ts";
import { benches } from "../bench/benches.ts";
import { Figures, figureNames, isFigureName } from "../bench/figures.ts";
import { benchReport, percentile, renderTable, summarize } from "../bench/result.ts";
import { trials } from "../labs/first-crossing-again.ts";

test("percentiles are values that were seen", () => {
  expect(percentile([5, 1, 3, 2, 4], 0.5)).toBe(3);
  expect(percentile([5, 1, 3, 2, 4], 0.95)).toBe(5);
  expect(percentile([7], 0.5)).toBe(7);
  expect(() => percentile([], 0.5)).toThrow(RangeError);
});

test("a figure with something to compare with carries the ratio", () => {
  const result = summarize({
    name: "x",
    unit: "ms",
    samples: [20, 30],
    against: { name: "ssh", samples: [10, 10] },
  });
  expect(result).toMatchObject({ n: 2, p50: 20, p95: 30, ratio: { p50: 2, p95: 3 } });
  expect(renderTable([result])).toContain(
    "| x | ms | 2 | 20.00 | 30.00 | ssh | 10.00 | 10.00 | 2.00 | 3.00 |",
  );
});

test("every figure is measured by one bench", () => {
  const measured = benches.flatMap(({ names }) => names);
  expect(measured.toSorted()).toEqual([...figureNames].toSorted());
  expect(isFigureName("echo_added")).toBe(true);
  expect(isFigureName("unheard_of")).toBe(false);
});

test("the figures that were promised can be asked for, and the documentation names them all", async () => {
  const promised = [
    ...["start_warm", "claim_to_vm_prompt", "claim_to_cluster_ready", "fork_to_running", "fork_to_vm_prompt"],
    ...["verdict_cluster", "verdict_vm", "sandbox_idle_cpu", "sandbox_memory"],
    ...["echo_added", "throughput", "flood_interrupted", "reconnect"],
  ];
  expect(figureNames.toSorted()).toEqual(promised.toSorted());
  const text = await readFile(join(import.meta.dirname, "../../docs/benchmarks.md"), "utf8");
  for (const name of figureNames) expect(text).toContain(`\`${name}\``);
});

test("the bench knows how to solve every task of the lab again and again", async () => {
  const lab = (await loadLabs("labs")).find(({ id }) => id === "first-crossing");
  expect(Object.keys(trials)).toEqual(lab?.tasks.map(({ id }) => id));
  for (const { id, ...task } of lab?.tasks ?? []) {
    // A task that can't be undone has to differ each time.
    const again = trials[id]?.nth?.({ id, ...task }, 1);
    expect(trials[id]?.undo.length || again?.solution, id).toBeTruthy();
  }
});

test("--json gives the machine and every result with what it was compared with", () => {
  const machine = { cpu: "x", cpus: 2, memoryMib: 1024, node: "v26.0.0" };
  const alone = summarize({ name: "start_warm", unit: "ms", samples: [4] });
  const compared = summarize({
    name: "throughput",
    unit: "MB/s",
    samples: [6],
    against: { name: "ttyd", samples: [3] },
  });
  expect(JSON.parse(JSON.stringify(benchReport(machine, [alone, compared])))).toEqual({
    machine,
    results: [
      { name: "start_warm", unit: "ms", n: 1, p50: 4, p95: 4 },
      {
        name: "throughput",
        unit: "MB/s",
        n: 1,
        p50: 6,
        p95: 6,
        against: { name: "ttyd", p50: 3, p95: 3 },
        ratio: { p50: 2, p95: 2 },
      },
    ],
  });
});

test("a figure that fails is told and stops no other; preparations that fail take all of theirs along", async () => {
  const told: string[] = [];
  const figures = new Figures(["start_warm", "echo_added", "reconnect", "throughput"], (line) =>
    told.push(line),
  );
  const one = (name: string) => ({ name, unit: "ms" as const, samples: [1] });
  await figures.take({
    names: ["start_warm", "echo_added", "verdict_vm"],
    async measure(of) {
      await of.measure(["start_warm"], () => Promise.reject(new Error("it was cold")));
      await of.measure(["verdict_vm"], () => Promise.reject(new Error("nobody asked for this")));
      await of.measure(["echo_added"], async () => [one("echo_added"), one("echo"), one("verdict_vm")]);
    },
  });
  await figures.take({
    names: ["reconnect", "throughput"],
    measure: () => Promise.reject(new Error("there is no Docker")),
  });
  // What comes with a figure is shown, another figure that was not asked for is not.
  expect(figures.results.map(({ name }) => name)).toEqual(["echo_added", "echo"]);
  expect([...figures.failed]).toEqual(["start_warm", "reconnect", "throughput"]);
  expect(told).toContain("could not measure start_warm: it was cold");
  expect(told).toContain("could not measure reconnect, throughput: there is no Docker");
});
