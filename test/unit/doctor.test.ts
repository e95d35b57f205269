import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { LabError } from "../../sandboxes/errors.ts";
import {
  type DoctorDeps,
  examineCpu,
  examineHost,
  examineMemory,
  judgeDisk,
} from "../../sandboxes/host/doctor.ts";
import { publishedNodeImage } from "../../sandboxes/images/node-image-published.ts";
import { probeRegistry } from "../../server/cli/registry.ts";
import { type MadeUpHost, madeUpHost } from "../support/made-up-host.ts";

const examine = async (host: MadeUpHost, probes: Partial<DoctorDeps> = {}) => {
  const probeKvm = async () => ({ usable: true, reason: "it boots" });
  const probeRegistry = async () => "docker.io";
  const findings = await examineHost({
    ...{ ...host, probeKvm, probeRegistry, sandboxMemoryMib: 1, networkRange: "10.88.0.0/16" },
    ...probes,
  });
  return Object.fromEntries(findings.map((finding) => [finding.name, finding]));
};

test("what can't be examined while Docker is away is a finding with a remedy", async () => {
  const host = await madeUpHost();
  const found = await examine(host, {
    probeKvm: () => Promise.reject(new LabError("docker_unavailable", "no Docker", { hint: "start it" })),
    probeRegistry: () => Promise.reject(new Error("asking failed")),
  });
  expect(found.docker).toMatchObject({ state: "bad", remedy: expect.stringContaining("npm start") });
  expect(found.kvm).toMatchObject({ state: "weak", found: "not known: no Docker", remedy: "start it" });
  expect(found.registry).toMatchObject({ state: "weak", remedy: expect.stringMatching(/./) });
  expect(Object.keys(found)).toEqual(expect.arrayContaining(["cpu", "memory", "disk"]));
});

test("with everything in place nothing needs a remedy that is good", async () => {
  const host = await madeUpHost();
  await host.put("docker", `echo '{"ServerVersion":"26.1.5","CgroupVersion":"2"}'`);
  const found = await examine(host);
  for (const name of ["docker", "cgroup", "kvm", "registry"])
    expect(found[name], name).toMatchObject({ state: "good", found: expect.stringMatching(/./) });
});

test("a registry is asked for the very digest that would be pulled", async () => {
  const host = await madeUpHost();
  const digest = publishedNodeImage.split("@")[1];
  await host.put("docker", "");
  expect(await probeRegistry({ registry: "auto" })).toBe("docker.io");
  expect(await probeRegistry({ registry: "mirror.example:5000" })).toBe("mirror.example:5000");
  expect(await host.calls()).toEqual([
    `docker manifest inspect docker.io/kindest/node@${digest}`,
    `docker manifest inspect mirror.example:5000/kindest/node@${digest}`,
  ]);
});

test("a registry that lacks it, or is not to be asked, is none", async () => {
  const host = await madeUpHost();
  expect(await probeRegistry({ registry: "auto" })).toBeUndefined();
  expect(await probeRegistry({ registry: "none" })).toBeUndefined();
  expect(await host.calls()).toHaveLength(1);
});

test("without a `docker` command nothing is said about registries", async () => {
  const host = await madeUpHost();
  await rm(join(host.folder, "docker"));
  vi.stubEnv("PATH", host.folder);
  await expect(probeRegistry({ registry: "auto" })).rejects.toMatchObject({ code: "docker_unavailable" });
});

test("the disk is looked at where Docker says that its data is", async () => {
  const host = await madeUpHost();
  // A file system that has no room for anybody.
  await host.put("docker", `echo '{"ServerVersion":"26.1.5","DockerRootDir":"/proc"}'`);
  expect((await examine(host)).disk).toMatchObject({ state: "bad", found: "0 GiB free in /proc" });
});

test("where Docker's data can't be seen, the disk of the state stands for it", async () => {
  const host = await madeUpHost();
  await host.put("docker", `echo '{"ServerVersion":"26.1.5","DockerRootDir":"/nowhere/docker"}'`);
  const found = await examine({ ...host, paths: { ...host.paths, stateDir: "/proc" } });
  expect(found.disk).toMatchObject({ state: "bad", found: "0 GiB free in /proc" });
});

test.each([
  [examineCpu(1), "weak", "1 CPU", "at least 2 CPUs"],
  [examineCpu(2), "good", "2 CPUs", undefined],
  [
    examineMemory(6_143, 4_096),
    "bad",
    "6143 MiB available: room for 0 sandboxes",
    "one sandbox needs 4096 MiB beside 2048 MiB for the host: add memory, or lower vmMemoryMib",
  ],
  [examineMemory(500, 4_096), "bad", "500 MiB available: room for 0 sandboxes", "add memory"],
  [examineMemory(6_144, 4_096), "good", "6144 MiB available: room for 1 sandboxes", undefined],
  [judgeDisk("/d", 7), "bad", "7 GiB free in /d", "free or add disk space: 20 GiB"],
  [judgeDisk("/d", 8), "weak", "8 GiB free in /d", "free or add disk space: 20 GiB"],
  [judgeDisk("/d", 20), "good", "20 GiB free in /d", undefined],
] as const)("%o", (finding, state, found, remedy) => {
  expect(finding).toMatchObject({ state, found });
  if (remedy) expect(finding.remedy).toContain(remedy);
  else expect(finding.remedy).toBeUndefined();
});
