"""Pro.MP as its documentation says: managers, workers, tasks, results, messages, output, levels. The numbers in brackets are
the statements of the interface's description that a test is about."""

LOOP = """
from Pro.Core import *
from Pro.MP import *
import os, sys, threading, time
def loop(m, limit=20):
    end = time.monotonic() + limit
    while m.isBusy():
        assert time.monotonic() < end, "busy for too long"
        m.wait(100)
        m.processMessages()
def started(n=1, options=ProMPOpt_AtomicOutput):
    m = ProManager()
    m.setOptions(options)
    return m, [m.startWorker() for i in range(n)]
"""


def test_a_worker_is_another_process_and_says_who_it_is(run):
    """A task runs in the main thread of another process, which knows its id, level and options [1, 8, 24, 39, 71]."""
    out = run(LOOP + """
m, (w,) = started()
m.evalPythonFunction(w, '''
import os, threading
from Pro.MP import *
def f():
    me = proWorkerObject()
    return [os.getpid(), threading.current_thread() is threading.main_thread(), me.getWorkerId(), proWorkerProcessLevel(),
            me.getOptions(), me.isBusy(), proIsWorkerProcess(), proIsManagerProcess(), me.getManagerTimeout()]
''', "f", NTVariantList(), True)
loop(m)
r = m.takeResult(w)
assert r[0] != os.getpid() and r[1:] == [True, w, 1, ProMPOpt_AtomicOutput, True, True, False, 10000], r
assert proWorkerObject() is None and proWorkerProcessLevel() == 0 and proIsManagerProcess() and not proIsWorkerProcess()
print("ok")
""")
    assert out == "ok\n"


def test_values_come_back_as_they_went(run):
    """Every kind of value round-trips with its exact type [51], nested ones and large integers too."""
    assert run(LOOP + """
m, (w,) = started()
values = [0, 1, -1, 2**63, -2**63, -2**63 - 1, 10**100, -10**100, 0.5, float("inf"), True, False, None, b"", b"a\\0b", "",
          "\\u20ac\\0\\U0001F600", [], {}, [1, [2, [3]]], {"a": 1, 7: [None, {"b": b"c"}]}, list(range(1000))]
for v in values:
    m.evalPythonFunction(w, "def f(x): return x", "f", [v], True)
loop(m)
for v in values:
    r = m.takeResult(w)
    assert type(r) is type(v) and r == v, (v, r)
assert m.takeResult(w, "none") == "none" and not m.hasResults()
print("ok")
""") == "ok\n"


def test_output_is_redirected_only_when_asked(run):
    """Without the option nothing of a worker shows [30]; with it each write does, in order [32]; atomic makes lines [33-35]."""
    text = LOOP + """
m, (w,) = started(1, int(sys.argv[1]))
m.evalPythonCode(w, "print('a', 'b'); import sys; sys.stdout.write('c'); sys.stdout.write('d\\\\n'); print('')")
loop(m)
print("finished!")
"""
    assert run(text, "0") == "finished!\n"
    assert run(text, "1") == "a b\ncd\n\nfinished!\n"
    assert run(text, "2") == "a\n \nb\nc\nd\nfinished!\n"


def test_exceptions_leave_the_worker_alive(run):
    """A task that raises prints its traceback in one piece, gives no result, and the worker goes on (C1, C2, C3)."""
    code, out, err = 0, "", ""
    out = run(LOOP + """
m, (w,) = started()
bad = ["raise ValueError('one')", "def f(:", "import sys; sys.exit(3)", "undefined_name", "raise BaseException('two')",
       "class E(Exception):\\n def __str__(self): raise RuntimeError\\nraise E()", "def g(): g()\\ng()"]
for code in bad:
    m.evalPythonCode(w, code)
m.evalPythonFunction(w, "x = 1", "missing", [], True)
m.evalPythonFunction(w, "def f(): return object()", "f", [], True)
m.evalPythonFunction(w, "def f(): return 42", "f", [], True)
loop(m)
assert m.takeResult(w) == 42 and not m.hasResults()
kinds = []
while m.hasErrors():
    e = m.takeError(w)
    kinds.append(e.kind)
    assert e.traceback and e.worker == w
assert kinds == ["ValueError", "SyntaxError", "NameError", "BaseException", "E", "RecursionError", "NameError", "TypeError"], kinds
assert m.isWorkerAlive(w)
print("ok")
""", stderr=None)
    assert out == "ok\n"


