"""What a task sees, what it may do, and what comes of one that goes wrong."""

import pathlib

from test_mp import LOOP

CALL = LOOP + """
m, (w,) = started()
def call(code, *args, name="f"):
    m.evalPythonFunction(w, code, name, list(args), True)
    loop(m)
    return m.takeResult(w, "nothing")
def fail(code, *args):
    assert call(code, *args) == "nothing" and m.isWorkerAlive(w), code
    return m.takeError(w)
"""


def test_each_task_has_a_fresh_main(run):
    """A task's namespace is its own, is __main__, and ends with it; modules stay (C5)."""
    assert run(CALL + """
assert call("x = 1\\nimport json; json.kept = 5\\ndef f(): return [__name__, '__file__' in globals(), x]") == ["__main__", False, 1]
assert call("def f(): return ['x' in globals(), __import__('json').kept]") == [False, 5]
assert call('''
import pickle, sys, dataclasses
@dataclasses.dataclass
class C:
    a: int
def f(): return [pickle.loads(pickle.dumps(C(4))).a, sys.modules["__main__"].__dict__ is globals(), sys.argv]
''') == [4, True, [""]]
assert call("def f(): import sys; return sys.modules['__main__'].__dict__ is globals()") is True
m.evalPythonCode(w, "def main(): print('called')\\nif __name__ == '__main__': main()"); loop(m)
""") == "called\n"


def test_sources(run, world):
    """Files are read at the call, decoded by PEP 263, absolute, with their folder on the path [44] (C7)."""
    folder = pathlib.Path(world.folder)
    (folder / "d").mkdir()
    (folder / "d" / "beside.py").write_text("VALUE = 11\n")
    (folder / "d" / "latin.py").write_bytes("# -*- coding: latin-1 -*-\nimport beside\ndef f(): return ['\u00e9', __file__, beside.VALUE]\n".encode("latin-1"))
    (folder / "d" / "bom.py").write_bytes(b"\xef\xbb\xbfdef f(): return '\xc3\xa9'\n")
    (folder / "d" / "bad.py").write_bytes(b"def f(): return '\xff'\n")
    (folder / "d" / "crlf.py").write_bytes(b"def f():\r\n    return 3\r\n")
    assert run(CALL + """
here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "d")
os.chdir(here)
def file(name):
    m.executePythonFunction(w, name, "f", [], True); loop(m)
    return m.takeResult(w, "nothing")
assert file("latin.py") == ["\\u00e9", os.path.join(here, "latin.py"), 11], m.takeError(w)
import pathlib
assert file(pathlib.Path("bom.py")) == "\\u00e9" and file(b"crlf.py") == 3
for name, kind in (("bad.py", SyntaxError), ("none.py", FileNotFoundError), (".", IsADirectoryError), ("a\\0b", ValueError)):
    try: file(name)
    except kind: continue
    raise AssertionError(name)
m.executePythonScript(w, "latin.py")
os.rename("latin.py", "gone.py")
loop(m)
assert not m.hasErrors()
assert call("def f(): import sys; return [p for p in sys.path if p.endswith('/d')]") == []
os.mkdir("\\udcff"); open("\\udcff/odd.py", "w").write("def f(): return __file__.encode('utf-8', 'surrogateescape')")
assert file("\\udcff/odd.py").endswith(b"/\\xff/odd.py"), m.takeError(w)
print("ok")
""") == "ok\n"


