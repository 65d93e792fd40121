"""Who may call what: other threads, forked children, calls after the end, and wrong arguments, for every method."""


from test_mp import LOOP

# method -> arguments that are right, as Python text. Every public method has to be here.
MANAGER = {
    "abortOperation": "w", "createWaitObject": "w, NTSimpleWait()", "evalPythonCode": "w, 'pass'",
    "evalPythonFunction": "w, 'def f(): pass', 'f', NTVariantList()", "executePythonScript": "w, script",
    "executePythonFunction": "w, script, 'f', NTVariantList()", "fileno": "", "getManagerTimeout": "", "getMessage": "w",
    "getOptions": "", "getWorkerFromIncomingMessage": "ProMPMessage(1)", "hasErrors": "", "hasMessage": "w", "hasResults": "",
    "hasSharedContainer": "'n'", "isBusy": "", "isWorkerAlive": "w", "isWorkerBusy": "w", "isWorkerReady": "w", "lastError": "",
    "processMessages": "", "sendMessage": "w, ProMPMessage(1)", "setManagerTimeout": "5000", "setOptions": "1",
    "shareContainer": "'n', box", "unshareContainer": "'n'", "startWorker": "", "startWorkers": "1",
    "stopAllWorkers": "", "stopWorker": "w", "takeError": "w", "takeResult": "w", "testMessage": "w", "testMessageBox": "w",
    "wait": "0", "waitForMessage": "w, 0", "workerExit": "w", "workerWaits": "w", "workersAlive": "", "workersBusy": "", "__enter__": "",
    "__exit__": "None, None, None",
}

# Arguments of wrong types and values: each must raise TypeError, ValueError or OverflowError.
WRONG = {
    "abortOperation": ["'1'", "w, 'x'", "w, 0.5", "None", ""], "createWaitObject": ["w, None", "w, object()", "'w', NTSimpleWait()", "ProWorker_All, NTSimpleWait()"],
    "evalPythonCode": ["w, 1", "w, b'x'", "'w', 'x'", "w, None", "w, '\\ud800'", "w"],
    "evalPythonFunction": ["w, 'x', 1, []", "w, 'x', None, []", "w, 'x', 'f', 1", "w, 'x', 'f', {}", "w, 'x', 'f', [object()]",
                           "w, 'x', 'f', ['\\ud800']", "w, 'x', '\\ud800', []", "w, 'x', 'a\\0b', []", "w, 1, 'f', []",
                           "w, 'x', 'f', [{1.5: 2}]", "w, 'x', 'f', [deep]", "w, 'x', 'f' * 2000, []"],
    "executePythonScript": ["w, 1.5", "w, None", "w, []"], "executePythonFunction": ["w, None, 'f', []", "w, script, 1, []"],
    "getMessage": ["'x'", "None", "1.0"], "getWorkerFromIncomingMessage": ["None", "1"], "hasMessage": ["'x'"],
    "isWorkerAlive": ["'x'", "None"], "isWorkerBusy": ["b'x'"], "isWorkerReady": ["[]"],
    "hasSharedContainer": ["1", "None", "b'x'", "'\\ud800'", "'a\\0b'", ""], "unshareContainer": ["1", "b'x'", "'\\ud800'", ""],
    "shareContainer": ["'n'", "'n', None", "'n', b'bytes'", "1, box", "b'n', box", "None, box", "'', box", "'\\ud800', box", "'a\\0b', box",
                       "'n', NTContainer()"],
    "sendMessage": ["w, None", "w, 'text'", "'w', ProMPMessage(1)"], "setManagerTimeout": ["'x'", "None", "1.5"],
    "setOptions": ["'x'", "-1", "2**40", "None"], "startWorker": ["1", "label={}", "labels=1", "labels=None", "cpus='x'", "cpus=-1", "memory=1.5",
                                                   "gpus='x'", "node=1", "env=1", "env={1: 2}", "env={'a=b': 'c'}", "env={'A': 1}", "env={'': 'x'}",
                                                   "env={'A': 'b\\0c'}", "python=1", "python=b'x'", "modules='x'", "time_limit='1'", "time_limit=0", "time_limit=-5",
                                                   "time_limit=1.5", "time_limit=True", "unknown=1"],
    "startWorkers": ["'x'", "0", "-1", "None", "", "2, unknown=1", "10**9"], "stopWorker": ["'x'"], "takeError": ["'x'"], "takeResult": ["'x'", ""],
    "testMessage": ["'x'"], "testMessageBox": ["None"], "wait": ["'x'", "0.5"], "waitForMessage": ["w, 'x'", "w, 1.5", "w", "'w', 0"],
    "workerExit": ["'x'"], "workerWaits": ["'x'", "None", ""],
}

