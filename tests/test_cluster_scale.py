"""Aim: what nodes and workers cost the broker: memory and CPU, over real CURVE connections that one program plays."""

import base64
import subprocess
import time

import pytest
from support import build, proc
from support.cluster import Cluster, built

pytestmark = [pytest.mark.skipif(not built(), reason="the programs of a cluster are not built"), pytest.mark.plain]

SCALE = str(build.BUILD / "tests" / "cluster_scale")
LEASE = 10000


def opened(token):
    """(broker's key, secret of the join key) of a token, in hexadecimal digits; auth/auth_token.h has its form."""
    text = token.strip().removeprefix("promp1:")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    secret = 10 + 32 + (32 if data[0] & 1 else 0)
    return data[10:42].hex(), data[secret:secret + 32].hex()


def cpu(pid, seconds):
    """Part of one processor that a process uses for so long."""
    before = proc.ticks(pid)
    time.sleep(seconds)  # what is measured is that time
    return (proc.ticks(pid) - before) / proc.TICK / seconds


@pytest.mark.parametrize("nodes,workers", [(100, 20), pytest.param(500, 20, marks=pytest.mark.slow)])
def test_what_nodes_and_workers_cost(world, nodes, workers):
    """A node costs the broker less than 64 KiB, a worker less than 2 KiB, and all together at rest less than 2 % of a CPU."""
    cluster = Cluster(world)
    broker = cluster.broker()
    key, node = opened(cluster.token("node", "--uses", nodes))
    _, manager = opened(cluster.token("manager"))
    played = world.popen([SCALE, cluster.address, key, str(nodes), str(workers), str(LEASE)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)

    def step(wanted):
        played.stdin.write("go\n")
        played.stdin.flush()
        assert played.stdout.readline() == wanted + "\n"
        return proc.resident(broker.pid)

    played.stdin.write(f"{node}\n{manager}\n")
    step("joined")
    broker.stop()
    broker = cluster.broker()  # anew: what the joiners' connections have cost would hide what nodes cost
    joined = proc.resident(broker.pid)
    there = step("nodes")
    started = step("workers")
    for _ in range(3):  # what else the machine does takes its caches
        idle = cpu(broker.pid, 10)
        if idle < 0.02:
            break
    per_node, per_worker = (there - joined) / nodes, (started - there) / nodes / workers
    print(f"\nbroker: {per_node / 1024:.1f} KiB a node, {per_worker / 1024:.2f} KiB a worker, {100 * idle:.2f} % of a CPU, "
          f"{started / 2**20:.0f} MiB in all")
    assert per_node < 64 * 1024
    assert per_worker < 2 * 1024
    assert idle < 0.02
    assert played.poll() is None, "a played node was refused"
    played.stdin.close()
    played.wait(10)
