"""The process that owns a learner's shell, so that no server, connection or browser has to stay for it to live.

`holder.py attach NAME COLS ROWS INSTANCE FROM [COMMAND...]` hands its stdin and stdout to the holder NAME of this user,
which it starts first where none runs, and stays until the visit ends. Frames and rules are in README.md beside this
file.

Run as `python3 -I -S`: emulation makes every import dear, hence `_socket` and `_signal` instead of their wrappers.
"""
import _signal
import _socket
import array
import errno
import fcntl
import os
import pwd
import select
import struct
import sys
import termios

PROTOCOL = 1
# Output that may be under way to the server. More means throughput over long round trips, less a quicker prompt
# after Ctrl-C, since all of it is shown first.
WINDOW_BYTES = 384 * 1024
# Output kept for a new server. The server sends a screen well before so much has come (see README.md).
RING_BYTES = 2 * 1024 * 1024
# Input that waits because the program does not read; the server stays far below it.
INPUT_LIMIT_BYTES = 1024 * 1024
FRAME_LIMIT_BYTES = 8 * 1024 * 1024
OUTPUT_FRAME_BYTES = 64 * 1024
REPORT_INPUT_BYTES = 1024
READS_AT_ONCE = 16
LAST_WORDS_SECONDS = 60
TIOCGPTPEER = 0x5441
IUTF8 = 0o40000

HEADER = struct.Struct(">cI")
OFFSET = struct.Struct(">Q")
SIZE = struct.Struct(">HH")
SNAPSHOT = struct.Struct(">QHH")
EXIT = struct.Struct(">i")


def retry_later(error):
    return error.errno in (errno.EAGAIN, errno.EINTR)


class Shell:
    """The pty with its program: what it printed, numbered, and what it has yet to read."""

    def __init__(self, command, cols, rows):
        self.pty, terminal = os.openpty()
        # Before there is anybody who could be told another size.
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        attributes = termios.tcgetattr(terminal)
        attributes[0] |= IUTF8
        termios.tcsetattr(terminal, termios.TCSANOW, attributes)
        self.pid = os.fork()
        if self.pid == 0:
            become(command, terminal)
        os.close(terminal)
        os.set_blocking(self.pty, False)
        self.ring = bytearray()
        self.start = 0
        self.end = 0
        # Offset, columns, rows and text of the newest screen a server has left here.
        self.snapshot = None
        self.sizes = [(0, cols, rows)]
        self.waiting = bytearray()
        self.received = 0
        self.status = None
        # Tells this shell from another that later has its name, whose output is numbered from 0 again.
        self.instance = os.urandom(8).hex()

    def read(self):
        """False once nobody holds the other end any more."""
        # The kernel gives at most 4 KiB at a time; fewer, larger frames are cheaper for everyone after us.
        for _ in range(READS_AT_ONCE):
            try:
                data = os.read(self.pty, 65536)
            except OSError as error:
                return retry_later(error)
            if not data:
                return False
            self.ring += data
            self.end += len(data)
            self.trim(self.end - RING_BYTES)
        return True

    def trim(self, start):
        if start <= self.start:
            return
        del self.ring[: start - self.start]
        self.start = start
        while len(self.sizes) > 1 and self.sizes[1][0] <= start:
            del self.sizes[0]

    def keep(self, offset, cols, rows, text):
        if self.start <= offset <= self.end:
            self.snapshot = (offset, cols, rows, text)
            self.trim(offset)

    def take(self, data):
        self.received += len(data)
        cut = self.interrupt_in(data)
        if cut >= 0:
            # The kernel would drop what is typed ahead of Ctrl-C, but only gets to see it once that was read.
            data = data[cut:]
            self.waiting.clear()
            self.flush_input()
        self.waiting += data

    def interrupt_in(self, data):
        if len(data) == 1 and data[0] >= 32 and data[0] != 127:
            return -1
        attributes = termios.tcgetattr(self.pty)
        if not attributes[3] & termios.ISIG or attributes[3] & termios.NOFLSH:
            return -1
        keys = [attributes[6][key] for key in (termios.VINTR, termios.VQUIT, termios.VSUSP)]
        return max((data.rfind(key) for key in keys if key != b"\0"), default=-1)

    def flush_input(self):
        """Drops what the program has not read: first what waits for the line discipline, then what it holds."""
        try:
            termios.tcflush(self.pty, termios.TCOFLUSH)
            peer = fcntl.ioctl(self.pty, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
            try:
                termios.tcflush(peer, termios.TCIFLUSH)
            finally:
                os.close(peer)
        except (OSError, termios.error):
            pass

    def write(self):
        try:
            del self.waiting[: os.write(self.pty, self.waiting)]
        except OSError as error:
            if not retry_later(error):
                self.waiting.clear()

    def written(self):
        return self.received - len(self.waiting)

    def resize(self, cols, rows):
        if (cols, rows) == self.sizes[-1][1:] or not cols or not rows:
            return
        fcntl.ioctl(self.pty, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.sizes.append((self.end, cols, rows))

    def hang_up(self):
        """Closes the terminal as a pulled plug would and waits for the shell's status; kills what ignores that."""
        os.close(self.pty)
        for attempt in range(40):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if attempt == 20:
                os.killpg(self.pid, _signal.SIGKILL)
            select.select([], [], [], 0.05)
        self.status = os.waitstatus_to_exitcode(status) if pid else -_signal.SIGKILL


def become(command, terminal):
    """In the new process: turn into the learner's shell. Never returns."""
    try:
        os.login_tty(terminal)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        # Python ignores these, and ignoring is inherited: `yes | head` would complain.
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGHUP):
            _signal.signal(number, _signal.SIG_DFL)
        user = pwd.getpwuid(os.getuid())
        shell = user.pw_shell or "/bin/sh"
        env = {key: value for key, value in os.environ.items() if not key.startswith("SSH_")}
        env.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name, SHELL=shell)
        env.update(TERM="xterm-256color", COLORTERM="truecolor")
        if "UTF-8" not in env.get("LC_ALL", env.get("LANG", "")).upper().replace("UTF8", "UTF-8"):
            env.pop("LC_ALL", None)
            env["LANG"] = "C.UTF-8"
        env.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        try:
            os.chdir(user.pw_dir)
        except OSError:
            os.chdir("/")
        if command:
            os.execvpe(command[0], command, env)
        os.execve(shell, ["-" + os.path.basename(shell)], env)
    except BaseException as error:
        os.write(2, f"could not start the shell: {error}\r\n".encode())
    finally:
        os._exit(127)


