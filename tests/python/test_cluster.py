"""Pro.MP over a cluster: a broker and two nodes on loopback, set up as users set them up; scripts are the same as on one host."""

import hashlib
import json
import os
import re
import textwrap

import pytest
import test_mp_examples as examples
import test_reference as reference
from conftest import PACKAGE, PYTHON
from place import LOOP, Blind, place  # noqa: F401 - a fixture
from support import cluster, proc
from test_survey import SURVEY


@pytest.mark.skipif(not reference.SCRIPTS, reason="the documentation is not beside this repository")
def test_reference(place):
    """Aim: the documentation's scripts run unchanged over a cluster: only a folder was joined."""
    folder = place.world.folder / "path" / "to"
    folder.mkdir(parents=True)
    (folder / "remote.py").write_text("print('from the file')\n")
    for number in sorted(reference.EXPECTED):
        path = place.world.folder / f"reference{number}.py"
        path.write_text(reference.SCRIPTS[number])
        out = place.finish(place.start([cluster.PROMP, "-r", path]))
        assert reference.EXPECTED[number](out), (number, out)


def test_examples(place):
    """Aim: the short examples run over a cluster as they are, on a node that does not see them where we may hide them."""
    place.hide(examples.EXAMPLES)
    running = {name: place.start([cluster.PROMP, "-r", examples.EXAMPLES / name]) for name in examples.EXPECTED}
    for name, process in running.items():
        assert sorted(place.finish(process).splitlines()) == sorted(examples.EXPECTED[name].splitlines()), name


def test_where(place):
    """Aim: workers run on the nodes, in a private folder that is gone after them, with the node's variables, those that were given and none of
    the manager's, with the node's path; they reach their manager through the broker; node=, labels= and python= are obeyed."""
    out = place.python("""
        os.environ["OF_THE_MANAGER"] = "x"
        CODE = '''
        import os, sys
        from Pro.MP import *
        def f():
            w = proWorkerObject()
            open("scratch", "w").write("x")
            return [os.getcwd(), os.environ.get("OF_THE_MANAGER"), os.environ.get("GIVEN"), sys.path, os.getppid(),
                    w.getConnectionAddress(), w.getConnectionPort(), proWorkerProcessLevel(), "%d.%d" % sys.version_info[:2]]
        '''
        import textwrap
        CODE = textwrap.dedent(CODE)
        m = ProManager()
        for options in ({}, {"node": "one"}, {"node": "two"}, {"labels": {"gpu": True, "zone": "eu"}}, {"python": "3.11"},
                        {"python": sys.executable, "cpus": 0.5, "memory": 1 << 20}):
            w = m.startWorker(env={"GIVEN": "y", "OTHER": None}, **options)
            assert w, (options, m.lastError())
            print(call(m, w, CODE))
        """)
    rows = [eval(line) for line in out.splitlines()]
    keepers = {name: {p.pid for p in proc.descendants() if p.pid == program.pid or p.parent == program.pid}
               for name, program in place.nodes.items()}
    host, port = re.fullmatch(r"tcp://(.*):(\d+)", place.address).groups()
    folders = set()
    for folder, of_manager, given, path, parent, address, its_port, level, version in rows:
        assert (of_manager, given, level, version) == (None, "y", 1, "3.11") and (address, its_port) == (host, int(port))
        assert not [p for p in path if p.startswith((str(place.world.folder), str(PACKAGE)))]
        folders.add(folder)
    assert len(folders) == len(rows) and str(place.world.folder) not in folders
    proc.wait_until(lambda: not [f for f in folders if os.path.exists(f)], 10, lambda: f"no folders: {folders}")
    assert rows[1][4] in keepers["one"] and {rows[2][4], rows[3][4]} <= keepers["two"], (rows, keepers)


def test_why_it_waits(place):
    """Aim: a start that no node can serve waits, while nodes may be on their way to a new broker, and workerWaits() says so at once; who
    has a place does not wait."""
    assert place.serving.stop() == 0
    place.serving = place.broker()
    out = place.python("""
        m = ProManager()
        w = m.startWorker(labels={"tape": True})
        print(m.isWorkerAlive(w), m.workerWaits(w))
        v = m.startWorker()
        while not m.isWorkerReady(v): m.wait(100); m.processMessages()
        print(m.workerWaits(v), m.workerWaits(99))
        """)
    first, second = out.splitlines()
    assert first.startswith("True 1307 NO_PLACE: no node can ever serve what the worker asks for; one may come in the next ")
    assert second == "None None"


