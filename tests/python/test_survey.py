"""The survey in Python (examples/survey): its report, its screen, bad files, workers that die or hang, Ctrl-C."""

import fcntl
import json
import os
import pathlib
import pty
import random
import re
import signal
import struct
import subprocess
import termios
import threading

import pytest
from conftest import PACKAGE, PRELOAD, PYTHON
from support import build, proc

SURVEY = str(pathlib.Path(__file__).parents[2] / "examples" / "survey" / "survey.py")
EXAMINE = str(pathlib.Path(SURVEY).with_name("examine.py"))

# A script for the workers that does to files of certain names what the name says.
TRAPS = """
import importlib.util, os, signal, sys, time
spec = importlib.util.spec_from_file_location("examine", %r)
examine = importlib.util.module_from_spec(spec)
spec.loader.exec_module(examine)

def spring(path):
    name = os.path.basename(path)
    if name.startswith("exit"):
        os.write(2, b"last words of " + os.fsencode(name) + b"\\n")
        os._exit(3)
    if name.startswith("segv"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("hang"):
        open(os.path.join(os.path.dirname(path), "hung"), "w").close()
        while True:
            time.sleep(600)
    if name.startswith("raise"):
        raise KeyError(name)

def look_all(files, signatures):
    def work(file, name, hashed, tick):
        spring(os.fsdecode(name))
        return examine.look(file, signatures, hashed, tick)
    return examine.each(files, work)
""" % EXAMINE


def start(world, *args, env=(), **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return world.popen([PYTHON, SURVEY, *map(os.fsencode, map(str, args))],
                       env={"PYTHONPATH": str(PACKAGE), **PRELOAD, **dict(env)}, **options)


def finish(process, timeout=60):
    out, err = process.communicate(timeout=build.scaled(timeout))
    return process.returncode, out, err


def report(world, *args, **options):
    """The report of a survey that ends well."""
    code, out, err = finish(start(world, "--json", "--workers", "2", "--quiet", *args, **options))
    assert code == 0 and err == "", f"exit code {code}\n{err[-6000:]}"
    return json.loads(out)


@pytest.fixture
def tree(tmp_path):
    """A folder with files of several kinds."""
    folder = tmp_path / "tree"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "none").mkdir()
    (folder / "text").write_text("some words, some w\u00f6rds\n" * 10)
    (folder / "a" / "copy").write_text("some words, some w\u00f6rds\n" * 10)
    (folder / "a" / "other").write_text("same size but different "[:24] + "x" * ((folder / "text").stat().st_size - 24))
    (folder / "a" / "b" / "picture").write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(1000))
    (folder / "script").write_text("#!/bin/sh\n")
    (folder / "empty").touch()
    (folder / "random").write_bytes(b"\0" + os.urandom(100000))
    (folder / "link").symlink_to("random")
    (folder / "gone").symlink_to("/no/such/file")
    os.link(folder / "random", folder / "hard")
    os.mkfifo(folder / "pipe")
    return folder


def test_report(world, tree):
    """Kinds, sizes, entropy, the largest and the duplicates are right; links and pipes are left out."""
    found = report(world, tree)
    size = (tree / "text").stat().st_size
    assert found["files"] == 8 and found["bytes"] == 3 * size + 1008 + 10 + 2 * 100001 and found["failures"] == []
    assert {kind: row["files"] for kind, row in found["kinds"].items()} == {"data": 2, "PNG": 1, "text": 3, "script": 1, "empty": 1}
    assert found["kinds"]["data"]["entropy"] > 7.5 and found["kinds"]["empty"]["entropy"] == 0
    assert found["largest"][0] == {"path": str(tree / "hard"), "bytes": 100001}
    # The two names of one inode waste nothing.
    assert found["duplicates"] == {"groups": 1, "wasted": size,
                                   "largest": [{"wasted": size, "paths": [str(tree / "a" / "copy"), str(tree / "text")]}]}


