"""A worker that the kernel kills for want of memory. So that no process of this machine is in danger, a kernel of its own
does it: user-mode Linux with little memory, whose files are those of this machine, read only. Skipped where the program
linux.uml (Debian: user-mode-linux) is not installed."""

import shutil
import subprocess

import pytest
from conftest import PACKAGE, PYTHON
from support import build
from test_mp import LOOP

UML = shutil.which("linux.uml")

pytestmark = [pytest.mark.slow, pytest.mark.plain, pytest.mark.skipif(not UML, reason="linux.uml is not installed")]

INIT = f"""#!/bin/sh
mount -t proc proc /proc && mount -t tmpfs tmpfs /run && mkdir -p /dev/shm && mount -t tmpfs tmpfs /dev/shm
mkdir -m 700 /run/p
PROMP_RUNTIME_DIR=/run/p PROMP_NODE={build.NODE} PYTHONPATH={PACKAGE} {PYTHON} $script 2>&1
grep oom_kill /proc/vmstat
echo o > /proc/sysrq-trigger
sleep 60
"""

HOG = LOOP + """
m, (w, *others) = started(3)
for v in others:
    for i in range(200): m.evalPythonFunction(v, "import time\\ndef f(x): time.sleep(0.005); return x", "f", [i], True)
m.evalPythonFunction(w, "def f(): return 'done'", "f", [], True)
m.evalPythonFunction(w, '''
def f():
    print('last words', flush=True)
    kept = []
    while True: kept.append(b"x" * (1 << 20))
''', "f", [], True)
m.evalPythonFunction(w, "def f(): return 'never'", "f", [], True)
loop(m, 120)
assert m.takeResult(w) == "done" and m.takeResult(w) is None
end = m.workerExit(w)
assert (end.number, end.signal) == (1503, 9) and end.memory > 100 << 20, repr(end)
assert "out of memory" in end.cause, repr(end)
errors = []
while (e := m.takeError(ProWorker_All)) is not None: errors.append(e)
assert len(errors) == 2 and all(e.worker == w for e in errors), errors
assert not m.isWorkerAlive(w) and m.workersAlive() == 2
for v in others: assert [m.takeResult(v) for i in range(200)] == list(range(200))
n = m.startWorker()
m.evalPythonFunction(n, "def f(): return 'next'", "f", [], True)
loop(m)
assert m.takeResult(n) == "next"
print("ok")
"""


def test_killed_by_the_kernel(world):
    """Aim: the manager learns that the kernel killed a worker for want of memory, how much it held and what it said last; its
    neighbours lose nothing, and the next worker starts."""
    script, init = world.folder / "script.py", world.folder / "init"
    script.write_text(HOG)
    init.write_text(INIT.replace("$script", str(script)))
    init.chmod(0o700)
    uml = world.popen([UML, "mem=256M", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", "con=null", "con0=null,fd:1",
                       "quiet", "panic=1", f"uml_dir={world.folder}/"],
                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out, _ = uml.communicate(timeout=build.scaled(200))
    lines = out.splitlines()
    assert "last words" in lines and "ok" in lines and "oom_kill 1" in lines, out