class Visit:
    """One attached server: frames it sends, frames it gets. `control` ends when its connection does."""

    def __init__(self, control, stdin, stdout, shell, instance, start):
        self.control, self.stdin, self.stdout, self.shell = control, stdin, stdout, shell
        os.set_blocking(stdin, False)
        os.set_blocking(stdout, False)
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.parts = bytearray()
        self.owes_report = False
        self.reported = shell.written()
        self.said_exit = False
        self.size = None
        snapshot = shell.snapshot
        if instance == shell.instance and shell.start <= start <= shell.end:
            snapshot = None
        else:
            start = shell.start
        self.sent = self.acked = start
        hello = '{"protocol":%d,"pid":%d,"instance":"%s","from":%d,"end":%d,"input":%d,"hasSnapshot":%s}' % (
            PROTOCOL,
            shell.pid,
            shell.instance,
            start,
            shell.end,
            shell.received,
            "true" if snapshot else "false",
        )
        self.frame(b"H", hello.encode())
        if snapshot:
            offset, cols, rows, text = snapshot
            self.frame(b"P", text)
            self.frame(b"S", SNAPSHOT.pack(offset, cols, rows))

    def frame(self, kind, *parts):
        self.outgoing += HEADER.pack(kind, sum(map(len, parts)))
        for part in parts:
            self.outgoing += part

    def close(self):
        for descriptor in (self.stdin, self.stdout):
            os.close(descriptor)
        self.control.close()

    def read(self):
        """False when the server has gone or talks nonsense."""
        try:
            data = os.read(self.stdin, 262144)
        except OSError as error:
            return retry_later(error)
        self.incoming += data
        at = 0
        while len(self.incoming) - at >= HEADER.size:
            kind, length = HEADER.unpack_from(self.incoming, at)
            if length > FRAME_LIMIT_BYTES:
                return False
            if len(self.incoming) - at - HEADER.size < length:
                break
            at += HEADER.size + length
            if not self.handle(kind, bytes(self.incoming[at - length : at])):
                return False
        del self.incoming[:at]
        return bool(data)

    def handle(self, kind, payload):
        shell = self.shell
        try:
            if kind == b"A":
                self.acked = min(self.sent, max(self.acked, OFFSET.unpack(payload)[0]))
            elif shell.status is not None:
                return True
            elif kind == b"I":
                shell.take(payload)
                self.owes_report |= shell.received - self.reported >= REPORT_INPUT_BYTES
                return len(shell.waiting) <= INPUT_LIMIT_BYTES
            elif kind == b"R":
                shell.resize(*SIZE.unpack(payload))
            elif kind == b"P":
                self.parts += payload
                return len(self.parts) <= FRAME_LIMIT_BYTES
            elif kind == b"S":
                shell.keep(*SNAPSHOT.unpack(payload), bytes(self.parts))
                self.parts.clear()
            else:
                return False
        except (struct.error, OSError, termios.error):
            return False
        return True

    def send(self):
        """Sends all that may be sent now, one frame in memory at a time. False when the server has gone."""
        while self.outgoing or self.next_frame():
            try:
                del self.outgoing[: os.write(self.stdout, self.outgoing)]
            except OSError as error:
                return retry_later(error)
        return True

    def next_frame(self):
        shell = self.shell
        written = shell.written()
        if self.owes_report and written > self.reported:
            self.owes_report = bool(shell.waiting)
            self.reported = written
            self.frame(b"J", OFFSET.pack(written))
            return True
        limit = shell.end
        for position, cols, rows in shell.sizes:
            if position > self.sent:
                limit = position
                break
            size = (cols, rows)
        if size != self.size:
            self.size = size
            self.frame(b"Z", SIZE.pack(*size))
            return True
        count = min(limit - self.sent, self.acked + WINDOW_BYTES - self.sent, OUTPUT_FRAME_BYTES)
        if count > 0:
            first = self.sent - shell.start
            self.frame(b"O", OFFSET.pack(self.sent), shell.ring[first : first + count])
            self.sent += count
            return True
        if shell.status is None or self.sent < shell.end or self.said_exit:
            return False
        self.said_exit = True
        self.frame(b"X", EXIT.pack(shell.status))
        return True


