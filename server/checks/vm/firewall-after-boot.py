"""Tries out what a firewall's file would let in after a reboot.

Loads the file in a network namespace of its own, with an eth0 like the machine's, listeners behind it and a neighbour
in front, and lets the neighbour knock. The running firewall is not touched. Prints one JSON object.

Arguments: the file, the neighbour's address, the port that answers if any does, more ports.
"""

import errno
import json
import os
import select
import socket
import subprocess
import sys
import time

PATIENCE_SECONDS = 8.0
INSIDE, GATEWAY = "10.77.0.2", "10.77.0.1"


def command(argv, text=""):
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=15)
    if done.returncode:
        raise RuntimeError(f"{argv[0]}: {done.stderr.strip()}")


def ip(*lines):
    command(["/usr/sbin/ip", "-batch", "-"], "\n".join(lines) + "\n")


def knock(source, ports, control):
    """What a neighbour sees of each port: open, refused, silent or the name of an error.

    Silence is known by the control: packets of one link keep their order, so when a second knock there is answered,
    which comes after the answer to the first, every answer to a knock before it is there as well.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    seen, waiting = {}, {}

    def knock_at(port):
        knocking = socket.socket()
        knocking.bind((source, 0))
        knocking.setblocking(False)
        knocking.connect_ex((INSIDE, port))
        waiting[knocking] = port

    for port in ports:
        knock_at(port)
    answers_of_control = 0
    while waiting and answers_of_control < 2 and (left := until - time.monotonic()) > 0:
        # All that are ready together, so that none is left behind when the second answer comes.
        _, ready, _ = select.select([], list(waiting), [], left)
        for knocking in ready:
            code = knocking.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            port = waiting.pop(knocking)
            seen[port] = "open" if code == 0 else "refused" if code == errno.ECONNREFUSED else errno.errorcode[code]
            if port == control:
                answers_of_control += 1
                if answers_of_control == 1:
                    knock_at(control)
    for port in waiting.values():
        seen.setdefault(port, "silent")
    return seen


def neighbour(source, ports, begin, answer):
    os.unshare(os.CLONE_NEWNET)
    os.write(answer, b"+")
    begin.readline()
    ip(
        f"addr add {GATEWAY}/24 dev eth0",
        f"addr add {source}/32 dev eth0",
        "link set lo up",
        "link set eth0 up",
    )
    os.write(answer, b"+")
    begin.readline()
    os.write(answer, json.dumps(knock(source, ports, ports[0])).encode())


def main(config, source, ports):
    begin_read, begin_write = os.pipe()
    answer_read, answer_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(begin_write)
        try:
            neighbour(source, ports, os.fdopen(begin_read), answer_write)
        finally:
            os._exit(0)
    os.close(answer_write)
    os.read(answer_read, 1)
    os.unshare(os.CLONE_NEWNET)
    ip(
        "link set lo up",
        f"link add eth0 type veth peer name eth0 netns {child}",
        f"addr add {INSIDE}/24 dev eth0",
        "link set eth0 up",
        f"route add default via {GATEWAY}",
    )
    listeners = [socket.create_server(("", port)) for port in ports]
    try:
        command(["/usr/sbin/nft", "--file", config])
    except RuntimeError as error:
        said = str(error).removeprefix("/usr/sbin/nft: ").splitlines()
        # An included file comes with a line on who included it, before the error itself.
        return {"refused": next((line for line in said if "Error" in line), said[0])}
    os.write(begin_write, b"\n")
    os.read(answer_read, 1)
    os.write(begin_write, b"\n")
    answer = os.read(answer_read, 65536)
    del listeners
    return {"ports": json.loads(answer)}


print(json.dumps(main(sys.argv[1], sys.argv[2], [int(port) for port in sys.argv[3:]])))
