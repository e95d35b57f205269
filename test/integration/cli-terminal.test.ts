import { PassThrough } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { attachTerminal } from "../../server/cli/attach-terminal.ts";
import { poll } from "../poll.ts";
import { makeLocalPlace } from "../support/local-place.ts";

/** A terminal on this host as a place, with what it shows. */
async function openTerminal() {
  const place = await makeLocalPlace();
  onTestFinished(() => place[Symbol.asyncDispose]());
  const visit = (size = { columns: 100, rows: 30 }) => {
    const input = new PassThrough();
    const output = Object.assign(new PassThrough(), size);
    let text = "";
    output.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    const status = attachTerminal(place, "host-admin", { input, output });
    // Looked at only at the end: until then it must not count as unhandled.
    status.catch(() => {});
    const shows = (wanted: string) => poll(() => text.includes(wanted), `the terminal shows ${wanted}`);
    return { input, output, status, shows };
  };
  return { place, visit };
}

test("a terminal is connected to a shell of its size until the shell ends, with its status", async () => {
  const { visit } = await openTerminal();
  const { input, output, status, shows } = visit();
  input.write("echo =$((6*7)) $(stty size)\n");
  await shows("=42 30 100");
  Object.assign(output, { columns: 120, rows: 40 }).emit("resize");
  input.write("until [ \"$(stty size)\" = '40 120' ]; do :; done; echo =$((7*7))\n");
  await shows("=49");
  input.write("exit 3\n");
  expect(await status).toBe(3);
});

test("a connection that is lost is told, and the next call comes back to the same shell", async () => {
  const { place, visit } = await openTerminal();
  const first = visit();
  first.input.write("kept=$((6*7)); echo =$kept\n");
  await first.shows("=42");
  place.cut();
  await expect(first.status).rejects.toMatchObject({
    code: "terminal_failed",
    hint: expect.stringMatching(/again/),
  });
  const second = visit();
  second.input.write("echo +$kept; exit\n");
  await second.shows("+42");
  expect(await second.status).toBe(0);
});
