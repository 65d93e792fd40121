"""Aim: private folders of workers whose node was killed do not stay for ever: the next node of the same user removes them."""

import os
import pathlib
import signal

import pytest
from support import cluster, proc
from support.build import scaled

pytestmark = pytest.mark.skipif(not cluster.built(), reason="promp-broker, promp-auth and promp are needed")


@pytest.fixture
def c(world):
    made = cluster.Cluster(world)
    made.broker()
    yield made
    made.remove()


def kept(c):
    return sorted(path.name for path in c.folder.glob("promp-*"))


def with_folder(c, name):
    """A node, and the private folder of a worker of it that has left something there."""
    program = c.node(name)
    m = c.manager(f"of-{name}")
    w = m.start(on=name)
    assert m.call(w, "add", 1, 2) == 3
    mine = [path for path in c.folder.glob("promp-*.*") if path.is_dir() and not (path / "file").exists()]
    (mine[0] / "file").write_text("x")
    return program, mine[0]


def test_killed_keeper(c):
    """After kill -9 of the keeper the folder stays, as nobody is left who knows; the next node removes it, and that of a node that
    lives stays."""
    living, other = with_folder(c, "living")
    killed, folder = with_folder(c, "killed")
    lock = folder.with_suffix(".lock")
    assert lock.exists() and len(kept(c)) == 4
    worker, = [p for p in c.world.workers() if os.readlink(f"/proc/{p.pid}/cwd") == str(folder)]
    killed.kill()
    c.world.wait_gone([worker.pid], 20)
    assert (folder / "file").exists() and lock.exists()
    outside = c.folder / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    (folder / "link").symlink_to(outside)

    assert c.node("next").stop() == 0
    proc.wait_until(lambda: not folder.exists() and not lock.exists(), 20, "the folder to go")
    assert (other / "file").exists() and (outside / "file").exists()
    living.kill(signal.SIGINT)
    assert living.process.wait(scaled(20)) == 0
    proc.wait_until(lambda: not kept(c), 20, lambda: f"all to go: {kept(c)}")


def test_good_order(c):
    """A node that ends in good order, with a worker, leaves neither folder nor file."""
    program, folder = with_folder(c, "node")
    program.kill(signal.SIGINT)
    assert program.process.wait(scaled(20)) == 0
    proc.wait_until(lambda: not kept(c), 20, lambda: f"all to go: {kept(c)}")
    assert not pathlib.Path(folder).exists()


def test_lost_lock(c):
    """Something that tidies folders of temporary files takes the lock file away: those of workers that live stay, when one of the
    others ends."""
    program = c.node("node", "--places", "2")
    m = c.manager()
    workers = [m.start(), m.start()]
    for w in workers:
        assert m.call(w, "add", 1, 2) == 3
    gone, stays = [pathlib.Path(os.readlink(f"/proc/{m.worker_pid(w)}/cwd")) for w in workers]
    (stays / "file").write_text("x")
    gone.with_suffix(".lock").unlink()
    before = len(proc.descendants(program.pid))
    m.stop(workers[0])
    proc.wait_until(lambda: not gone.exists(), 20, "the folder to go")
    proc.wait_until(lambda: len(proc.descendants(program.pid)) == before - 1, 20, "who removes it to end")
    assert m.call(workers[1], "add", 1, 2) == 3
    assert (stays / "file").exists()
    program.kill(signal.SIGINT)
    assert program.process.wait(scaled(20)) == 0
