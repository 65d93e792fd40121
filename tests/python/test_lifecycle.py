"""Lives of workers and managers: starting with what was asked for, stopping, dying, being told of it, aborting."""

import signal

import pytest
from conftest import PYTHON
from support import build
from test_mp import LOOP
from test_tasks import CALL


def test_start_keywords(run):
    """What startWorker() can be asked for on one host works; what this host can never give is refused with 1307 and why."""
    assert run(CALL + """
import shutil
os.environ["PROMP_T_KEEP"], os.environ["PROMP_T_GONE"] = "kept", "gone"
v = m.startWorker(env={"PROMP_T_NEW": "new", "PROMP_T_GONE": None}, cpus=1, memory=1 << 20, gpus=0, node=os.uname().nodename, modules=False)
m.evalPythonFunction(v, "import os\\ndef f(): return [os.environ.get('PROMP_T_' + n) for n in ('KEEP', 'GONE', 'NEW')]", "f", [], True); loop(m)
assert m.takeResult(v) == ["kept", None, "new"], m.lastError()
assert m.lastError() is None, m.lastError()
for wanted, word in (({"labels": {"disk": "fast"}}, "disk"), ({"node": "no-such-host"}, "no-such-host"), ({"cpus": 10**6}, "processors"),
                     ({"memory": 2**60}, "memory"), ({"gpus": 1}, "GPU"), ({"python": "3.9"}, "too old"), ({"python": "2.7.18"}, "too old"),
                     ({"python": "3.99"}, "python3.99"), ({"python": "/no/such/python"}, "/no/such/python")):
    assert m.startWorker(**wanted) == ProWorker_Invalid and m.startWorkers(3, **wanted) == []
    e = m.lastError()
    assert (e.number, e.name) == (1307, "NO_PLACE") and word in str(e), (wanted, e)
assert m.workersAlive() == 2
ids = m.startWorkers(5)
assert len(ids) == 5 == len(set(ids)) and m.lastError() is None, m.lastError()
v = m.startWorker(python=sys.executable)
m.evalPythonFunction(v, "import sys\\ndef f(): return [sys.version, sys.executable]", "f", [], True); loop(m)
assert m.takeResult(v) == [sys.version, sys.executable], (m.workerExit(v))
print("ok")
""") == "ok\n"


def test_time_limit(run):
    """A worker with a time limit is ended when it is over, busy or not, with that cause; others are not."""
    assert run(LOOP + """
m, (w,) = started()
a, b = m.startWorker(time_limit=300), m.startWorker(time_limit=60000)
begin = time.monotonic()
m.evalPythonFunction(a, "def f():\\n while True: pass", "f", [], True)
loop(m)
assert 0.25 < time.monotonic() - begin < 5
assert m.workerExit(a).number == 1504 and "time limit" in m.workerExit(a).cause and "time limit" in str(m.takeError(a))
assert m.workersAlive() == 2
print("ok")
""") == "ok\n"


def test_no_broker(run, world):
    """A broker or configuration that is asked for is refused by number where nobody has joined, never passed over (1213); "local"
    and a worker without arguments take the local node."""
    assert run(LOOP + """
folder = os.environ["HOME"] + "/.config/promp"
for arguments in ({"broker": "tcp://x:1"}, {"config": "/nowhere/promp"}, {"config": folder}, {"broker": "tcp://x:1", "config": folder}):
    os.makedirs(folder, 0o700, exist_ok=True)
    try: ProManager(**arguments)
    except ProMPError as e: assert (e.number, e.name) == (1213, "NO_BROKER") and "broker" in str(e)
    else: raise AssertionError(arguments)
for arguments in ({"broker": 1}, {"config": 1}, {"unknown": 1}):
    try: ProManager(**arguments)
    except TypeError: pass
    else: raise AssertionError(arguments)
for broker in ("", "a\\0b"):
    try: ProManager(broker)
    except ValueError: pass
    else: raise AssertionError(broker)
os.environ["PROMP_BROKER"] = "tcp://x:1"
try: ProManager()
except ProMPError as e: assert e.number == 1213
else: raise AssertionError("passed over")
assert not ProManager("local")._core.remote()
del os.environ["PROMP_BROKER"]
m, (w,) = started()
v = m.startWorker(env={"PROMP_BROKER": "tcp://x:1"})
CODE = "from Pro.MP import *\\ndef f(*broker):\\n m = ProManager(*broker); w = m.startWorker(); return m.isWorkerAlive(w)"
m.evalPythonFunction(v, CODE, "f", [], True); loop(m)
assert m.takeResult(v) is True
m.evalPythonFunction(v, CODE, "f", ["local"], True); loop(m)
assert m.takeResult(v) is True
m.evalPythonFunction(v, CODE, "f", ["tcp://x:1"], True); loop(m)
assert "broker" in str(m.takeError(v))
print("ok")
""", stderr=None, env={"HOME": str(world.folder)}) == "ok\n"


