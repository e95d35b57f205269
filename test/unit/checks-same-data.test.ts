import { expect, test } from "vitest";
import type { CheckOf } from "../../server/checks/check.ts";
import type { Prober } from "../../server/checks/probes/prober.ts";
import { checkSameData } from "../../server/checks/probes/same-data.ts";
import type { Observation, VmObserver } from "../../server/checks/vm/vm-observer.ts";

const check: CheckOf<"same_data"> = {
  kind: "same_data",
  namespace: "inventory",
  service: "inventory-api",
  servicePort: 80,
  path: "/items",
  writeNonce: "write",
  removeNonce: "remove",
};

/** A VM with rows, which a Service shows or not; removing one takes for ever. */
function scene(isShown: boolean) {
  const rows: string[] = [];
  const asked: (string | undefined)[] = [];
  const left: Promise<void>[] = [];
  const vm: VmObserver = {
    async observe(argv, script) {
      asked.push(script);
      if (script === "remove") return await new Promise<Observation>(() => {});
      rows.push(argv.at(-1) ?? "");
      return { exitCode: 0, stdout: "" };
    },
  };
  const prober = {
    http: async () => [{ status: 200, body: isShown ? rows.join() : "", ms: 1 }],
  } as unknown as Prober;
  const deps = { vm, prober, afterwards: (work: Promise<void>) => void left.push(work) };
  return { look: () => checkSameData(check, "10.96.0.10", deps), asked, left };
}

test.each([
  ["passed", true],
  ["failed", false],
] as const)(
  "a row that was just written is looked for: %s; its removal is left to be done",
  async (state, isShown) => {
    const { look, asked, left } = scene(isShown);
    expect((await look()).state).toBe(state);
    expect(asked).toEqual(["write", "remove"]);
    expect(left).toHaveLength(1);
  },
);
