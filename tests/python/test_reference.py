"""The example scripts of the interface's original documentation run unchanged, with python3 and with `promp -r`, print what it
says, and leave no process behind. The documentation is not part of this repository: where it is not beside it, these tests
are skipped. PROMP_REPEAT=50 runs each script fifty times."""

import os
import pathlib
import re
import subprocess

import pytest
from conftest import PACKAGE, PYTHON
from support import build

REFERENCE = build.ROOT.parent / "shared" / "reference"
REPEAT = int(os.environ.get("PROMP_REPEAT", "1"))
LINE = "remote script\n"

# number of the script -> does its output look right?
EXPECTED = {
    1: lambda out: out == "finished!\n",
    4: lambda out: out == "Test message.\nfinished!\n",
    5: lambda out: out.endswith("finished!\n") and sorted(out[:-len("finished!\n")]) == sorted(LINE * 5),
    6: lambda out: out == LINE * 5 + "finished!\n",
    7: lambda out: out == "from the file\n" * 5 + "finished!\n",
    8: lambda out: out == "9\nfinished!\n",
    9: lambda out: out == "result: 9\nfinished!\n",
    10: lambda out: re.fullmatch(r"(result: \d{1,4}\n){10}finished!\n", out),
    11: lambda out: out == "remote message\nfinished!\n",
    12: lambda out: out == "Hello, world!\n",
    13: lambda out: re.fullmatch(r"local search \(ms\): \d+\nremote search \(ms\): \d+\n", out),
}


def scripts():
    """{number: text} of the documentation's scripts: blocks that begin with an import and end before the next prose."""
    pages = sorted(REFERENCE.glob("000*.txt"))
    if not pages:
        return {}
    found, block, quote = [], None, None
    for line in pages[0].read_text(encoding="utf-8").splitlines():
        if block is None and re.match(r"from Pro\.\w+ import ", line):
            block = []
        if block is None:
            continue
        # Prose begins at the left margin with words; inside of a long string anything may.
        code = line == "" or line[0] == " " or quote or re.match(r"""(from|import|def|class|if|else:|m = |\w+\(\)$|\w+\.\w+\(\)$|@|#|remote_code|\"\"\"|''')""", line)
        if not code:
            found.append("\n".join(block) + "\n")
            block = None
            continue
        block.append(line)
        for mark in ('"""', "'''"):
            for _ in range(line.count(mark)):
                quote = None if quote == mark else quote or mark
    return dict(enumerate(found, 1))


SCRIPTS = scripts()


@pytest.mark.skipif(not SCRIPTS, reason="the documentation is not beside this repository")
def test_all_scripts_were_found():
    """Aim: the documentation's 19 scripts were cut out whole: each compiles."""
    assert len(SCRIPTS) == 19
    for text in SCRIPTS.values():
        compile(text, "script", "exec")


@pytest.mark.skipif(not SCRIPTS, reason="the documentation is not beside this repository")
@pytest.mark.parametrize("number", sorted(EXPECTED))
def test_script(world, number):
    """Aim: with both, at the same time, a script prints what its documentation says and ends with 0; the world fixture sees to
    what it leaves behind."""
    folder = world.folder / "path" / "to"  # a path that one of the scripts names
    folder.mkdir(parents=True)
    (folder / "remote.py").write_text("print('from the file')\n")
    path = pathlib.Path(world.folder, "script.py")
    path.write_text(SCRIPTS[number])
    for _ in range(REPEAT):
        both = [world.popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=world.folder)
                for command, env in (([PYTHON, str(path)], {"PYTHONPATH": str(PACKAGE)}),
                                     ([str(build.BUILD / "bin" / "promp"), "-r", str(path)], {"PROMP_PYTHON": PYTHON}))]
        for process in both:
            out, err = process.communicate(timeout=build.scaled(30))
            assert (process.returncode, err) == (0, "") and EXPECTED[number](out), (process.args, process.returncode, out, err)