def test_no_node(run):
    """Without a node program a manager cannot be made, and the exception says so by number."""
    assert run("""
from Pro.MP import *
try: ProManager()
except ProMPError as e: print(e.number, e.name)
""", env={"PROMP_NODE": "/no/such/program"}) == "1201 NODE_PROGRAM\n"


@pytest.mark.plain
def test_old_python(world):
    """A Python before 3.11 refuses the package with its version and ours in the message, and a worker of one dies with it."""
    import pathlib
    import subprocess
    from conftest import PACKAGE

    old = [p for p in sorted(pathlib.Path.home().glob(".pyenv/versions/*/bin/python3")) + [pathlib.Path("/usr/bin/python2")]
           if p.exists() and subprocess.run([p, "-c", "import sys; sys.exit(sys.version_info >= (3, 11))"]).returncode == 0]
    if not old:
        pytest.skip("no older Python here")
    for python in old:
        done = subprocess.run([python, "-c", "import Pro.MP"], env={"PYTHONPATH": str(PACKAGE)}, capture_output=True, text=True)
        assert done.returncode == 1 and "Pro needs Python 3.11 or newer, and this is Python " in done.stderr, done.stderr
    script = pathlib.Path(world.folder) / "s.py"
    script.write_text(LOOP + """
m = ProManager()
w = m.startWorker(python=sys.argv[1])
m.evalPythonCode(w, "pass")
loop(m)
end = m.workerExit(w)
print(end.code, b"needs Python 3.11 or newer" in end.output)
""")
    p = world.popen([PYTHON, script, str(old[0])], env={"PYTHONPATH": str(PACKAGE)}, stdout=subprocess.PIPE, text=True)
    assert p.communicate(timeout=build.scaled(30))[0] == "1 True\n"


def test_promp_tool(world):
    """`promp -r` gives a script what python3 gives it [75], and its exit code; wrong use is told with an example."""
    import pathlib
    import subprocess

    tool, folder = str(build.BUILD / "bin" / "promp"), pathlib.Path(world.folder)
    (folder / "beside.py").write_text("X = 1\n")
    (folder / "s.py").write_text("import sys, beside, Pro.MP\nprint(__file__, __name__, sys.argv, sys.path[0])\nsys.exit(7)\n")

    def call(*args, **env):
        p = world.popen([tool, *args], cwd=folder, env={"PROMP_PYTHON": PYTHON, **env}, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, text=True)
        out, err = p.communicate(timeout=build.scaled(30))
        return p.returncode, out, err

    want = f"{folder}/s.py __main__ ['{folder}/s.py', '-x', '--help', 'b'] {folder}\n"
    assert call("-r", f"{folder}/s.py", "-x", "--help", "b") == (7, want, "")
    assert call("--python", PYTHON, "--run", f"{folder}/s.py", "-x", "--help", "b", PROMP_PYTHON="/nowhere") == (7, want, "")
    code, out, err = call("--help")
    assert code == 0 and "usage: promp" in out and "example: promp -r" in out and err == ""
    assert call("--version") == (0, "promp 0.1.0\n", "")
    for wrong, why in (((), "no script is given"), (("-r",), "-r needs a script"), (("--unknown",), "there is no option --unknown"),
                       (("s.py", "x"), "-r is missing before the script, or this is no command: s.py"),
                       (("--python",), "a value is missing behind --python")):
        assert call(*wrong) == (2, "", f"promp: {why}; try promp --help\n")
    code, out, err = call("-r", "none.py")
    assert code == 2 and "'none.py'" in err
    code, out, err = call("--python", "/nowhere/python3", "-r", "s.py")
    assert code == 4 and "/nowhere/python3" in err


def test_death_is_told(run):
    """Who waits for a worker that dies is woken at once [10]; its messages and results stay (B9), what it said last is kept (D1)."""
    assert run(LOOP + """
m, (w, v) = started(2, 0)
m.evalPythonFunction(w, "from Pro.MP import *\\ndef f(): proWorkerObject().sendMessage(ProMPMessage(3)); return 4", "f", [], True)
m.evalPythonCode(w, "import os; print('last words'); os.kill(os.getpid(), 9)")
begin = time.monotonic()
assert m.waitForMessage(w, 60000) and m.getMessage(w).id == 3
assert not m.waitForMessage(w, 60000) and time.monotonic() - begin < 20
loop(m)
assert m.takeResult(w) == 4 and not m.isWorkerAlive(w) and m.workersAlive() == 1 and m.takeError(w).number == 1016
end = m.workerExit(w)
assert end.signal == 9 and end.code == 0 and b"last words" in end.output and "last words" not in end.cause and "<ProWorkerExit" in repr(end)
assert m.workerExit(v) is None and not m.waitForMessage(v, 10)
print("ok")
""") == "ok\n"


