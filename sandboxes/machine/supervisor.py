"""Keeps the machine's container alive and runs QEMU in it, as an ordinary user without any capability.

It answers one JSON object per line on control.sock:
  {"do": "status"}                      what runs, how QEMU ended last, what was remembered
  {"do": "power_on", "argv": [...]}     starts QEMU; @TAP@ and @KVM@ in it become descriptors, and a word that is
                                        @CONTENT:path@ becomes the one line in that file
  {"do": "await_guest", "seconds": n}   answers when the guest's SSH does, or QEMU ends
  {"do": "await_off", "seconds": n}     answers when QEMU has ended
  {"do": "mark_ready", "ready": true}   somebody has logged in; false: it boots again
  {"do": "follow"}                      "changed" as a line, at once and each time QEMU starts, ends, stops or goes on,
                                        and the guest boots anew or has let somebody in; an empty line now and then
  {"do": "kill"}                        pulls the plug
  {"do": "remember", "value": ...}      kept over restarts of the container
  {"do": "connect", "port": n}          after the answer the connection leads to that port of the guest
At SIGTERM a guest that is up is shut down by its power button first; then this process ends.
Opening devices needs root, which this process is not: a short-lived set-up container in the same network namespace
opens them and hands the descriptors over an abstract socket, which only that namespace can see.
"""

import array
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time

RUN = "/run/machine"
KEPT = "/var/lib/machine"
CONSOLE = KEPT + "/console.log"
CONSOLE_INPUT = RUN + "/console.in"
MEMORY = KEPT + "/memory.json"
QEMU_LOG = RUN + "/qemu.log"
GUEST = ("10.77.0.2", 22)
GATEWAY = "10.77.0.1"
# At least this much of the console is kept; older bytes are given back to the file system.
CONSOLE_KEPT_BYTES = 16 << 20

lock = threading.Condition()
devices = {}
qemu = None  # the running one: process, ready, run_state
last = None  # how the one before ended
connections = set()  # into the guest


def reap():
    """As process 1 we inherit what visitors leave behind; our own children have somebody who waits for them."""
    while True:
        time.sleep(0.5)
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            continue
        with lock:
            if ended and not (qemu and ended.si_pid == qemu["process"].pid):
                os.waitpid(ended.si_pid, os.WNOHANG)


def listen(address):
    if not address.startswith("\0") and os.path.exists(address):
        os.unlink(address)
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen(16)
    return server


