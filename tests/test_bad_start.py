"""What cannot be started, and machines that have run out of something: a clear number, and nothing else is disturbed."""

import ctypes
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time

import pytest
from support import proc, wire
from support.build import ERR, LIMIT, NODE, SANITIZER, scaled
from support.manager import TW, name_of


@pytest.fixture
def steady(world, worker):
    """A manager with a worker that still works, as does a new one, when the test is over."""
    m, w = worker
    yield m
    assert m.call(w, "add", 1, 2) == 3
    assert m.call(m.start(), "add", 3, 4) == 7


def refused(m, program, *names, **options):
    answer = m.start(program, check=False, **options)
    assert name_of(answer["err"]) in names, answer
    assert answer["worker"] == 0 and answer["started"] == 0 and answer["text"]
    assert answer["ms"] < scaled(6000)
    return answer


def test_missing(steady):
    """No such program: PROGRAM_MISSING, with its path; by path and by name."""
    assert "/does/not/exist" in refused(steady, "/does/not/exist", "PROGRAM_MISSING")["text"]
    assert "no-such-program" in refused(steady, "no-such-program", "PROGRAM_MISSING")["text"]
    refused(steady, "./no-such-program", "PROGRAM_MISSING")


def test_not_executable(steady, tmp_path):
    """A file that may not be executed: PROGRAM_DENIED."""
    path = tmp_path / "w"
    shutil.copy(TW, path)
    path.chmod(0o644)
    assert str(path) in refused(steady, str(path), "PROGRAM_DENIED")["text"]


def test_a_folder(steady, tmp_path):
    """A folder is no program."""
    refused(steady, str(tmp_path), "PROGRAM_DENIED")


def test_bad_interpreter(steady, tmp_path):
    """A script whose interpreter is missing, and a file that is no program at all."""
    path = tmp_path / "script"
    path.write_text("#!/does/not/exist\n")
    path.chmod(0o755)
    refused(steady, str(path), "PROGRAM_MISSING", "PROGRAM_FAILED")
    path.write_bytes(b"\x7fELF but not really")
    refused(steady, str(path), "PROGRAM_FAILED", "PROGRAM_DENIED")
    path.write_bytes(b"")
    refused(steady, str(path), "PROGRAM_FAILED", "PROGRAM_DENIED")


def test_bad_folder(steady, tmp_path):
    """A working directory that is missing, or a file."""
    (tmp_path / "f").touch()
    for folder in ("/does/not/exist", tmp_path / "f", "/" + "x" * 300):
        answer = refused(steady, TW, "START_FOLDER", folder=folder)
        assert str(folder) in answer["text"]


@pytest.mark.root
def test_folder_that_cannot_be_entered(world, steady, tmp_path):
    """A folder without permission (seen as another user than root)."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o000)
    world.folder.chmod(0o755)
    folder = tempfile.mkdtemp(prefix="pt-", dir="/tmp")
    env = {**world.environment, "PROMP_RUNTIME_DIR": folder}
    os.chown(folder, 65534, 65534)
    os.chown(world.logs, 65534, 65534)
    try:
        def become_nobody():
            os.setgid(65534)
            os.setuid(65534)
        m = world.manager(env=env, preexec=become_nobody, cwd="/")
        answer = m.start(TW, check=False, folder=locked)
        assert name_of(answer["err"]) == "START_FOLDER"
        if os.access(TW, os.X_OK):
            assert name_of(m.start(TW, check=False)["err"]) in (0, "PROGRAM_DENIED", "PROGRAM_MISSING")
        m.quit()
        proc.wait_until(lambda: len(world.of_role("keeper")) == 1, 10, "the other user's node to end")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_too_much_environment(steady):
    """Arguments and environment above the limit: START_SIZE, at the call; just below it is fine."""
    big = "A=" + "x" * 100000
    refused(steady, TW, "START_SIZE", env=[big, big, big])
    refused(steady, TW, "START_SIZE", argv=["tw", big, big, big])
    refused(steady, TW, "START_SIZE", argv=["tw"] + ["a"] * 60000, env=["B=" + "y" * 120000])
    w = steady.start(TW, env=["A=" + "x" * 100000, "B=" + "y" * 100000])
    assert steady.call(w, "add", 1, 2) == 3


def test_too_much_extra(steady):
    """Extra bytes: 64 KiB and not one more."""
    w = steady.start(TW, extra_size=65536)
    assert steady.call(w, "add", 1, 2) == 3
    refused(steady, TW, "VALUE_SIZE", "START_SIZE", "ARGUMENT", extra_size=65537)


def test_paths_too_long(steady):
    """Paths beyond the limit."""
    long = "/" + "x" * (LIMIT["LIMIT_PATH"] + 10)
    refused(steady, long, "PROGRAM_MISSING", "ARGUMENT", "START_SIZE", "PROGRAM_FAILED")
    refused(steady, TW, "START_FOLDER", "ARGUMENT", "START_SIZE", folder=long)


def test_empty_program(steady):
    """An empty program's name."""
    refused(steady, "\0", "PROGRAM_MISSING", "ARGUMENT")


