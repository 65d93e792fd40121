"""Pro.MP over a cluster whose workers, nodes and broker are killed: what scripts are told, and that nothing is lost."""

import json

from conftest import PYTHON
from place import place  # noqa: F401 - a fixture
from support import build, cluster, proc
from test_survey import EXAMINE, SURVEY


def test_ends(place):
    """Aim: a worker that is killed, one that exits, one whose node is killed: each is told with its cause and its last words, its task
    fails, the others go on."""
    process = place.script("""
        m = ProManager()
        m.setManagerTimeout(2000)
        a, b, c = [m.startWorker(node="one") for i in range(3)]
        d = m.startWorker(node="two")
        m.evalPythonCode(a, "import os, signal; os.write(2, b'last words'); os.kill(os.getpid(), signal.SIGKILL)")
        m.evalPythonCode(b, "import os; os._exit(7)")
        m.evalPythonFunction(c, "import time\\ndef f(): time.sleep(0.5); return 'c'", "f", [], True)
        loop(m)
        while not (m.workerExit(a) and m.workerExit(b)):
            m.wait(50)
            m.processMessages()
        x, y = m.workerExit(a), m.workerExit(b)
        assert (x.number, x.signal, x.output) == (1502, 9, b"last words"), x
        assert (y.number, y.code, y.node) == (1501, 7, "one"), y
        assert m.takeResult(ProWorker_Any) == "c"
        assert [m.takeError(w).number for w in (a, b)] == [1016, 1016]
        assert m.isWorkerAlive(c) and m.isWorkerAlive(d) and m.workersAlive() == 2
        m.evalPythonCode(d, "print('runs', flush=True); import time; time.sleep(60)")
        print("now", flush=True)
        loop(m)
        print(m.isWorkerAlive(d), m.takeError(d).number, m.workerExit(d).number, m.workerExit(d).node, m.isWorkerAlive(c), call(m, c, "def f(): return 1"))
        """)
    assert process.stdout.readline() == "now\n", process.stderr.read() + place.logs()
    place.nodes["two"].kill()
    place.killed += 1  # whose worker's folder nobody could remove
    assert place.finish(process) == "False 1016 1506 two True 1\n"


def again(place, what):
    """Kills the broker and starts it again, or kills the agent of node one."""
    if what == "agent":
        proc.kill(next(p.pid for p in proc.descendants() if p.parent == place.nodes["one"].pid and proc.role(p) == "agent"))
    else:
        place.serving.kill()
        place.serving = place.broker()


def test_broker_restart(place):
    """Aim: the broker is killed and started again while work goes on, twice, and between an agent: every task runs once and every
    result comes once, in order."""
    process = place.script("""
        m = ProManager()
        m.setOptions(ProMPOpt_AtomicOutput)
        ids = m.startWorkers(4)
        assert len(ids) == 4, m.lastError()
        CODE = '''
        import time
        def f(n):
            time.sleep(0.02)
            print("did %d" % n)
            return n
        '''
        import textwrap
        CODE = textwrap.dedent(CODE)
        for n in range(400): m.evalPythonFunction(ids[n % 4], CODE, "f", [n], True)
        got = []
        while m.isBusy():
            m.wait(100)
            m.processMessages()
            while m.hasResults():
                got.append(m.takeResult(ProWorker_Any))
                print("got", len(got), flush=True)
        assert sorted(got) == list(range(400)), sorted(got)
        for i in range(4): assert [n for n in got if n % 4 == i] == list(range(i, 400, 4))
        assert not m.hasErrors() and m.workersAlive() == 4, m.takeError(ProWorker_Any)
        print("end", flush=True)
        """)
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if line in ("got 50\n", "got 120\n", "got 200\n"):
            again(place, "agent" if line == "got 120\n" else "broker")
    assert process.wait(build.scaled(60)) == 0, process.stderr.read() + place.logs()
    did = [int(line.split()[1]) for line in lines if line.startswith("did ")]
    assert sorted(did) == list(range(400)) and lines[-1] == "end"