def test_exceptions_of_every_kind(run):
    """Whatever a task raises, the worker lives, no result comes, and the failure says what and where (C1-C4)."""
    out = run(CALL + """
e = fail("def f():\\n    raise ValueError('one')")
assert (e.kind, str(e), e.worker, e.number, e.name) == ("ValueError", "ValueError: one", w, 1014, "TASK_FAILED"), vars(e)
assert 'File "<remote>", line 2, in f' in e.traceback and "raise ValueError('one')" in e.traceback and "_worker.py" not in e.traceback
assert fail("def f(:").kind == "SyntaxError" and fail("\\0").kind in ("ValueError", "SyntaxError")
assert "no function 'f'" in str(fail("x = 1")) and fail("f = 5").kind == "TypeError"
assert fail("def f(a): pass").kind == "TypeError" and fail("def f(): pass", 1).kind == "TypeError"
for kind in ("BaseException", "KeyboardInterrupt", "GeneratorExit", "MemoryError", "RecursionError", "StopIteration"):
    assert fail("def f(): raise %s('x')" % kind).kind == kind
assert fail("def f(): f()").kind == "RecursionError"
assert fail("def f(): bytearray(2**62)").kind == "MemoryError"
assert fail("class E(Exception):\\n def __str__(self): raise KeyboardInterrupt\\n __repr__ = __str__\\ndef f(): raise E()").kind == "E"
assert fail("class E(BaseException):\\n def __str__(self): return 5\\ndef f(): raise E()").kind == "E"
assert "\\\\ud800" in str(fail("def f(): raise ValueError('\\\\ud800 \\\\0 end')"))
assert len(str(fail("def f(): raise ValueError('x' * 10**7)"))) < 70000
assert fail("def f(): raise type('N' * 10**5, (Exception,), {})").kind.startswith("NNN")
assert "cause" in fail("def f():\\n try: 1/0\\n except ZeroDivisionError as e: raise KeyError('k') from e").traceback
assert fail("def f():\\n e = ValueError(1); e.__cause__ = e; raise e").kind == "ValueError"
for value in ("object()", "{1}", "1j", "f", "[f]", "{(1, 2): 3}", "{None: 1}", "range(3)"):
    assert fail("def f(): return " + value).kind == "TypeError", value
assert fail("def f(): return '\\\\ud800'").kind == "UnicodeEncodeError"
assert fail("def f():\\n x = []\\n x.append(x)\\n return x").kind == "ValueError"
assert call("def f(): return (1, bytearray(b'x'), memoryview(b'y'), True)") == [1, b"x", b"y", True]
assert call("def f(): return 1") == 1 and not m.hasErrors()
m.evalPythonFunction(w, "def f(): return object()", "f", [], False); loop(m)
assert not m.hasErrors() and not m.hasResults()
print("ok")
""", stderr=None)
    assert out == "ok\n"


def test_a_traceback_is_one_write(run):
    """A traceback reaches the manager's stderr as one write, also in Atomic mode (C1)."""
    assert run(CALL + """
class Capture:
    def __init__(self): self.writes = []
    def write(self, text): self.writes.append(text)
    def flush(self): pass
sys.stderr = Capture()
m.evalPythonCode(w, "def g():\\n  raise ValueError('two\\\\nlines')\\ng()"); loop(m)
(one,) = sys.stderr.writes
assert one.startswith("Traceback") and one.endswith("ValueError: two\\nlines\\n"), one
print("ok")
""") == "ok\n"


def test_leaving_a_task(run):
    """sys.exit ends the task only, without a result (C2); os._exit ends the worker, and its task failed [10]."""
    assert run(CALL + """
assert call("import sys\\ndef f(): sys.exit(3)") == "nothing" and call("def f(): raise SystemExit") == "nothing" and not m.hasErrors()
m.evalPythonCode(w, "import sys; sys.exit('why')"); loop(m)
m.evalPythonFunction(w, "import os\\ndef f(): os._exit(9)", "f", [], True)
m.evalPythonFunction(w, "def f(): return 1", "f", [], True)
loop(m)
assert not m.isWorkerAlive(w) and not m.hasResults()
e, f = m.takeError(w), m.takeError(w)
assert e.number == 1016 and f is not None and m.takeError(w) is None, (e, f)
end = m.workerExit(w)
assert (end.number, end.code, end.signal, end.worker) == (1501, 9, 0, w) and end.node == os.uname().nodename and end.memory > 2**20
""", stderr="why\n") == ""


def test_values_of_odd_kinds(run):
    """Large, deep and subclassed values travel or are refused at the call; the worker notices nothing."""
    assert run(CALL + """
class I(int):
    def bit_length(self): return -5
    def __invert__(self): raise RuntimeError
class L(list):
    def __len__(self): return 3
echo = "def f(x): return x"
for v in (I(7), I(2**80), I(-2**80), True): assert call(echo, v) == v and call("def f(x): return type(x).__name__", v) in ("int", "bool")
deep = 1
for i in range(62): deep = [deep]
assert call(echo, deep) == deep
assert call(echo, b"x" * 10**7) == b"x" * 10**7 and call(echo, "\\u20ac" * 10**6) == "\\u20ac" * 10**6
assert call(echo, list(range(10**5))) == list(range(10**5)) and call(echo, 7 ** 10000) == 7 ** 10000
assert call(echo, {1: 2, "1": 3, -5: None}) == {1: 2, "1": 3, -5: None}
import math
assert math.isnan(call(echo, math.nan)) and str(call(echo, -0.0)) == "-0.0" and call(echo, 5e-324) == 5e-324
for v in (L([1]), [deep] * 1 and [[[deep]]], {1.0: 1}, {True: 1}, object, 1j, "\\udfff"):
    try: m.evalPythonFunction(w, echo, "f", [v], True)
    except (TypeError, ValueError, IndexError): continue
    raise AssertionError(v)
assert not m.isBusy()
print("ok")
""") == "ok\n"


