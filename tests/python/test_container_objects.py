"""Containers over objects of the user's, and containers used by many threads, in forks and at the end of the interpreter."""

import os
import signal

from test_container import LOCAL, MODEL

BAD = LOCAL + """
class Bad:
    size = 1000
    def __init__(self, do): self.do = do
    def read(self, offset, size): return self.do(size)
def throw(error): raise error
class Unprintable(Exception):
    def __str__(self): raise ValueError
WRONG = {"ValueError: no": lambda n: throw(ValueError("no")), "Unprintable: <unprintable>": lambda n: throw(Unprintable()),
         "returned int, not bytes": lambda n: 5, "returned str, not bytes": lambda n: "x" * n, "returned NoneType": lambda n: None,
         "returned 0 of": lambda n: b"", "of": lambda n: b"x" * (n - 1), "bytes": lambda n: b"x" * (n + 1),
         "ValueError: \\\\ud800": lambda n: throw(ValueError("\\ud800")), "two lines": lambda n: throw(ValueError("two\\nlines"))}
"""


def test_objects_that_lie(run):
    """An object that raises, cannot be printed, gives other types or sizes fails that read with its text, and nothing more."""
    assert run(BAD + """
for text, do in WRONG.items():
    good, c = of(b"good"), createContainer(Bad(do))
    for call in (lambda: c.read(1, 5), lambda: c[3], lambda: c.findFirst(b"z"), c.open().read):
        error = raises(NTContainerError, call)
        assert error.name == "CONTAINER_SOURCE" and text in str(error) and "\\n" not in str(error), (text, str(error))
    c2 = createContainer(Bad(lambda n: b"x" * n)); assert bytes(c2) == b"x" * 1000 and bytes(good) == b"good"
    assert raises(NTContainerError, lambda: createContainer(Bad(lambda n: throw(ValueError("x" * 9999)))).read(0, 5))
answers = iter([ValueError("first"), None])
c = createContainer(Bad(lambda n: (throw(e) if (e := next(answers)) else bytes(n))))
raises(NTContainerError, lambda: c.read(0, 5)); assert c.read(0, 5) == bytes(5)
for kind in (KeyboardInterrupt, SystemExit, GeneratorExit):  # what shall end the program does not become a failed read
    c = createContainer(Bad(lambda n: throw(kind()))); raises(kind, lambda: c.read(0, 5)); raises(kind, lambda: c.findFirst(b"z"))
c = createContainer(Bad(lambda n: c.read(0, n)))
assert "itself" in str(raises(NTContainerError, lambda: c.read(0, 5)))
print("ok")
""") == "ok\n"


def test_sizes_of_objects(run):
    """size may be an int, a method or a length; what is none, or too large, is refused when the container is made."""
    assert run(BAD + """
class Read:
    def read(self, offset, size): return bytes(size)
class Method(Read):
    def size(self): return 7
class Length(Read):
    def __len__(self): return 7
class Number(Read): size = True
class Huge(Read): size = 2**63 - 1
assert [createContainer(k()).size() for k in (Method, Length, Number, Huge)] == [7, 7, 1, 2**63 - 1]
assert createContainer(Huge()).read(2**62, 5) == bytes(5) and createContainer(Huge())[-3:] == bytes(3)
for wrong, kind in ((-1, ValueError), (2**63, ValueError), (2**80, ValueError), (1.5, TypeError), ("5", TypeError), (None, TypeError)):
    class Wrong(Read): size = wrong
    raises(kind, lambda: createContainer(Wrong())); raises(kind, lambda: createContainer(Wrong(), "thread"))
class NoRead: size = 5
raises(TypeError, lambda: createContainer(NoRead())); raises(TypeError, lambda: createContainer(Read()))
class Raises(Read):
    def size(self): raise LookupError("size")
raises(LookupError, lambda: createContainer(Raises()))
assert threading.active_count() == 1
print("ok")
""") == "ok\n"


def test_objects_are_let_go(run):
    """The object, and the thread that serves it, end with the last use of the container: ranges, views and files count."""
    assert run(LOCAL + """
def wait_for(what):
    end = time.monotonic() + 20
    while not what(): assert time.monotonic() < end; time.sleep(0.005)
for thread in (None, "a name"):
    for keep in (lambda c: c.setRange(1, 2) and c, lambda c: c.open(), lambda c: c._view()):
        source = Source(b"12345"); gone = weakref.ref(source)
        c = createContainer(source, thread); del source
        kept = keep(c); del c; gc.collect()
        assert gone() is not None and threading.active_count() == (2 if thread else 1)
        assert not thread or "a name" in [t.name for t in threading.enumerate()]
        del kept; gc.collect()
        wait_for(lambda: gone() is None and threading.active_count() == 1)
for i in range(300): createContainer(Source(b""), "short")
wait_for(lambda: threading.active_count() == 1)
m = ProManager()  # a manager keeps what it shares, by its thread too, until it is unshared or ends
for thread in (None, "a name"):
    for end in (lambda: m.unshareContainer("n"), lambda: m.shareContainer("n", of(b"")), lambda: m.__exit__(None, None, None)):
        source = Source(b"12345"); gone = weakref.ref(source); m = ProManager()
        m.shareContainer("n", createContainer(source, thread)); del source; gc.collect(); assert gone() is not None
        end(); wait_for(lambda: [NTContainer(), gone() is None and threading.active_count() == 1][1])
print("ok")
""") == "ok\n"