def test_empty_environment(steady):
    """A worker without any variable works."""
    w = steady.start(TW, noenv=1)
    info = steady.call(w, "info", "PATH")
    assert info["env"] is None


def test_start_many_stops_at_the_first_refusal(steady):
    """start_many of something that is not there: none started, the reason of the first."""
    refused(steady, "/does/not/exist", "PROGRAM_MISSING", count=10)


def test_many_refusals_leave_nothing(world, steady):
    """300 refused starts cost neither manager nor node anything that stays."""
    agent, keeper = world.one("agent").pid, world.one("keeper").pid
    for _ in range(20):
        steady.start("/does/not/exist", check=False)
    before = [proc.descriptors(agent), proc.descriptors(keeper), steady.host()["fds"]]
    for _ in range(280):
        refused(steady, "/does/not/exist", "PROGRAM_MISSING")
    assert [proc.descriptors(agent), proc.descriptors(keeper), steady.host()["fds"]] == before


@pytest.mark.plain  # the leak check at the end of a program needs descriptors itself
def test_no_descriptors_in_the_manager(world):
    """A manager process without descriptors left: a number, and later all is well."""
    m = world.manager(new=False)
    fds = m.host()["fds"]
    for spare in range(0, 6):
        m.limit("nofile", fds + spare)
        answer = m.new()
        if answer["made"]:
            break
        assert name_of(answer["err"]) in ("DESCRIPTORS", "NODE_START"), answer
    m.limit("nofile", 1024)
    if not answer["made"]:
        assert m.new()["made"]
    w = m.start()
    m.limit("nofile", m.host()["fds"])
    assert m.call(w, "add", 1, 2) == 3
    m.limit("nofile", 1024)


def node_with(world, **limits):
    """A node in the foreground with limits of its own."""
    def apply():
        for name, value in limits.items():
            which = getattr(resource, f"RLIMIT_{name.upper()}")
            resource.setrlimit(which, (value, value))
    return world.node(preexec_fn=apply)


@pytest.mark.parametrize("limit", [24, 32, 48])
def test_no_descriptors_in_the_node(world, limit):
    """A node that runs out of descriptors refuses starts by number, keeps what it has, and takes new ones when some end."""
    node_with(world, nofile=limit)
    m = world.manager()
    ids, answer = [], None
    for _ in range(limit):
        answer = m.start(check=False)
        if answer["err"]:
            break
        ids.append(answer["worker"])
    assert name_of(answer["err"]) in ("DESCRIPTORS", "PROGRAM_FAILED"), answer
    assert ids, "not even one worker"
    for w in ids:
        assert m.call(w, "add", w, 1) == w + 1
    for w in ids:
        m.check("stop", w)
        m.until("dead", w)
    assert m.call(m.start(), "add", 1, 2) == 3


@pytest.mark.root
@pytest.mark.plain
def test_no_processes_in_the_node(world):
    """A user who may have no more processes: PROCESSES, and room again when one ends. (Root is never counted, so all of it
    runs as another user, who has nothing else.)"""
    user = 54321
    folder = pathlib.Path(f"/tmp/pt-{os.getpid()}")
    folder.mkdir(mode=0o700)
    os.chown(folder, user, user)
    world.folder.chmod(0o755)

    def become():
        os.setgid(user)
        resource.setrlimit(resource.RLIMIT_NPROC, (12, 12))
        os.setuid(user)

    try:
        m = world.manager(env={"PROMP_RUNTIME_DIR": folder}, preexec=become, cwd="/")
        sleepers, answer = [], None
        for _ in range(13):
            answer = m.start("/bin/sleep", argv=["sleep", "1000"], check=False)
            if answer["err"]:
                break
            sleepers.append(answer["worker"])
        assert sleepers and name_of(answer["err"]) == "PROCESSES", answer
        m.check("stop", sleepers[0])
        m.until("dead", sleepers[0])
        assert m.start("/bin/sleep", argv=["sleep", "1000"], check=False)["err"] == 0
        m.quit()
        proc.wait_until(lambda: not world.of_role("keeper"), 10, "the node to end")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.root
