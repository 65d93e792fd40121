"""Output of Python workers: each write one record, from any thread, with native output beside it, and after the last task."""

from test_mp import LOOP

# Collects what a manager prints, write by write.
CAPTURE = LOOP + """
import io
class Capture(io.StringIO):
    def __init__(self): super().__init__(); self.writes = []
    def write(self, text): self.writes.append(text); return len(text)
out, err = Capture(), Capture()
real, sys.stdout, sys.stderr = sys.stdout, out, err
sys.excepthook = lambda *what: (setattr(sys, "stderr", sys.__stderr__), sys.__excepthook__(*what))
def show(*what): real.write(" ".join(map(str, what)) + "\\n")
"""


def test_each_write_is_a_record(run):
    """What a worker writes comes as it was written, one write each, through the manager's sys.stdout (D3); empty ones not (D4)."""
    assert run(CAPTURE + """
m, (w,) = started(1, ProMPOpt_RedirectOutput)
m.evalPythonCode(w, '''
import sys
print("a", "b"); print(""); print("", end="")
assert sys.stdout.write("c") == 1 and sys.stdout.write("") == 0
sys.stdout.writelines(["d", "e"]); sys.stdout.flush()
assert sys.stdout.buffer.write(bytes([102, 195, 169])) == 3
sys.stdout.buffer.writelines([b"g", bytearray(b"h")]); sys.stdout.buffer.flush()
sys.stderr.write("to stderr")
from Pro.MP import proWorkerObject
proWorkerObject().remotePrint("remote")
sys.stdout.write(chr(0xd800) + " " + chr(0x1f600) + " " + chr(0))
sys.__stdout__.write("native"); sys.__stdout__.flush()
''')
loop(m)
assert m.takeError(w) is None, m.takeError(w)
native = out.writes.pop(out.writes.index("native"))
show(out.writes == ["a", " ", "b", "\\n", "\\n", "c", "d", "e", "f\\u00e9", "g", "h", "remote", chr(92) + "ud800 " + chr(0x1f600) + " " + chr(0)], err.writes)
""") == "True ['to stderr']\n"


def test_the_output_object(run):
    """sys.stdout of a worker is what libraries expect of a text file that is no terminal."""
    assert run(LOOP + """
m, (w,) = started()
m.evalPythonFunction(w, '''
import io, sys, subprocess
def raises(kind, call):
    try: call()
    except kind: return True
def f():
    o, e = sys.stdout, sys.stderr
    o.reconfigure(encoding="latin-1", line_buffering=True)
    return [o.encoding, o.errors, o.isatty(), o.writable(), o.readable(), o.seekable(), o.closed, o.fileno(), e.fileno(),
            o.name, e.name, o.mode, o.newlines, o.line_buffering, o.buffer.mode, o.buffer.closed, isinstance(o, io.TextIOBase),
            raises(TypeError, lambda: o.write(b"x")), raises(TypeError, lambda: o.write(None)), raises(TypeError, lambda: o.write()),
            raises(TypeError, lambda: o.writelines([1])), raises(TypeError, lambda: o.writelines(1)),
            raises(TypeError, lambda: o.buffer.write("x")), raises(TypeError, lambda: type(o)()), o.close(), o.closed]
''', "f", [], True)
loop(m)
want = ["utf-8", "backslashreplace", False, True, False, False, False, 1, 2, "<stdout>", "<stderr>", "w", None, False, "wb", False,
        True, True, True, True, True, True, True, True, None, False]
got = m.takeResult(w)
assert got == want, (got, m.takeError(w))
print("ok")
""") == "ok\n"


def test_threads_and_subprocesses(run):
    """Threads of a task print whole writes; what subprocesses and C code write comes too (D7), before the task is over."""
    assert run(CAPTURE + """
m, (w,) = started()
m.evalPythonCode(w, '''
import ctypes, os, subprocess, threading
def speak(n):
    for i in range(500): print("thread %d line %d" % (n, i))
threads = [threading.Thread(target=speak, args=(n,)) for n in range(4)]
for t in threads: t.start()
subprocess.run(["sh", "-c", "echo from a subprocess; echo complaint >&2"])
ctypes.CDLL(None).puts(b"from C")
for t in threads: t.join()
''')
loop(m)
got = "".join(out.writes).splitlines()
for n in range(4):
    assert [l for l in got if l.startswith("thread %d" % n)] == ["thread %d line %d" % (n, i) for i in range(500)]
assert len(got) == 2002 and "from a subprocess" in got and "from C" in got and err.writes == ["complaint\\n"], (len(got), err.writes)
show("ok")
""") == "ok\n"


