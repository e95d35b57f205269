import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { examineNetwork } from "../../sandboxes/host/doctor.ts";
import { readRoutes } from "../../sandboxes/host/routes.ts";
import { bridgeName } from "../../sandboxes/network/bridges.ts";

const HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT   \n";
const line = (name: string, destination: string, mask: string) =>
  `${name}\t${destination}\t00000000\t0001\t0\t0\t0\t${mask}\t0\t0\t0   \n`;

/** Routes as Linux on a PC writes them. */
async function routesOf(lines: string) {
  const dir = await mkdtemp(join(tmpdir(), "fb-routes-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, "route"), HEADER + lines);
  return await readRoutes(join(dir, "route"));
}

const ordinary =
  line("eth0", "00000000", "00000000") +
  line("docker0", "000011AC", "0000FFFF") +
  line("eth0", "0000A8C0", "00FFFFFF");

test("the range is free where only the default route leads there", async () => {
  const routes = await routesOf(ordinary);
  expect(examineNetwork("10.88.0.0/16", routes)).toMatchObject({ state: "good" });
});

test("another network or route that overlaps the range is named, with what to do", async () => {
  const routes = await routesOf(
    ordinary + line("podman0", "0000580A", "0000FFFF") + line("tun0", "0000000A", "000000FF"),
  );
  expect(examineNetwork("10.88.0.0/16", routes)).toMatchObject({
    state: "weak",
    found: expect.stringContaining("10.88.0.0/16 (podman0), 10.0.0.0/8 (tun0)"),
    remedy: expect.stringContaining("networkRange"),
  });
  expect(examineNetwork("172.20.0.0/16", routes)).toMatchObject({ state: "good" });
});

test("the networks of sandboxes themselves are nobody else's", async () => {
  const routes = await routesOf(line(bridgeName("any", 3, true), "0000580A", "C0FFFFFF"));
  expect(examineNetwork("10.88.0.0/16", routes)).toMatchObject({ state: "good" });
});

test("a host that lists no routes is believed", async () => {
  expect(await readRoutes("/nonexistent")).toEqual([]);
});
