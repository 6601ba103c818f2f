"""`make test` runs everything, notebooks and browser included, without a network."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import offline  # noqa: E402


@pytest.mark.skipif(
    offline.MARK not in os.environ,
    reason="these tests have a network: `make test` takes it from them where the kernel allows it",
)
def test_there_is_no_network_but_loopback():
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    with pytest.raises(OSError, match="unreachable"):
        socket.create_connection(("192.0.2.1", 443), timeout=5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_where_there_is_no_namespace_the_command_runs_and_a_line_says_so(tmp_path):
    (tmp_path / "unshare").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "unshare").chmod(0o755)
    command = [sys.executable, offline.__file__, sys.executable, "-c", "print('ran')"]
    environment = os.environ | {"PATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr == "no network namespace to be had here: the network stays as it is\n"
