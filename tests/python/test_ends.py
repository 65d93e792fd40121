"""How workers and managers end while something else still uses them."""

from test_mp import LOOP

DAEMONS = LOOP + '''
CODE = """
import threading
from Pro.MP import *
me, begun = proWorkerObject(), threading.Semaphore(0)
def forever(call):
    begun.release()
    while True:
        try: call()
        except RuntimeError: pass
def child():
    m = ProManager()
    m.startWorker()
    begun.release()
    while True: m.wait(-1)
def f(managers):
    calls = [lambda: print("x"), lambda: me.sendMessage(ProMPMessage(1)), lambda: me.waitForMessage(-1), lambda: me.waitForMessage(1),
             lambda: me.getMessage(), lambda: print("y" * 5000)]
    threads = [threading.Thread(target=forever, args=(call,), daemon=True) for call in calls]
    threads += [threading.Thread(target=child, daemon=True) for i in range(managers)]
    for t in threads: t.start()
    for t in threads: begun.acquire()
    return True
"""
def end(m, managers):
    w = m.startWorker()
    m.evalPythonFunction(w, CODE, "f", [managers], True)
    while not m.hasResults():
        assert m.isWorkerAlive(w), (m.workerExit(w), m.takeError(w))
        m.wait(100); m.processMessages()
        while m.hasMessage(w): m.getMessage(w)
    assert m.takeResult(w)
    m.sendMessage(w, ProMPMessage(2))
    m.stopWorker(w)
    limit = time.monotonic() + 20
    while not m.workerExit(w):
        assert time.monotonic() < limit
        m.wait(100); m.processMessages()
        while m.hasMessage(w): m.getMessage(w)
    e = m.workerExit(w)
    assert (e.cause, e.signal, e.code) == ("the worker was stopped", 0, 0), (e, e.signal, e.code, e.output[-500:])
    assert b"Fatal" not in e.output, e.output[-500:]
'''


def test_daemon_threads_at_the_end(run):
    """A worker whose daemon threads are printing, sending and waiting when it is stopped ends well, thirty times out of thirty."""
    assert run(DAEMONS + """
with ProManager() as m:
    for i in range(30): end(m, 0)
print("ok")
""", timeout=120) == "ok\n"


def test_managers_of_daemon_threads_at_the_end(run):
    """Likewise with daemon threads that are inside of managers of their own."""
    assert run(DAEMONS + """
with ProManager() as m:
    for i in range(15): end(m, 2)
print("ok")
""", timeout=120) == "ok\n"


def test_closing_in_a_signal_handler(run):
    """A signal's handler may close the manager that the main thread waits for: the wait raises then."""
    assert run(LOOP + """
import signal
m, (w,) = started()
loop(m)
while not m.isWorkerReady(w): m.wait(100); m.processMessages()
m.processMessages()
for wait in (lambda: m.wait(-1), lambda: m.waitForMessage(w, -1)):
    signal.signal(signal.SIGALRM, lambda *a: m.__exit__())
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try: wait()
    except RuntimeError as e: assert "closed" in str(e), e
    else: raise AssertionError("it went on")
    m, (w,) = started()
    while not m.isWorkerReady(w): m.wait(100); m.processMessages()
    m.processMessages()
print("ok")
""") == "ok\n"


FREEZE = LOOP + """
import signal
m, (w,) = started()
m.evalPythonFunction(w, "import os\\ndef f(): return os.getppid()", "f", [], True); loop(m)
keeper = m.takeResult(w)
children = lambda pid: [int(p) for p in open(f"/proc/{pid}/task/{pid}/children").read().split()]
node = [keeper] + [p for p in children(keeper) if b"promp-node" in open(f"/proc/{p}/cmdline", "rb").read().split(b"\\0")[0]]
assert len(node) == 2, node
def freeze():
    for p in node: os.kill(p, signal.SIGSTOP)
def thaw():
    for p in node: os.kill(p, signal.SIGCONT)
"""


