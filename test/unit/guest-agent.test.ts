import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { LabError } from "../../sandboxes/errors.ts";
import type { Place } from "../../sandboxes/place.ts";
import { runGuestAgent } from "../../server/checks/vm/guest-agent.ts";
import { poll } from "../poll.ts";

test("that the agent went is told once, and that it is back", async () => {
  let agent: Duplex | undefined;
  let tries = 0;
  const place = {
    stream: async () => {
      tries += 1;
      if (!agent) throw new LabError("machine_failed", "the VM is off");
      return agent;
    },
  } as unknown as Place;
  const told: string[] = [];
  const stop = new AbortController();
  const running = runGuestAgent(
    {
      ...{ place: () => place, files: [], spaces: [] },
      onEvent: (topic, what) => told.push(`${topic} ${what}`),
      onReady: () => told.push("ready"),
      onLost: () => told.push("lost"),
    },
    stop.signal,
  );
  const come = () => {
    agent = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    agent.push('{"event":"ready","what":""}\n{"event":"units","what":"one"}\n');
  };
  const go = () => {
    agent?.push(null);
    agent = undefined;
  };
  come();
  await poll(() => told.length === 2, "it is there");
  go();
  const before = tries;
  await poll(() => tries > before, "it is tried again");
  expect(told).toEqual(["ready", "units one", "lost"]);
  come();
  await poll(() => told.length === 5, "it is back");
  stop.abort();
  await running;
  expect(told).toEqual(["ready", "units one", "lost", "ready", "units one"]);
});