def test_refused(place):
    """Aim: what no node can have is refused at once with ProWorker_Invalid and NO_PLACE, and lastError() says what it was; the next start
    works."""
    assert place.serving.stop() == 0
    place.serving = place.broker("--gather", "50")  # so long it accepts everything, as nodes may be on their way
    proc.wait_until(lambda: place.python('print(ProManager().startWorker(node="nowhere"))') == "0\n", 10, "a refusal")
    out = place.python("""
        m = ProManager()
        for node in ("one", "two"):
            while not m.startWorker(node=node):
                assert m.lastError().name == "NO_PLACE", m.lastError()  # it is on its way
                time.sleep(0.02)
        for options in ({"node": "three"}, {"node": "no node"}, {"labels": {"tape": True}}, {"labels": {"a b": ""}}, {"cpus": 4000},
                        {"cpus": 1e9}, {"memory": 1 << 60}, {"memory": 1 << 70}, {"gpus": 9}, {"python": "3.99"}, {"python": "2.7"}):
            begin = time.monotonic()
            assert m.startWorker(**options) == ProWorker_Invalid, options
            e = m.lastError()
            assert time.monotonic() - begin < 3
            print(e.number, e.name, e)
        for wrong in ({"labels": 5}, {"labels": {1: 2}}, {"labels": {"a": 1.5}}, {"node": 1}, {"cpus": "1"}):
            try: m.startWorker(**wrong)
            except TypeError: continue
            raise AssertionError(wrong)
        for wrong in ({"labels": {"a": False}}, {"cpus": float("nan")}, {"cpus": -1}, {"env": {"": "x"}}):
            try: m.startWorker(**wrong)
            except ValueError: continue
            raise AssertionError(wrong)
        print(call(m, m.startWorker(), "def f(): return 5"))
        """)
    lines = out.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["1307", "NO_PLACE"]] * 11 and lines[-1] == "5"
    for line, words in zip(lines, ("called 'three' with Python 3.11", "'no node'", "labels 'tape'", "'a b'", "4000.000 processors", "cpus",
                                   f"{1 << 60} bytes", "memory", "9 GPUs", "with Python 3.99", "Python 2.7 is too old")):
        assert words in line, (line, words)


def test_waiting(place):
    """Aim: starts beyond all places are accepted, alive and not ready, and get theirs when others end; what was sent to them waits."""
    assert place.python("""
        m = ProManager()
        ids = m.startWorkers(14)
        assert len(ids) == 14 and m.workersAlive() == 14, (ids, m.lastError())
        for w in ids: m.evalPythonFunction(w, "def f(n): return n", "f", [w], True)
        until = time.monotonic() + 20
        while sum(map(m.isWorkerReady, ids)) < 12 and time.monotonic() < until:
            m.wait(100); m.processMessages()
        late = [w for w in ids if not m.isWorkerReady(w)]
        assert len(late) == 2 and all(map(m.isWorkerAlive, late)), late
        for w in [w for w in ids if w not in late][:2]:
            m.stopWorker(w)
        loop(m)
        results = []
        while m.hasResults(): results.append(m.takeResult(ProWorker_Any))
        print(sorted(results) == ids, m.workersAlive())
        """) == "True 12\n"


def test_survey(place):
    """Aim: the survey over a cluster finds what it finds on one host; its workers need not see the files."""
    tree = place.world.folder / "tree"
    for i in range(40):
        path = tree / f"d{i % 7}" / f"f{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((b"\x7fELF", b"text ", os.urandom(10))[i % 3] * (1 + i * 977 % 50000))
    (tree / "copy").write_bytes((tree / "d1" / "f1").read_bytes())
    place.hide(tree)
    args = [PYTHON, SURVEY, "--json", "--quiet", "--workers", "4", tree]
    there = json.loads(place.finish(place.start(args)))
    here = json.loads(place.finish(place.start(args, env={"PROMP_BROKER": "local"})))
    there.pop("seconds", None), here.pop("seconds", None)
    assert there == here and there


def test_modules(place):
    """Aim: what the nodes miss comes from the script's folder; output, results and tracebacks are as on one host."""
    project = place.world.folder / "project"
    (project / "pack").mkdir(parents=True)
    (project / "pack" / "__init__.py").write_text("from . import inner\n")
    (project / "pack" / "inner.py").write_text("def go(n):\n    return 10 // n  # inner\n")
    (project / "task.py").write_text("import pack\ndef f(n): return pack.inner.go(n)\n")
    (project / "main.py").write_text(LOOP + textwrap.dedent("""
        task = os.path.join(os.path.dirname(__file__), "task.py")
        m = ProManager()
        for w in (m.startWorker(node="one"), m.startWorker(node="two"), m.startWorker(modules=False)):
            for n in (2, 0):
                m.executePythonFunction(w, task, "f", [n], True)
            loop(m)
            e = m.takeError(w)
            print([m.takeResult(w), e.kind, e.traceback])
        """))
    rows = [eval(line) for line in place.finish(place.start([PYTHON, project / "main.py"])).splitlines()]
    for result, kind, trace in rows[:2]:
        assert (result, kind) == (5, "ZeroDivisionError") and "return 10 // n  # inner" in trace and "return pack.inner.go(n)" in trace
    assert rows[2][:2] == [None, "ModuleNotFoundError"]