def test_many_threads(run):
    """Threads read one container at once, of every kind, while another one changes what it is; each read is of one state."""
    assert run(LOCAL + MODEL + """
data = os.urandom(700000)
for c in (of(data), createContainerFromFile(file_of(data)), createContainer(Source(data)), createContainer(Source(data), "serves")):
    said = []
    threads = [threading.Thread(target=lambda i=i: said.append(check(c, data, i, 100))) for i in range(5)]
    for t in threads: t.start()
    for t in threads: t.join()
    assert said == ["ok"] * 5, said
c, wrong, over = of(b"a" * 500000), [], threading.Event()
def read():
    while not over.is_set():
        got = c.read(0, 2**40), bytes(memoryview(c)), c.open().read(), bytes(c)
        wrong.extend(g[:9] for g in got if g not in states)
states = [b"a" * 500000, b"b" * 100, b"b" * 50, b"c" * 262144]
threads = [threading.Thread(target=read) for i in range(3)]
for t in threads: t.start()
for i in range(300): c.setData(states[1]); c.setRange(0, 50); c.setData(states[3]); c.setData(states[0])
over.set()
for t in threads: t.join()
assert not wrong, wrong
print("ok")
""") == "ok\n"


def test_forks(run):
    """In a forked child memory and files are read as before, objects are refused, and its end disturbs nothing."""
    assert run(LOCAL + """
data = os.urandom(300000)
containers = [of(data), createContainerFromFile(file_of(data))]
sources = [createContainer(Source(data)), createContainer(Source(data), "serves")]
assert all(bytes(c) == data for c in containers + sources)
import warnings; warnings.simplefilter("ignore", DeprecationWarning)  # there are threads, which is the point
pid = os.fork()
if pid == 0:
    try:
        assert all(bytes(c) == data for c in containers)
        for c in sources: raises(RuntimeError, lambda: c.read(0, 1)); raises(RuntimeError, c.open)
        assert sources[1].size() == 300000
        del containers, sources, c; gc.collect()
        assert bytes(createContainer(Source(data), "its own")) == data
    except BaseException as error: os.write(2, repr(error).encode()); os._exit(1)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert all(bytes(c) == data for c in containers + sources)
print("ok")
""") == "ok\n"


def test_the_end_of_the_interpreter(run):
    """A script may end with containers alive, served by threads, in a read, in a cycle, viewed by others."""
    for last in ("", "c.me = c", "threading.Thread(target=lambda: slow.read(0, 5), daemon=True).start(); began.wait()", "del c", "sys.keep = c",
                 "import atexit; atexit.register(lambda: bytes(c))"):
        assert run(LOCAL + """
class Own(NTContainer): pass
c = Own(); c.setData(b"x" * 300000)
view = memoryview(c); obj, served = createContainer(Source(b"abc")), createContainer(Source(b"abc"), "serves")
began = threading.Event()
class Slow(Source):
    def read(self, offset, size): began.set(); time.sleep(600)
slow = createContainer(Slow(b"abcdefg"), "slow")
m = ProManager(); m.shareContainer("s", served); m.shareContainer("o", obj)
print("ok")
""" + last) == "ok\n"


def test_signals(script):
    """Ctrl-C ends a search and a read of what is large, at once; a handler that does not raise lets them go on."""
    for call in ("c.findFirst(b'no such text')", "bytes(c.read(0, 2**33))", "hold.read(0, 5)"):
        s = script(LOCAL + """
import signal
path = file_of(b""); os.truncate(path, 2**40)
c = createContainerFromFile(path)
class Hold(Source):
    def read(self, offset, size): time.sleep(600)
hold = createContainer(Hold(b"abcdefg"))
seen = []
signal.signal(signal.SIGUSR1, lambda *a: seen.append(1))
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
print("begins", flush=True)
try: """ + call + """
except KeyboardInterrupt: print("interrupted", seen)
""")
        assert s.process.stdout.readline() == "begins\n"
        signal_after(s.process, 0.5)
        assert s.finish(20) == (0, "interrupted [1]\n", ""), call


def signal_after(process, seconds):
    """Lets it work first: a signal right at the beginning would show less."""
    try:
        process.wait(seconds)
    except Exception:
        os.kill(process.pid, signal.SIGINT)