CALLS = LOOP + """
import tempfile
script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "remote.py")
open(script, "w").write("def f(): pass\\n")
box = NTContainer(); box.setData(b"data")
deep = []
for i in range(100): deep = [deep]
def attempt(call, kinds=RuntimeError):
    try: result = eval(call)
    except kinds as error: return None
    except BaseException as error: return "%s raised %r" % (call, error)
    return "%s returned %r" % (call, result)
MANAGER, WRONG = """ + repr(MANAGER) + ", " + repr(WRONG) + """
m, (w,) = started()
public = {n for n in dir(ProManager) if not n.startswith("_") and callable(getattr(ProManager, n))}
assert public <= set(MANAGER), public - set(MANAGER)
calls = ["m.%s(%s)" % call for call in MANAGER.items()]
"""


def test_other_threads_are_refused(run):
    """Every method of a manager raises RuntimeError in another thread; the manager goes on (A4)."""
    assert run(CALLS + """
wrong = []
t = threading.Thread(target=lambda: wrong.extend(filter(None, map(attempt, calls)))); t.start(); t.join()
assert not wrong, wrong
wo = NTSimpleWait(); mirror = m.createWaitObject(w, wo)
t = threading.Thread(target=lambda: wrong.append(attempt("mirror.abort()"))); t.start(); t.join()
assert wrong == [None], wrong
m.evalPythonFunction(w, "def f(): return 1", "f", [], True)
loop(m)
print(m.takeResult(w))
""") == "1\n"


def test_a_forked_child_is_refused(run):
    """Every method raises RuntimeError in a forked child, whose end disturbs nothing (A9)."""
    assert run(CALLS + """
pid = os.fork()
if pid == 0:
    wrong = [x for x in map(attempt, calls) if x and "__exit__" not in x]
    if wrong: os.write(2, repr(wrong).encode())
    m = None
    os._exit(len(wrong))
assert os.waitpid(pid, 0)[1] == 0
pid = os.fork()
if pid == 0: sys.exit(0)  # exit handlers and destructors of a child only close
assert os.waitpid(pid, 0)[1] == 0
m.evalPythonFunction(w, "def f(): return 2", "f", [], True)
loop(m)
print(m.takeResult(w))
""", stderr=None) == "2\n"


def test_after_the_end_all_is_refused(run):
    """Every method raises RuntimeError after the `with` block; leaving it twice is harmless."""
    assert run(CALLS + """
with m: pass
wrong = [x for x in map(attempt, calls) if x and "__exit__" not in x]
assert not wrong, wrong
m.__exit__(None, None, None)
m = None
print("ok")
""") == "ok\n"


def test_wrong_arguments(run):
    """What is of a wrong type or value raises TypeError, ValueError or OverflowError, and nothing is sent or started."""
    assert run(CALLS + """
alive = m.workersAlive()
wrong = [x for name, all_ in WRONG.items() for x in [attempt("m.%s(%s)" % (name, a), (TypeError, ValueError, OverflowError)) for a in all_] if x]
assert not wrong, wrong
assert not m.isBusy() and m.workersAlive() == alive
print("ok")
""") == "ok\n"


