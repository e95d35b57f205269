import type { Accelerator, Hardware } from "./machine.ts";
import { GUEST, PATHS, TEMPLATE } from "./names.ts";

/** Translated code is kept up to this size; QEMU's own default is an eighth of the host's memory. */
export const translationBufferMib = 256;

export interface QemuSettings {
  accelerator: Accelerator;
  hardware: Hardware;
  /** The guest's, so that it is the same at every boot. */
  uuid: string;
  /** `template`: its memory is a file that others will map. `copy`: it maps a template's and goes on from its state. */
  role?: "template" | "copy";
}

/**
 * What the container may use beyond the guest's memory: translated code under emulation, QEMU itself, the supervisor,
 * and a shell or two.
 */
export function overheadMib(accelerator: Accelerator): number {
  return 256 + (accelerator === "tcg" ? translationBufferMib : 0);
}

/**
 * QEMU's command for one power-on; what stands between two `@` the supervisor puts in.
 * No balloon and no vhost: they spoil forks that share memory.
 */
export function qemuArguments(settings: QemuSettings): string[] {
  const { hardware } = settings;
  const acceleration =
    settings.accelerator === "kvm"
      ? ["-cpu", "host", "-add-fd", "fd=@KVM@,set=1", "-accel", "kvm,device=/dev/fdset/1"]
      : ["-cpu", "max,la57=off", "-accel", `tcg,thread=multi,tb-size=${translationBufferMib}`];
  const disk = (id: string, file: string, cache: string) => [
    ...["-drive", `if=none,id=${id},file=${file},format=qcow2,cache=${cache},discard=unmap`],
    ...["-device", `virtio-blk-pci,drive=${id}`],
  ];
  const { machine, more } = memoryOf(settings);
  return [
    ...["qemu-system-x86_64", "-no-user-config", "-nodefaults", "-display", "none", "-name", "machine"],
    ...["-machine", `q35,sata=off,smbus=off,usb=off${machine}`, "-uuid", settings.uuid, "-rtc", "base=utc"],
    ...more,
    ...acceleration,
    ...["-smp", String(hardware.cpus), "-m", String(hardware.memoryMib)],
    ...["-kernel", GUEST.kernel, "-initrd", GUEST.initrd, "-append", `@CONTENT:${GUEST.commandLine}@`],
    ...disk("root", PATHS.rootDisk, "unsafe"),
    ...disk("data", PATHS.dataDisk, "writeback"),
    ...["-netdev", "tap,id=net,fd=@TAP@", "-device", "virtio-net-pci,netdev=net,mac=52:54:00:77:00:02"],
    // A copy gets another generation id, at which its kernel makes its random numbers its own.
    ...["-device", "virtio-rng-pci", "-device", "vmgenid,guid=auto"],
    ...["-chardev", `file,id=console,path=${PATHS.console},append=on,input-path=${PATHS.consoleInput}`],
    ...["-serial", "chardev:console"],
    ...["-qmp", `unix:${PATHS.qmp},server=on,wait=off`, "-qmp", `unix:${PATHS.events},server=on,wait=off`],
    ...["-fw_cfg", `name=opt/footbridge/authorized_keys,file=${PATHS.authorizedKeys}`],
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
  ];
}

/**
 * Memory that is saved by leaving it where it is, and mapped by copies privately: a page becomes a copy's own when it
 * first writes to it. The backend's id is part of the saved state.
 */
function memoryOf({ role, hardware }: QemuSettings): { machine: string; more: string[] } {
  if (!role) return { machine: "", more: [] };
  const backend = `memory-backend-file,id=memory,size=${hardware.memoryMib}M`;
  const machine = ",memory-backend=memory";
  if (role === "template")
    return { machine, more: ["-object", `${backend},mem-path=${PATHS.memory},share=on`] };
  const mapped = `${backend},mem-path=${TEMPLATE.memory},share=off,readonly=on,rom=off`;
  return { machine, more: ["-object", mapped, "-incoming", "defer"] };
}
