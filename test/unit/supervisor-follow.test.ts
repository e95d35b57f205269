import { Duplex } from "node:stream";
import { expect, onTestFinished, test, vi } from "vitest";
import type { Engine } from "../../sandboxes/engine/engine.ts";
import { Supervisor } from "../../sandboxes/machine/supervisor.ts";

function followed() {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const engine = { stream: async () => stream } as unknown as Engine;
  const onChange = vi.fn<() => void>();
  const ended = vi.fn<() => void>();
  const following = new Supervisor({ engine, container: "fb-1-machine" }).follow(
    onChange,
    new AbortController().signal,
  );
  void following.finally(ended).catch(() => {});
  return { say: (line: string) => stream.push(line), onChange, ended, following };
}

test("a supervisor is followed for as long as it says something, if only that it is there", async () => {
  const { say, onChange, ended, following } = followed();
  for (const line of ["changed\n", "\n", "\n", "changed\n"]) {
    say(line);
    await vi.advanceTimersByTimeAsync(60_000);
  }
  expect(onChange).toHaveBeenCalledTimes(2);
  expect(ended).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(60_000);
  await following;
});

test("one of an earlier release says that it can't be followed, and what helps", async () => {
  const { say, following } = followed();
  const refused = expect(following).rejects.toMatchObject({ hint: expect.stringContaining("reset") });
  say('{"error": "follow"}\n');
  await vi.advanceTimersByTimeAsync(0);
  await refused;
});
