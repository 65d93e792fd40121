"""The machine of the tests marked `vm`: one for all of them, as a boot takes a while."""

import re

import debian_root
import disk
import machine as machines
import pytest
from support import build

STEPS = ("From packages", "With systemd")


@pytest.fixture(scope="session")
def machine():
    """A machine that has booted; see machine.py."""
    why = machines.impossible()
    if why:
        pytest.skip(why)
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


@pytest.fixture
def served(machine):
    """The machine on which broker and node run as units, as their users are told to set them up. A test that leaves it
    otherwise costs the next one a new set-up, no more."""
    if machine.run("systemctl is-active promp-broker promp-node")[0]:
        _set_up(machine)
    return machine