def test_ids_any_and_all(run):
    """All reaches each worker once [25], Any exactly one, ready or not [26]; predicates agree [21] (B5, B7, B9)."""
    assert run(LOOP + """
m = ProManager()
assert not m.isWorkerAlive(ProWorker_All) and not m.isWorkerAlive(ProWorker_Any) and not m.isBusy()
m.evalPythonCode(ProWorker_All, "1/0"); m.evalPythonCode(ProWorker_Any, "1/0")
assert not m.isBusy() and m.takeResult(ProWorker_Any, 5) == 5 and not m.sendMessage(ProWorker_All, ProMPMessage(1))
ids = [m.startWorker() for i in range(3)]
assert len(set(ids)) == 3 and not {ProWorker_Invalid, ProWorker_Any, ProWorker_All} & set(ids)
m.evalPythonFunction(ProWorker_Any, "def f(): return 'any'", "f", [], True)
assert m.isBusy()
loop(m)
assert m.takeResult(ProWorker_Any) == "any" and not m.hasResults()
m.evalPythonFunction(ProWorker_All, "import os\\ndef f(): return os.getpid()", "f", [], True)
assert m.workersBusy() == 3 and m.isWorkerBusy(ProWorker_All)
loop(m)
pids = {m.takeResult(i) for i in ids}
assert len(pids) == 3 and None not in pids and m.workersAlive() == 3 and m.workersBusy() == 0
m.evalPythonCode(99, "1/0")
assert not m.isBusy() and not m.isWorkerAlive(99) and m.getMessage(99).id == ProMPMessage_Invalid
print("ok")
""") == "ok\n"


def test_messages_both_ways(run):
    """Ids and data round-trip, in order, kept until a task wants them [55-68]; the sender is known [66]."""
    assert run(LOOP + """
m, (w,) = started()
msg = ProMPMessage(0)
for i in range(1000):
    msg.id, msg.data = i, b"%d" % i
    assert m.sendMessage(w, msg)
m.evalPythonCode(w, '''
from Pro.MP import *
w = proWorkerObject()
for i in range(1000):
    assert w.waitForMessage(5000)
    msg = w.getMessage()
    assert msg.id == i and msg.data == b"%d" % i
    msg.id = 0x7FFFFFFF - i
    assert w.sendMessage(msg)
assert not w.hasMessage() and w.getMessage().id == ProMPMessage_Invalid
''')
for i in range(1000):
    assert m.waitForMessage(w, 5000) and m.hasMessage(w)
    got = m.getMessage(w)
    assert got.id == 0x7FFFFFFF - i and got.data == b"%d" % i and m.getWorkerFromIncomingMessage(got) == w
loop(m)
assert m.takeError(w) is None
assert not m.waitForMessage(w, 10) and m.getWorkerFromIncomingMessage(ProMPMessage(1)) == ProWorker_Invalid
for bad in (0x80000000, ProMPMessage_Invalid):
    assert not m.sendMessage(w, ProMPMessage(bad)) and m.lastError().number == 1007
print("ok")
""") == "ok\n"


def test_message_fields(run):
    """The fields of a message take what they should and nothing else [56-58] (E1)."""
    assert run(LOOP + """
msg = ProMPMessage()
assert msg.id == ProMPMessage_Invalid and msg.data == b""
msg.id = 5; msg.data = bytearray(b"x"); assert (msg.id, msg.data) == (5, b"x")
msg.data = None; assert msg.data == b""
msg.clear(); assert msg.id == ProMPMessage_Invalid
for wrong, kind in ((-1, OverflowError), (2**32, OverflowError), ("1", TypeError), (None, TypeError)):
    try: msg.id = wrong
    except kind: pass
    else: raise AssertionError(wrong)
try: msg.data = "text"
except TypeError: pass
else: raise AssertionError
print("ok")
""") == "ok\n"