def test_atomic(run):
    """Atomic drops lone new-lines and ends each write with one [33-35]; stderr follows the same rules (D2, D5)."""
    assert run(CAPTURE + """
m, (w,) = started()
m.evalPythonCode(w, '''
import sys
for s in ("a\\\\n", "a\\\\nb", "\\\\n", "\\\\r\\\\n", "\\\\n\\\\n", "x"): sys.stdout.write(s); sys.stderr.write(s)
''')
loop(m)
want = ["a\\n", "a\\nb\\n", "\\n\\n", "x\\n"]
assert m.takeError(w) is None
show(out.writes == want, err.writes == want)
""") == "True True\n"


def test_a_broken_stdout_of_the_manager(run):
    """What the manager's stdout raises comes out of processMessages; no output is lost for others, the manager works on."""
    assert run(LOOP + """
class Broken:
    def write(self, text): raise OSError("no space")
    def flush(self): pass
m, (w,) = started()
m.evalPythonCode(w, "print('lost'); import sys; sys.stderr.write('')")
real, sys.stdout = sys.stdout, Broken()
raised = 0
while m.isBusy():
    m.wait(100)
    try: m.processMessages()
    except OSError: raised += 1
sys.stdout = None
m.evalPythonCode(w, "print('to nobody')"); loop(m)
sys.stdout = real
m.evalPythonCode(w, "print('seen')"); loop(m)
assert raised == 1, raised
""") == "seen\n"


def test_the_last_words(run):
    """Exit handlers and threads that outlive the last task still print; a manager that ends prints what came (A7, D8)."""
    assert run(LOOP + """
m, (w,) = started()
m.evalPythonCode(w, '''
import atexit, threading, time
atexit.register(print, "exit handler")
threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
''')
loop(m)
m.stopWorker(w)
while m.workersAlive(): m.wait(100); m.processMessages()
n, (v,) = started()
n.evalPythonCode(v, "print('never processed')")
n.evalPythonCode(v, "from Pro.MP import *; proWorkerObject().sendMessage(ProMPMessage(1))")
assert n.waitForMessage(v, 10000)
n = None
""") == "thread\nexit handler\nnever processed\n"


def test_much_output_through_levels(run):
    """Ten thousand lines of three workers come through two levels complete and in order [32, 42]."""
    assert run(CAPTURE + """
m, ids = started(3)
code = '''
from Pro.MP import *
m = ProManager(); m.setOptions(ProMPOpt_AtomicOutput)
w = m.startWorker()
m.evalPythonFunction(w, "def f(n, k):\\\\n for i in range(k): print(n, i, sep='.')", "f", [%d, 3000])
while m.isBusy(): m.wait(100); m.processMessages()
m = None
'''
for i in ids: m.evalPythonCode(i, code.replace("sep='.'", "sep='.'").replace("print(n, i, sep='.')", "print('%d.%d' % (n, i))").replace("[%d, 3000]", "[" + str(i) + ", 3000]"))
loop(m, 60)
assert not m.hasErrors(), m.takeError(ProWorker_All)
got = "".join(out.writes).split()
for i in ids: assert [g for g in got if g.startswith("%d." % i)] == ["%d.%d" % (i, k) for k in range(3000)]
show(len(got))
""") == "9000\n"


def test_off_means_off(run):
    """Without the option nothing shows, remotePrint neither [41], and a worker cannot turn it on for itself (D9)."""
    assert run(LOOP + """
m, (w,) = started(1, 0)
m.evalPythonCode(w, '''
import os
from Pro.MP import *
me = proWorkerObject()
me.setOptions(ProMPOpt_AtomicOutput); assert me.getOptions() == ProMPOpt_AtomicOutput
print("no"); me.remotePrint("no"); os.write(1, b"no"); os.write(2, b"no"); 1/0
''')
m.testMessage(w)
m.setOptions(ProMPOpt_AtomicOutput)  # for workers of later
loop(m)
m.testMessage(m.startWorker())
loop(m)
""") == "Test message.\n"
