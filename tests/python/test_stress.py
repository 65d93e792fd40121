"""What must not get lost: a million lines, workers that hold the GIL for long, workers that die in every way.
The full sizes are marked slow; each has a small sibling that runs every day."""

import pytest
from support import build
from test_mp import LOOP

sizes = pytest.mark.parametrize("size", ["small", pytest.param("full", marks=pytest.mark.slow)])

LINES = """
def lines(tag, count):
    for i in range(count):
        print("%d %d" % (tag, i))
"""

# Each level starts one worker more until the last one prints.
LEVELS = LINES + """
def below(tag, count, levels, source):
    if levels == 0:
        return lines(tag, count)
    from Pro.MP import ProManager, ProMPOpt_AtomicOutput
    with ProManager() as m:
        m.setOptions(ProMPOpt_AtomicOutput)
        w = m.startWorker()
        m.evalPythonFunction(w, source, "below", [tag, count, levels - 1, source], True)
        while m.isBusy():
            m.wait()
            m.processMessages()
        error = m.takeError(w)
        if error: raise error
"""


def in_order(script, workers, count, timeout):
    """Reads what a script prints, and checks each worker's lines."""
    seen = [0] * workers
    for line in script.process.stdout:
        tag, number = map(int, line.split())
        assert number == seen[tag], f"worker {tag}: {number} instead of {seen[tag]}"
        seen[tag] += 1
    code, _, err = script.finish(timeout)
    assert (code, err) == (0, "") and seen == [count] * workers


@sizes
def test_a_million_lines(script, size):
    """The output of four workers is complete, and in order for each of them."""
    count = 250_000 if size == "full" else 5_000
    in_order(script(LOOP + f"""
m, ids = started(4)
for tag, w in enumerate(ids):
    m.evalPythonFunction(w, {LINES!r}, "lines", [tag, {count}], False)
loop(m, 600)
assert not m.hasErrors(), m.takeError(ProWorker_All)
"""), 4, count, 60)


@sizes
def test_lines_through_five_levels(script, size):
    """The output of a worker five levels below comes up complete and in order."""
    count = 250_000 if size == "full" else 5_000
    in_order(script(LOOP + f"""
m, ids = started(4)
source = {LEVELS!r}
for tag, w in enumerate(ids):
    m.evalPythonFunction(w, source, "below", [tag, {count}, 4, source], False)
loop(m, 600)
assert not m.hasErrors(), m.takeError(ProWorker_All)
"""), 4, count, 60)