def test_levels_pass_output_up(run):
    """Five levels deep, the last one's output is printed once, by the root [42, 70-74]."""
    assert run("""
from Pro.MP import *
if proWorkerProcessLevel() < 5:
    m = ProManager()
    m.setOptions(ProMPOpt_AtomicOutput)
    m.startWorker()
    m.executePythonScript(ProWorker_Any, __file__)
    while m.isBusy():
        m.processMessages()
        m.wait(200)
    m = None
else:
    print("deep %d" % proWorkerProcessLevel())
""") == "deep 5\n"


def test_abort_of_a_task_that_looks(run):
    """A task that looks at its wait object ends by an abort; worker and others live on [93, 96]."""
    assert run(LOOP + """
m, (a, b) = started(2)
code = '''
import time
from Pro.MP import proWorkerObject
wo = proWorkerObject().waitObject()
while not wo.wasAborted(): time.sleep(0.005)
'''
m.evalPythonCode(ProWorker_All, code)
m.abortOperation(a, 5000)
assert not m.isWorkerBusy(a) and m.isWorkerAlive(a) and m.isWorkerBusy(b)
m.evalPythonFunction(a, "def f(): return 1", "f", [], True)
while not m.hasResults(): m.wait(50); m.processMessages()
assert m.takeResult(a) == 1
m.abortOperation(ProWorker_All, 5000)
assert m.workersAlive() == 2 and not m.isBusy()
print("ok")
""") == "ok\n"


def test_abort_interrupts_a_loop(run):
    """A loop that neither sleeps nor calls anything is interrupted too, and its worker stays."""
    assert run(LOOP + """
m, (w,) = started()
m.evalPythonCode(w, "from Pro.MP import *; proWorkerObject().sendMessage(ProMPMessage(1))\\nwhile True: pass")
assert m.waitForMessage(w, 20000)
m.abortOperation(w, 4000)
assert m.isWorkerAlive(w) and not m.isWorkerBusy(w), m.workerExit(w)
m.evalPythonCode(w, "print('still here')")
loop(m)
""") == "still here\n"


def test_abort_interrupts_and_then_ends(run):
    """A sleeping task is interrupted at half of the time; one that holds on is ended with its worker [94]; 0 ends at once."""
    assert run(LOOP + """
m, (a, b, c) = started(3)
tell = "from Pro.MP import *; proWorkerObject().sendMessage(ProMPMessage(1));"
m.evalPythonCode(a, tell + "import time; print('asleep'); time.sleep(60)")
assert m.waitForMessage(a, 20000)
m.abortOperation(a, 2000)
assert m.isWorkerAlive(a) and not m.isWorkerBusy(a)
m.evalPythonCode(b, tell + '''
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf")
proWorkerObject().sendMessage(ProMPMessage(2))
while True: pass
''')
assert m.waitForMessage(b, 20000) and m.getMessage(b).id == 1 and m.waitForMessage(b, 20000)
m.abortOperation(b, 600)
assert not m.isWorkerAlive(b), m.isWorkerBusy(b)
assert m.workerExit(b).number == 1505
m.evalPythonCode(c, tell + "import time; time.sleep(60)")
assert m.waitForMessage(c, 20000)
m.abortOperation(c, 0)
assert not m.isWorkerAlive(c) and m.isWorkerAlive(a)
print("ok")
""") == "asleep\ndeaf\nok\n"


