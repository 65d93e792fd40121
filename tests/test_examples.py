"""Aim: the example programs do what they say, also with odd file names, killed workers and an impatient user."""

import hashlib
import json
import os
import signal
import subprocess
import time

import pytest

from support import build, proc

SURVEY = str(build.BUILD / "bin" / "survey")
NESTED = str(build.BUILD / "bin" / "nested")

pytestmark = pytest.mark.skipif(not os.access(SURVEY, os.X_OK), reason="the examples are not built")


def run(world, *args, **options):
    return subprocess.run([str(a) for a in args], env=world.environment, capture_output=True,
                          timeout=build.scaled(60), **options)


def survey(world, *args):
    done = run(world, SURVEY, "--json", "--quiet", "--workers", 2, *args)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def open_files(pid):
    """Paths that a process has open."""
    try:
        return [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []  # it is gone


def begin(world, *args):
    """A survey whose workers run when this returns: (process, workers)."""
    p = world.popen([SURVEY, "--json", "--quiet", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    workers = proc.wait_until(lambda: [w for w in world.living() if w.name.startswith("survey-worker")],
                              10, "a worker")
    return p, workers


@pytest.fixture
def tree(tmp_path):
    """Some files, two of them the same, one with a hard link, names that are no text."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a.txt").write_text("the same\n")
    (tmp_path / "deep" / "b.txt").write_text("the same\n")
    (tmp_path / "deep" / "er" / "script").write_text("#!/bin/sh\n")
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(b"\0" * 3_000_000)
    os.link(tmp_path / "large", tmp_path / "hard link")
    os.symlink("nowhere", tmp_path / "symbolic link")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "new\nline \x1b[31m").write_text("x")
    with open(os.fsencode(tmp_path) + b"/not utf-8 \xff", "w") as f:
        f.write("y")
    return tmp_path


def test_survey(world, tree):
    """Counts, sizes and hashes are those of the files; a hard link is no second file of the same content."""
    report = survey(world, tree)
    kinds = {k["kind"]: k for k in report["kinds"]}
    assert report["files"] == 10 and report["bytes"] == sum(k["bytes"] for k in report["kinds"])
    assert kinds["script"]["files"] == 1 and kinds["empty"]["files"] == 1
    assert kinds["symbolic link"]["files"] == 1 and kinds["fifo"]["files"] == 1
    assert kinds["ASCII text"]["files"] == 4
    (same,) = report["duplicates"]
    assert sorted(same["paths"]) == [str(tree / "a.txt"), str(tree / "deep" / "b.txt")]
    assert same["hash"] == hashlib.blake2b(b"the same\n", digest_size=32).hexdigest() and same["size"] == 9
    assert report["failures"] == []


def test_survey_many_files(world, tmp_path):
    """More files than one batch holds: each is counted once."""
    for i in range(700):
        (tmp_path / f"{i % 7}-{i}").write_text(str(i % 50))
    report = survey(world, tmp_path)
    assert report["files"] == 700
    assert sum(len(d["paths"]) for d in report["duplicates"]) == 700 and len(report["duplicates"]) == 50


def test_survey_table(world, tree):
    """The table cannot be forged by a file's name."""
    done = run(world, SURVEY, "-q", tree)
    assert done.returncode == 0 and b"\x1b" not in done.stdout
    assert b"10 files, " in done.stdout.splitlines()[-1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_survey_unreadable(world, tree):
    """What may not be read is told with its reason."""
    (tree / "a.txt").chmod(0)
    assert survey(world, tree)["failures"] == [{"path": str(tree / "a.txt"), "why": "Permission denied"}]


def test_survey_usage(world, tree):
    """Wrong usage: a sentence and 2; help and version: 0."""
    for args in (["--workers", "0"], ["--workers", "x"], ["--patience", "-1"], ["--what"], [tree / "nowhere"]):
        done = run(world, SURVEY, *args)
        assert done.returncode == 2 and done.stderr and not done.stdout, args
    assert b"--json" in run(world, SURVEY, "--help").stdout
    assert run(world, SURVEY, "--version").returncode == 0


def test_survey_interrupted(world, tmp_path):
    """Ctrl-C: 130 at once, and nothing is left."""
    os.truncate(os.open(tmp_path / "huge", os.O_CREAT | os.O_WRONLY), 1 << 40)
    p, workers = begin(world, tmp_path)
    at = time.monotonic()
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=build.scaled(10))
    assert p.returncode == 130 and not out and b"interrupted" in err
    assert time.monotonic() - at < build.scaled(3)
    world.wait_gone([w.pid for w in workers], build.scaled(2))


def test_survey_worker_killed(world, tmp_path):
    """A worker that is killed is replaced and its files are examined again: none is missing."""
    for i in range(100):
        (tmp_path / f"{i}").write_text(str(i))
    os.truncate(os.open(tmp_path / "large", os.O_CREAT | os.O_WRONLY), 1 << 30)
    p, workers = begin(world, "--workers", "1", tmp_path)
    os.kill(workers[0].pid, signal.SIGKILL)
    out, err = p.communicate(timeout=build.scaled(60))
    assert p.returncode == 0, err
    report = json.loads(out)
    assert report["files"] == 101 and report["failures"] == []


def test_survey_bad_file(world, tmp_path):
    """A file over which every worker dies is named, and the survey goes on."""
    (tmp_path / "good").write_text("good")
    os.truncate(os.open(tmp_path / "bad", os.O_CREAT | os.O_WRONLY), 1 << 40)
    p, workers = begin(world, "--workers", "1", tmp_path)
    seen = set()
    while p.poll() is None:
        workers = [w for w in world.living() if w.name.startswith("survey-worker") and w.pid not in seen]
        for w in workers:
            if str(tmp_path / "bad") in open_files(w.pid):
                seen.add(w.pid)
                proc.kill(w.pid)
        time.sleep(0.001)
    out, err = p.communicate()
    assert p.returncode == 0, err
    report = json.loads(out)
    (failure,) = report["failures"]
    assert failure["path"] == str(tmp_path / "bad") and "signal" in failure["why"]
    assert report["files"] == 2 and len(seen) <= 4


@pytest.mark.parametrize("depth", (1, 5))
def test_nested(world, depth):
    """Each level prints once, from the top, and only the root writes it."""
    done = run(world, NESTED, depth, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(" is ")[0] for line in lines[:-1]] == [f"level {i}" for i in range(depth + 1)]
    assert len({line.split()[-1] for line in lines[:-1]}) == depth + 1
    assert lines[-1] == f"{depth} workers answered"
