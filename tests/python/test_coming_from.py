"""Aim: what docs/coming-from.md says to write here in place of something else does it: each cell of its tables with Python in it
is taken from the page and run, between what must be there before and what must be true after."""

import ast
import re
import subprocess

import pytest
from conftest import PACKAGE, PYTHON
from support import build
from support.cluster import Cluster, built
from support.pages import page, section, tables

pytestmark = pytest.mark.plain

PAGE = page("coming-from.md")
LOOP = "while m.isBusy(): m.wait(); m.processMessages()"

PRELUDE = '''
import time
from Pro.Core import *
from Pro.MP import *
ANY = ProWorker_Any
CODE = """
def f(n):
    return n * n
"""
a, x = [3], 3
c = NTContainer()
c.setData(b"bytes")
msg = ProMPMessage(5)
got = []

def until(condition):
    while not condition():
        m.wait()
        m.processMessages()

m = ProManager()
'''
CREW = "m.startWorkers(2)\n"
ONE = "w = m.startWorker()\n"
NINE = "assert _ == 9, _"
SHARED = '''
m.evalPythonFunction(m.startWorker(), "from Pro.MP import proWorkerObject\\ndef f(n): return bytes(proWorkerObject().getSharedContainer(n))",
                     "f", [{name!r}], True)
until(m.hasResults)
assert m.takeResult(ANY) == b"bytes"
'''
BUSY = ONE + '''
m.evalPythonCode(w, "while True: pass")
until(lambda: m.isWorkerReady(w))
'''
FAILS = ONE + '''
m.setOptions(ProMPOpt_RedirectOutput)
w = m.startWorker()
m.evalPythonCode(w, "raise ValueError('no')")
until(lambda: not m.isBusy())
'''
IDLE = "assert m.isWorkerAlive(w) and not m.isBusy()"

# (heading, first cell): what is done before the second cell's Python, and what must be true after it. WORKER stands for the
# cell's Python that belongs into a worker; `_` is the value of its last expression.
ROWS = {
    ("multiprocessing", "Process"): ("", LOOP + "\nassert m.isWorkerAlive(w) and not m.hasErrors()"),
    ("multiprocessing", "Pool"): ("", NINE),
    ("multiprocessing", "Queue"): (ONE + '''
m.evalPythonCode(w, """
from Pro.MP import *
msg = ProMPMessage(6)
proWorkerObject().waitForMessage(-1)
assert proWorkerObject().getMessage().id == 5
WORKER
""")
''', "assert m.waitForMessage(w, 30000) or _.id == 6"
                                        "\nassert 6 in (_.id, m.getMessage(w).id)"),
    ("multiprocessing", "shared_memory"): ("", SHARED.format(name="data")),
    ("multiprocessing", "p.terminate"): (BUSY, "until(lambda: m.workerExit(w))\nassert not m.isWorkerAlive(w)"),
    ("concurrent.futures", "ProcessPoolExecutor"): ("", "assert len(_) == 4"),
    ("concurrent.futures", "ex.submit"): (CREW, "until(m.hasResults)\nassert m.takeResult(ANY) == 9"),
    ("concurrent.futures", "as_completed"): (CREW + "m.evalPythonFunction(ANY, CODE, 'f', a, True)\n", "assert not m.hasResults()"),
    ("concurrent.futures", "f.exception"): (FAILS, "assert (str(_), _.kind, _.worker) == ('ValueError: no', 'ValueError', w), vars(_)\n"
                                                   "assert 'Traceback' in _.traceback"),
    ("concurrent.futures", "wrap_future"): ('''
import asyncio
loop = asyncio.new_event_loop()
''', ONE + '''
m.evalPythonFunction(w, CODE, "f", a, True)
async def done():
    while not m.hasResults():
        await asyncio.sleep(0.01)
loop.run_until_complete(asyncio.wait_for(done(), 30))
loop.remove_reader(m.fileno())
assert m.takeResult(ANY) == 9
'''),
    ("ipyparallel", "Client"): ("", "_.close() if hasattr(_, 'close') else None"),
    ("ipyparallel", "rc[:].apply"): (CREW, LOOP + "\nassert [m.takeResult(ANY), m.takeResult(ANY)] == [9, 9]"),
    ("ipyparallel", "%px"): (CREW + "code = 'print(1)'\n", LOOP + "\nassert not m.hasErrors()"),
    ("ipyparallel", "output"): ("", ONE + "m.evalPythonCode(w, 'print(\"seen\")')\n" + LOOP),
    ("Dask", "client.submit"): (CREW, "until(m.hasResults)\nassert m.takeResult(ANY) == 9"),
    ("Dask", "client.scatter"): ("", SHARED.format(name="data")),
    ("Dask", "resources"): ("cluster", "until(lambda: m.isWorkerReady(_))"),
    ("Dask", "future.cancel"): (BUSY, IDLE),
    ("Celery", "@app.task"): ("a = 3\n" + CREW + "open('tasks.py', 'w').write(CODE)\n", "until(m.hasResults)\nassert m.takeResult(ANY) == 9"),
    ("Celery", "AsyncResult"): (CREW + "m.evalPythonFunction(ANY, CODE, 'f', a, True)\n", NINE),
    ("Celery", "update_state"): (ONE + '''
class Wait(NTSimpleWait):
    def progress(self, i): got.append(i)
wait = Wait()
mirror = m.createWaitObject(w, wait)
m.evalPythonCode(w, """
from Pro.MP import *
n = 42
WORKER
""")
''', "until(lambda: got)\nassert got == [42], got"),
    ("Celery", "time_limit"): ("", "assert m.isWorkerAlive(_)"),
    ("Celery", "revoke"): (BUSY, IDLE),
    ("Ray", "ray.init"): ("", "assert _ is not None"),
    ("Ray", "f.remote"): ("a = 3\n" + CREW, NINE),
    ("Ray", "ray.put"): ("", SHARED.format(name="x")),
    ("Ray", "num_cpus"): ("cluster", "until(lambda: m.isWorkerReady(_))"),
    ("Ray", "ray.cancel"): (BUSY, IDLE),
    ("Pro.MP of Cerbero Suite", "while m.isBusy"): (ONE + "m.evalPythonFunction(w, CODE, 'f', a, True)\n", "assert m.takeResult(w) == 9"),
    ("Pro.MP of Cerbero Suite", "a failed task"): (FAILS, "assert _.kind == 'ValueError'"),
}


