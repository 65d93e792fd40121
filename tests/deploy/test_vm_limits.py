"""Aim: where a node has a control group with controllers, what workers ask for are limits, and who breaks one is ended alone, with
the reason told; the whole of it by a real kernel and a real systemd."""

import errno
import json
import pathlib
import re

import pytest
from support import build
from support.build import ERR

pytestmark = [pytest.mark.vm, pytest.mark.root, pytest.mark.plain, pytest.mark.timeout(1800)]

UNIT = "/sys/fs/cgroup/system.slice/promp-node.service"
LENT = "/sys/fs/cgroup/lent"  # a part of the hierarchy that an ordinary user was given
DESK = "/root/desk"
SETTINGS = """places = 16
cpus = 16
limit-processes = 64
"""
TOLD = "out of memory; it and what it started may have 96.0 MiB"


def join_manager(machine):
    machine.check(f"rm -rf {DESK}\nsudo -u promp-broker promp-auth token manager --config /etc/promp/broker > token\n"
                  f"promp join --config {DESK} - < token")


def asks(machine, what, node):
    """What tests/deploy/vm_limits.py says."""
    machine.put("/root/limits.py", pathlib.Path(__file__).with_name("vm_limits.py").read_bytes())
    return json.loads(machine.check(f"PROMP_CONFIG={DESK} python3 limits.py {what} {node} 2>&1", 400).splitlines()[-1])


@pytest.fixture
def limited(served):
    """The machine, its node with few processes for each worker, its manager joined; the node's name."""
    current = served.run("cat /etc/promp/node/node.zpl")[1]
    if current != SETTINGS:
        served.put("/etc/promp/node/node.zpl", SETTINGS.encode())
        served.check("systemctl restart promp-node", 120)
        join_manager(served)
    served.node = served.check("sed -n 's/^ *name = \"\\(.*\\)\"/\\1/p' /etc/promp/node/node.broker").strip() or "machine"
    return served


def groups(machine, top):
    """Names of the groups below top."""
    return machine.check(f"find {top} -mindepth 1 -type d -printf '%f\\n'").split()


def no_workers_left(machine, top):
    machine.until(f"! find {top} -path '*/promp-*/w*' -type d | grep -q .", 60)


def test_limits(limited):
    """Aim: what a worker asks for stands in its group, which lies beside that of the node; who asks for nothing has a usual share,
    and all have the node's limit of processes."""
    nothing, asked, one = asks(limited, "limits", limited.node)
    assert re.fullmatch(rf"{UNIT}/promp-\d+/w\d+", asked["group"])
    assert len({x["group"] for x in (nothing, asked, one)}) == 3
    asked_in = asked["group"]
    del nothing["group"], asked["group"], one["group"]
    usual = {"memory.max": "max", "memory.swap.max": "max", "memory.oom.group": "0", "cpu.weight": "100",
             "cpu.max": "max 100000", "pids.max": "64"}
    assert nothing == one == usual
    assert asked == {**usual, "memory.max": str(96 << 20), "memory.swap.max": "0", "memory.oom.group": "1", "cpu.weight": "250"}
    no_workers_left(limited, UNIT)
    assert groups(limited, UNIT) == [asked_in.rsplit("/", 2)[1], "node"]
    assert "workers have limits: memory processors processes" in limited.check("journalctl --no-pager -u promp-node")


def test_after_a_kill(limited):
    """Aim: a node that was killed and started again has limits as before; nothing of the former one is left."""
    limited.check("systemctl kill -s KILL --kill-whom=main promp-node")
    limited.until("! systemctl is-active promp-node", 30)
    limited.until("systemctl is-active promp-node", 60)
    assert asks(limited, "limits", limited.node)[1]["memory.max"] == str(96 << 20)
    no_workers_left(limited, UNIT)
    assert len(groups(limited, UNIT)) == 2


def test_hard_limit_of_processors(limited):
    """Aim: limit-cpus makes the share the most that a worker gets."""
    limited.put("/etc/promp/node/node.zpl", (SETTINGS + "limit-cpus = yes\n").encode())
    limited.check("systemctl restart promp-node", 120)
    _, asked, one = asks(limited, "limits", limited.node)
    assert (asked["cpu.max"], one["cpu.max"]) == ("250000 100000", "100000 100000")


def test_memory(limited):
    """Aim: a worker that takes more memory than it asked for is ended, its manager told the reason and the limit; its siblings, and
    the unit, go on."""
    before = limited.check("systemctl show -P MainPID promp-node")
    found = asks(limited, "memory", limited.node)
    assert found["end"]["number"] == ERR["WORKER_MEMORY"] and found["end"]["signal"] == 9, found
    assert TOLD in found["end"]["cause"], found
    assert (found["errors"], found["siblings"], found["alive"]) == (1, [0, 0, 0], 2)
    assert limited.check("systemctl show -P MainPID promp-node") == before
    no_workers_left(limited, UNIT)


def test_a_tree(limited):
    """Aim: what a worker starts counts with it, and all of it ends."""
    found = asks(limited, "tree", limited.node)
    assert found["end"]["number"] == ERR["WORKER_MEMORY"] and TOLD in found["end"]["cause"], found
    assert found["sibling"] == 0
    assert limited.run("pgrep -f '[o]f a tree'") == (1, "")


