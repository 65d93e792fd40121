"""`pip install .`: one wheel works in a virtual environment of every Python 3.11 and newer on this machine."""

import pathlib
import shutil
import subprocess
import sys

import pytest
from support import build

pytestmark = [pytest.mark.slow, pytest.mark.plain]

SCRIPT = """
import sys
from Pro.MP import *
import Pro.MP
with ProManager() as m:
    m.setOptions(ProMPOpt_AtomicOutput)
    w = m.startWorker()
    m.evalPythonFunction(w, '''
import sys, Pro.MP
def f():
    print("from the worker")
    return [sys.version, sys.prefix, Pro.MP.__file__]
''', "f", [], True)
    while m.isBusy():
        m.wait(); m.processMessages()
    assert m.takeResult(w) == [sys.version, sys.prefix, Pro.MP.__file__]
    assert Pro.MP.__file__.startswith(sys.prefix) and sys.prefix != sys.base_prefix
print("__file__" in globals(), __name__, sys.argv[1:])
"""

ZMQ = """
import zmq
from Pro.MP import proZMQContext
address = proZMQContext()
assert isinstance(address, int) and address and address == proZMQContext()
context = zmq.Context.shadow(address)
a, b = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
a.bind("inproc://x"); b.connect("inproc://x")
a.send(b"through our context")
print(b.recv().decode())
a.close(); b.close()
"""


def interpreters():
    """{"3.11.2": path} of the interpreters on this machine that the package is for."""
    places = ["/usr/bin/python3", sys.executable, *(shutil.which(f"python3.{minor}") or "" for minor in range(11, 20)),
              *map(str, pathlib.Path.home().glob(".pyenv/versions/3.*/bin/python3"))]
    found = {}
    for path in filter(None, places):
        asked = subprocess.run([path, "-c", "import sys; print(*sys.version_info[:3], sys.prefix == sys.base_prefix)"],
                               capture_output=True, text=True)
        words = asked.stdout.split()
        if asked.returncode == 0 and words[3] == "True" and (int(words[0]), int(words[1])) >= (3, 11):
            found.setdefault(".".join(words[:3]), path)
    return found


def run(*args, **options):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, f"{args}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of a copy of this repository: a build must leave nothing in the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    run("/usr/bin/env", "python3", "-m", "venv", folder / "v", cwd=folder)
    pip = folder / "v/bin/pip"
    asked = subprocess.run([pip, "download", "-q", "--no-deps", "-d", folder / "d", "scikit-build-core"], capture_output=True,
                           text=True)
    if asked.returncode:
        pytest.skip(f"pip cannot get scikit-build-core: {asked.stderr.strip()[-200:]}")
    source = folder / "source"
    shutil.copytree(build.ROOT, source, ignore=lambda where, names: [
        n for n in names if n in (".git", "__pycache__") or (pathlib.Path(where) == build.ROOT and n.startswith("build"))])
    run(pip, "-q", "wheel", "--no-deps", "-w", folder / "w", source)
    wheels = list((folder / "w").glob("*.whl"))
    assert len(wheels) == 1
    assert "-cp311-abi3-linux_" in wheels[0].name
    return wheels[0]


@pytest.mark.parametrize("version", sorted(interpreters()))
def test_wheel(world, wheel, tmp_path, version):
    """Aim: in a fresh environment a script finds package, library, node, worker and `promp`, with nothing said about where."""
    run(interpreters()[version], "-m", "venv", tmp_path / "v")
    bin_ = tmp_path / "v/bin"
    run(bin_ / "pip", "-q", "install", wheel)
    (tmp_path / "script.py").write_text(SCRIPT)
    env = {k: v for k, v in world.environment.items() if k not in ("PROMP_NODE", "PYTHONPATH")}
    expected = "from the worker\nTrue __main__ ['a', '-b']\n"
    assert run(bin_ / "python3", tmp_path / "script.py", "a", "-b", env=env, timeout=60) == expected
    assert run(bin_ / "promp", "-r", tmp_path / "script.py", "a", "-b", env=env, timeout=60) == expected
    assert run(bin_ / "promp", "--version") == "promp 0.1.0\n"
    assert "usage: promp-node" in run(bin_ / "promp-node", "--help")


def test_zmq_context(world, wheel, tmp_path):
    """Aim: pyzmq takes proZMQContext() [100] (H3)."""
    run("/usr/bin/env", "python3", "-m", "venv", tmp_path / "v")
    pip = tmp_path / "v/bin/pip"
    if subprocess.run([pip, "-q", "install", "pyzmq"], capture_output=True).returncode:
        pytest.skip("pip cannot get pyzmq")
    run(pip, "-q", "install", wheel)
    assert run(tmp_path / "v/bin/python3", "-c", ZMQ, env=world.environment, timeout=60) == "through our context\n"
