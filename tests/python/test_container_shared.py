"""Containers that a manager shares and Python workers read: lent by descriptors and streamed, at every level, while things go wrong."""

import os
import signal

import pytest
from support import proc
from test_container import LOCAL, MODEL
from test_properties import run_hypothesis  # noqa: F401

WAYS = ["", "stream"]

SHARED = LOCAL + """
m, (w,) = started()
PRELUDE = '''
from Pro.Core import *
from Pro.MP import *
import hashlib, io, os, random, sys, threading, time
me = proWorkerObject()
def raises(kind, call):
    try: result = call()
    except kind as error: return error
    raise AssertionError("returned %r instead of %s" % (result, kind.__name__))
'''
def ask(code, *args, worker=None, limit=60):
    "Runs f(*args) of the code in the worker; returns what it returns."
    m.evalPythonFunction(worker or w, PRELUDE + code, "f", list(args), True)
    loop(m, limit)
    while m.hasErrors(): raise AssertionError(m.takeError(ProWorker_Any).traceback)
    return m.takeResult(worker or w, "no result")
mapped = os.environ.get("PROMP_SHARE") != "stream"
"""


@pytest.fixture(params=WAYS, ids=["lent", "streamed"])
def shared(run, request):
    """shared(text): output of a script that has a manager m, a worker w and ask(code, *args)."""

    def call(text, *args, **options):
        return run(SHARED + text, *args, env={"PROMP_SHARE": request.param}, **options)

    return call


