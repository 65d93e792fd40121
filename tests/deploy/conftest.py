"""The machine of the tests marked `vm`: one for all of them, as a boot takes a while."""

import json
import os
import pathlib
import re

import debian_root
import disk
import machine as machines
import pytest
from support import build

STEPS = ("From packages", "With systemd")
GUEST = pathlib.Path(__file__).with_name("guest")
# Who works with the cluster, and who only looks at it.
DESKS = """rm -rf desk watch
for role in manager:desk observer:watch; do
    sudo -u promp-broker promp-auth token ${role%:*} --config /etc/promp/broker | promp join --config /root/${role#*:} -
done"""


@pytest.fixture(scope="session")
def machine():
    """A machine that has booted; see machine.py."""
    why = machines.impossible()
    if why:
        pytest.skip(why)
    if os.environ.get("PROMP_VM") == "kvm" and not machines.has_kvm():
        pytest.skip("there is no KVM that runs an ordinary kernel; emulated, these tests take a quarter of an hour: ./dev test-vm")
    try:
        folder = disk.made()
    except debian_root.NoRoot as why:
        pytest.skip(f"no disk for the machine: {why}")
    booted = machines.Machine(folder)
    yield booted
    booted.close()


def documented(section):
    """The commands of the first example below a heading of docs/operations.md, which are typed on three machines there."""
    text = (build.ROOT / "docs/operations.md").read_text()
    example = re.search(rf"^## {section}\n.*?```sh\n(.*?)```", text, re.M | re.S).group(1)
    return [line.split("$", 1)[1].split("  #")[0].strip().replace("broker.example", "127.0.0.1")
            for line in example.splitlines()]


def _set_up(machine):
    machine.check("systemctl stop promp-node promp-broker || true\nrm -rf packages /etc/promp\nmkdir packages", 90)
    for package in disk.PACKAGES.glob("*.deb"):
        machine.put(f"/root/packages/{package.name}", package.read_bytes())
    for section in STEPS:
        for command in documented(section):
            machine.check(f"cd packages\n{command}", 120)
    machine.check(DESKS)
    for program in ("desk.py", "probe.py"):
        machine.put(f"/root/{program}", (GUEST / program).read_bytes())


@pytest.fixture
def served(machine):
    """The machine on which broker and node run as units, as their users are told to set them up. A test that leaves it
    otherwise costs the next one a new set-up, no more. /root/desk is a manager's folder (PROMP_CONFIG), /root/watch an
    observer's (`promp status --nodes --config /root/watch`), /root/desk.py a manager (guest/desk.py)."""
    if machine.run("systemctl is-active promp-broker promp-node")[0]:
        _set_up(machine)
    return machine


class Desk:
    """guest/desk.py, running in the machine with these arguments."""

    def __init__(self, machine, *args):
        self.machine = machine
        words = " ".join(map(str, args))
        self.file = machine.check("mktemp").strip()
        self.pid = int(machine.check(f"PROMP_CONFIG=/root/desk python3 /root/desk.py {words} >{self.file} 2>&1 & echo $!"))

    def said(self):
        """What it has seen until now."""
        return [json.loads(line) for line in self.machine.check(f"cat {self.file}").splitlines()]

    def until(self, key, timeout=30):
        """Waits for it to print something of this kind; the value."""
        self.machine.until(f"""grep -q '"{key}":' {self.file} || {{ cat {self.file}; false; }}""", timeout)
        return next(one[key] for one in self.said() if key in one)

    def results(self, timeout=60):
        """Waits for its end: the results but that of the first task, and how the worker ended."""
        self.machine.until(f"! kill -0 {self.pid} || {{ cat {self.file}; false; }}", timeout)
        said = self.said()
        return [one["result"] for one in said if "result" in one][1:], said[-1]


@pytest.fixture
def desk(served):
    """Starts a manager."""
    return lambda *args: Desk(served, *args)