def take_devices(server):
    while True:
        peer, _ = server.accept()
        with peer:
            credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            message, ancillary, _, _ = peer.recvmsg(256, socket.CMSG_SPACE(8))
            descriptors = array.array("i")
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    descriptors.frombytes(data[: len(data) // 4 * 4])
            if struct.unpack("3i", credentials)[1] != 0:
                for descriptor in descriptors:
                    os.close(descriptor)
                continue
            with lock:
                devices.update(zip(message.decode().split(), descriptors))
                lock.notify_all()
            peer.sendall(b"taken\n")


def answer_names():
    """Docker's resolver listens in this namespace only; the guest asks us."""
    with lock:
        lock.wait_for(lambda: "TAP" in devices)
    while True:
        subprocess.run(
            ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--log-facility=-", "--no-hosts"]
            + ["--no-resolv", "--server=127.0.0.11", "--bind-interfaces", "--listen-address=" + GATEWAY]
            + ["--except-interface=lo", "--cache-size=0"]
        )
        time.sleep(1)


def trim_console():
    while True:
        time.sleep(5)
        size = os.stat(CONSOLE).st_size
        if os.stat(CONSOLE).st_blocks * 512 > 2 * CONSOLE_KEPT_BYTES:
            # A hole leaves offsets as they are, so that neither QEMU nor a reader notices.
            hole = str(size - CONSOLE_KEPT_BYTES)
            subprocess.run(["fallocate", "--punch-hole", "--offset", "0", "--length", hole, CONSOLE])


def content_of(path):
    with open(path) as file:
        return file.read().strip()


def power_on(argv):
    global qemu
    with lock:
        if qemu:
            return {"pid": qemu["process"].pid}
        wanted = [name for name in ("TAP", "KVM") if any("@" + name + "@" in word for word in argv)]
        missing = [name for name in wanted if name not in devices]
        if missing:
            raise ValueError("no device " + ", ".join(missing))
        for name in wanted:
            argv = [word.replace("@" + name + "@", str(devices[name])) for word in argv]
        argv = [content_of(word[9:-1]) if word.startswith("@CONTENT:") else word for word in argv]
        log = open(QEMU_LOG, "wb")
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[devices[name] for name in wanted]
        )
        qemu = {
            "process": process,
            "since": time.time(),
            "monitor": None,
            "ready": False,
            "run_state": "running",
            "reason": None,
        }
        threading.Thread(target=watch, args=(qemu,), daemon=True).start()
        lock.notify_all()
        return {"pid": process.pid}


def watch(mine):
    global qemu, last
    events = threading.Thread(target=follow_events, args=(mine,), daemon=True)
    events.start()
    code = mine["process"].wait()
    events.join(2)
    with open(QEMU_LOG, "rb") as log:
        said = log.read()[-4000:].decode(errors="replace").strip()
    cut_connections()
    with lock:
        last = {
            "exitCode": code if code >= 0 else None,
            "signal": signal.Signals(-code).name if code < 0 else None,
            "reason": mine["reason"],
            "said": said,
        }
        qemu = None
        lock.notify_all()


def follow_events(mine):
    """QEMU says by itself when the guest resets, powers off or is stopped for want of disk space."""
    monitor = socket.socket(socket.AF_UNIX)
    while True:
        try:
            monitor.connect(RUN + "/events.sock")
            break
        except OSError:
            if mine["process"].poll() is not None:
                return
            time.sleep(0.05)
    monitor.sendall(b'{"execute": "qmp_capabilities"}\n')
    mine["monitor"] = monitor
    try:
        lines = list_lines(monitor)
        for line in lines:
            event = json.loads(line)
            with lock:
                name = event.get("event")
                data = event.get("data", {})
                if name == "SHUTDOWN":
                    mine["reason"] = data.get("reason")
                elif name == "GUEST_PANICKED":
                    mine["reason"] = "guest-panic"
                elif name == "RESET":
                    mine["ready"] = False
                    cut_connections()
                elif name == "BLOCK_IO_ERROR" and data.get("action") == "stop":
                    mine["run_state"] = "no-space" if data.get("nospace") else "io-error"
                elif name == "STOP" and mine["run_state"] == "running":
                    mine["run_state"] = "paused"
                elif name == "RESUME":
                    mine["run_state"] = "running"
                else:
                    continue
                lock.notify_all()
    except (OSError, ValueError):
        pass


def cut_connections():
    """A guest that is gone says no farewell; whoever talks to it should hear at once."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/" + pid + "/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            if words[0] == b"socat" and any(word.startswith(b"TCP:" + GUEST[0].encode()) for word in words):
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass  # It has ended by itself meanwhile.
    for guest in list(connections):
        shut(guest, socket.SHUT_RDWR)


def shut(connection, how):
    try:
        connection.shutdown(how)
    except OSError:
        pass  # The other side was faster.


def list_lines(connection):
    with connection.makefile("rb") as file:
        for line in file:
            yield line


def guest_answers():
    try:
        with socket.create_connection(GUEST, timeout=3) as guest:
            guest.settimeout(10)
            return guest.recv(4) == b"SSH-"
    except OSError:
        return False


def await_guest(seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with lock:
            if not qemu:
                return {"answers": False, "off": True}
        if guest_answers():
            return {"answers": True}
        time.sleep(0.1)
    return {"answers": False, "off": False}


def await_off(seconds):
    with lock:
        return {"off": lock.wait_for(lambda: qemu is None, seconds)}


def mark_ready(ready):
    with lock:
        if qemu:
            qemu["ready"] = ready
            # What makes it false is told by itself: QEMU's reset.
            if ready:
                lock.notify_all()


def kill():
    with lock:
        if qemu:
            qemu["reason"] = "killed by its owner"
            qemu["process"].kill()


def leave():
    """Docker stops us: the guest may shut down first, as at any host's shutdown, for as long as Docker waits."""
    with lock:
        mine = qemu
        # A guest that still boots, or stands still for want of disk space, would not hear it.
        hears = mine and mine["ready"] and mine["run_state"] == "running" and mine["monitor"]
    ended = not hears
    while not ended:
        try:
            mine["monitor"].sendall(b'{"execute": "system_powerdown"}\n')
        except OSError:
            pass  # It has ended meanwhile.
        # A press is lost on a guest that does not listen to its button yet.
        with lock:
            ended = lock.wait_for(lambda: qemu is not mine, 5)
    os._exit(0)


def follow(peer):
    def state():
        return qemu and (qemu["process"].pid, qemu["ready"], qemu["run_state"])

    # What has changed since its owner looked is not known.
    told = "nothing"
    while True:
        with lock:
            # The empty line shows whether somebody still listens.
            changed = lock.wait_for(lambda: state() != told, 30)
            told = state()
        peer.sendall(b"changed\n" if changed else b"\n")


def remember(value):
    with open(MEMORY + ".new", "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(MEMORY + ".new", MEMORY)


def recall():
    try:
        with open(MEMORY) as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def status():
    with lock:
        running = qemu and {
            "pid": qemu["process"].pid,
            "ready": qemu["ready"],
            "runState": qemu["run_state"],
            "seconds": time.time() - qemu["since"],
        }
        return {
            "devices": sorted(devices),
            "qemu": running,
            "last": last,
            "remembered": recall(),
            "consoleBytes": os.stat(CONSOLE).st_size,
        }


ACTIONS = {
    "status": lambda request: status(),
    "power_on": lambda request: power_on(request["argv"]),
    "await_guest": lambda request: await_guest(request["seconds"]),
    "await_off": lambda request: await_off(request["seconds"]),
    "mark_ready": lambda request: mark_ready(request["ready"]),
    "kill": lambda request: kill(),
    "remember": lambda request: remember(request["value"]),
}


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        shut(source, socket.SHUT_RDWR)
    shut(target, socket.SHUT_WR)


def connect(peer, port):
    try:
        with lock:
            # Nobody would answer, not even to refuse.
            if not qemu:
                raise OSError("it is off")
        guest = socket.create_connection((GUEST[0], port), timeout=10)
    except OSError as error:
        peer.sendall(json.dumps({"error": (error.strerror or str(error)).lower()}).encode() + b"\n")
        return
    guest.settimeout(None)
    with guest:
        connections.add(guest)
        peer.sendall(b'{"ok": null}\n')
        back = threading.Thread(target=pump, args=(guest, peer), daemon=True)
        back.start()
        pump(peer, guest)
        back.join()
        connections.discard(guest)


def serve(peer):
    with peer:
        for line in list_lines(peer):
            try:
                request = json.loads(line)
                if request["do"] == "connect":
                    return connect(peer, request["port"])
                if request["do"] == "follow":
                    return follow(peer)
                answer = {"ok": ACTIONS[request["do"]](request)}
            except Exception as error:
                answer = {"error": str(error) or type(error).__name__}
            try:
                peer.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                return


def main():
    os.umask(0o077)
    # As process 1 nothing ends it but what it asks for.
    # A thread of its own, since the interrupted one may hold the lock.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=leave, daemon=True).start())
    os.path.exists(CONSOLE_INPUT) or os.mkfifo(CONSOLE_INPUT)
    # Held open both ways: QEMU neither waits for a first writer nor sees the last one leave.
    os.open(CONSOLE_INPUT, os.O_RDWR)
    open(CONSOLE, "ab").close()
    control = listen(RUN + "/control.sock")
    for work in (lambda: take_devices(listen("\0footbridge-devices")), answer_names, trim_console, reap):
        threading.Thread(target=work, daemon=True).start()
    while True:
        peer, _ = control.accept()
        threading.Thread(target=serve, args=(peer,), daemon=True).start()


main()
