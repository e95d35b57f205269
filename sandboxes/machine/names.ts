/** Paths inside the machine's container; the first two belong to QEMU's user in the image. */
export const PATHS = {
  /** On a volume: disks, console, what is remembered. */
  kept: "/var/lib/machine",
  /** Sockets of one run of the container. */
  run: "/run/machine",
  control: "/run/machine/control.sock",
  qmp: "/run/machine/qmp.sock",
  /** A second monitor, the supervisor's own. */
  events: "/run/machine/events.sock",
  console: "/var/lib/machine/console.log",
  consoleInput: "/run/machine/console.in",
  rootDisk: "/var/lib/machine/root.qcow2",
  dataDisk: "/var/lib/machine/data.qcow2",
  authorizedKeys: "/var/lib/machine/authorized_keys",
  /** A template's memory, and the rest of the stopped VM's state; its copies map the first and load the second. */
  memory: "/var/lib/machine/ram",
  state: "/var/lib/machine/state",
} as const;

/** What the machine image brings; see images/guest/README.md. */
export const GUEST = {
  kernel: "/guest/vmlinuz",
  initrd: "/guest/initrd.img",
  commandLine: "/guest/cmdline",
  rootDisk: "/guest/root.qcow2",
  dataDisk: "/guest/data.qcow2",
} as const;

/** Where a copy sees its template's volume, read-only; the files are named as in `PATHS.kept`. */
export const TEMPLATE = {
  kept: "/template",
  rootDisk: "/template/root.qcow2",
  dataDisk: "/template/data.qcow2",
  console: "/template/console.log",
  memory: "/template/ram",
  state: "/template/state",
} as const;

/** The guest's fixed address behind its container; only that container reaches it. */
export const guestAddress = "10.77.0.2";
/** The name other containers of the sandbox use; everything they send there goes to the guest. */
export const machineAlias = "machine";
/** Owner of QEMU in the machine image. */
export const qemuUser = "1000:1000";

export const machineContainer = (sandboxId: string) => `fb-${sandboxId}-machine`;
export const setupContainer = (sandboxId: string) => `fb-${sandboxId}-setup`;
export const machineVolume = (sandboxId: string) => `fb-${sandboxId}-machine`;
