"""Aim: what systemd thinks of the units, and that the programs tell it what the units expect."""

import re
import shutil
import socket
import struct
import subprocess

import pytest
from support import build, cluster

UNITS = build.ROOT / "deploy/systemd"

pytestmark = [pytest.mark.deploy, pytest.mark.plain]
analyzes = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")


@pytest.fixture(params=["broker", "node"])
def part(request):
    return request.param


@pytest.fixture
def unit(part, tmp_path):
    """The unit, with the program where it is built."""
    text = (UNITS / f"promp-{part}.service").read_text()
    path = tmp_path / f"promp-{part}.service"
    path.write_text(text.replace("/usr/bin/promp-", f"{build.BUILD}/bin/promp-"))
    return path


@analyzes
def test_verify(unit):
    """Aim: systemd understands every line."""
    done = subprocess.run(["systemd-analyze", "verify", unit], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@analyzes
@pytest.mark.parametrize("part, most", [("broker", 3.0), ("node", 6.0)], indirect=["part"])
def test_security(unit, most):
    """Aim: the broker, which strangers reach, can do hardly anything; a node as little as its workers allow."""
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", unit], capture_output=True, text=True)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level, done.stdout + done.stderr
    assert float(level.group(1)) < most


def told(s):
    """The next notification, and the process that sent it."""
    text, controls, _, _ = s.recvmsg(200, socket.CMSG_SPACE(12))
    (_, _, data), = controls
    return text.decode(), struct.unpack("iII", data)[0]


def test_notifications(world, unit, part):
    """Aim: Type=notify, WatchdogSec and NotifyAccess=main: readiness and watchdog come from the process that was started."""
    text = unit.read_text()
    assert "Type=notify\n" in text and "NotifyAccess" not in text and re.search(r"^WatchdogSec=\d+$", text, re.M)
    c = cluster.Cluster(world)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        if part == "node":
            c.broker()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        s.bind(str(c.folder / "notify"))
        s.settimeout(build.scaled(20))
        c.environment.update(NOTIFY_SOCKET=str(c.folder / "notify"), WATCHDOG_USEC="200000")
        program = getattr(c, part)()
        while (first := told(s))[0] == "WATCHDOG=1":
            assert first[1] == program.pid
        assert first == ("READY=1", program.pid)
        assert told(s) == told(s) == ("WATCHDOG=1", program.pid)
        program.process.terminate()
        while (last := told(s))[0] == "WATCHDOG=1":
            pass
        assert last == ("STOPPING=1", program.pid)
        assert program.process.wait(build.scaled(10)) == 0
    c.remove()
