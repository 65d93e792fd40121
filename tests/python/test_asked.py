"""What a worker is asked for in a cluster, in numbers and words, and what Pro makes of addresses and folders. No node is needed."""

import subprocess

import pytest
from conftest import PACKAGE, PYTHON


@pytest.fixture
def python(tmp_path):
    """python(text): what a script prints that needs only the package."""

    def call(text, *options):
        done = subprocess.run([PYTHON, *options, "-c", text], env={"PYTHONPATH": str(PACKAGE)}, cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    return call


def test_needs(python):
    """Aim: labels become a node's words, processors thousandths, never less than asked; what fits no field or no name is refused, what is of
    a wrong type raises."""
    assert python("""
from Pro._cluster import needs
from Pro._place import Refused
def ask(labels={}, cpus=None, memory=None, gpus=None, node=None): return needs(labels, cpus, memory, gpus, node)
assert ask() == ("", 0, 0, 0, None)
assert ask({"gpu": True, "a": None, "b": "", "zone": "eu", "gen": 3, "zero": 0}) == ("gpu a b zone-eu gen-3 zero-0", 0, 0, 0, None)
assert ask(cpus=0.5, memory=7, gpus=2, node="n.1_x-Y") == ("", 500, 7, 2, "n.1_x-Y")
assert [ask(cpus=c)[1] for c in (1, 1.1, 0.0001, 0, 2.3)] == [1000, 1100, 1, 0, 2300]
for refused in ({"labels": {"a b": 1}}, {"labels": {"": ""}}, {"labels": {"x" * 65: ""}}, {"labels": {"a": "\u00e4"}}, {"node": "a b"}, {"node": ""},
                {"labels": {"x" * 60 + str(i): "" for i in range(9)}}, {"cpus": 1e8}, {"memory": 1 << 64}, {"gpus": 1 << 32}):
    try: ask(**refused)
    except Refused as e: assert e.args[0]
    else: raise AssertionError(refused)
for wrong, error in (({"labels": []}, TypeError), ({"labels": {1: 1}}, TypeError), ({"labels": {"a": 1.5}}, TypeError), ({"labels": {"a": False}}, ValueError),
                     ({"cpus": True}, TypeError), ({"cpus": float("inf")}, ValueError), ({"memory": 1.5}, TypeError), ({"gpus": -1}, ValueError), ({"node": b"x"}, TypeError)):
    try: ask(**wrong)
    except error: pass
    else: raise AssertionError(wrong)
print("ok")
""") == "ok\n"


def test_command(python):
    """Aim: a worker in a cluster is promp-worker with the interpreter's own options, a version or an interpreter that is named, and only the
    variables that were given."""
    assert python("""
import sys
from Pro import _promp
from Pro._cluster import command, environment
from Pro._place import Refused
argv, extra, version = command(None, ".promp/modules:/x", [b"A"])
assert argv == ["promp-worker", "--package", "--", "-B", "-X", "dev"], argv
assert version == "%d.%d" % sys.version_info[:2]
assert _promp.decode(extra) == {"cluster": True, "modules": ".promp/modules:/x", "unset": [b"A"]}
assert command("3.12.1", None, [])[2] == "3.12" and command("3.12", None, [])[0] == argv
argv, extra, version = command("/opt/python", None, [])
assert argv[:5] == ["promp-worker", "--package", "--python", "/opt/python", "--"] and version is None
try: command("3.10", None, [])
except Refused: pass
else: raise AssertionError
assert environment({"A": "1", "B": None, b"C": b"\\xff"}) == ([b"A=1", b"C=\\xff"], [b"B"]) and environment(None) == ([], [])
print("ok")
""", "-B", "-X", "dev") == "ok\n"


def test_addresses(python):
    """Aim: host and port of the broker are told apart, also of an IPv6 address; a local address stays whole."""
    assert python("""
from Pro._process import split_address
for text, parts in (("tcp://h.example:5599", ("h.example", 5599)), ("tcp://[::1]:7", ("::1", 7)), ("tcp://127.0.0.1:1", ("127.0.0.1", 1)),
                    ("ipc:///run/x", ("ipc:///run/x", 0)), ("", ("", 0)), ("tcp://x", ("tcp://x", 0))):
    assert split_address(text) == parts, text
print("ok")
""") == "ok\n"


def test_folders(python, tmp_path):
    """Aim: the folder of a script's modules is its own, of `python -m a.b` the one that holds a; names of containers fit any path."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "__init__.py").touch()
    (tmp_path / "a" / "b" / "__init__.py").touch()
    for path in ("s.py", "a/c.py", "a/b/__main__.py"):
        (tmp_path / path).write_text("from Pro._modules import main_folder; print(main_folder())")
    env = {"PYTHONPATH": str(PACKAGE)}
    for args, folder in ((["s.py"], tmp_path), (["a/c.py"], tmp_path / "a"), (["-m", "s"], tmp_path), (["-m", "a.c"], tmp_path),
                         (["-m", "a.b"], tmp_path)):
        out = subprocess.run([PYTHON, *args], env=env, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert out == f"{folder}\n", args
    assert python("""
from Pro._modules import inside, main_folder, name_of
assert main_folder() is None
names = [name_of(f) for f in ("/a", "/a\\\\xff", "/a\\udcff", "/a\\\\\\\\xff", "/\\u00e4")]
assert len(set(names)) == 5 and all(n.startswith(".promp/") and len(n.encode()) <= 1024 for n in names)
assert name_of("/" + "x" * 1100) is None
assert [inside("/a", f) for f in ("/a", "/a/b/c", "/ab", "/b", "/a/.b", "/a/b-c", "/", "/a/__pycache__")] == ["", "b/c/", None, None, None, None, None, None]
assert inside("/", "/a") == "a/" and inside("/a", "/a" + "/b" * 16) is None and inside("/a", "/a" + "/b" * 15) == "b/" * 15
print("ok")
""") == "ok\n"