@pytest.mark.parametrize("size", ["64k", "1m"])
def test_full_disk(world, size):
    """A runtime folder on a disk that is full: DISK_FULL or it works all the same; with room it works."""
    world.runtime.mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700,nr_inodes=64", "none", world.runtime],
                      capture_output=True).returncode:
        pytest.skip("no mount here")
    try:
        with open(world.runtime / "filler", "wb", buffering=0) as f:
            try:
                while f.write(bytes(4096)):
                    pass
            except OSError:
                pass
        m = world.manager(new=False)
        answer = m.new()
        assert answer["made"] or name_of(answer["err"]) in ("DISK_FULL", "NODE_START"), answer
        if answer["made"]:
            assert m.call(m.start(), "add", 1, 2) == 3
            m.destroy()
        os.unlink(world.runtime / "filler")
        assert m.new()["made"]
        assert m.call(m.start(), "add", 1, 2) == 3
        m.quit()
        proc.wait_until(lambda: not world.of_role("keeper"), 10, "the node to end")
    finally:
        subprocess.run(["umount", "-l", world.runtime])


@pytest.mark.root
def test_no_inodes(world):
    """A disk without inodes: likewise."""
    world.runtime.mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700,nr_inodes=2", "none", world.runtime],
                      capture_output=True).returncode:
        pytest.skip("no mount here")
    try:
        m = world.manager(new=False)
        answer = m.new()
        assert not answer["made"] and name_of(answer["err"]) in ("DISK_FULL", "NODE_START", "SYSTEM"), answer
    finally:
        subprocess.run(["umount", "-l", world.runtime])


@pytest.mark.root
def test_read_only_disk(world):
    """A read-only disk: a number and the reason."""
    world.runtime.mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m,mode=700", "none", world.runtime],
                      capture_output=True).returncode:
        pytest.skip("no mount here")
    try:
        m = world.manager(new=False)
        answer = m.new()
        assert not answer["made"] and name_of(answer["err"]) in ("SYSTEM", "NODE_START", "SOCKET_FOLDER"), answer
    finally:
        subprocess.run(["umount", "-l", world.runtime])


@pytest.mark.plain
def test_no_memory_in_the_manager(worker):
    """A manager without address space: MEMORY for what is too large, and the small things go on."""
    m, w = worker
    m.limit("as", 400 << 20)
    answer = m.command("send_big", w, 1, 300 << 20, zeros=1)
    assert answer["err"] in (ERR["MEMORY"], ERR["QUEUE_FULL"])
    assert m.call(w, "add", 1, 2) == 3


@pytest.mark.plain
def test_no_memory_for_a_result(world):
    """A result that never fits into the manager's memory ends its worker, in words, and nothing else."""
    m = world.manager()
    m.check("set", timeout=1000)
    w = m.start()
    m.until("ready", w)
    m.limit("as", 400 << 20)
    m.task(w, "big", 500 << 20)
    m.until("idle", timeout=10)
    error = m.take_error()
    assert error and "memory" in error["text"], (error, m.exit(w))
    fresh = m.start()
    assert m.call(fresh, "add", 1, 2) == 3


def test_missing_link_descriptor(world):
    """The node's own inner program cannot be started by hand: a message, no crash."""
    p = subprocess.run([NODE, "--agent"], env=world.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=scaled(10))
    assert p.returncode > 0 and p.stderr
    assert not SANITIZER or "Sanitizer" not in p.stderr


@pytest.fixture
def hung(tmp_path):
    """A folder on a disk that does not answer: a FUSE mount whose server never reads."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        pytest.skip("no /dev/fuse")
    path = tmp_path / "hung"
    path.mkdir()
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"hung", bytes(path), b"fuse", 0, options) != 0:
        os.close(device)
        pytest.skip(f"FUSE cannot be mounted: {os.strerror(ctypes.get_errno())}")
    yield path
    os.close(device)
    libc.umount2(bytes(path), 2)


@pytest.mark.root
@pytest.mark.parametrize("what", ["program", "folder"])
def test_disk_that_hangs(world, worker, hung, what):
    """A start from a disk that does not answer takes its time, and can be killed; meanwhile others start and work, and neither
    keeper nor agent is taken for frozen."""
    other, w = worker
    keeper, agent = world.one("keeper").pid, world.one("agent").pid
    session, begin = b"s" * 16, time.monotonic()
    client = wire.Client(world.socket())
    client.welcome()
    client.send(wire.start_message(session, str(hung / "x") if what == "program" else TW, lease=60000,
                                   folder="/" if what == "program" else str(hung)))
    while time.monotonic() - begin < 6:  # longer than an agent waits for its keeper
        assert other.call(w, "add", 1, 2) == 3
        fresh = other.start()
        assert other.call(fresh, "add", 3, 4) == 7
        other.check("stop", fresh)
        other.until("dead", fresh)
    client.send(wire.message("KILL", session, cause=ERR["WORKER_STOPPED"]))
    gone = client.expect("STARTED", "GONE")
    gone = client.expect("GONE") if gone["is"] == "STARTED" else gone
    assert name_of(gone["cause"]) == "WORKER_STOPPED"
    assert (world.one("keeper").pid, world.one("agent").pid) == (keeper, agent)
    client.send(wire.message("GONE_ACK", session))
    client.close()