def test_levels(place):
    """Aim: workers of workers of workers: each is a manager over the same broker, output comes to the root, results go up, and modules go
    down; the end of the root ends them all."""
    (place.world.folder / "helper.py").write_text("def twice(n): return 2 * n\n")
    out = place.python("""
        CODE = '''
        import time
        from Pro.MP import *
        import helper
        def f(code, level):
            print("level", proWorkerProcessLevel(), flush=True)
            if level == 4:
                return helper.twice(1)
            m = ProManager()
            m.setOptions(ProMPOpt_RedirectOutput)
            w = m.startWorker()
            assert w, m.lastError()
            m.evalPythonFunction(w, code, "f", [code, level + 1], True)
            while m.isBusy():
                m.wait()
                m.processMessages()
            assert not m.hasErrors(), m.takeError(w)
            return helper.twice(m.takeResult(w))
        '''
        import textwrap
        CODE = textwrap.dedent(CODE)
        m = ProManager()
        m.setOptions(ProMPOpt_RedirectOutput)
        print(call(m, m.startWorker(), CODE, CODE, 1), flush=True)
        """)
    assert out == "level 1\nlevel 2\nlevel 3\nlevel 4\n16\n"


@pytest.mark.root
def test_another_host(place):
    """Aim: nodes that see nothing of the script's folder: three levels of the script itself, each importing what is beside it,
    printing a traceback with the lines, and executing another script that lies there."""
    project = place.world.folder / "project"
    project.mkdir()
    (project / "main.py").write_text(LOOP + textwrap.dedent("""
        import traceback, helper
        level = proWorkerProcessLevel()
        assert level == 0 or not os.path.exists(__file__)
        print(level, helper.level(), flush=True)
        try: helper.fail()
        except ValueError: print([line for line in traceback.format_exc().splitlines() if "marked" in line], flush=True)
        if level < 3:
            m = ProManager()
            m.setOptions(ProMPOpt_RedirectOutput)
            w = m.startWorker(node="three")
            assert w, m.lastError()
            m.executePythonScript(w, __file__)
            m.executePythonScript(w, os.path.join(os.path.dirname(__file__), "other.py"))
            loop(m)
            assert not m.hasErrors(), m.takeError(w)
        """))
    (project / "helper.py").write_text("from Pro.MP import proWorkerProcessLevel as level\ndef fail():\n    raise ValueError(1)  # marked\n")
    (project / "other.py").write_text("import helper\nprint('other', helper.level(), flush=True)\n")
    place.nodes["three"] = place.node("three", "--python", PYTHON, "--places", "3", host=Blind(project))
    out = place.finish(place.start([PYTHON, project / "main.py"]))
    marks = str(["    raise ValueError(1)  # marked"])
    assert out.splitlines() == ["0 0", marks, "1 1", marks, "2 2", marks, "3 3", marks, "other 3", "other 2", "other 1"]


def test_containers(place):
    """Aim: containers of 20 MiB, file and memory, come whole to both nodes, slices and searches agree, a file that changes is an
    error."""
    data = place.world.folder / "data"
    data.write_bytes(os.urandom(20 << 20) + b"needle in the end")
    out = place.python("""
        path = sys.argv[1]
        m = ProManager()
        m.shareContainer("file", createContainerFromFile(path))
        c = NTContainer()
        c.setData(open(path, "rb").read())
        m.shareContainer("memory", c)
        CODE = '''
        import hashlib
        from Pro.MP import *
        def f(name):
            c = proWorkerObject().getSharedContainer(name)
            digest = hashlib.sha256()
            for at in range(0, len(c), 1 << 20): digest.update(c.read(at, 1 << 20))
            return [digest.hexdigest(), c[100:110], c.findFirst(b"needle in").offset]
        '''
        import textwrap
        CODE = textwrap.dedent(CODE)
        for node in ("one", "two"):
            w = m.startWorker(node=node)
            for name in ("file", "memory"): print(call(m, w, CODE, name))
        with open(path, "ab") as file: file.write(b"more")
        print(str(call(m, m.startWorker(), CODE, "file")))
        """.replace("sys.argv[1]", repr(str(data))))
    lines = out.splitlines()
    whole = data.read_bytes()[:-4]
    assert [eval(line) for line in lines[:4]] == [[hashlib.sha256(whole).hexdigest(), whole[100:110], whole.index(b"needle in")]] * 4
    assert "changed" in lines[4]