def test_wait_object_is_mirrored_weakly(run):
    """Progress and text reach the wait object in the manager's thread, the last value for certain; no reference is added [87, 88]."""
    assert run(LOOP + """
class W(NTSimpleWait):
    def __init__(self): super().__init__(); self.seen, self.texts = [], []
    def progress(self, i): assert threading.current_thread() is threading.main_thread(); self.seen.append(i)
    def msg(self, text): self.texts.append(text)
m, (w,) = started()
wo = W()
before = sys.getrefcount(wo)
mirror = m.createWaitObject(w, wo)
assert sys.getrefcount(wo) == before
m.evalPythonCode(w, '''
from Pro.MP import proWorkerObject
wo = proWorkerObject().waitObject()
for i in range(1001):
    wo.progress(i)
    wo.msg("at %d" % i)
''')
loop(m)
assert wo.seen == sorted(wo.seen) and wo.seen[-1] == 1000 and wo.texts[-1] == "at 1000"
m.evalPythonCode(w, '''
import time
from Pro.MP import proWorkerObject
wo = proWorkerObject().waitObject()
while not wo.wasAborted(): time.sleep(0.005)
''')
wo.abort()
loop(m)
assert m.isWorkerAlive(w)
del wo
m.evalPythonCode(w, "from Pro.MP import *; proWorkerObject().waitObject().progress(5)")
loop(m)
print("ok")
""") == "ok\n"


def test_a_crash_stays_where_it_happened(run):
    """A worker that dies takes its task with it, nothing else; how it ended is known [10, 54]."""
    assert run(LOOP + """
m, ids = started(4)
m.evalPythonCode(ids[0], "import os; print('last words'); os._exit(7)")
m.evalPythonCode(ids[1], "import ctypes; ctypes.string_at(0)")
m.evalPythonCode(ids[2], "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
m.evalPythonFunction(ids[3], "def f(): return 'fine'", "f", [], True)
loop(m)
assert m.takeResult(ids[3]) == "fine" and m.workersAlive() == 1
assert m.workerExit(ids[0]).code == 7 and m.workerExit(ids[1]).signal == 11 and m.workerExit(ids[2]).signal == 9
assert m.workerExit(ids[3]) is None and not m.isWorkerAlive(ids[0])
print("ok")
""", stderr=None) == "last words\nok\n"


def test_managers_end_with_their_last_reference(run):
    """Dropping the last reference, leaving a `with` block, and the end of the interpreter end the workers [14]."""
    assert run(LOOP + """
def alive(pid):
    try: os.kill(pid, 0)
    except ProcessLookupError: return False
    return True
def pid_of(m, w):
    m.evalPythonFunction(w, "import os\\ndef f(): return os.getpid()", "f", [], True)
    loop(m)
    return m.takeResult(w)
m, (w,) = started()
pid = pid_of(m, w)
m = None
assert not alive(pid)
with ProManager() as n:
    pid = pid_of(n, n.startWorker())
assert not alive(pid)
try: n.isBusy()
except RuntimeError: pass
else: raise AssertionError
kept, (w,) = started()
print("ok")
""") == "ok\n"


def test_only_the_creating_thread(run):
    """A manager may live in any thread, and be used only there [4, 5] (A4)."""
    assert run(LOOP + """
def other():
    m, (w,) = started()
    m.evalPythonFunction(w, "def f(): return 3", "f", [], True)
    loop(m)
    found.append(m.takeResult(w))
    m = None
found = []
t = threading.Thread(target=other); t.start(); t.join()
assert found == [3]
m, (w,) = started()
def wrong():
    for call in (m.isBusy, m.processMessages, m.startWorker, lambda: m.takeResult(w), lambda: m.sendMessage(w, ProMPMessage(1)),
                 lambda: m.evalPythonCode(w, ""), lambda: m.getMessage(w), lambda: m.hasMessage(w), m.hasResults, m.workersAlive):
        try: call()
        except RuntimeError: found.append("refused")
        else: found.append(call)
t = threading.Thread(target=wrong); t.start(); t.join()
assert found[1:] == ["refused"] * 10, found
print("ok")
""") == "ok\n"