def test_restart_of_levels(place):
    """Aim: while a worker's worker on another node reads a container that its manager passes on, and messages go from it to the root
    manager, the broker and an agent are killed: bytes are right, messages come once each and in order."""
    process = place.script("""
        INNER = '''
        import hashlib, time
        from Pro.MP import *
        def f():
            me = proWorkerObject()
            c = me.getSharedContainer("passed on")
            for i in range(300):
                at = i * 524287 % (len(c) - 70000)
                m = ProMPMessage(i)
                m.data = hashlib.sha256(c.read(at, 70000)).digest()
                assert me.sendMessage(m)
                time.sleep(0.005)
            return len(c)
        '''
        OUTER = '''
        from Pro.MP import *
        def f(inner):
            me = proWorkerObject()
            m = ProManager()
            m.shareContainer("passed on", me.getSharedContainer("data"))
            w = m.startWorker(node="two")
            m.evalPythonFunction(w, inner, "f", [], True)
            while m.isBusy() or m.hasMessage(w):
                m.wait(1000)
                m.processMessages()
                while m.hasMessage(w):
                    assert me.sendMessage(m.getMessage(w))
            if m.hasErrors(): raise m.takeError(w)
            return m.takeResult(w)
        '''
        import hashlib, textwrap
        INNER, OUTER = textwrap.dedent(INNER), textwrap.dedent(OUTER)
        data = os.urandom(40 << 20)
        m = ProManager()
        c = NTContainer()
        c.setData(data)
        m.shareContainer("data", c)
        w = m.startWorker(node="one")
        m.evalPythonFunction(w, OUTER, "f", [INNER], True)
        count = 0
        while m.isBusy() or m.hasMessage(w):
            m.wait(1000)
            m.processMessages()
            while m.hasMessage(w):
                msg = m.getMessage(w)
                at = count * 524287 % (len(data) - 70000)
                assert msg.id == count and msg.data == hashlib.sha256(data[at:at + 70000]).digest(), (msg.id, count)
                count += 1
                print("got", count, flush=True)
        assert not m.hasErrors(), m.takeError(w)
        print("end", m.takeResult(w), flush=True)
        """)
    line = ""
    for line in process.stdout:
        if line in ("got 50\n", "got 100\n", "got 200\n"):
            again(place, "agent" if line == "got 100\n" else "broker")
    assert process.wait(build.scaled(60)) == 0, process.stderr.read() + place.logs()
    assert line == f"end {40 << 20}\n"


def test_no_broker(place):
    """Aim: a broker that is not there, a key that was revoked, an address or a folder that is wrong: each is a number within 6 s, the local
    node is not taken instead; broker="local" takes it."""
    (place.folder / "empty").mkdir(mode=0o700)
    place.run(cluster.AUTH, "revoke", "manager", stdin="")
    out = place.python("""
        until = time.monotonic() + 10
        while time.monotonic() < until:  # the broker looks at its store now and then
            try: ProManager()
            except ProMPError: break
        for arguments in ({}, {"broker": "tcp://127.0.0.1:1"}, {"broker": "tcp://nowhere.invalid:5599"}, {"broker": "127.0.0.1"},
                          {"broker": "", }, {"config": "empty"}, {"config": "nowhere"}):
            begin = time.monotonic()
            try: ProManager(**arguments)
            except (ProMPError, ValueError) as e: print(getattr(e, "name", "ValueError"), time.monotonic() - begin < 6, e)
            else: print("made", arguments)
        m = ProManager("local")
        print(call(m, m.startWorker(), "from Pro.MP import *\\ndef f(): return proWorkerObject().getConnectionAddress()[:6]"))
        """.replace('"empty"', repr(str(place.folder / "empty"))))
    names = [line.split()[:2] for line in out.splitlines()]
    assert names[0] == ["KEY_REFUSED", "True"], out
    assert names[-1] == ["ipc://"], out


# The survey's work on a file that takes as long as there is a file beside it.
HELD = """
import importlib.util, os, time
spec = importlib.util.spec_from_file_location("examine", %r)
examine = importlib.util.module_from_spec(spec)
spec.loader.exec_module(examine)

def look_all(files, signatures):
    def work(file, name, hashed, tick):
        open(os.fsdecode(name) + ".%%d.begun" %% os.getpid(), "w").close()
        while os.path.exists(%r):
            time.sleep(0.02)
            tick()
        return examine.look(file, signatures, hashed, tick)
    return examine.each(files, work)
"""


def test_survey_of_a_lost_node(place):
    """Aim: a node is killed while its worker is at the only file of its batch: the file is not blamed, and looked at elsewhere."""
    tree, hold = place.world.folder / "tree", place.world.folder / "hold"
    tree.mkdir()
    (tree / "file").write_text("some words")
    hold.touch()
    script = place.world.folder / "held.py"
    script.write_text(HELD % (EXAMINE, str(hold)))
    place.nodes["two"].stop()
    survey = place.start([PYTHON, SURVEY, "--json", "--quiet", "--workers", "1", "--script", script, tree])
    proc.wait_until(lambda: len(list(tree.glob("*.begun"))) == 1, 30, place.logs)
    place.nodes["one"].kill()
    place.killed += 1  # whose worker's folder nobody could remove
    place.nodes["two"] = place.node("two", "--python", PYTHON, "--places", "6")
    proc.wait_until(lambda: len(list(tree.glob("*.begun"))) == 2, 60, place.logs)
    hold.unlink()
    found = json.loads(place.finish(survey))
    assert found["files"] == 1 and not found["failures"], found


def test_survey_short_of_places(place):
    """Aim: a survey that wants more workers than the cluster has places does all its files with those it gets."""
    tree = place.world.folder / "tree"
    tree.mkdir()
    for i in range(1000):
        (tree / str(i)).write_bytes(b"%d" % i)
    out = place.finish(place.start([PYTHON, SURVEY, "--json", "--quiet", "--workers", "20", tree]))
    assert json.loads(out)["files"] == 1000
