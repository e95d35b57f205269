import type { Duplex } from "node:stream";
import type { Place } from "../place.ts";
import type { SandboxReport } from "../progress.ts";
import type { Trouble } from "../trouble.ts";

export type Accelerator = "kvm" | "tcg";

/** The VM's hardware as its owner sees it; a change applies at the next power-on. */
export interface Hardware {
  cpus: number;
  memoryMib: number;
  /** The LVM data disk, `/dev/vdb`; it can grow, never shrink. */
  dataDiskGib: number;
}

export interface MachineSpec {
  sandboxId: string;
  /** The machine image, with QEMU and the guest's disks inside. */
  image: string;
  /** The sandbox's network. */
  network: string;
  accelerator: Accelerator;
  hardware: Hardware;
  /** OpenSSH public key that may log in as root and admin. */
  authorizedKey: string;
  /**
   * The template this VM is a copy of, instead of being booted: as `ensureTemplate` gives it, of the same image,
   * accelerator, hardware and key.
   */
  template?: string;
  /** Docker labels every part of the sandbox carries. */
  labels: Record<string, string>;
}

/** `broken` always carries a reason and what can be done. */
export type MachineState =
  | { power: "off" }
  | { power: "starting" }
  | { power: "on" }
  | ({ power: "broken" } & Trouble);

export interface MachineInspection {
  state: MachineState;
  accelerator: Accelerator;
  /** What the VM runs with. */
  hardware: Hardware;
  /** What it will have from the next power-on, when that differs. */
  pendingHardware: Hardware | undefined;
}

/**
 * One VM. Operations are safe to repeat; each takes a signal and has a deadline of its own. What a driver can't do is
 * absent from `MachineDriver.capabilities`, not a method that throws.
 */
export interface Machine {
  readonly sandboxId: string;
  readonly place: Place;
  inspect(): Promise<MachineInspection>;
  /** Calls back at each change of its state, whoever caused it, until the signal aborts. Begins with the first `inspect`. */
  onChange(listener: () => void, signal: AbortSignal): void;
  /** Power on and wait until SSH answers. Steps: `start VM`, `boot guest`, `log in`; a copy's first has no boot. */
  start(report: SandboxReport, signal: AbortSignal): Promise<void>;
  /** ACPI shutdown, then pulling the plug after `graceMs`; 0 pulls it at once. */
  stop(graceMs: number, signal: AbortSignal): Promise<void>;
  /** The reset button: no shutdown, memory lost, disk kept. */
  hardReset(signal: AbortSignal): Promise<void>;
  /** Takes effect at the next power-on. */
  resize(hardware: Hardware): Promise<void>;
  /**
   * A TCP connection to a port of the guest as its neighbours on the network make it: through the guest's firewall.
   * @throws LabError `machine_failed` where nothing answers there, `timed_out`.
   */
  connect(port: number): Promise<Duplex>;
  /** A stream to a unix socket inside the guest, e.g. its Docker's. */
  connectSocket(path: string): Promise<Duplex>;
  /**
   * A TCP connection made from inside the guest, to what only the guest reaches, e.g. a container of its Docker.
   * @throws LabError `machine_failed` where nothing answers there.
   */
  connectFromInside(address: string, port: number): Promise<Duplex>;
  /** The serial console: everything it has printed so far (newest 1 MiB), then live; writing types. */
  openConsole(): Promise<Duplex>;
  destroy(): Promise<void>;
}

export type MachineCapability = "resize" | "console" | "fork" | "checkpoint";

export interface MachineDriver extends AsyncDisposable {
  readonly capabilities: ReadonlySet<MachineCapability>;
  /** Makes the container and disks and powers on; on failure nothing is left. */
  create(spec: MachineSpec, report: SandboxReport, signal: AbortSignal): Promise<Machine>;
  /** Takes over what runs already; `undefined` where there is no such machine. */
  adopt(sandboxId: string): Promise<Machine | undefined>;
}