def test_memory_told_in_c(limited):
    """Aim: a manager in C is told the same."""
    for name in ("tm", "tw"):
        limited.put(f"/usr/local/bin/{name}", (build.BUILD / "tests" / name).read_bytes(), 0o755)
    limited.put("/root/commands", b"new\nstart tw memory=%d\nstart tw\ntask 1 oom : i100000\nuntil dead 1 300000\nexit 1\n"
                b"task 2 add : i1 i2\nuntil idle any 100000\nresult 2\ndestroy\n" % (96 << 20))
    said = [json.loads(line) for line in limited.check(f"PROMP_CONFIG={DESK} tm 1 < commands", 400).splitlines()]
    end, = [line for line in said if "ended" in line]
    assert (end["ended"], end["cause"], end["signal"]) == (1, ERR["WORKER_MEMORY"], 9), said
    assert TOLD in end["text"], end
    assert [line["value"] for line in said if "value" in line] == ["i3"]


def test_fork_bomb(limited):
    """Aim: who makes more processes than the node's limit is told so by the kernel; others can make some."""
    found = asks(limited, "bomb", limited.node)
    assert found["errno"] == errno.EAGAIN and 32 < found["made"] < 64, found
    assert found["sibling"] == 0
    no_workers_left(limited, UNIT)


def test_groups_below(limited):
    """Aim: groups that a worker makes in its own go with it, and who is in them."""
    assert asks(limited, "below", limited.node).endswith("/a/b")
    no_workers_left(limited, UNIT)
    assert limited.run("pgrep -f 'sleep 100[0]'") == (1, "")


def test_shares(limited):
    """Aim: cpus=1 and cpus=3 share one processor about 1 to 3."""
    one, three = asks(limited, "shares", limited.node)
    assert 1.8 < three / one < 5, (one, three)


@pytest.fixture
def lent(limited):
    """A node of an ordinary user in a part of the hierarchy that was given to him; the shell commands that start it."""
    limited.check(f"""
        id someone || useradd -m someone
        echo "+memory +cpu +pids" > /sys/fs/cgroup/cgroup.subtree_control
        mkdir -p {LENT}
        chown someone {LENT} {LENT}/cgroup.procs {LENT}/cgroup.subtree_control
        rm -rf ~someone/node; install -d -m 700 -o someone ~someone/node
        sudo -u promp-broker promp-auth token node --name lent --config /etc/promp/broker > lent-token""")
    yield limited
    limited.run(f"echo 1 > {LENT}/cgroup.kill; sudo -u promp-broker promp-auth revoke lent --config /etc/promp/broker")
    limited.until(f"! test -e {LENT} || ! grep -q 'populated 1' {LENT}/cgroup.events", 30)
    limited.check(f"find {LENT} -depth -type d -exec rmdir {{}} +")


START = f"""(echo 0 > {LENT}/cgroup.procs
exec setpriv --reuid someone --regid someone --clear-groups --reset-env \
     promp-node --config /home/someone/node --places 4 --join - < lent-token > lent-out 2> lent-log) &"""


def test_an_ordinary_user(lent):
    """Aim: no unit and no root are needed, only a part of the hierarchy; the node leaves it as it was."""
    lent.check(START)
    lent.until("grep -q ^ready lent-out", 60)
    assert "workers have limits: memory processors processes" in lent.check("cat lent-log")
    found = asks(lent, "memory", "lent")
    assert found["end"]["number"] == ERR["WORKER_MEMORY"] and TOLD in found["end"]["cause"], found
    assert found["siblings"] == [0, 0, 0]
    lent.check(f"kill -INT $(basename {LENT}/promp-* | sed s/promp-//)")
    lent.until(f"! grep -q 'populated 1' {LENT}/cgroup.events", 60)
    assert groups(lent, LENT) == []
    assert lent.check(f"cat {LENT}/cgroup.subtree_control").strip() == ""


def test_somebody_else_stands_there(lent):
    """Aim: where controllers cannot be had the node says why, and serves without limits."""
    lent.check(f"(echo 0 > {LENT}/cgroup.procs; exec sleep 1000) > /dev/null 2>&1 &\n{START}")
    lent.until("grep -q ^ready lent-out", 60)
    assert f"{ERR['NO_LIMITS']} workers have no limits: other processes" in lent.check("cat lent-log")
    assert asks(lent, "serves", "lent") == [0, None]
    assert lent.check("cat lent-log").count(f" {ERR['NO_LIMITS']} ") == 2


def test_what_is_offered(limited):
    """Aim: a node in a unit with limits offers these, and not what the machine has."""
    limited.check("sudo -u promp-broker promp-auth token observer --config /etc/promp/broker > token; rm -rf watch\n"
                  "promp join --config watch - < token")
    limited.check("sudo -u promp-broker promp-auth token node --name small --config /etc/promp/broker > small-token; rm -rf small\n"
                  "systemd-run -q --unit=small -p MemoryMax=200M -p CPUQuota=150% -p Delegate=yes "
                  "sh -c 'exec promp-node --config /root/small --join - < /root/small-token'")
    limited.until("promp status --config watch --nodes --json | grep -q small", 60)
    rows = json.loads(limited.check("promp status --config watch --nodes --json"))
    limited.check("systemctl stop small; sudo -u promp-broker promp-auth revoke small --config /etc/promp/broker")
    small, = [row for row in rows["nodes"] if row["name"] == "small"]
    assert (small["places"], small["cpus"], small["memory"]) == (1, 1.5, 200 << 20), small
