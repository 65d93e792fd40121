"""Containers between processes while things go wrong: files that change, objects that fail, aborts, deaths, and the memory of long
reads."""

import os
import signal

import pytest
from support import proc
from test_container_shared import SHARED, WAYS, shared  # noqa: F401


def test_files_that_change(shared):  # noqa: F811
    """A file that shrinks, grows or is written to fails a worker's reads with an OSError; one that is replaced or deleted is read
    on; the worker and its other containers go on."""
    assert shared("""
data = os.urandom(3000000)
def shorter(path): os.truncate(path, 4096)
def longer(path): open(path, "ab").write(b"x")
def other(path): f = open(path, "r+b"); f.seek(100000); f.write(b"xxx"); f.close()
m.shareContainer("good", of(data))
for change in (shorter, longer, other):
    path = file_of(data); os.utime(path, (1, 1)); m.shareContainer("f", createContainerFromFile(path))
    assert ask("def f(): sys.c = me.getSharedContainer('f'); return sys.c.read(0, 5000)") == data[:5000]
    change(path)
    assert ask('''
def f():
    for call in (lambda: sys.c.read(2999000, 1000), lambda: sys.c.read(1500000, 5), lambda: bytes(sys.c), lambda: sys.c.findFirst(b"none such"), sys.c.open().read):
        error = raises(OSError, call)
        assert isinstance(error, NTContainerError) and error.name == "CONTAINER_CHANGED", error
    return hashlib.sha256(bytes(me.getSharedContainer("good"))).digest()
''') == hashlib.sha256(data).digest()
    assert ask("def f(): return me.getSharedContainer('f').isValid()") in (True, False)
for change in (os.unlink, lambda path: os.rename(file_of(b"other" * 600000), path)):
    path = file_of(data); m.shareContainer("f", createContainerFromFile(path)); change(path)
    assert ask("def f(): return hashlib.sha256(bytes(me.getSharedContainer('f'))).digest()") == hashlib.sha256(data).digest()
print("ok")
""") == "ok\n"


def test_objects(shared):  # noqa: F811
    """An object of the manager's is read in processMessages(), or in the thread that was named; one that raises or lies fails the
    worker's read with the text, one that hangs holds up nobody but who reads it."""
    assert shared("""
data = os.urandom(2000003)
READ = "def f(name): return hashlib.sha256(me.getSharedContainer(name).read(0, 2**60)).digest()"
source = Source(data); m.shareContainer("o", createContainer(source)); assert ask(READ, "o") == hashlib.sha256(data).digest()
assert source.threads == {"MainThread"}
source = Source(data); m.shareContainer("t", createContainer(source, "my name")); assert ask(READ, "t") == hashlib.sha256(data).digest()
assert source.threads == {"my name"}
class Bad(Source):
    def __init__(self, do): super().__init__(data); self.do = do
    def read(self, offset, size): return self.do(offset, size)
def throw(*a): raise ValueError("no \\ud800 luck")
for thread in (None, "its own"):
    for do, text in ((throw, "ValueError: no \\\\ud800 luck"), (lambda o, n: 5, "int, not bytes"), (lambda o, n: data[o:o + n - 1], "bytes"), (lambda o, n: b"", "returned 0 of")):
        m.shareContainer("bad", createContainer(Bad(do), thread))
        got = ask('''
def f():
    c = me.getSharedContainer("bad")
    errors = [raises(OSError, call) for call in (lambda: c.read(0, 5), lambda: c[500000:], lambda: c.findFirst(b"x"), c.open().read)]
    return [[e.name, str(e)] for e in errors]
''')
        assert all(name == "CONTAINER_SOURCE" and text in said for name, said in got), (text, got)
    assert ask(READ, "o") == ask(READ, "t") == hashlib.sha256(data).digest()
hold, begun = threading.Event(), threading.Event()
def hang(o, n): begun.set(); hold.wait(60); return data[o:o + n]
m.shareContainer("h", createContainer(Bad(hang), "hangs"))
other = m.startWorker()
m.evalPythonFunction(w, PRELUDE + "def f(): return me.getSharedContainer('h').read(7, 5)", "f", [], True)
assert begun.wait(20)
m.evalPythonFunction(other, PRELUDE + READ, "f", ["t"], True)
end = time.monotonic() + 20
while not m.hasResults(): assert time.monotonic() < end; m.wait(100); m.processMessages()
assert m.takeResult(other) == hashlib.sha256(data).digest() and m.isWorkerBusy(w)
hold.set(); loop(m); assert m.takeResult(w) == data[7:12]
class Ends(Source):
    def read(self, offset, size): raise KeyboardInterrupt
m.shareContainer("k", createContainer(Ends(data)))
m.evalPythonCode(w, PRELUDE + "assert raises(OSError, lambda: me.getSharedContainer('k').read(0, 5)).name == 'CONTAINER_SOURCE'")
raises(KeyboardInterrupt, lambda: loop(m)); loop(m); assert not m.hasErrors()
print("ok")
""") == "ok\n"