def test_model(shared):
    """Aim: whatever kind is shared, and whatever way it is read, by four workers at once, a worker reads what bytes would say:
    random calls against a model."""
    assert shared("MODEL = " + repr(MODEL) + """
rounds = int(sys.argv[1])
ids = [w] + m.startWorkers(3)
kinds = {"bytes": of, "file": lambda data: createContainerFromFile(file_of(data)), "object": lambda data: createContainer(Source(data)),
         "served": lambda data: createContainer(Source(data), "serves"), "range": lambda data: (c := of(b"before" + data + b"behind")).setRange(6, len(data)) and c,
         "part of a file": lambda data: (c := createContainerFromFile(file_of(b"before" + data + b"behind"))).setRange(6, len(data)) and c}
datas = {}
for n in (0, 1, 65536, 65537, 262144, 1500007):
    data = random.Random(n).randbytes(n // 2) + b"abab" * (n // 8)
    datas[n] = data + bytes(n - len(data))
for kind, make in kinds.items():
    for n, data in datas.items(): m.shareContainer("%s %d" % (kind, n), make(data))
for i, worker in enumerate(ids):
    m.evalPythonFunction(worker, PRELUDE + MODEL + '''
def f(kinds, sizes, seed, rounds):
    said = {}
    for n in sizes:
        data = random.Random(n).randbytes(n // 2) + b"abab" * (n // 8)
        data += bytes(n - len(data))
        for kind in kinds:
            c = me.getSharedContainer("%s %d" % (kind, n))
            said["%s %d" % (kind, n)] = repr(c.error) if c.isNull() else check(c, data, seed, rounds)
    return {name: text for name, text in said.items() if text != "ok"}
''', "f", [list(kinds), list(datas), i, rounds], True)
loop(m, 100)
while m.hasErrors(): print(m.takeError(ProWorker_Any).traceback)
assert [m.takeResult(i, "none") for i in ids] == [{}] * 4
print("ok")
""", str(int(os.environ.get("PROMP_EXAMPLES", "60")) // 4), timeout=150) == "ok\n"


ANY = """
data = random.Random(5).randbytes(600000) + b"abc" * 100000 + bytes(65536)
n = len(data)
ranged = of(b"1" + data + b"2"); ranged.setRange(1, n)
kinds = {"bytes": of(data), "file": createContainerFromFile(file_of(data)), "object": createContainer(Source(data)), "range": ranged}
for kind, c in kinds.items(): m.shareContainer(kind, c)
DO = '''
def do(c, f, step):
    how, a, b, s, pattern = step
    if how == "read": return c.read(a, b)
    if how == "slice": return c[a - b:b:s or None]
    if how == "file": return [f.seek(a), f.read(b), f.tell(), f.readline(), f.seek(-s if s > 0 else 0, 2), f.read(), f.seek(a)]
    found = [c.findFirst(pattern, a, b)]
    found += [c.findNext(found[0])]
    return [int(x) if x else -1 for x in found]
class Model(bytes):
    def read(self, a, b): return self[a:a + b]
    def findFirst(self, pattern, a, b):
        self.pattern, self.end = pattern, a + b
        return self.at(a)
    def findNext(self, x): return self.at(int(x) + 1) if x else x
    def at(self, a):
        found = self.find(self.pattern, a, self.end) if a <= min(len(self), self.end) else -1
        return type("Match", (int,), {"__bool__": lambda self: int(self) >= 0})(found)
def short(value):
    if isinstance(value, list): return [short(v) for v in value]
    return [len(value), hashlib.sha256(value).digest()] if isinstance(value, bytes) and len(value) > 64 else value
def f(kind, steps):
    c = me.getSharedContainer(kind)
    with c.open() as file: return [short(do(c, file, step)) for step in steps]
'''
exec(DO)
offsets = st.sampled_from([0, 1, 65535, 65536, 262143, 262144, 262145, n - 1, n, n + 1, 2**31, 2**62]) | st.integers(0, n + 10)
sizes = st.sampled_from([0, 1, 4096, 65536, 262144, n]) | st.integers(0, 400000)
patterns = st.sampled_from([b"", b"abc", b"abca", b"\\0" * 1000, data[262140:262150], data[:1], b"none such"]) | st.binary(max_size=3)
steps = st.lists(st.tuples(st.sampled_from(["read", "slice", "file", "find"]), offsets, sizes, st.integers(-5, 5), patterns).map(list), max_size=12)
@settings(max_examples=EXAMPLES, **quiet)
@given(st.sampled_from(list(kinds)), steps)
def through_a_worker(kind, steps):
    model, file = Model(data), io.BytesIO(data)
    assert ask(DO, kind, steps) == [short(do(model, file, step)) for step in steps]
through_a_worker()
print("ok")
"""


@pytest.mark.parametrize("way", WAYS, ids=["lent", "streamed"])
def test_any_access(run_hypothesis, way):  # noqa: F811
    """Aim: whatever is read where, in whatever order, from any kind: a worker gets what a model made of bytes says (hypothesis)."""
    run_hypothesis(SHARED + ANY, env={"PROMP_SHARE": way})


def test_levels(shared):
    """Aim: a container is passed on to level 3 and reads there as at the root, with local ones shared on the way."""
    assert shared("MODEL = " + repr(MODEL) + """
data = os.urandom(1000003)
m.shareContainer("a", of(data)); m.shareContainer("b", createContainerFromFile(file_of(data))); m.shareContainer("c", createContainer(Source(data)))
PASS = '''
def loop(m, limit=60):
    end = time.monotonic() + limit
    while m.isBusy():
        assert time.monotonic() < end
        m.wait(100); m.processMessages()
def f(code, prelude, check, names, digest):
    level = proWorkerProcessLevel()
    if level == 3:
        data = me.getSharedContainer("a").read(0, 2**60)
        assert hashlib.sha256(data).digest() == digest
        scope = {}; exec(prelude + check, scope)
        return [[n, level, scope["check"](me.getSharedContainer(n), data, 5, 10)] for n in names]
    m = ProManager(); w = m.startWorker()
    for n in names:
        c = me.getSharedContainer(n); assert c.isValid(), c
        m.shareContainer(n, c)
    m.evalPythonFunction(w, prelude + code, "f", [code, prelude, check, names, digest], True)
    loop(m)
    while m.hasErrors(): raise RuntimeError(m.takeError(w).traceback)
    return m.takeResult(w)
'''
got = ask(PASS, PASS, PRELUDE, MODEL, ["a", "b", "c"], hashlib.sha256(data).digest())
assert got == [["a", 3, "ok"], ["b", 3, "ok"], ["c", 3, "ok"]], got
print("ok")
""", timeout=120) == "ok\n"


def test_the_bytes_cannot_be_changed(shared):
    """Writes fail by the calls, by mappings and through /proc/self/fd where it is memory; the manager's bytes stay [79]."""
    assert shared("""
data, small = os.urandom(500000), b"small data"
c, s = of(data), of(small); f = createContainerFromFile(file_of(data))
for name, one in (("c", c), ("s", s), ("f", f)): m.shareContainer(name, one)
got = ask('''
import ctypes, mmap
def f(names):
    opened = 0
    for name in names:
        c = me.getSharedContainer(name); before = bytes(c)
        assert c.setData(b"x") is False and c.setData(b"") is False and c.size() == len(before)
        try: view = memoryview(c)
        except BufferError: view = None
        for call in (lambda: c.__setitem__(0, 1), lambda: view.__setitem__(0, 1), lambda: view.cast("B").__setitem__(slice(0, 1), b"x"),
                     lambda: ctypes.c_char.from_buffer(view), lambda: c.open().write(b"x"), lambda: c.open().truncate(0)):
            raises((TypeError, AttributeError, io.UnsupportedOperation, BufferError), call)
        for fd in os.listdir("/proc/self/fd"):
            try: where = os.readlink("/proc/self/fd/" + fd)
            except OSError: continue
            if not where.startswith("/memfd:"): continue
            opened += 1
            for flags in (os.O_RDWR, os.O_WRONLY):
                try: again = os.open("/proc/self/fd/" + fd, flags)
                except OSError: continue
                raises(OSError, lambda: os.pwrite(again, b"x", 0)); raises(OSError, lambda: os.ftruncate(again, 1)); raises(OSError, lambda: os.ftruncate(again, 2**30))
                raises((OSError, ValueError), lambda: mmap.mmap(again, 1000, access=mmap.ACCESS_WRITE))
                os.close(again)
            raises(OSError, lambda: os.pwrite(int(fd), b"x", 0))
        for line in open("/proc/self/maps"):
            if "memfd" in line and "promp" in line: assert line.split()[1][:2] == "r-", line
        assert bytes(c) == before
        if name != "f" and view is not None: assert bytes(view) == before
    return opened
''', ["c", "s", "f"])
assert bytes(c) == data == bytes(f) and bytes(s) == small
print("ok")
""") == "ok\n"


def test_memory_is_mapped(run):
    """Large memory is mapped in the worker: a view without a copy, which outlives the manager's sharing."""
    assert run(SHARED + """
data = os.urandom(500000); m.shareContainer("c", of(data))
assert ask('''
def f():
    import __main__
    c = me.getSharedContainer("c"); sys.view = memoryview(c)
    return [hashlib.sha256(sys.view).digest(), sys.view.readonly, len(sys.view)]
''') == [hashlib.sha256(data).digest(), True, 500000]
m.unshareContainer("c"); gc.collect()
assert ask("def f(): return hashlib.sha256(sys.view).digest()") == hashlib.sha256(data).digest()
print("ok")
""") == "ok\n"


def test_archives(shared):
    """zipfile and tarfile read a remote container."""
    assert shared("""
z, t = io.BytesIO(), io.BytesIO()
texts = {"a": os.urandom(300000), "b/c": b"c" * 1000000}
with zipfile.ZipFile(z, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, text in texts.items(): archive.writestr(name, text)
with tarfile.open(fileobj=t, mode="w:gz") as archive:
    for name, text in texts.items():
        info = tarfile.TarInfo(name); info.size = len(text); archive.addfile(info, io.BytesIO(text))
m.shareContainer("z", of(z.getvalue())); m.shareContainer("t", createContainerFromFile(file_of(t.getvalue())))
got = ask('''
def f():
    import tarfile, zipfile
    z = zipfile.ZipFile(me.getSharedContainer("z").open())
    with tarfile.open(fileobj=me.getSharedContainer("t").open()) as t:
        return [{n: hashlib.sha256(z.read(n)).digest() for n in z.namelist()}, {i.name: hashlib.sha256(t.extractfile(i).read()).digest() for i in t}]
''')
assert got == [{n: hashlib.sha256(text).digest() for n, text in texts.items()}] * 2
print("ok")
""") == "ok\n"


def test_names(shared):
    """A name is known before and after workers start [84], again after it was replaced (F2), no more after unshareContainer (F3, 81);
    what was got keeps working; an unknown one gives an invalid container with the reason [80]."""
    assert shared("""
GET = '''
def f(name):
    c = me.getSharedContainer(name)
    return bytes(c) if c.isValid() else [c.isNull(), c.error.name, type(raises(OSError, lambda: c.read(0, 1))).__name__]
'''
big = {b: b * 300000 for b in (b"1", b"2", b"3")}
none = [True, "CONTAINER_NAME", "NTContainerError"]
for name in ("name", "\\u20ac \\U0001f600", "x" * 1024, " ", "a/b\\n"):
    assert ask(GET, name) == none and not m.hasSharedContainer(name)
    m.shareContainer(name, of(big[b"1"])); assert ask(GET, name) == big[b"1"] and m.hasSharedContainer(name)
    assert ask(GET, name, worker=m.startWorker()) == big[b"1"]
    ask("def f(name): sys.kept = me.getSharedContainer(name); sys.file = sys.kept.open()", name)
    m.shareContainer(name, of(big[b"2"])); assert ask(GET, name) == big[b"2"]
    m.unshareContainer(name); assert ask(GET, name) == none and not m.hasSharedContainer(name)
    m.unshareContainer(name)
    m.shareContainer(name, of(b"")); assert ask(GET, name) == b""
    m.unshareContainer(name)
    assert ask("def f(): return [bytes(sys.kept), sys.file.read()]") == [big[b"1"]] * 2
long = "x" * 1025
raises(ProMPError, lambda: m.shareContainer(long, of(b"x"))); assert m.lastError().name == "CONTAINER_LIMIT"
assert not m.hasSharedContainer(long) and ask(GET, long)[0] is True
assert ask('''
def f():
    for name, kind in ((5, TypeError), (None, TypeError), (b"x", TypeError), ("\\\\ud800", ValueError), ("a\\\\0b", ValueError)):
        raises(kind, lambda: me.getSharedContainer(name))
    c = me.getSharedContainer("none")
    assert c.setData(b"mine") is True and bytes(c) == b"mine"
    import warnings; warnings.simplefilter("ignore", DeprecationWarning)
    pid = os.fork()
    if pid == 0:
        try: raises(RuntimeError, lambda: me.getSharedContainer("x"))
        except BaseException as error: os.write(2, repr(error).encode()); os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]
''') == 0
c = of(b"shared as it is"); m.shareContainer("n", c); c.setData(b"changed"); assert ask(GET, "n") == b"shared as it is"
print("ok")
""") == "ok\n"


def test_many_names_and_a_terabyte(shared):
    """10,000 names and a sparse file of 1 TiB cost next to nothing to share; a read far out is quick; huge reads are cut [77]."""
    assert shared("""
c = of(b"x" * 300000); before = int(open("/proc/self/statm").read().split()[1])
began = time.monotonic()
for i in range(10000): m.shareContainer("name %d" % i, c)
passed = time.monotonic() - began
after = int(open("/proc/self/statm").read().split()[1])
assert passed < 10 and (after - before) * 4096 < 20 * 2**20, (passed, before, after)
assert ask("def f(): return [len(me.getSharedContainer('name %d' % i)) for i in range(0, 10000, 97)]") == [300000] * 104
for i in range(10000): m.unshareContainer("name %d" % i)
path = file_of(b""); os.truncate(path, 2**40)
c = createContainerFromFile(path); began = time.monotonic(); m.shareContainer("tib", c); assert time.monotonic() - began < 1
got = ask('''
def f():
    c = me.getSharedContainer("tib")
    assert c.size() == len(c) == 2**40 and c.read(2**40 - 3, 2**64) == bytes(3) and c.read(2**40, 5) == b"" and c[-5:] == bytes(5)
    assert c[::2**36] == bytes(16) and c.read(2**63, 5) == b""
    times = []
    for i in range(20):
        began = time.monotonic(); assert c.read((900 << 30) + i * 10**9, 4096) == bytes(4096); times.append(time.monotonic() - began)
    raises(MemoryError, lambda: c.read(0, 2**64))
    return sorted(times)[10]
''')
assert got < 0.5, got
print("ok")
""") == "ok\n"


def test_files_that_change(shared):
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


def test_objects(shared):
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


def test_aborts(shared):
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


def test_unshared_while_read(shared):
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