class Holder:
    """Serves one shell to one visit at a time; the newest wins, for the older may be a connection that died unheard."""

    def __init__(self, listener, path, shell):
        self.listener, self.path, self.shell = listener, path, shell
        self.visit = None
        self.callers = {}
        self.poll = select.poll()
        self.watched = {}
        self.deadline = None

    def run(self):
        while self.shell.status is None or self.has_last_words():
            for descriptor, events in self.wait():
                self.serve(descriptor, events)
            if self.visit and not self.visit.send():
                self.end_visit()
            if self.visit and self.visit.said_exit and not self.visit.outgoing:
                self.give_up_name()
        self.give_up_name()

    def has_last_words(self):
        """Until the server hangs up: whatever it sends to one that has gone breaks its connection, with what it has not
        read yet."""
        self.deadline = self.deadline or now() + LAST_WORDS_SECONDS
        return self.visit is not None and now() < self.deadline

    def give_up_name(self):
        """The next shell of this name is another holder's."""
        if self.listener is None:
            return
        os.unlink(self.path)
        for socket in (self.listener, *self.callers.values()):
            self.forget(socket.fileno())
            socket.close()
        self.listener = None
        self.callers.clear()

    def wait(self):
        shell, visit = self.shell, self.visit
        masks = dict.fromkeys(self.callers, select.POLLIN)
        if self.listener:
            masks[self.listener.fileno()] = select.POLLIN
        if visit:
            # In this order, so that what was typed before the end of a visit is read before it.
            masks[visit.stdin] = masks[visit.control.fileno()] = select.POLLIN
            if visit.outgoing:
                masks[visit.stdout] = select.POLLOUT
        if shell.status is None:
            mask = select.POLLOUT if shell.waiting else 0
            if visit is None or shell.end - visit.acked < WINDOW_BYTES:
                mask |= select.POLLIN
            if mask:
                masks[shell.pty] = mask
        for descriptor in [one for one in self.watched if one not in masks]:
            self.poll.unregister(descriptor)
        for descriptor, mask in masks.items():
            if self.watched.get(descriptor) != mask:
                self.poll.register(descriptor, mask)
        self.watched = masks
        return self.poll.poll(None if self.deadline is None else 1000)

    def serve(self, descriptor, events):
        shell, visit = self.shell, self.visit
        if self.listener and descriptor == self.listener.fileno():
            self.meet()
        elif descriptor in self.callers:
            self.welcome(self.callers.pop(descriptor))
        elif shell.status is None and descriptor == shell.pty:
            if events & select.POLLOUT:
                shell.write()
            if events & ~select.POLLOUT and not shell.read():
                self.forget(descriptor)
                shell.hang_up()
        elif visit and descriptor == visit.stdin:
            if not visit.read():
                self.end_visit()
            elif shell.waiting and shell.status is None:
                shell.write()
        elif visit and descriptor == visit.control.fileno():
            self.end_visit()

    def forget(self, descriptor):
        """Before a descriptor is closed: its number may come back as another's."""
        if self.watched.pop(descriptor, None) is not None:
            self.poll.unregister(descriptor)

    def end_visit(self):
        visit, self.visit = self.visit, None
        for descriptor in (visit.control.fileno(), visit.stdin, visit.stdout):
            self.forget(descriptor)
        visit.close()

    def meet(self):
        caller = _socket.socket(fileno=self.listener._accept()[0])
        if is_own(caller):
            self.callers[caller.fileno()] = caller
        else:
            caller.close()

    def welcome(self, caller):
        self.forget(caller.fileno())
        descriptors = array.array("i")
        try:
            message, ancillary, _, _ = caller.recvmsg(256, _socket.CMSG_SPACE(2 * descriptors.itemsize))
            for level, kind, data in ancillary:
                if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                    descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
            _, instance, start = message.decode().split()
            start = int(start)
        except (OSError, ValueError):
            message = b""
        if not message.startswith(b"visit ") or len(descriptors) != 2:
            for descriptor in descriptors:
                os.close(descriptor)
            return caller.close()
        if self.visit:
            # It may have come in this very round, and is told whose shell it was.
            self.visit.send()
            self.end_visit()
        self.visit = Visit(caller, descriptors[0], descriptors[1], self.shell, instance, start)