def test_aborts(shared):  # noqa: F811
    """Aborting a task ends its search of what is large, and its read from an object that hangs; the worker lives and reads on."""
    assert shared("""
path = file_of(b""); os.truncate(path, 2**40); m.shareContainer("tib", createContainerFromFile(path))
hold, begun = threading.Event(), threading.Event()
class Hangs(Source):
    def read(self, offset, size): begun.set(); hold.wait(60); return bytes(size)
m.shareContainer("h", createContainer(Hangs(b"abcdefg"), "hangs"))
pid = ask("def f(): return os.getpid()")
for call in ("me.getSharedContainer('tib').findFirst(b'none such')", "me.getSharedContainer('h').read(0, 5)"):
    m.evalPythonCode(w, PRELUDE + "print('begins')\\n" + call + "\\nprint('over')")
    if "'h'" in call: assert begun.wait(20)
    else: time.sleep(0.2)
    began = time.monotonic(); m.abortOperation(w, 4000)
    assert m.isWorkerAlive(w) and not m.isWorkerBusy(w) and time.monotonic() - began < 3.5, (call, m.workerExit(w))
    assert ask("def f(): return [os.getpid(), me.getSharedContainer('tib').read(5, 3)]") == [pid, bytes(3)]
hold.set()
print("ok")
""", stderr=None).replace("begins\n", "") == "ok\n"


def test_unshared_while_read(shared):  # noqa: F811
    """A name that comes and goes while four workers read: each read is right or an invalid container, never another's bytes."""
    assert shared("""
ids = [w] + m.startWorkers(3)
for worker in ids:
    m.evalPythonFunction(worker, PRELUDE + '''
def f():
    seen, end = 0, time.monotonic() + 60
    while not me.hasMessage() and time.monotonic() < end:
        c = me.getSharedContainer("n")
        if c.isNull(): assert c.error.name == "CONTAINER_NAME", c.error; continue
        data = bytes(c); assert data == data[:1] * len(data) and len(data) == {65: 700000, 66: 300001, 67: 10}[data[0]]
        seen += 1
    return seen
''', "f", [], True)
kinds = [of(b"A" * 700000), createContainerFromFile(file_of(b"B" * 300001)), of(b"C" * 10), createContainer(Source(b"A" * 700000), "serves")]
end = time.monotonic() + 2
while time.monotonic() < end:
    m.shareContainer("n", random.choice(kinds)); m.wait(random.randrange(3)); m.processMessages()
    if random.randrange(3) == 0: m.unshareContainer("n")
m.sendMessage(ProWorker_All, ProMPMessage(1)); loop(m, 60)
while m.hasErrors(): print(m.takeError(ProWorker_Any).traceback)
assert all(m.takeResult(i, 0) > 0 for i in ids)
print("ok")
""") == "ok\n"


@pytest.mark.parametrize("way", WAYS, ids=["lent", "streamed"])
def test_the_manager_dies_in_a_read(script, world, way):
    """A manager that is killed while its worker reads from it takes the worker with it; a read that hangs does not stop that."""
    s = script(SHARED + """
class Hangs(Source):
    def read(self, offset, size): print(os.getpid(), m.isWorkerAlive(w) and pid, flush=True); time.sleep(600)
pid = ask("def f(): return os.getpid()")
m.shareContainer("h", createContainer(Hangs(b"abcdefg")))
m.evalPythonCode(w, PRELUDE + "me.getSharedContainer('h').read(0, 5)")
loop(m, 600)
""", env={"PROMP_SHARE": way})
    manager, worker = map(int, s.process.stdout.readline().split())
    assert proc.alive(worker)
    os.kill(manager, signal.SIGKILL)
    proc.wait_until(lambda: not proc.alive(worker), 10, "the worker's end")
    s.finish()


READ_ALL = """
m.shareContainer("c", createContainerFromFile(path))
idle, most = ask('''
def f():
    def now(): return int(open("/proc/self/statm").read().split()[1]) * 4096
    c = me.getSharedContainer("c"); c.read(0, 10); idle = most = now()
    for at in range(0, len(c), 1 << 20):
        assert len(c.read(at, 1 << 20)) == 1 << 20
        if at % (64 << 20) == 0: most = max(most, now())
    return [idle, max(most, now())]
''', limit=400)
assert most - idle < 96 * 2**20, (idle, most)
print("ok")
"""


@pytest.mark.plain
def test_memory_of_a_long_read(run):
    """Aim: a worker that reads 2 GiB that are streamed stays within its cache."""
    assert run(SHARED + "path = file_of(b''); os.truncate(path, 2 << 30)" + READ_ALL, env={"PROMP_SHARE": "stream"}, timeout=200) == "ok\n"


@pytest.mark.slow
@pytest.mark.plain
def test_memory_of_eight_gigabytes(run):
    """Aim: as above, 8 GiB."""
    assert run(SHARED + "path = file_of(b''); os.truncate(path, 8 << 30)" + READ_ALL, env={"PROMP_SHARE": "stream"}, timeout=500) == "ok\n"