def test_folders(world, tree, tmp_path):
    """Several folders are one survey; a folder given twice, or within another, counts once; an empty one is no error."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "x").write_text("x")
    assert report(world, tree, other)["files"] == 9
    assert report(world, tree, other, tree / "a" / ".." / "a", other)["files"] == 9
    assert report(world, "a", cwd=tree)["files"] == 3
    found = report(world, tree / "none")
    assert (found["files"], found["bytes"], found["kinds"], found["largest"]) == (0, 0, {}, [])


def test_names(world, tmp_path):
    """Names that are not UTF-8, or would move the cursor, come out readable; the JSON is plain UTF-8."""
    names = [b"\xff\xfe", b"new\nline", b"\x1b[31mred", b"sp ace", "\u20ac".encode()]
    for name in names:
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as file:
            file.write(b"the same")
    for locale in ("C.UTF-8", "C"):
        found = report(world, tmp_path, env={"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"})
        assert found["files"] == 5 and found["duplicates"]["wasted"] == 32 and not found["failures"]
        paths = found["duplicates"]["largest"][0]["paths"]
        assert {os.path.basename(p) for p in paths} == {"\\xff\\xfe", "new\nline", "\x1b[31mred", "sp ace", "\u20ac"}
        json.dumps(found, ensure_ascii=False).encode("utf-8")
        code, out, err = finish(start(world, tmp_path, env={"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}))
        assert code == 0 and err == "" and "\x1b" not in out and "\\x1b[31mred" in out and "new\\nline" in out


def test_bad_files(world, tree):
    """Files and folders that cannot be read, went away or change are named with the reason, and the rest is done."""
    for i in range(500):  # more than are opened before the first one is looked at
        (tree / "a" / f"{i}").touch()
    (tree / "a" / "0").write_text("the first one")
    (tree / "shrinks").write_bytes(bytes(200000))
    (tree / "zz").mkdir()
    for name in ("goes", "turns"):
        (tree / "zz" / name).write_text("one of the last " + name)
    script = tree.parent / "s.py"
    script.write_text(TRAPS.replace("def spring(path):", """
def spring(path):
    if path.endswith("/a/0"):
        last = os.path.dirname(os.path.dirname(path)) + "/zz/"
        os.unlink(last + "goes"); os.unlink(last + "turns"); os.mkfifo(last + "turns")
    if path.endswith("/shrinks"): os.truncate(path, 100)
