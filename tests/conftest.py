"""Fixtures for tests that drive the real programs. Each test has a world of its own: a runtime folder, hence a node of its
own, and at its end nothing of it may be left: no process, no zombie, no report of a sanitizer."""

import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from support import build, proc  # noqa: E402
from support.world import World  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: full sizes, minutes")
    config.addinivalue_line("markers", "chaos: faults injected hundreds of times")
    config.addinivalue_line("markers", "deploy: installed packages, images, units: ./dev test-deploy")
    config.addinivalue_line("markers", "vm: a virtual machine with systemd: ./dev test-vm")
    config.addinivalue_line("markers", "sanitize: worth a run with sanitizers; set by itself where nothing speaks against it")
    config.addinivalue_line("markers", "xdist_group(name): one after the other in one process, for what they set up together")
    config.addinivalue_line("markers", "root: needs to be root")
    config.addinivalue_line("markers", "idle_ms(ms): how long the node of this test stays without managers")
    config.addinivalue_line("markers", "plain: makes no sense with a sanitizer (address space limits, CPU time)")
    proc.become_subreaper()
    # Started in the background, we would hand on an ignored SIGINT, and Ctrl-C could not be tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    wanted = config.getoption("-m") or ""
    for item in items:
        runs = build.LOADS_PACKAGE or pathlib.Path(__file__).parent / "python" not in item.path.parents
        if runs and "world" in item.fixturenames and not any(map(item.get_closest_marker, ("slow", "chaos", "deploy", "vm", "plain"))):
            item.add_marker(pytest.mark.sanitize)
        long = [mark for mark in ("slow", "chaos", "deploy", "vm") if item.get_closest_marker(mark)]
        if long and not any(mark in wanted for mark in long):
            item.add_marker(pytest.mark.skip(reason=f"of long duration: run with -m {long[0]}"))  # run.sh counts these
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))
        if item.get_closest_marker("plain") and build.SANITIZER:
            item.add_marker(pytest.mark.skip(reason="not with a sanitizer"))


@pytest.fixture(scope="session", autouse=True)
def programs():
    for path in (build.NODE, build.TM, build.TW):
        if not os.access(path, os.X_OK):
            pytest.exit(f"{path} is not built (PROMP_BUILD names the build folder)", 2)


@pytest.fixture
def world(request):
    """The world of this test, examined when the test is over."""
    mark = request.node.get_closest_marker("idle_ms")
    w = World(*mark.args) if mark else World()
    yield w
    notes = w.log()
    wrong = w.close()
    w.remove()
    if wrong:
        pytest.fail("\n".join(wrong) + (f"\nlog of the node:\n{notes[-4000:]}" if notes else ""), pytrace=False)


@pytest.fixture
def manager(world):
    """A manager without workers."""
    return world.manager()


@pytest.fixture
def worker(manager):
    """(manager, id of a worker that is ready)"""
    w = manager.start()
    manager.until("ready", w)
    return manager, w


@pytest.fixture
def noisy(world):
    """A manager that shows its workers' output as events."""
    m = world.manager()
    m.check("set", options=1)
    m.check("output", "show")
    return m
