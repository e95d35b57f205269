import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { benches } from "./benches.ts";
import { Figures, figureNames, isFigureName } from "./figures.ts";
import { benchReport, renderTable } from "./result.ts";

/** `npm run bench -- [NAME…] [--json]`: measures the named figures, or all of them. */
const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: "boolean" } } });

const unknown = positionals.filter((name) => !isFigureName(name));
if (unknown.length > 0) {
  process.stderr.write(`there is no figure ${unknown.join(", ")}; there are: ${figureNames.join(", ")}\n`);
  process.exit(1);
}
const wanted = positionals.length === 0 ? figureNames : positionals.filter(isFigureName);
const figures = new Figures(wanted, (line) => process.stderr.write(`${line}\n`));
for (const bench of benches) await figures.take(bench);

const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cpus: cpus().length,
  memoryMib: Math.round(totalmem() / 1024 ** 2),
  node: process.version,
};
const { cpu, memoryMib, node } = machine;
const { results, failed } = figures;
if (values.json) process.stdout.write(`${JSON.stringify(benchReport(machine, results), null, 2)}\n`);
else
  process.stdout.write(
    `${machine.cpus} × ${cpu}, ${memoryMib} MiB, Node ${node}\n\n${renderTable(results)}\n`,
  );
if (failed.size > 0) {
  process.stderr.write(`failed: ${[...failed].join(", ")}\n`);
  process.exitCode = 1;
}
