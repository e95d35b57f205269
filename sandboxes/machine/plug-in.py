"""Runs once per start of the machine's container, as root with NET_ADMIN in its network namespace.

Makes the guest's network (a TAP device, everything that arrives goes to the guest, what leaves it is masqueraded) and
hands the opened devices to the supervisor, which may not open them itself. Arguments: names of further devices.
"""

import array
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000

# Only one Ethernet device of Docker's can be in here: it is always eth0.
RULES = """
add table ip footbridge
delete table ip footbridge
table ip footbridge {
  chain prerouting {
    type nat hook prerouting priority dstnat
    iifname { "eth0", "tap0" } fib daddr type local ip daddr != 10.77.0.1 dnat to 10.77.0.2
  }
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "eth0" ip saddr 10.77.0.0/24 masquerade
    oifname "tap0" ip saddr 10.77.0.2 masquerade
  }
  chain forward {
    type filter hook forward priority filter
    tcp flags syn tcp option maxseg size set rt mtu
  }
}
"""


def run(*argv, text=None):
    done = subprocess.run(argv, input=text, capture_output=True, text=True)
    if done.returncode:
        sys.exit(argv[0] + ": " + done.stderr.strip())


tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"tap0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
# A fixed address here too: a guest that is forked or restored keeps its neighbour table.
run("ip", "link", "set", "tap0", "address", "52:54:00:77:00:01", "up")
run("ip", "address", "replace", "10.77.0.1/24", "dev", "tap0")
run("nft", "-f", "-", text=RULES)

descriptors = {"TAP": tap}
if "kvm" in sys.argv[1:]:
    descriptors["KVM"] = os.open("/dev/kvm", os.O_RDWR)

peer = socket.socket(socket.AF_UNIX)
deadline = time.monotonic() + 10
while True:
    try:
        peer.connect("\0footbridge-devices")
        break
    except ConnectionRefusedError:
        if time.monotonic() > deadline:
            sys.exit("the machine's supervisor does not listen")
        time.sleep(0.02)
rights = array.array("i", descriptors.values())
peer.sendmsg([" ".join(descriptors).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
if peer.recv(16) != b"taken\n":
    sys.exit("the machine's supervisor refused the devices")
