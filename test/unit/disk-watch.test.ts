import { expect, onTestFinished, test } from "vitest";
import type { DiskUse } from "../../sandboxes/cluster/cluster.ts";
import { LabError } from "../../sandboxes/errors.ts";
import { DiskWatch } from "../../sandboxes/service/disk-watch.ts";
import type { Trouble } from "../../sandboxes/trouble.ts";

const node = (mib: number): DiskUse[] => [{ what: "node `fb-a-control-plane`", mib }];

/** A watch over sandboxes that answer as told; `measured` counts how often each was asked. */
function watchOver(answers: Record<string, () => Promise<DiskUse[]>>) {
  const troubles: [string | undefined, string][] = [];
  const halted: Record<string, string> = {};
  const measured: Record<string, number> = {};
  const host: { freeMib: number | undefined } = { freeMib: undefined };
  const watch = new DiskWatch({
    limitMib: 4096,
    sandboxes: () =>
      Object.keys(answers).map((id) => ({
        id,
        diskUse: async () => {
          measured[id] = (measured[id] ?? 0) + 1;
          return (await answers[id]?.()) ?? [];
        },
        haltCluster: async ({ reason }: Trouble) => {
          halted[id] = reason;
        },
      })),
    freeDiskMib: async () => host.freeMib,
    onTrouble: (error, id) => troubles.push([id, error.message]),
  });
  onTestFinished(() => watch[Symbol.dispose]());
  return { watch, answers, troubles, halted, measured, host };
}

test("what all parts use together counts, and the largest is named", async () => {
  const { watch, halted, troubles } = watchOver({
    a: async () => [...node(1000), { what: "the shell's container", mib: 3100 }],
    b: async () => [...node(1000), { what: "the shell's container", mib: 3000 }],
  });
  await watch.look();
  expect(halted).toEqual({ a: "it filled its disk: 4 of 4 GiB (the shell's container)" });
  await watch.look();
  expect(troubles).toEqual([["a", expect.stringContaining("it filled its disk")]]);
});

test("a slow one keeps nobody waiting and is not asked again until it has answered", async () => {
  const answer = Promise.withResolvers<DiskUse[]>();
  const { watch, halted, measured } = watchOver({ a: () => answer.promise, b: async () => node(5000) });
  const first = watch.look();
  await expect.poll(() => Object.keys(halted)).toEqual(["b"]);
  await watch.look();
  expect(measured).toEqual({ a: 1, b: 2 });
  answer.resolve(node(5000));
  await first;
  expect(Object.keys(halted).sort()).toEqual(["a", "b"]);
});

test("one that can't be measured is told once, and once more when it failed anew", async () => {
  const fail = () => Promise.reject(new LabError("timed_out", "du did not end"));
  const { watch, answers, troubles, halted } = watchOver({ a: fail });
  await watch.look();
  await watch.look();
  expect(troubles).toEqual([["a", "du did not end"]]);
  answers.a = async () => node(1000);
  await watch.look();
  answers.a = fail;
  await watch.look();
  expect(troubles).toHaveLength(2);
  expect(halted).toEqual({});
});

test("one whose looks take too long three times in a row is stopped, and that is told", async () => {
  const fail = () => Promise.reject(new LabError("timed_out", "du did not end"));
  const { watch, answers, troubles, halted } = watchOver({ a: fail, b: async () => node(1000) });
  await watch.look();
  await watch.look();
  answers.a = async () => node(1000);
  await watch.look();
  answers.a = fail;
  await watch.look();
  await watch.look();
  expect(halted).toEqual({});
  await watch.look();
  expect(halted).toEqual({ a: "its disk can't be measured: that took too long 3 times in a row" });
  expect(troubles.at(-1)).toEqual(["a", expect.stringContaining("the cluster was stopped: its disk")]);
  expect(troubles).toHaveLength(3);
});

test("one that could not be stopped is stopped by the next look", async () => {
  let stops = 0;
  const watch = new DiskWatch({
    limitMib: 4096,
    sandboxes: () => [
      {
        id: "a",
        diskUse: () => Promise.reject(new LabError("timed_out", "du did not end")),
        haltCluster: async () => {
          stops += 1;
          if (stops === 1) throw new LabError("docker_unavailable", "Docker does not answer");
        },
      },
    ],
    freeDiskMib: async () => undefined,
    onTrouble: () => {},
  });
  onTestFinished(() => watch[Symbol.dispose]());
  for (let look = 1; look <= 4; look += 1) await watch.look();
  expect(stops).toBe(2);
});

test("other failures, however many, stop nothing", async () => {
  const { watch, halted } = watchOver({
    a: () => Promise.reject(new LabError("docker_unavailable", "Docker does not answer")),
  });
  for (let look = 1; look <= 6; look += 1) await watch.look();
  expect(halted).toEqual({});
});

test("a look that a sandbox's end interrupts is no trouble", async () => {
  const { watch, troubles } = watchOver({ a: () => Promise.reject(new LabError("aborted", "interrupted")) });
  await watch.look();
  expect(troubles).toEqual([]);
});

test("a host whose disk is nearly full is told once", async () => {
  const { watch, troubles, host } = watchOver({});
  await watch.look();
  host.freeMib = 1536;
  await watch.look();
  await watch.look();
  expect(troubles).toEqual([[undefined, expect.stringContaining("1.5 GiB are free")]]);
});
