import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { openSqliteStore } from "../../server/store/sqlite-store.ts";
import { ada, attempt, describeStore } from "../contract/store-contract.ts";

async function newFile(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "fb-store-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return join(dir, "state", "footbridge.db");
}

describeStore("SQLite", async () => openSqliteStore(await newFile()));

test("a store is opened again with what was in it", async () => {
  const file = await newFile();
  const before = await openSqliteStore(file);
  await before.settingOr("key", "kept");
  await before[Symbol.asyncDispose]();
  await using after = await openSqliteStore(file);
  expect(await after.setting("key")).toBe("kept");
});

test("an attempt of before the worlds were prepared one by one has both as it was", async () => {
  const file = await newFile();
  const before = await openSqliteStore(file);
  await before.addPerson(ada);
  await before.addAttempt(attempt);
  await before[Symbol.asyncDispose]();
  const database = new DatabaseSync(file);
  database.exec(`
    ALTER TABLE attempts DROP COLUMN is_vm_prepared;
    ALTER TABLE attempts DROP COLUMN is_cluster_prepared;
    ALTER TABLE attempts ADD COLUMN is_prepared INTEGER NOT NULL DEFAULT 1;
    PRAGMA user_version = 1;
  `);
  database.close();
  await using after = await openSqliteStore(file);
  expect(await after.attempt(attempt.id)).toEqual({ ...attempt, isPrepared: { vm: true, cluster: true } });
});

test("only its owner may read it", async () => {
  const file = await newFile();
  await using _store = await openSqliteStore(file);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(join(file, ".."))).mode & 0o777).toBe(0o700);
});

test("a process killed in the midst of writing loses nothing it was told is written", async () => {
  const file = await newFile();
  const module = join(import.meta.dirname, "../../server/store/sqlite-store.ts");
  const child = spawn(process.execPath, [
    "--input-type=module",
    "--eval",
    `const { openSqliteStore } = await import(${JSON.stringify(module)});
     const store = await openSqliteStore(${JSON.stringify(file)});
     for (let n = 0; ; n += 1) {
       await store.settingOr("key-" + n, String(n));
       process.stdout.write(n + "\\n");
       await new Promise(setImmediate);
     }`,
  ]);
  let output = "";
  child.stdout.on("data", (data: Buffer) => {
    output += data.toString();
    if (output.split("\n").length > 200) child.kill("SIGKILL");
  });
  await once(child, "close");
  const told = output.split("\n").slice(0, -1).map(Number);
  expect(told.length).toBeGreaterThan(199);
  await using store = await openSqliteStore(file);
  for (const n of told) expect(await store.setting(`key-${n}`)).toBe(String(n));
  const check = new DatabaseSync(file).prepare("PRAGMA integrity_check").get();
  expect(check).toEqual({ integrity_check: "ok" });
});

test("a full disk is told, loses nothing that was written, and writing goes on once there is room", async ({
  skip,
}) => {
  const dir = await mkdtemp(join(tmpdir(), "fb-store-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const module = join(import.meta.dirname, "../../server/store/sqlite-store.ts");
  const program = `
    import { writeFileSync, rmSync } from "node:fs";
    const { openSqliteStore } = await import(${JSON.stringify(module)});
    const file = process.argv[1] + "/footbridge.db";
    const store = await openSqliteStore(file);
    writeFileSync(process.argv[1] + "/ballast", Buffer.alloc(400_000));
    const failures = [];
    let told = 0;
    const write = async (key) => {
      try {
        await store.settingOr(key, "x".repeat(2_000));
        return true;
      } catch ({ code, message, hint }) {
        failures.push({ code, message, hint });
        return false;
      }
    };
    while (await write("key-" + told)) told += 1;
    await store.replaceToken({ hash: "y".repeat(200_000), expiresAt: new Date() }).catch(({ code }) => failures.push({ code }));
    rmSync(process.argv[1] + "/ballast");
    const goesOn = await write("later");
    await store[Symbol.asyncDispose]();
    const again = await openSqliteStore(file);
    let kept = 0;
    while ((await again.setting("key-" + kept)) !== undefined) kept += 1;
    console.log(JSON.stringify({ told, kept, goesOn, later: (await again.setting("later"))?.length, failures }));`;
  const mounted =
    'mount -t tmpfs -o size=800k tmpfs "$1" || exit 77; exec "$2" --input-type=module --eval "$3" "$1"';
  const argv = ["--mount", "sh", "-c", mounted, "sh", dir, process.execPath, program];
  const child = await promisify(execFile)("unshare", argv).catch((error) => error);
  if (child.code === 77 || /unshare/.test(child.stderr)) skip("a small disk takes root to mount");
  const { told, kept, goesOn, later, failures } = JSON.parse(child.stdout);
  expect(told).toBeGreaterThan(20);
  expect(kept).toBe(told);
  expect(goesOn).toBe(true);
  expect(later).toBe(2_000);
  expect(failures).toEqual([
    { code: "disk_full", message: expect.stringContaining("disk is full"), hint: expect.any(String) },
    { code: "disk_full" },
  ]);
});

test("a file that is no store, or a newer program's, is refused with the way out", async () => {
  const file = await newFile();
  await (await openSqliteStore(file))[Symbol.asyncDispose]();
  const database = new DatabaseSync(file);
  database.exec("PRAGMA user_version = 99");
  database.close();
  await expect(openSqliteStore(file)).rejects.toMatchObject({
    code: "bad_settings",
    message: expect.stringContaining("newer version"),
    hint: expect.any(String),
  });
  await promisify(execFile)("sh", ["-c", 'printf "this is no database, but long enough" > "$0"', `${file}2`]);
  await expect(openSqliteStore(`${file}2`)).rejects.toMatchObject({ code: "bad_settings" });
});
