import { fileURLToPath } from "node:url";
import type { CourseApp } from "./course-app.ts";
import type { ImageBuilder } from "./image-builder.ts";
import type { BuiltImage, ImageRecipe } from "./image-recipe.ts";

const folderOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** QEMU and what prepares its disks and network; without a guest. */
export const machineBaseRecipe: ImageRecipe = {
  name: "machine-base",
  folder: folderOf("machine"),
  settings: {
    // python3-minimal runs the supervisor, dnsmasq answers the guest for Docker's resolver.
    PACKAGES: "qemu-system-x86 qemu-utils socat iproute2 nftables procps python3-minimal dnsmasq-base",
  },
  output: { kind: "rootfs", changes: ["WORKDIR /"] },
  timeoutMs: 20 * 60_000,
};

const guestPackages = [
  // The system: small, and started by our own initrd, for which tiny-initramfs only fills the kernel's dependency.
  ...[
    "systemd",
    "systemd-sysv",
    "dbus",
    "udev",
    "kmod",
    "ifupdown",
    "openssh-server",
    "sudo",
    "cron",
    "tzdata",
  ],
  ...["linux-image-cloud-amd64", "tiny-initramfs", "busybox-static", "netbase", "ca-certificates"],
  // What an administrator reaches for.
  ...["lvm2", "e2fsprogs", "xfsprogs", "nftables", "iproute2", "iputils-ping", "bind9-dnsutils", "tcpdump"],
  ...[
    "procps",
    "psmisc",
    "lsof",
    "file",
    "vim",
    "nano",
    "less",
    "man-db",
    "manpages",
    "tmux",
    "htop",
    "rsync",
  ],
  ...["curl", "jq", "bash-completion", "python3", "docker.io", "docker-cli"],
];

// Nothing here is needed by a machine that is made anew for everybody, and each costs seconds under emulation.
const maskedUnits = [
  ...["apt-daily.timer", "apt-daily-upgrade.timer", "man-db.timer", "dpkg-db-backup.timer", "fstrim.timer"],
  ...[
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "xfs_scrub_all.timer",
    "logrotate.timer",
    "getty@tty1.service",
  ],
  ...["sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount", "dev-hugepages.mount"],
  ...["sys-fs-fuse-connections.mount", "proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service"],
  ...[
    "modprobe@drm.service",
    "modprobe@configfs.service",
    "modprobe@efi_pstore.service",
    "systemd-pstore.service",
  ],
  ...["systemd-timesyncd.service", "ifupdown-pre.service", "systemd-machine-id-commit.service", "ssh.socket"],
  ...["lvm2-monitor.service", "blk-availability.service", "dm-event.socket", "lvm2-lvmpolld.socket"],
  ...[
    "console-setup.service",
    "keyboard-setup.service",
    "systemd-update-utmp.service",
    "systemd-random-seed.service",
  ],
  ...[
    "systemd-user-sessions.service",
    "systemd-sysusers.service",
    "systemd-firstboot.service",
    "ldconfig.service",
  ],
  ...["systemd-journal-catalog-update.service", "systemd-update-done.service", "systemd-hwdb-update.service"],
  ...[
    "systemd-udev-load-credentials.service",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
  ],
  ...["systemd-tpm2-setup.service", "systemd-tpm2-setup-early.service", "systemd-sysext.socket"],
  ...[
    "systemd-creds.socket",
    "systemd-initctl.socket",
    "systemd-hibernate-clear.service",
    "sshd-keygen.service",
  ],
];

// Each is a process before anything else can start; what they would find is known here.
const maskedGenerators = [
  ...[
    "systemd-debug-generator",
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-run-generator",
  ],
  ...["systemd-hibernate-resume-generator", "systemd-rc-local-generator", "systemd-ssh-generator"],
  ...["systemd-system-update-generator", "systemd-sysv-generator", "systemd-tpm2-generator"],
];

const commandLine = [
  ...["root=/dev/vda", "rw", "console=ttyS0", "net.ifnames=0"],
  // Calibrations and mitigations that only slow an emulated processor down.
  ...[
    "nokaslr",
    "mitigations=off",
    "no_timer_check",
    "nowatchdog",
    "cryptomgr.notests",
    "random.trust_cpu=on",
  ],
  ...["audit=0", "apparmor=0", "selinux=0"],
];

/**
 * The machine image: QEMU with the guest's kernel and disks; what is in it, README.md in `guest/` says. Each app's
 * `guest/install.sh ROOT DATA` installs it into the guest's root file system, and puts what belongs on its logical
 * volume (named like the app, ext4, in the volume group `data`) into DATA. `cutToFit` is a file in there that ends
 * where the volume is full, as happens when a disk fills up while something is being written.
 */
export function machineRecipe(base: BuiltImage, apps: readonly CourseApp[]): ImageRecipe {
  const installed = apps.flatMap(({ name, folder, guest }) => (guest ? [{ name, folder, ...guest }] : []));
  const volumes = installed.flatMap(({ name, dataVolume }) =>
    dataVolume ? [`${name}:${dataVolume.sizeMib}:${dataVolume.cutToFit ?? ""}`] : [],
  );
  return {
    name: "machine",
    folder: folderOf("guest"),
    settings: {
      PACKAGES: guestPackages.join(" "),
      APPS: installed.map(({ name }) => name).join(" "),
      APP_PACKAGES: installed.flatMap(({ packages }) => packages).join(" "),
      DATA_VOLUMES: volumes.join(" "),
      MASKED_UNITS: maskedUnits.join(" "),
      MASKED_GENERATORS: maskedGenerators.join(" "),
      INITRD_MODULES: "virtio_pci virtio_blk ext4 virtio_net virtio_rng qemu_fw_cfg",
      CMDLINE: commandLine.join(" "),
    },
    inputs: installed.map(({ name, folder }) => ({ path: `apps/${name}`, source: folder })),
    bases: { BASE_MACHINE: base },
    output: { kind: "context" },
    timeoutMs: 40 * 60_000,
  };
}

/** Builds the machine image, with these apps installed in the guest, unless it is there. */
export async function ensureMachineImage(
  builder: ImageBuilder,
  apps: readonly CourseApp[],
): Promise<BuiltImage> {
  const base = await builder.ensureImage(machineBaseRecipe);
  return await builder.ensureImage(machineRecipe(base, apps));
}