@pytest.mark.parametrize("how", ["kill", "drop", "stop"])
def test_no_worker_outlives_its_manager(world, script, how):
    """A manager that is killed, ends in a finaliser or is frozen: its workers are gone, busy or not [11, 12, 14] (A2)."""
    s = script(LOOP + """
m = ProManager()
m.setManagerTimeout(1000)
ids = [m.startWorker() for i in range(3)]
m.evalPythonFunction(ProWorker_All, "import os\\ndef f(): return os.getpid()", "f", [], True)
loop(m)
pids = [m.takeResult(i) for i in ids]
m.evalPythonCode(ids[0], "import time; time.sleep(600)")
m.evalPythonCode(ids[1], "while True: sum(range(10**6))")
print(*pids, flush=True)
if sys.argv[1] == "drop": m = None; print("dropped", flush=True)
time.sleep(600)
""", how)
    pids = list(map(int, s.process.stdout.readline().split()))
    assert len(pids) == 3
    if how == "kill":
        s.process.kill()
    elif how == "stop":
        s.process.send_signal(signal.SIGSTOP)
    else:
        assert s.process.stdout.readline() == "dropped\n"
    took = world.wait_gone(pids, 10)
    assert took < build.scaled(8)
    s.process.kill()
    s.process.communicate()


def test_a_task_that_holds_the_gil(run):
    """A task deep in C with the GIL loses nothing: messages come in, output and heartbeats go out [7]."""
    assert run(LOOP + """
m = ProManager(); m.setManagerTimeout(1000); m.setOptions(ProMPOpt_AtomicOutput)
w = m.startWorker()
m.evalPythonFunction(w, '''
import ctypes
from Pro.MP import *
def f():
    print("before")
    ctypes.PyDLL(None).sleep(3)  # PyDLL: the GIL is held
    me, got = proWorkerObject(), []
    while me.waitForMessage(0): got.append(me.getMessage().id)
    return got
''', "f", [], True)
begin = time.monotonic()
while time.monotonic() - begin < 2:
    m.wait(100); m.processMessages()
for i in range(100): m.sendMessage(w, ProMPMessage(i))
loop(m)
assert m.takeResult(w) == list(range(100)) and m.isWorkerAlive(w), m.workerExit(w)
""") == "before\n"


def test_native_output_with_the_gil(run):
    """Native code that holds the GIL and writes more than a pipe takes is not stuck: nobody who needs the GIL has to read it."""
    out = run(LOOP + """
m = ProManager(); m.setOptions(ProMPOpt_AtomicOutput)
w = m.startWorker()
m.evalPythonCode(w, "import ctypes; n = ctypes.PyDLL(None).write(1, b'native text\\\\n' * 50000, 600000); assert n == 600000, n")
loop(m)
assert not m.hasErrors(), m.takeError(w)
""")
    assert out == "native text\n" * 50000


def test_interrupts_name_their_task(run):
    """An abort interrupts the task it was meant for and no other: hundreds of tasks that end about when they are interrupted."""
    assert run(LOOP + """
m, (w,) = started()
code = '''
import time
def f(i, s):
    end = time.monotonic() + s
    while time.monotonic() < end: pass
    return i
'''
import random
for i in range(60):
    m.evalPythonFunction(w, code, "f", [i, 0.01 + random.random() * 0.01], True)
    m.abortOperation(w, 30 + i % 20)
    if not m.isWorkerAlive(w):  # too slow this time: ended
        assert m.takeError(w).number == 1505
        w = m.startWorker()
    m.evalPythonFunction(w, code, "f", [-i, 0.002], True)
    loop(m)
    got = []
    while m.hasResults(): got.append(m.takeResult(ProWorker_Any))
    assert got[-1:] == [-i] and not m.hasErrors(), (i, got, m.takeError(ProWorker_All))
m.evalPythonCode(w, "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"); loop(m)
m.evalPythonCode(w, "import time; time.sleep(60)")
m.abortOperation(w, 1000)  # a deaf task does not make the next one deaf
assert m.isWorkerAlive(w), m.workerExit(w)
print("ok")
""") == "ok\n"


