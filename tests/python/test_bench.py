"""The benchmarks of the package in bench/ run and say what they measured, small: the figures are not looked at."""

import json
import subprocess

from conftest import PACKAGE, PRELOAD, PYTHON
from support import build

FIGURES = {"start_ms", "call_us", "calls_per_s"}


def bench(world, name, *args, options=()):
    """(output, what came on stderr) of a benchmark that must end well."""
    process = world.popen([PYTHON, *options, str(build.ROOT / "bench" / name), "--rounds", "1", "--json", *args],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PYTHONPATH": str(PACKAGE), **PRELOAD})
    out, err = process.communicate(timeout=build.scaled(60))
    assert process.returncode == 0, (out, err)
    return json.loads(out), err


def test_calls_without_execnet(world):
    """Aim: a peer that is not installed is named in one line, and the others are measured. (-S hides installed packages.)"""
    rows, err = bench(world, "python_calls.py", "--calls", "5", "--flight", "10", options=["-S"])
    assert set(rows) == {"promp", "multiprocessing.Pool", "ProcessPoolExecutor"}
    assert all(set(row) == FIGURES and min(row.values()) > 0 for row in rows.values()), rows
    assert err.count("\n") == 1 and "execnet" in err and "not installed" in err


def test_start(world):
    """Aim: the start of a worker is measured beside an interpreter that does nothing."""
    rows, err = bench(world, "python_start.py")
    assert rows["python_start"]["ready_ms"] > 0 and rows["python_start"]["bare_ms"] > 0 and err == ""


def test_containers(world):
    """Aim: sharing, opening, reading, searching and streaming of containers are measured, each beside what else there is."""
    rows, err = bench(world, "containers.py", "--gib", "0.02", "--search", "1", "--memory", "0.1", "--reads", "20")
    figures = rows["containers"]
    ways = {"lent", "mapped", "streamed", "local, file", "local, memory", "a plain file", "shared_memory"}
    for what in "sequential", "4 KiB at random":
        assert ways <= {name.removeprefix(what + ", ") for name in figures if name.startswith(what)}, figures
    assert {"local", "mapped", "streamed", "a plain file, mapped", "shared_memory"} <= {
        name.removeprefix("search of 1 MiB, ") for name in figures}
    assert figures["sequential, a bare Unix socket"] > 0 and figures["sequential, streamed / bare"] > 0
    assert 0 <= figures["more memory after 0.1 GiB streamed"] < 96 and err == ""