def test_interrupted_while_starting(run):
    """Ctrl-C while workers are started raises KeyboardInterrupt soon, and none of that call is left; other signals do no harm."""
    assert run(FREEZE + """
signal.signal(signal.SIGALRM, signal.default_int_handler)
freeze()
signal.setitimer(signal.ITIMER_REAL, 0.3)
begin = time.monotonic()
try: m.startWorkers(100)
except KeyboardInterrupt: pass
else: raise AssertionError("no KeyboardInterrupt")
assert time.monotonic() - begin < 2
thaw()
m.evalPythonFunction(w, "def f(): return 1", "f", [], True); loop(m)
assert m.takeResult(w) == 1
v = m.startWorker()
assert v != ProWorker_Invalid, m.lastError()
signal.setitimer(signal.ITIMER_REAL, 0.05)
try: m.startWorkers(2000)
except KeyboardInterrupt: pass
else: raise AssertionError("no KeyboardInterrupt")
limit = time.monotonic() + 20
while m.workersAlive() > 2:
    assert time.monotonic() < limit, m.workersAlive()
    m.wait(50); m.processMessages()
assert m.isWorkerAlive(w) and m.isWorkerAlive(v)
signal.signal(signal.SIGALRM, lambda *a: None)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
assert len(m.startWorkers(8)) == 8, m.lastError()
signal.setitimer(signal.ITIMER_REAL, 0)
print("ok")
""") == "ok\n"


def test_an_abort_that_nobody_enforces(run):
    """When the node does not end a worker that does not obey, abortOperation says so: TIMEOUT, one second after its time."""
    assert run('import os\nos.environ["PROMP_PATH"] = "relay"\n' + FREEZE + """
m.evalPythonCode(w, "while True: pass")
while not m.isWorkerBusy(w): m.wait(50); m.processMessages()
freeze()
begin = time.monotonic()
try: m.abortOperation(w, 200)
except ProMPError as e: assert (e.number, e.name) == (1012, "TIMEOUT") and "did not end the worker" in str(e), (e.number, e)
else: raise AssertionError("silence")
assert 1.1 < time.monotonic() - begin < 4
assert m.lastError().name == "TIMEOUT"
signal.signal(signal.SIGALRM, lambda *a: None)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
begin = time.monotonic()
try: m.abortOperation(w, 200)
except ProMPError as e: assert e.name == "TIMEOUT", e
else: raise AssertionError("silence")
assert time.monotonic() - begin < 4
signal.setitimer(signal.ITIMER_REAL, 0)
thaw()
loop(m)
assert not m.isWorkerAlive(w) and m.workerExit(w)
print("ok")
""") == "ok\n"


def test_output_of_finalizers(run):
    """What is printed when the worker is closed already, more than its pipe holds, does not keep its process from ending."""
    assert run(LOOP + '''
m, (w,) = started()
m.evalPythonCode(w, """
import sys
class Late:
    def __del__(self, write=sys.stderr.write): write("bye " * 100000)
sys.kept = Late()
""")
loop(m)
m.stopWorker(w)
while not m.workerExit(w): m.wait(100); m.processMessages()
e = m.workerExit(w)
assert (e.cause, e.signal, e.code) == ("the worker was stopped", 0, 0) and b"bye bye" in e.output, (e, e.output[-100:])
print("ok")
''', stderr=None) == "ok\n"


def test_paths_that_are_no_text(world, script):
    """Programs whose paths are not UTF-8, or so long that what is said of them is cut, give ProMPError and lastError()."""
    long = "ä".encode() * 400
    paths = (b"/no/such/\xff\xfe", b"/no/such/" + long, b"/no/such/a" + long)
    for path in paths:
        text = "from Pro.MP import *\ntry: ProManager()\nexcept ProMPError as e: print(e.number)"
        assert script(text, env={"PROMP_NODE": path}).finish() == (0, "1201\n", ""), path
    for path in paths:
        text = "from Pro.MP import *\nm = ProManager()\nassert m.startWorker() == ProWorker_Invalid\nprint(m.lastError().name)"
        assert script(text, env={"PROMP_WORKER": path}).finish() == (0, "PROGRAM_MISSING\n", ""), path
