import { startServer } from "../support/server-process.ts";
import { makeInstallation } from "../support/test-installation.ts";
import type { Figures } from "./figures.ts";
import type { Measurement } from "./result.ts";

const ROUNDS = 5;

/** `start_warm`: from `npm start` to the page's first answer, with everything in place and no sandbox. */
export async function measureStart(figures: Figures): Promise<void> {
  await figures.measure(["start_warm"], startWarm);
}

async function startWarm(): Promise<Measurement[]> {
  await using installation = await makeInstallation({
    FOOTBRIDGE_VM_TEMPLATE: "false",
    FOOTBRIDGE_LOG_LEVEL: "error",
  });
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const begun = performance.now();
    await using server = await startServer(installation.env, 120_000, ["npm", "start"]);
    const answer = await fetch(server.url);
    if (!answer.ok) throw new Error(`the page answered ${answer.status}`);
    await answer.text();
    samples.push(performance.now() - begun);
  }
  return [{ name: "start_warm", unit: "ms", samples }];
}
