"""Where promp-node --local lives: its folder and socket, what it refuses there, and for whom it is."""

import fcntl
import os
import shutil

import pytest
from support import proc
from support.build import ERR, scaled
from support.manager import TW, name_of
from support.node import run

NOBODY = 65534


def refused(world, *names):
    m = world.manager(new=False)
    answer = m.new()
    assert not answer["made"] and name_of(answer["err"]) in names, answer
    assert answer["text"] and answer["ms"] < scaled(7000)
    return answer


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o711, 0o777])
def test_folder_open_to_others(world, mode):
    """A runtime folder that others may enter is refused, by manager and node."""
    world.runtime.mkdir()
    world.runtime.chmod(mode)
    assert str(world.runtime) in refused(world, "SOCKET_FOLDER")["text"]
    for mode_of_it in ("--local", "--status"):
        p = run(world, mode_of_it)
        assert p.returncode == 1 and p.stdout == ""
        assert f"{ERR['SOCKET_FOLDER']} SOCKET_FOLDER" in p.stderr and str(world.runtime) in p.stderr


@pytest.mark.root
def test_folder_of_somebody_else(world):
    """A runtime folder of another user is refused."""
    world.runtime.mkdir(mode=0o700)
    os.chown(world.runtime, NOBODY, NOBODY)
    refused(world, "SOCKET_FOLDER")
    assert run(world, "--local").returncode != 0


def test_folder_is_a_link(world):
    """A symbolic link in the folder's place is refused, wherever it leads."""
    real = world.folder / "real"
    real.mkdir(mode=0o700)
    world.runtime.symlink_to(real)
    refused(world, "SOCKET_FOLDER")
    assert not list(real.iterdir())


def test_folder_is_a_file(world):
    """A file in the folder's place is refused."""
    world.runtime.touch()
    refused(world, "SOCKET_FOLDER")


def test_inner_folder_is_a_link(world):
    """Likewise for the folder of the key inside."""
    m = world.manager()
    inner = world.socket().parent
    m.quit()
    proc.wait_until(lambda: not world.of_role("keeper"), 10, "the node to end")
    if inner.exists():
        shutil.rmtree(inner)
    real = world.folder / "real"
    real.mkdir(mode=0o700)
    inner.symlink_to(real)
    refused(world, "SOCKET_FOLDER")


def test_folder_under_a_file(world):
    """A folder that cannot be made: a number and the reason."""
    (world.folder / "f").touch()
    world.environment["PROMP_RUNTIME_DIR"] = str(world.folder / "f" / "r")
    refused(world, "SOCKET_FOLDER", "SYSTEM")


@pytest.mark.parametrize("length", [80, 108, 300, 5000])
def test_path_too_long(world, length):
    """A path that does not fit into a socket's address: SOCKET_PATH, with the path or its length in words."""
    name = "/tmp/" + "/".join(["x" * 50] * 100)
    world.environment["PROMP_RUNTIME_DIR"] = name[:length].rstrip("/")
    answer = refused(world, "SOCKET_PATH", "SYSTEM") if length > 85 else None
    if answer:
        assert name_of(answer["err"]) == "SOCKET_PATH"
    shutil.rmtree("/tmp/" + "x" * 50, ignore_errors=True)


def test_xdg_runtime_dir(world):
    """Without PROMP_RUNTIME_DIR the node lives in $XDG_RUNTIME_DIR/promp."""
    del world.environment["PROMP_RUNTIME_DIR"]
    xdg = world.folder / "x"
    xdg.mkdir(mode=0o700)
    world.environment["XDG_RUNTIME_DIR"] = str(xdg)
    world.runtime = xdg / "promp"
    m = world.manager()
    assert world.socket() is not None
    assert m.call(m.start(), "add", 1, 2) == 3
    assert (world.runtime.stat().st_mode & 0o777) == 0o700


def test_instances(world):
    """PROMP_INSTANCE separates: another name, another node, in the same folder."""
    a = world.manager()
    b = world.manager(env={"PROMP_INSTANCE": "other"})
    assert len(list(world.runtime.glob("*/socket"))) == 2
    assert len(world.of_role("keeper")) == 2
    for m in (a, b):
        assert m.call(m.start(), "add", 1, 2) == 3


def test_modes(world):
    """Folder 0700, socket and lock not open to others."""
    world.manager()
    path = world.socket()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for name in ("lock", "log"):
        other = path.parent / name
        assert not other.exists() or other.stat().st_mode & 0o077 == 0


def test_lock_held_by_another(world):
    """While somebody else holds the lock and serves nothing, starting gives up in time with a number."""
    m = world.manager()
    lock = world.socket().parent / "lock"
    m.quit()
    proc.wait_until(lambda: not world.of_role("keeper"), 10, "the node to end")
    lock.parent.mkdir(mode=0o700, exist_ok=True)
    with open(lock, "w") as f:
        os.chmod(lock, 0o600)
        fcntl.flock(f, fcntl.LOCK_EX)
        fcntl.lockf(f, fcntl.LOCK_EX)
        refused(world, "NODE_START", "NODE_TIMEOUT", "NODE_RUNS")


def test_no_start(world):
    """no_start: where no node runs NODE_GONE, and none is started."""
    m = world.manager(new=False)
    answer = m.new(no_start=1)
    assert not answer["made"] and name_of(answer["err"]) == "NODE_GONE"
    assert not world.of_role("keeper")
    world.node()
    assert m.new(no_start=1)["made"]


def test_node_program_missing(world):
    """A node program that is not there, or cannot be run: NODE_PROGRAM or NODE_START, with its path."""
    for path, env in (("/does/not/exist", {}), (None, {"PROMP_NODE": "/does/not/exist"}), ("/etc/passwd", {}),
                      ("/bin/false", {})):
        m = world.manager(new=False, env=env)
        answer = m.new(node=path)
        assert not answer["made"] and name_of(answer["err"]) in ("NODE_PROGRAM", "NODE_START"), answer
        assert answer["ms"] < scaled(6000) and answer["text"]


def test_node_found_by_itself(world):
    """Without PROMP_NODE and argument the program beside the library is found."""
    del world.environment["PROMP_NODE"]
    m = world.manager()
    assert m.call(m.start(), "add", 1, 2) == 3


@pytest.mark.root
def test_foreign_user(world):
    """A process of another user is refused by the node, even if it can reach the socket."""
    from support.wire import Client
    world.node()
    path = world.socket()
    world.folder.chmod(0o755)
    for p in (path.parent.parent, path.parent):
        p.chmod(0o711)
    path.chmod(0o777)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            c = Client(path)
            end = c.end()
            code = 0 if end is None or end["error"] == ERR["FOREIGN_USER"] else 2
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    for p in (path.parent.parent, path.parent):
        p.chmod(0o700)
    m = world.manager()
    assert m.call(m.start(TW), "add", 1, 2) == 3
