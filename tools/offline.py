"""Run a command where the loopback interface is the only one, if the system allows it.

    python tools/offline.py python -m pytest

On Linux that takes a network namespace. Where there is none (macOS, Windows, some containers) the
command runs with the network as it is, and a line says so.
"""

import os
import shutil
import socket
import struct
import subprocess
import sys

MARK = "CHAPTER14_OFFLINE"


def unshare(namespace: str) -> list[str]:
    """Return the command that runs another one in a new namespace, root's or an ordinary user's."""
    command = ["unshare", namespace]
    return command if os.geteuid() == 0 else [*command, "--map-root-user"]


def set_loopback_up() -> None:
    """Do what `ip link set lo up` does, since a new namespace has its loopback down."""
    import fcntl

    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh22x", b"lo", 0)
        _, flags = struct.unpack("16sh22x", fcntl.ioctl(control, get_flags, request))
        fcntl.ioctl(control, set_flags, struct.pack("16sh22x", b"lo", flags | up))


def can_unshare() -> bool:
    """Say whether the system gives this process a network of its own."""
    if not shutil.which("unshare"):
        return False
    return not subprocess.run([*unshare("--net"), "true"], stderr=subprocess.DEVNULL).returncode


def main(command: list[str]) -> None:
    if command[0] == "--inside":
        set_loopback_up()
        command = command[1:]
    elif can_unshare():
        os.environ[MARK] = "yes"
        command = [*unshare("--net"), sys.executable, __file__, "--inside", *command]
    else:
        print("no network namespace here: the network stays as it is", file=sys.stderr)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
