"""Aim: what the units forbid is forbidden, asked for by a program that a unit of the same lines starts."""

import json
import re

import pytest

pytestmark = [pytest.mark.vm, pytest.mark.root, pytest.mark.plain, pytest.mark.timeout(1800)]

NO_RIGHTS = {"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "CapAmb": "0000000000000000",
             "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"}
NOBODY_MAY = {"usr": "EROFS", "etc": "EROFS", "home": "EACCES", "root": "EACCES", "mount": "EPERM", "bpf": "EPERM",
              "host": "EPERM", "clock": "EPERM", "realtime": "EPERM", "set_user_id": "EPERM"}
EVERYBODY_MAY = {"own": None, "tmp": None, "inet": None, "ordinary": None}


def probe(machine, part):
    """What guest/probe.py can do in the place of the program."""
    text = machine.get(f"/lib/systemd/system/promp-{part}.service").decode()
    own = f"/etc/promp/{part}"
    text, n = re.subn(r"^ExecStart=.*", f"ExecStart=/usr/bin/python3 /opt/probe.py {own}\nStandardOutput=truncate:/run/probe",
                      text.replace("Type=notify", "Type=oneshot").replace("Restart=on-failure", "Restart=no"), flags=re.M)
    assert n == 1
    machine.put("/run/systemd/system/promp-probe.service", text.encode())
    machine.put("/home/someone/secret", b"x")
    machine.check("cp /root/probe.py /opt/; systemctl daemon-reload; systemctl start promp-probe; rm /opt/probe.py "
                  f"/run/systemd/system/promp-probe.service {own}/probe; systemctl daemon-reload")
    return json.loads(machine.get("/run/probe"))


def test_broker(served):
    """Aim: who takes the broker over gets a process that can serve its port and write its folder."""
    found = probe(served, "broker")
    assert found.pop("status") == NO_RIGHTS
    assert found == {**NOBODY_MAY, **EVERYBODY_MAY, "cgroup": "EROFS", "others": False, "packet": "EAFNOSUPPORT",
                     "netlink": "EAFNOSUPPORT", "namespace": "EPERM", "memory": "EPERM", "device": "ENOENT"}


def test_node(served):
    """Aim: a worker has no rights but those of the node's user, and of the files only what is meant for it; programs that make
    machine code, look at the network or build a sandbox work."""
    found = probe(served, "node")
    assert found.pop("status") == NO_RIGHTS
    assert found == {**NOBODY_MAY, **EVERYBODY_MAY, "cgroup": "EACCES", "others": True, "packet": "EPERM", "netlink": None,
                     "namespace": None, "memory": None, "device": "EACCES"}


@pytest.mark.parametrize("part", ["broker", "node"])
def test_status(served, part):
    """Aim: the processes themselves, and all that they start, have no rights, a filter, and their own user."""
    for pid in served.check(f"cat $(find /sys/fs/cgroup/system.slice/promp-{part}.service -name cgroup.procs)").split():
        status = dict(line.split(":\t", 1) for line in served.check(f"cat /proc/{pid}/status").splitlines())
        assert {name: status[name] for name in NO_RIGHTS} == NO_RIGHTS
        assert set(status["Uid"].split()) == {served.check(f"id -u promp-{part}").strip()}


@pytest.mark.parametrize("part, most", [("broker", 3.0), ("node", 6.0)])
def test_level(served, part, most):
    """Aim: systemd's own opinion of the units as they are loaded."""
    text = served.check(f"systemd-analyze security --no-pager promp-{part}")
    level = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", text).group(1))
    print(f"exposure level of promp-{part}: {level}")
    assert level < most, text