"""))
    if os.geteuid():
        (tree / "empty").chmod(0)
        (tree / "none").chmod(0)
    found = report(world, tree, "--script", script, "--workers", "1")
    causes = {os.path.relpath(row["path"], tree): row["cause"] for row in found["failures"]}
    want = {"zz/goes": "No such file or directory", "zz/turns": "not a regular file", "shrinks": "was changed since"}
    if os.geteuid():
        want |= {"empty": "Permission denied", "none": "Permission denied"}
    assert causes.keys() == want.keys() and all(text in causes[name] for name, text in want.items()), causes
    assert found["files"] == 511 - len(want) + (1 if os.geteuid() else 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its root")
def test_workers_open_nothing(world, tree):
    """The workers see no file of the survey, small or large, and the report is whole."""
    (tree / "large").write_bytes(b"\x7fELF" + bytes(3000000))
    (tree / "same").write_bytes(b"\x7fELF" + bytes(3000000))
    script = tree.parent / "s.py"
    script.write_text(TRAPS.replace("    def work(", "    os.chroot(%r)\n    def work(" % str(tree / "none")))
    found, plain = report(world, tree, "--script", script), report(world, tree)
    assert found | {"seconds": 0} == plain | {"seconds": 0} and found["files"] == 10 and found["failures"] == []
    assert found["duplicates"]["wasted"] >= 3000004


def test_deaths(world, tmp_path):
    """Files that end or hang their worker are named, several in one batch too; all others are in the report."""
    script = tmp_path / "s.py"
    script.write_text(TRAPS)
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "hung").touch()
    bad = ["exit0", "exit1", "segv", "exit2", "raise", "hang"]
    for name in ["aaa", *bad, "last"] + [f"good{i}" for i in range(300)] + [f"zz{i}" for i in range(300)]:
        (folder / name).write_text(name)
    (folder / "zz300-exit").write_text("")
    os.rename(folder / "zz300-exit", folder / "segv-alone")
    found = report(world, folder, "--script", script, "--patience", "2")
    causes = {os.path.basename(row["path"]): row["cause"] for row in found["failures"]}
    assert set(causes) == {*bad, "segv-alone"}
    for name in ("exit0", "exit1", "exit2"):
        assert "3" in causes[name] and f"last words of {name}" in causes[name], causes
    assert "signal 11" in causes["segv"] or "SEGV" in causes["segv"] or "Segmentation" in causes["segv"], causes
    assert causes["hang"] == "took longer than 2 s" and causes["raise"] == "KeyError: 'raise'"
    assert found["files"] == 603


@pytest.mark.parametrize("text, word", [
    ("def look_all(", "SyntaxError"), ("", "look_all"), ("import sys\ndef look_all(*a): sys.exit(1)", "without a result"),
    ("def look_all(*a): raise ValueError('no luck')", "no luck"),
    ("import time\ntime.sleep(600)", "first file"), (None, "No such file"), ("\xff", "encoding")])
def test_bad_scripts(world, tree, text, word):
    """A script that cannot do the work at all ends the survey with a sentence and exit code 3."""
    script = tree.parent / "s.py"
    if text is not None:
        script.write_bytes(text.encode("latin-1"))
    code, out, err = finish(start(world, "--script", script, "--patience", "2", "--quiet", tree))
    assert (code, out) == (3, "") and re.match(r"survey: .*\n$", err) and "Traceback" not in err and word in err, err


def test_no_node(world, tree):
    """Without a node program there is a sentence and exit code 3."""
    code, out, err = finish(start(world, tree, env={"PROMP_NODE": "/no/such/program"}))
    assert (code, out) == (3, "") and err.startswith("survey: ") and err.count("\n") == 1


def test_usage(world, tree):
    """--help explains with an example; wrong use is exit code 2."""
    code, out, err = finish(start(world, "--help"))
    assert code == 0 and err == "" and "example: survey.py" in out and "/usr/lib" in out and max(map(len, out.splitlines())) <= 100
    for wrong in (["--workers", "0"], ["--workers", "x"], ["--patience", "0"], ["--patience", "nan"], ["--unknown"], ["/no/such/folder"],
                  [b"/no/such/\xff".decode("utf-8", "surrogateescape")], [tree / "text"]):
        code, out, err = finish(start(world, *wrong))
        assert (code, out) == (2, "") and "usage: survey.py" in err and "Traceback" not in err, err


def as_plain_user(arguments):
    """Arguments that run a program without root's right to read everything."""
    drop = ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]
    return arguments if os.geteuid() else drop + arguments


