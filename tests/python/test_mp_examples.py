"""The examples in examples/python run as their first lines say and print what they promise."""

import subprocess

import pytest
from conftest import PACKAGE, PYTHON
from support import build

EXAMPLES = build.ROOT / "examples" / "python"

EXPECTED = {
    "hello.py": "greeting world\nhello, world\n",
    "crew.py": "".join("%d has %d divisors\n" % (n, d) for n, d in
                       ((10, 4), (11, 2), (12, 6), (14, 4), (15, 4), (16, 5), (18, 6), (19, 2)))
               + "failed: ValueError: unlucky\nfailed: 1016 OUTCOME_UNKNOWN: the worker was lost while the task ran: its outcome is unknown: "
                 "the worker exited with code 1\n2 workers are alive\n",
    "containers.py": "apples: [[0, 23], ['apples: 3', 'pineapples: 1']]\nbytes: [b'some ', 1000000, '0d22cdcc']\n"
                     "then: NTContainerError: 1604 CONTAINER_NAME: no container is shared by this name\n",
    "talk.py": "ONE\nTWO\nTHREE\n",
    "progress.py": "ended early: True - the worker lives: True\n",
    "levels.py": "here is level 2\n",
    "loop_asyncio.py": "squares: [0, 1, 4, 9, 16, 25, 36, 49]\nthe loop went on meanwhile: True\n",
}


def test_every_example_is_tested():
    """Aim: no example is forgotten."""
    assert {p.name for p in EXAMPLES.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_example(world, name):
    """Aim: an example run by `promp -r` ends with 0 and prints what it should, in any order where workers race."""
    process = world.popen([str(build.BUILD / "bin" / "promp"), "-r", str(EXAMPLES / name)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env={"PROMP_PYTHON": PYTHON, "PYTHONPATH": str(PACKAGE)})
    out, err = process.communicate(timeout=build.scaled(30))
    assert process.returncode == 0, (out, err)
    assert sorted(out.splitlines()) == sorted(EXPECTED[name].splitlines()), out