def test_a_wait_object_asks_for_an_abort(run):
    """The wrapped object's abort is noticed in processMessages and in processEvents (G2); abort() waits [95]; forwarding [90, 91]."""
    assert run(LOOP + """
code = '''
import time
from Pro.MP import proWorkerObject
wo = proWorkerObject().waitObject()
while not wo.wasAborted(): time.sleep(0.005)
'''
class W(NTSimpleWait):
    def __init__(self): self.calls = []
    def processEvents(self): self.calls.append("events")
    def stop(self): self.calls.append("stop")
    def msg(self, text): self.calls.append(text)
    def progress(self, i): self.calls.append(i)
m, (w,) = started()
wo = W(); wait = m.createWaitObject(w, wo)
m.evalPythonCode(w, code)
wait.msg("text"); wait.progress(3); wait.processEvents(); wait.stop()
assert wo.calls == ["text", 3, "events", "stop"] and not wait.wasAborted() and m.isWorkerBusy(w)
wo.abort(); assert wait.wasAborted()
wait.processEvents(); loop(m)
assert m.isWorkerAlive(w)
wo = W(); wait = m.createWaitObject(w, wo)  # the last one wins
m.evalPythonCode(w, code)
wait.setAbortTimeout(5000); wait.abort()
assert not m.isWorkerBusy(w) and m.isWorkerAlive(w)
m.evalPythonCode(w, "while True: pass")
wait.setAbortTimeout(0); wait.abort()
assert not m.isWorkerAlive(w) and m.workerExit(w).number == 1505
for bad in ("x", None, 1.5):
    try: wait.setAbortTimeout(bad)
    except TypeError: pass
    else: raise AssertionError(bad)
del wo; wait.msg("x"); wait.progress(1); wait.processEvents(); wait.stop(); assert not wait.wasAborted()
m = None; wait.abort(); wait.setAbortTimeout(5)
m, (w,) = started()
class Bad(NTSimpleWait):
    def progress(self, i): raise KeyError(i)
    def wasAborted(self): raise KeyError("aborted")
bad = Bad(); wait = m.createWaitObject(w, bad)
m.evalPythonCode(w, "from Pro.MP import *; proWorkerObject().waitObject().progress(9)")
raised = 0
while m.isBusy():
    m.wait(50)
    try: m.processMessages()
    except KeyError: raised += 1
assert raised and m.isWorkerAlive(w)
print("ok")
""", stderr=None) == "ok\n"


def test_stopping(run):
    """stopWorker ends the named workers only [16, 17], a busy one after its task or by force (A6); pending tasks are dropped."""
    assert run(LOOP + """
m, (a, b, c) = started(3)
loop(m)
while not m.isWorkerReady(ProWorker_All): m.wait(100); m.processMessages()
m.evalPythonFunction(a, "import time\\ndef f(): time.sleep(0.3); return 1", "f", [], True)
m.evalPythonFunction(a, "def f(): return 2", "f", [], True)
m.stopWorker(a)
while m.isWorkerAlive(a): m.wait(100); m.processMessages()
assert m.takeResult(a) in (1, None) and m.takeResult(a) is None and m.workersAlive() == 2
m.evalPythonCode(b, "import time; time.sleep(600)")
begin = time.monotonic()
m.stopWorker(b)
while m.isWorkerAlive(b): m.wait(100); m.processMessages()
assert time.monotonic() - begin < 5 and m.workersAlive() == 1
m.stopAllWorkers()
while m.workersAlive(): m.wait(100); m.processMessages()
assert not m.isBusy() and m.isWorkerAlive(m.startWorker())
print("ok")
""") == "ok\n"


def test_idle_workers_cost_nothing(run):
    """An idle worker lives on without its manager calling anything [13], and uses no time to speak of [1]."""
    assert run(LOOP + """
m, ids = started(4)
m.evalPythonFunction(ProWorker_All, "import time\\ndef f(): return time.process_time()", "f", [], True); loop(m)
first = [m.takeResult(i) for i in ids]
time.sleep(3)
assert m.workersAlive() == 4
m.evalPythonFunction(ProWorker_All, "import time\\ndef f(): return time.process_time()", "f", [], True); loop(m)
used = [m.takeResult(i) - t for i, t in zip(ids, first)]
assert max(used) < 0.15, used
print("ok")
""") == "ok\n"


@pytest.mark.slow
def test_a_gil_holder_of_thirty_seconds(run):
    """Thirty seconds deep in C with the GIL, three times the manager time-out: nothing is lost."""
    assert run(LOOP + """
m, (w,) = started()
m.evalPythonFunction(w, "import ctypes\\ndef f(): ctypes.PyDLL(None).sleep(30); return 5", "f", [], True)
loop(m, 60)
print(m.takeResult(w))
""", timeout=90) == "5\n"