def is_python(text):
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return False
    return any(isinstance(n, (ast.Call, ast.While, ast.ImportFrom)) for part in body for n in ast.walk(part))


def rows():
    """{(heading, there): (here, in which row of ROWS)} of those that have Python in them."""
    found = {}
    for heading, lines in tables(PAGE):
        for there, here in lines:
            text = there if here.startswith("works;") else here
            if any(map(is_python, re.findall(r"`([^`]+)`", text))):
                keys = [k for k in ROWS if k[0] == heading and there.lstrip("`").startswith(k[1])]
                found[heading, there] = (text, keys)
    return found


def program(cell, before, after):
    """The cell's Python, in its order, between the two."""
    main, worker = [], ""
    for code, inside, loop in re.findall(r"the loop, with `([^`]+)` in it|`([^`]+)`|(the loop)", cell):
        if code:
            main.append(f"while m.isBusy():\n    m.wait(); m.processMessages()\n    {code}")
        elif loop:
            main.append(LOOP)
        elif "proWorkerObject" in inside:
            worker = inside
        elif is_python(inside):
            try:
                ast.parse(inside, mode="eval")
                main.append(f"_ = {inside}")
            except SyntaxError:
                main.append(inside)
    return PRELUDE + before.replace("WORKER", worker) + "\n".join(main) + "\n" + after + "\nprint('done')\n"


def test_every_cell():
    """Aim: each cell with Python has one row of this test, and each row of this test a cell."""
    found = rows()
    assert {cell: keys for cell, (_, keys) in found.items() if len(keys) != 1} == {}
    assert {keys[0] for _, keys in found.values()} == set(ROWS)


@pytest.mark.parametrize("cell", rows().values(), ids=lambda cell: " ".join(cell[1][0]) if cell[1] else cell[0])
def test_cell(world, tmp_path, cell):
    """Aim: what the cell says works."""
    text, keys = cell
    before, after = ROWS[keys[0]]
    env = {**world.environment, "PYTHONPATH": str(PACKAGE)}
    if before == "cluster":
        if not built():
            pytest.skip("the programs of a cluster are not built")
        cluster = Cluster(world)
        cluster.broker()
        cluster.node("big", "--gpus", "1", token_args=("--label", "gpu"))
        env["PROMP_CONFIG"], before = str(cluster.manager_config()), ""
    (tmp_path / "cell.py").write_text(program(text, before, after))
    done = subprocess.run([PYTHON, "cell.py"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=build.scaled(60))
    assert done.returncode == 0 and done.stdout.endswith("done\n"), f"{(tmp_path / 'cell.py').read_text()}\n{done.stdout}{done.stderr}"


def test_words_of_the_page():
    """Aim: the loop is what the page says at its top."""
    assert LOOP in section(PAGE, "Coming from something else")