@sizes
@pytest.mark.parametrize("how", ["sleep", "regex"])
def test_the_gil_held_in_c(run, how, size):
    """A worker deep in C with the GIL, far beyond the manager time-out, is not given up, and loses nothing that was sent,
    printed or returned meanwhile, nor does its neighbour."""
    seconds = 30 if size == "full" else 4
    # Two ways of C code: one call that sleeps, and one that computes (2**n steps, so n is searched for).
    hold = {"sleep": "ctypes.PyDLL(None).sleep(%d)" % seconds,
            "regex": "begin = time.monotonic(); n = 16\n"
                     "    while time.monotonic() - begin < %d: n += 1; re.match('(a|aa)+$', 'a' * n + 'b')" % (seconds // 2)}[how]
    assert run(LOOP + f"""
m = ProManager(); m.setManagerTimeout(2000); m.setOptions(ProMPOpt_AtomicOutput)
w, v = m.startWorkers(2)
m.evalPythonFunction(w, '''
import ctypes, re, time
from Pro.MP import *
def hold():
    me = proWorkerObject()
    me.sendMessage(ProMPMessage(7)); print("before"); me.waitObject().progress(50)
    {hold}
    got = []
    while me.waitForMessage(1000) and len(got) < 1000: got.append([me.getMessage().id])
    print("after")
    return got
''', "hold", [], True)
m.evalPythonFunction(w, "def f(x): return x", "f", ["next"], True)
class Bar(NTSimpleWait):
    seen = 0
    def progress(self, i): self.seen = i
bar = Bar(); wait = m.createWaitObject(w, bar)
sent = answered = heard = 0
begin = time.monotonic()
while m.isBusy():
    assert time.monotonic() - begin < {seconds} * 3 + 60
    if sent < 1000:
        message = ProMPMessage(sent); message.data = b"x" * sent
        assert m.sendMessage(w, message); sent += 1
        m.evalPythonFunction(v, "def f(x): print('v', x); return x", "f", [sent], True)
    m.wait(5); m.processMessages()
    while m.hasResults() and (r := m.takeResult(v)) is not None:
        answered += 1; assert r == answered
    if not heard and m.isWorkerBusy(w) and bar.seen == 50 and m.hasMessage(w): heard = time.monotonic() - begin
assert heard and (heard < {seconds} or {how != "sleep"}), heard  # what it said before it held the lock came meanwhile
assert sent == answered == 1000, (sent, answered)
assert m.takeResult(w) == [[i] for i in range(1000)] and m.takeResult(w) == "next"
assert m.getMessage(w).id == 7 and m.workersAlive() == 2 and not m.hasErrors(), m.takeError(w)
""", timeout=200) .split("\n").count("after") == 1


DEATHS = {
    "segfault": ("import ctypes; ctypes.string_at(0)", "end.signal == 11"),
    "os._exit": ("import os; os._exit(77)", "end.code == 77 and end.signal == 0"),
    "SIGKILL": ("import os; os.kill(os.getpid(), 9)", "end.signal == 9"),
    "abort": ("import os; os.abort()", "end.signal == 6"),
    "stack": ("import resource, ctypes; resource.setrlimit(resource.RLIMIT_STACK, (1 << 16, 1 << 16)); ctypes.memset(ctypes.addressof(ctypes.c_int()) - (64 << 20), 1, 1)",
              "end.signal == 11"),
    "hang": ("import time\nwhile True:\n try: time.sleep(60)\n except BaseException: pass", "end.number == 1505"),
    "hang in C": ("sum(range(10**13))", "end.number == 1505"),
    "stopped": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", "end.number == 1505"),
}


@pytest.mark.parametrize("death", DEATHS)
def test_deaths(run, death):
    """However a worker ends, the manager learns the cause and its last output; its neighbours lose nothing and feel nothing."""
    code, check = DEATHS[death]
    out = run(LOOP + f"""
m, ids = started(4)
w, others = ids[1], ids[:1] + ids[2:]
for i in range(200):
    for v in others: m.evalPythonFunction(v, "import time\\ndef f(x): time.sleep(0.001); print(x); return x", "f", [i], True)
m.evalPythonFunction(w, "def f(): return 'done'", "f", [], True)
m.evalPythonFunction(w, "def f():\\n print('last words', flush=True)\\n" + "".join(" " + line + "\\n" for line in {code!r}.split("\\n")), "f", [], True)
m.evalPythonFunction(w, "def f(): return 'never'", "f", [], True)
if {"1505" in check}:
    until = time.monotonic() + 20
    while m.takeResult(w) != "done" or time.monotonic() > until: m.wait(50); m.processMessages()
    begin = time.monotonic()
    while time.monotonic() - begin < 0.3: m.wait(50); m.processMessages()
    m.abortOperation(w, 300)
    assert not m.isWorkerAlive(w)
    loop(m)
else:
    loop(m)
    assert m.takeResult(w) == "done"
end = m.workerExit(w)
assert {check}, repr(end)
assert end.cause and end.lost == 0, repr(end)
errors = []
while (e := m.takeError(ProWorker_All)) is not None: errors.append(e)
assert errors and all(e.worker == w for e in errors), errors
assert not m.isWorkerAlive(w) and m.workersAlive() == 3 and m.takeResult(w) is None
for v in others: assert [m.takeResult(v) for i in range(200)] == list(range(200))
assert not m.hasResults()
""", timeout=90)
    printed = [line for line in out.splitlines() if line != "last words"]
    assert sorted(printed, key=int) == [str(i) for i in range(200) for _ in range(3)]
    assert out.count("last words") == 1


@pytest.mark.plain
def test_memory_is_short(run):
    """A task that meets its limit of memory fails with MemoryError; the worker and the others go on."""
    assert run(LOOP + """
m, (w, v) = started(2)
m.evalPythonFunction(w, "import resource\\ndef f():\\n resource.setrlimit(resource.RLIMIT_AS, (1 << 30, resource.RLIM_INFINITY))\\n"
                        " return len(bytearray(2 << 30))", "f", [], True)
m.evalPythonFunction(w, "def f(): return 'alive'", "f", [], True)
m.evalPythonFunction(v, "def f(): return len(bytearray(8 << 20))", "f", [], True)
loop(m)
e = m.takeError(w)
assert e.kind == "MemoryError" and m.takeResult(w) == "alive" and m.takeResult(v) == 8 << 20 and m.workersAlive() == 2
print("ok")
""", stderr=None).endswith("ok\n")