@pytest.mark.parametrize("program", ["examples/c", "examples/survey"])
def test_unreadable_folder(world, tree, program):
    """A folder given that cannot be read is an error, 2 and its reason, also beside a good one; both surveys do the same."""
    survey = [PYTHON, SURVEY] if program == "examples/survey" else [str(build.BUILD / "bin" / "survey")]
    closed, file = tree / "none", tree / "text"
    closed.chmod(0)
    for given, why in (([closed], "Permission denied"), ([tree / "a", closed], "Permission denied"), ([file], "Not a directory"),
                       ([tree / "nowhere"], "No such file or directory")):
        process = world.popen(as_plain_user([*survey, "--quiet", *map(str, given)]), env={"PYTHONPATH": str(PACKAGE), **PRELOAD},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        code, out, err = finish(process)
        assert (code, out) == (2, "") and f"{given[-1]}: {why}\n" in err, (given, code, out, err)


def test_plain(world, tree):
    """Elsewhere than on a terminal there are plain lines, and the table is aligned."""
    code, out, err = finish(start(world, tree))
    assert code == 0 and "\x1b" not in out + err and "\r" not in out + err
    lines = out.splitlines()
    rows = lines[:lines.index("")]
    assert re.match(r"kind +files +bytes +entropy$", rows[0]) and rows[-1].startswith("all ")
    ends = {(m[1].span()[1], m[2].span()[1]) for m in
            (list(re.finditer(r"\S+", re.sub(r"^\S+( archive| class| bitcode)?", "k", row).rjust(len(row)))) for row in rows)}
    assert len(ends) == 1, out
    reader = start(world, tree, stdout=subprocess.PIPE)
    reader.stdout.close()
    assert reader.wait(build.scaled(60)) == 0 and reader.stderr.read() == ""
    reader.stderr.close()


def on_terminal(world, *args, env=()):
    """What a survey writes to a terminal of 80 x 24, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = start(world, *args, stdout=subprocess.DEVNULL, stderr=theirs, env={"TERM": "xterm", **dict(env)})
    os.close(theirs)
    seen = []

    def read():
        try:
            while data := os.read(ours, 65536):
                seen.append(data)
        except OSError:
            pass  # the other end is closed

    reader = threading.Thread(target=read)
    reader.start()
    code = process.wait(build.scaled(60))
    reader.join()
    os.close(ours)
    return b"".join(seen).decode(), code


@pytest.mark.parametrize("env, color", [({}, True), ({"NO_COLOR": "1"}, False)])
def test_terminal(world, tmp_path, env, color):
    """On a terminal each worker has its bar, which fills; what was shown is wiped; NO_COLOR is obeyed."""
    script = tmp_path / "s.py"
    script.write_text(TRAPS.replace("def spring(path):", "def spring(path):\n    time.sleep(0.02)"))
    folder = tmp_path / "f"
    folder.mkdir()
    for i in range(600):
        (folder / str(i)).write_text(str(i))
    text, code = on_terminal(world, folder, "--workers", "3", "--script", script, env=env)
    assert code == 0
    assert {int(n) for n in re.findall(r"worker +(\d+) \[", text)} == {1, 2, 3}
    percents = [int(n) for n in re.findall(r"(\d+) %", text)]
    assert min(percents) < 30 and max(percents) > 50 and "looking: " in text and "of 600 files" in text
    assert ("\x1b[32m" in text) == color and "\x1b[4A\x1b[J" in text and text.endswith("\x1b[J")
    text, code = on_terminal(world, folder, "--workers", "1", "--quiet")
    assert (text, code) == ("", 0)


def test_interrupts(world, tmp_path):
    """Ctrl-C at any moment: exit code 130 or a whole report, no traceback, and no process is left."""
    for i in range(2000):
        (tmp_path / str(i)).write_text(str(i % 1000))
    source = random.Random(os.environ.get("PROMP_TEST_SEED", "7"))
    ended = 0
    for _ in range(12):
        process = start(world, tmp_path, "--workers", "3")
        # Before, it is Python that starts, not the survey.
        proc.wait_until(lambda: process.poll() is not None or runs_survey(process.pid), 20, "the survey")
        try:
            process.wait(source.random() * build.scaled(0.8))
        except subprocess.TimeoutExpired:
            pass
        for _ in range(source.randrange(1, 4)):
            process.send_signal(signal.SIGINT)
        code, out, err = finish(process, 20)
        assert "Traceback" not in err and code in (130, 0, -signal.SIGINT), (code, err)
        if code == 130:
            assert out == "" and err.endswith("survey: interrupted\n")
            ended += 1
        proc.wait_until(lambda: not workers(world), 10, lambda: f"no worker left: {workers(world)}")
    assert ended


def workers(world):
    """The worker processes: those below the node."""
    nodes = {p.pid for p in world.living() if proc.role(p) in ("agent", "keeper")}
    return [p for p in world.living() if p.parent in nodes and p.pid not in nodes]


def runs_survey(pid):
    try:
        return "_promp" in pathlib.Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def test_interrupt_of_a_hang(world, tmp_path):
    """Ctrl-C ends workers that hang, too, and soon."""
    script = tmp_path / "s.py"
    script.write_text(TRAPS)
    (tmp_path / "hang").write_text("x")
    process = start(world, tmp_path, "--script", script, "--workers", "1")
    proc.wait_until(lambda: (tmp_path / "hung").exists(), 20, "the worker that hangs")
    assert len(workers(world)) == 1
    process.send_signal(signal.SIGINT)
    assert finish(process, 15) == (130, "", "survey: interrupted\n")


@pytest.mark.slow
@pytest.mark.plain
def test_usr_lib(world):
    """The machine's own files, in under a minute."""
    found = report(world, "/usr/lib")
    assert found["files"] > 100 and found["seconds"] < 60
