"""Tells when something in this machine may have changed; never what. One line of JSON per event.

One process that sleeps in the kernel: units by their control groups and unit files, mounts, block devices, the
firewall and files by what the kernel tells of them; free space, of which it tells nothing, by a look each second.
Ends with its standard input.

Argument: JSON {"files": [path…], "spaces": [path…]}.
"""

import ctypes
import json
import os
import select
import socket
import struct
import sys

IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
NETLINK_NETFILTER, NFNLGRP_NFTABLES = 12, 7
NETLINK_KOBJECT_UEVENT, UEVENTS_OF_KERNEL = 15, 1
SAMPLE_MS = 1000
# A step of free space that is worth a look; below it is noise of logs.
SPACE_STEP_BYTES = 1 << 20

UNIT_FILES = ("/etc/systemd/system", "/run/systemd/system")
CONTROL_GROUPS = "/sys/fs/cgroup/system.slice"
# systemd keeps one file here per running invocation of a unit; it comes and goes with each start.
INVOCATIONS = "/run/systemd/units"

libc = ctypes.CDLL(None, use_errno=True)


def tell(event, what=""):
    os.write(1, (json.dumps({"event": event, "what": what}) + "\n").encode())


class Watches:
    """inotify on folders; each names the event it stands for."""

    def __init__(self):
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.folders = {}

    def add(self, folder, event, names=None):
        mask = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
        watch = libc.inotify_add_watch(self.fd, os.fsencode(folder), mask)
        if watch >= 0:
            self.folders.setdefault(watch, []).append((folder, event, names))

    def read(self):
        told = set()
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return told
        at = 0
        while at < len(data):
            watch, mask, _, length = struct.unpack_from("iIII", data, at)
            name = data[at + 16 : at + 16 + length].rstrip(b"\0").decode(errors="replace")
            at += 16 + length
            for folder, event, names in self.folders.get(watch, []):
                if names is None or name in names:
                    told.add((event, name))
                # A unit's first `.wants` or drop-in makes the folder it is in.
                if event == "units" and folder in UNIT_FILES and mask & IN_CREATE and os.path.isdir(f"{folder}/{name}"):
                    self.add(f"{folder}/{name}", "units")
        return told


def netlink(family, group):
    listening = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, family)
    listening.bind((0, 1 << (group - 1)))
    return listening


def drain(listening):
    try:
        while listening.recv(65536):
            pass
    except BlockingIOError:
        pass
    except OSError:
        pass  # ENOBUFS: more happened than was kept, which is an event as well


def space(path):
    try:
        stat = os.statvfs(path)
    except OSError:
        return None
    return stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize


def has_changed(before, now):
    if before is None or now is None:
        return before is not now
    return before[0] != now[0] or abs(before[1] - now[1]) >= SPACE_STEP_BYTES


def main(wanted):
    watches = Watches()
    for folder in UNIT_FILES:
        watches.add(folder, "units")
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            if os.path.isdir(f"{folder}/{name}"):
                watches.add(f"{folder}/{name}", "units")
    watches.add(CONTROL_GROUPS, "units")
    watches.add(INVOCATIONS, "units")
    for path in wanted["files"]:
        if os.path.isdir(path):
            watches.add(path, "files")
        else:
            watches.add(os.path.dirname(path), "files", {os.path.basename(path)})

    firewall = netlink(NETLINK_NETFILTER, NFNLGRP_NFTABLES)
    devices = netlink(NETLINK_KOBJECT_UEVENT, UEVENTS_OF_KERNEL)
    mounts = os.open("/proc/self/mountinfo", os.O_RDONLY)
    spaces = {path: space(path) for path in wanted["spaces"]}

    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    poll.register(watches.fd, select.POLLIN)
    poll.register(firewall.fileno(), select.POLLIN)
    poll.register(devices.fileno(), select.POLLIN)
    poll.register(mounts, select.POLLPRI | select.POLLERR)
    tell("ready")
    while True:
        for fd, _ in poll.poll(SAMPLE_MS if spaces else None):
            if fd == 0:
                if not os.read(0, 4096):
                    return
            elif fd == watches.fd:
                for event, name in sorted(watches.read()):
                    tell(event, name)
            elif fd == firewall.fileno():
                drain(firewall)
                tell("firewall")
            elif fd == devices.fileno():
                drain(devices)
                tell("blocks")
            elif fd == mounts:
                os.lseek(mounts, 0, os.SEEK_SET)
                os.read(mounts, 1 << 20)
                tell("mounts")
        for path, before in spaces.items():
            now = space(path)
            if has_changed(before, now):
                spaces[path] = now
                tell("space", path)


main(json.loads(sys.argv[1]))