def test_ids_that_are_none(run):
    """An int that is no worker's id is nobody's, however large or small (B9)."""
    assert run(CALLS + """
for i in (0, -1, 2, 99, 2**31, 2**32 + 1, 2**64 + 1, -2**70, True + 5):
    assert not m.isWorkerAlive(i) and not m.isWorkerBusy(i) and not m.isWorkerReady(i) and not m.hasMessage(i), i
    assert m.getMessage(i).id == ProMPMessage_Invalid and m.takeResult(i, "none") == "none" and m.takeError(i) is None
    assert not m.sendMessage(i, ProMPMessage(1)) and m.lastError().number == 1006 and m.workerExit(i) is None
    assert not m.waitForMessage(i, 5000)
    m.evalPythonCode(i, "1/0"); m.stopWorker(i); m.abortOperation(i, 0); m.testMessage(i)
    wait = m.createWaitObject(i, NTSimpleWait())
    assert not m.isBusy() and m.workersAlive() == 1
print("ok")
""") == "ok\n"


def test_times_of_any_size(run):
    """Time-outs beyond what the system counts with are very long, not errors."""
    assert run(CALLS + """
m.evalPythonCode(w, "from Pro.MP import *; proWorkerObject().sendMessage(ProMPMessage(1))")
assert m.waitForMessage(w, 2**80) and m.wait(2**80)
m.setManagerTimeout(2**80); assert m.getManagerTimeout() == 86400000
m.setManagerTimeout(-2**80); assert m.getManagerTimeout() == 500
loop(m)
m.abortOperation(w, 2**80); m.abortOperation(w, -1)
print("ok")
""") == "ok\n"


def test_managers_in_many_threads(run):
    """Managers live side by side in threads of their own, each with its workers [2, 4]."""
    assert run(LOOP + """
def one(n):
    m, ids = started(2)
    for i in range(20):
        m.evalPythonFunction(ProWorker_Any, "def f(x): return x + 1", "f", [n * 100 + i], True)
    loop(m, 60)
    got = sorted(m.takeResult(ProWorker_Any) for i in range(20))
    found[n] = got == [n * 100 + i + 1 for i in range(20)]
found = {}
threads = [threading.Thread(target=one, args=(n,)) for n in range(6)]
for t in threads: t.start()
for t in threads: t.join()
assert found == {n: True for n in range(6)}, found
print("ok")
""") == "ok\n"


def test_the_end_of_the_interpreter(run, script):
    """A script may end with managers alive: at top level, in a cycle, waiting in a daemon thread, by an exception."""
    run(LOOP + "m, ids = started(3); m.evalPythonCode(ids[0], 'while True: pass')")
    run(LOOP + "m, ids = started(1); m.me = m; del m")
    run(LOOP + """
def wait_for_ever():
    m, ids = started(1)
    ready.set()
    m.wait(-1); m.processMessages()
    while True: m.wait(-1)
ready = threading.Event()
threading.Thread(target=wait_for_ever, daemon=True).start()
ready.wait()
""")
    code, out, err = script(LOOP + "m, ids = started(2)\nraise SystemExit(5)").finish()
    assert (code, err) == (5, "")
    code, out, err = script(LOOP + "m, ids = started(2)\nos._exit(6)").finish()
    assert (code, err) == (6, "")


def test_closing_inside_a_call_back(run):
    """A manager cannot be closed by an object that it is calling, and works on."""
    assert run(LOOP + """
class W(NTSimpleWait):
    def progress(self, i):
        try: m.__exit__(None, None, None)
        except RuntimeError: seen.append(i)
        m.processMessages(); m.isBusy(); m.createWaitObject(w, self.other)
seen = []
m, (w,) = started()
wo = W(); wo.other = NTSimpleWait()
wait = m.createWaitObject(w, wo)
m.evalPythonCode(w, "from Pro.MP import *; proWorkerObject().waitObject().progress(7)")
loop(m)
assert seen == [7], seen
print("ok")
""") == "ok\n"
