"""A cluster for scripts: a broker and two nodes on loopback, set up as users set them up."""

import subprocess
import textwrap

import pytest
from conftest import PACKAGE, PYTHON
from support import build, cluster

LOOP = """
import os, sys, time
from Pro.MP import *
from Pro.Core import *

def loop(m):
    while m.isBusy():
        m.wait()
        m.processMessages()

def call(m, w, code, *args):
    m.evalPythonFunction(w, code, "f", list(args), True)
    loop(m)
    error = m.takeError(w)
    return error or m.takeResult(w)

def fine(m):
    assert m.lastError() is None, m.lastError()

"""


class Blind:
    """Where programs run that do not see a folder of this host: as on another host."""

    def __init__(self, folder):
        self.folder = folder

    def command(self, args):
        return ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(self.folder), *args]


class Place(cluster.Cluster):
    """A broker, the nodes "one" and "two", and a folder that has joined as manager."""

    def __init__(self, world):
        super().__init__(world)
        self.serving = self.broker()
        self.nodes = {name: self.node(name, "--places", "6", "--python", PYTHON, *labels)
                      for name, labels in (("one", ()), ("two", ("--labels", "gpu zone-eu")))}
        self.joined = self.manager_config()
        self.killed = 0

    def hide(self, folder):
        """There is only a node from now on that does not see this folder (where we may do that)."""
        may = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", str(folder)], capture_output=True)
        if may.returncode == 0:
            for program in self.nodes.values():
                program.stop()
            self.nodes["three"] = self.node("three", "--python", PYTHON, "--places", "6", host=Blind(folder))

    def start(self, args, **options):
        env = {"PYTHONPATH": str(PACKAGE), "PROMP_CONFIG": str(self.joined), "PROMP_PYTHON": PYTHON, **options.pop("env", {})}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": self.world.folder, **options}
        return self.world.popen(list(map(str, args)), env=env, **options)

    def script(self, text, *args, **options):
        path = self.world.folder / f"script{len(self.world.popens)}.py"
        path.write_text(LOOP + textwrap.dedent(text))
        return self.start([PYTHON, path, *args], **options)

    def finish(self, process, timeout=60):
        try:
            out, err = process.communicate(timeout=build.scaled(timeout))
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"it hangs\n{out}{err}\n{self.logs()}") from None
        assert (process.returncode, err) == (0, ""), f"{process.returncode}\n{out}{err}\n{self.logs()}"
        return out

    def python(self, text, **options):
        """Output of a script that must end well and print nothing on stderr."""
        return self.finish(self.script(text, **options))

    def logs(self):
        return "".join(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in self.folder.glob("*.log"))


@pytest.fixture
def place(world):
    assert cluster.built(), "promp-broker is not built"
    p = Place(world)
    yield p
    for program in (*p.nodes.values(), p.serving):
        if program.process.poll() is None:
            program.stop()
    left = [path for path in p.folder.glob("promp-*") if path.is_dir()]
    assert len(left) <= p.killed, f"private folders of workers are left: {left}"
