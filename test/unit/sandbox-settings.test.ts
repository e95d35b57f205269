import { expect, test } from "vitest";
import { loadSettings } from "../../server/load-settings.ts";
import { sandboxSettings } from "../../server/sandbox-settings.ts";
import type { Settings } from "../../server/settings.ts";

async function derive(usesKvm: boolean, change: Partial<Settings> = {}) {
  const settings = await loadSettings({ HOME: "/home/somebody" }, "/nonexistent.yaml");
  return sandboxSettings({ ...settings, ...change }, { id: "i", usesKvm });
}

test("without KVM VMs are emulated and nodes run beside them; with it nodes run in the VM", async () => {
  expect(await derive(false)).toMatchObject({ accelerator: "tcg", placement: "beside" });
  expect(await derive(true)).toMatchObject({ accelerator: "kvm", placement: "nested" });
});

test("what the settings say holds, whatever the host has", async () => {
  for (const usesKvm of [false, true]) {
    expect(await derive(usesKvm, { placement: "nested" })).toMatchObject({ placement: "nested" });
    expect(await derive(usesKvm, { placement: "beside" })).toMatchObject({ placement: "beside" });
    expect(await derive(usesKvm, { accelerator: "tcg" })).toMatchObject({ accelerator: "tcg" });
  }
});

test("a VM with nodes in it has their memory on top of its own", async () => {
  const change = { vmMemoryMib: 1_000, nodeMemoryMib: 2_000, nodes: 2 };
  expect((await derive(false, change)).hardware.memoryMib).toBe(1_000);
  expect((await derive(true, change)).hardware.memoryMib).toBe(5_000);
});