def test_interrupt_by_the_user(script):
    """Ctrl-C ends a script that waits, with KeyboardInterrupt, and its workers with it."""
    import signal

    s = script(LOOP + """
m, (w,) = started()
m.evalPythonCode(w, "print('on'); import time; time.sleep(600)")
while True:
    m.wait()
    m.processMessages()
    sys.stdout.flush()
""")
    assert s.process.stdout.readline() == "on\n"
    s.process.send_signal(signal.SIGINT)
    code, out, err = s.finish(10)
    assert code == -signal.SIGINT and "KeyboardInterrupt" in err


def test_fork_leaves_the_parent_alone(run):
    """In the child of a fork the managers are dead; the parent notices nothing (A9)."""
    assert run(LOOP + """
m, (w,) = started()
pid = os.fork()
if pid == 0:
    code = 1
    try: m.isBusy()
    except RuntimeError: code = 0
    try: m = None
    except BaseException: code = 2
    os._exit(code)
assert os.waitpid(pid, 0)[1] == 0
m.evalPythonFunction(w, "def f(): return 8", "f", [], True)
loop(m)
assert m.takeResult(w) == 8
print("ok")
""", stderr=None) == "ok\n"  # 3.12 and newer warn of any fork beside threads


def test_scripts_from_files(run, world):
    """A script on disk knows its path and finds the modules beside it [44, 75] (C5, C7); one that cannot be read raises."""
    (world.folder / "beside.py").write_text("VALUE = 11\n")
    (world.folder / "remote.py").write_text("import beside, os\ndef f(): return [__file__, __name__, beside.VALUE]\n")
    assert run(LOOP + """
m, (w,) = started()
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "remote.py")
m.executePythonFunction(w, path, "f", NTVariantList(), True)
loop(m)
assert m.takeResult(w) == [path, "__main__", 11]
try: m.executePythonScript(w, "/no/such/file.py")
except OSError: print("ok")
""") == "ok\n"


def test_event_loop_descriptor(run):
    """fileno() is readable exactly while there is something to process; asyncio can wait for it."""
    assert run(LOOP + """
import asyncio, select
m, (w,) = started()
async def main():
    done = asyncio.Event()
    def ready():
        m.processMessages()
        if not m.isBusy(): done.set()
    asyncio.get_running_loop().add_reader(m.fileno(), ready)
    m.evalPythonCode(w, "print('from the worker')")
    await asyncio.wait_for(done.wait(), 20)
    asyncio.get_running_loop().remove_reader(m.fileno())
asyncio.run(main())
m.processMessages()
assert not select.select([m.fileno()], [], [], 0)[0]
print("ok")
""") == "from the worker\nok\n"


def test_a_wait_object_that_sets_itself_up_anew(run):
    """A call-back that replaces its own wait object is not called into freed memory."""
    assert run(LOOP + """
class W(NTSimpleWait):
    def msg(self, text): mirrors.append(m.createWaitObject(w, self)); mirrors[-1].setAbortTimeout(500)
    def progress(self, i): seen.append(i)
mirrors, seen = [], []
m, (w,) = started()
wo = W()
mirrors.append(m.createWaitObject(w, wo))
m.evalPythonCode(w, "from Pro.MP import *; o = proWorkerObject().waitObject()\\nfor i in range(200): o.msg(str(i)); o.progress(i)")
loop(m)
assert seen[-1] == 199
print("ok")
""", env={"PYTHONMALLOC": "debug"}) == "ok\n"


def test_a_stopped_worker_delivers_what_its_task_returns(run):
    """stopWorker lets the running task end, and its result arrives (A6)."""
    assert run(LOOP + """
m, (w,) = started()
m.evalPythonFunction(w, "import time\\ndef f(): print('runs'); time.sleep(0.3); return 42", "f", [], True)
m.wait(); m.processMessages()
m.stopWorker(w)
loop(m)
while m.isWorkerAlive(w): m.wait(100); m.processMessages()
assert m.takeResult(w) == 42
print("ok")
""") == "runs\nok\n"