def now():
    return os.times().elapsed


def is_own(peer):
    return struct.unpack("3i", peer.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12))[1] == os.getuid()


def own_directory():
    """Where this user's holders listen; somebody else's directory of that name is refused."""
    path = os.environ.get("FOOTBRIDGE_TERMINALS") or f"/tmp/.footbridge-{os.getuid()}"
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    status = os.fstat(descriptor)
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        sys.exit(f"`{path}` is not this user's own")
    return path, descriptor


def connect(path):
    peer = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        peer.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        peer.close()
        return None
    if not is_own(peer):
        sys.exit(f"`{path}` is not this user's own")
    return peer


def leave_holder(path, command, cols, rows):
    """Leaves a holder behind that has nothing of ours: session, parent, descriptors and directory are its own."""
    if os.path.lexists(path):
        os.unlink(path)
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(8)
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        listener.close()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.dup2(listener.detach(), 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    os.chdir("/")
    _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
    try:
        with open("/proc/self/comm", "w") as title:
            title.write("footbridge-term")
        Holder(_socket.socket(fileno=3), path, Shell(command, cols, rows)).run()
    finally:
        os._exit(0)


def attach(name, cols, rows, instance, start, *command):
    if not name.replace("-", "").isalnum():
        sys.exit("a terminal's name is letters, digits and `-`")
    directory, lock = own_directory()
    path = f"{directory}/{name}"
    fcntl.flock(lock, fcntl.LOCK_EX)
    peer = connect(path)
    if peer is None:
        leave_holder(path, list(command), int(cols), int(rows))
        peer = connect(path)
    os.close(lock)
    rights = array.array("i", [0, 1]).tobytes()
    peer.sendmsg([f"visit {instance} {int(start)}".encode()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    # What is left to do is to wait for the end, which need not keep a Python in memory.
    os.dup2(peer.fileno(), 0)
    os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
    os.execvp("cat", ["footbridge-visit"])


if __name__ == "__main__":
    if len(sys.argv) < 7 or sys.argv[1] != "attach":
        sys.exit("usage: holder.py attach NAME COLS ROWS INSTANCE FROM [COMMAND...]")
    attach(*sys.argv[2:])
