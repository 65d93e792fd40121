"""Fixtures for tests of the package Pro: scripts run by a real interpreter, as a user would.

PROMP_TEST_PYTHON names another interpreter than the one that runs pytest."""

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest
from support import build

PACKAGE = build.BUILD / "python"
PYTHON = os.environ.get("PROMP_TEST_PYTHON", sys.executable)

PRELOAD = {"LD_PRELOAD": build.PRELOAD, "PYTHONMALLOC": "malloc"} if build.PRELOAD else {}


@pytest.fixture(scope="session", autouse=True)
def package():
    if not (PACKAGE / "Pro" / "_promp.abi3.so").exists():
        pytest.skip("the package Pro is not built")
    if not build.LOADS_PACKAGE:
        pytest.skip("an interpreter without sanitizers cannot load the extension (PROMP_TEST_PRELOAD=libasan.so lets it)")


class Script:
    """A script that runs; its output is read when it is over."""

    def __init__(self, world, text, *args, env=(), python=PYTHON):
        self.path = pathlib.Path(world.folder) / f"script{len(world.popens)}.py"
        self.path.write_text(textwrap.dedent(text))
        self.process = world.popen([python, str(self.path), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={"PYTHONPATH": str(PACKAGE), **PRELOAD, **dict(env)}, text=True)

    def finish(self, timeout=60):
        out, err = self.process.communicate(timeout=build.scaled(timeout))
        return self.process.returncode, out, err


@pytest.fixture
def script(world):
    """script(text, *args): starts a script and returns it."""
    return lambda text, *args, **options: Script(world, text, *args, **options)


@pytest.fixture
def run(script):
    """run(text, *args): output of a script that must end well and print nothing on stderr."""

    def call(text, *args, stderr="", timeout=60, **options):
        code, out, err = script(text, *args, **options).finish(timeout)
        assert code == 0, f"exit code {code}\n{out[-2000:]}\n{err[-6000:]}"
        if stderr is not None:
            assert err == stderr
        return out

    return call