def test_tasks_wait_in_order(run):
    """Tasks of one worker run one after the other in order [52], in the main thread [8], in parallel on several workers [53]."""
    assert run(LOOP + """
m, (w,) = started()
for i in range(200): m.evalPythonFunction(w, "import threading\\ndef f(i): return [i, threading.current_thread() is threading.main_thread()]", "f", [i], True)
loop(m)
assert [m.takeResult(w) for i in range(200)] == [[i, True] for i in range(200)]
m.testMessage(w); m.testMessageBox(w); loop(m)
assert "display" in str(m.takeError(w)) and m.isWorkerAlive(w)
""", stderr=None) == "Test message.\n"


def test_a_worker_knows_itself(run):
    """The worker's half: id, options, time-outs, address, stop; its setters change its own copies [18, 23, 24, 39, 98, 99]."""
    assert run(LOOP + """
m = ProManager(); m.setOptions(ProMPOpt_RedirectOutput); m.setManagerTimeout(7000)
assert (m.getOptions(), m.getManagerTimeout()) == (ProMPOpt_RedirectOutput, 7000)
w = m.startWorker()
m.setManagerTimeout(9000)
m.evalPythonFunction(w, '''
from Pro.MP import *
import os
def raises(call, *args):
    try: call(*args)
    except TypeError: return True
def f():
    me = proWorkerObject()
    assert me is proWorkerObject() and raises(ProWorker)
    first = [me.getWorkerId(), me.getOptions(), me.getManagerTimeout(), me.isBusy(), me.wasStopped(), me.getConnectionPort()]
    assert me.getConnectionAddress().startswith("ipc:///") and os.path.exists(me.getConnectionAddress()[6:])
    me.setOptions(0); me.setManagerTimeout(1); me.setupConnection("elsewhere", 5)
    assert (me.getOptions(), me.getManagerTimeout()) == (0, 1)
    for call, args in ((me.setOptions, ("x",)), (me.setManagerTimeout, (None,)), (me.setupConnection, (1, 1)), (me.setupConnection, ("a", "b")),
                       (me.remotePrint, (1,)), (me.sendMessage, ("x",)), (me.waitForMessage, ("x",)), (me.waitObject().progress, ("x",)),
                       (me.waitObject().msg, (1,)), (me.getSharedContainer if hasattr(me, "getSharedContainer") else int, ([],))):
        assert raises(call, *args), call
    wo = me.waitObject()
    assert wo is me.waitObject() and not wo.wasAborted()
    wo.msg("x" * 10**6); wo.progress(5); wo.processEvents(); wo.stop(); wo.abort()
    assert not me.hasMessage() and me.getMessage().id == ProMPMessage_Invalid and not me.waitForMessage(0)
    assert not me.sendMessage(ProMPMessage(0x80000000)) and not me.sendMessage(ProMPMessage())
    return first
''', "f", [], True)
loop(m)
assert m.takeResult(w) == [w, ProMPOpt_RedirectOutput, 7000, True, False, 0], m.takeError(w)
m.evalPythonCode(w, '''
import time
from Pro.MP import *
me = proWorkerObject()
proWorkerObject().sendMessage(ProMPMessage(1))
while not me.wasStopped(): time.sleep(0.005)
assert me.waitObject().wasAborted() and not me.waitForMessage(-1)
print("was stopped")
''')
assert m.waitForMessage(w, 10000)
m.stopWorker(w)
while m.isWorkerAlive(w): m.wait(100); m.processMessages()
assert m.workerExit(w).number in (1501, 1510) and m.workerExit(w).code == 0, m.workerExit(w)
""") == "was stopped\n"
