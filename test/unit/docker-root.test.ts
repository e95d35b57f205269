import { expect, onTestFinished, test, vi } from "vitest";
import { becomeRoot, runAsRoot } from "../../sandboxes/host/docker-root.ts";
import { standInCommands } from "../support/stand-in-commands.ts";

/** This process as somebody who is not root, on a host whose `sudo` does as told. */
async function asSomebody(sudo: string) {
  const commands = await standInCommands();
  await commands.put("sudo", sudo);
  vi.stubEnv("PATH", commands.path);
  vi.spyOn(process, "getuid").mockReturnValue(1000);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });
  return commands;
}

test("where sudo asks for no password, commands run by it, with the variables that were named and no others", async () => {
  const { calls } = await asSomebody("exit 0");
  const root = await becomeRoot("start as root");
  await runAsRoot(root, ["apt-get", "update"], {
    timeoutMs: 10_000,
    env: { DEBIAN_FRONTEND: "noninteractive" },
  });
  await runAsRoot(root, ["id"], { timeoutMs: 10_000 });
  expect(await calls()).toEqual([
    "sudo -n true",
    "sudo -n --preserve-env=DEBIAN_FRONTEND apt-get update",
    "sudo -n id",
  ]);
});

test("where sudo wants a password and nobody is there to type it, it says what to do instead", async () => {
  const { calls } = await asSomebody("echo 'a password is required' >&2; exit 1");
  const terminals = [process.stdin, process.stderr].map((stream) => ({ stream, isTTY: stream.isTTY }));
  for (const { stream } of terminals) stream.isTTY = false;
  onTestFinished(() => {
    for (const { stream, isTTY } of terminals) stream.isTTY = isTTY;
  });
  await expect(becomeRoot("start as root")).rejects.toMatchObject({
    code: "forbidden",
    hint: "start as root",
  });
  expect(await calls()).toEqual(["sudo -n true"]);
});
