"""Aim: what the documents tell to type can be typed, and shows what they say.

In a page's text a block of the kind `sh run` is run, all those of a page in one shell, in order, as a reader pastes them. Of the
kind `sh hosts` is what is typed on several machines: `HOST$ command`, each host a network namespace with a home of its own. A
`python` block that begins with `# NAME.py` is saved under that name; `text` after a block that was run is what it prints, `...`
stands for anything. The address 127.0.0.1:5599 is replaced by a free port, PID by the number of that host's node. Every other
sh block is in ELSEWHERE with the test that takes it from the page and runs it."""

import pathlib
import re

import pytest
from support import build, cluster, hosts
from support.pages import PAGES, blocks, scripts
from support.reader import Reader, Site

pytestmark = pytest.mark.plain  # an interpreter without sanitizers cannot load the package with them

# (page, how the block begins): the test that takes it from the page and runs it.
ELSEWHERE = {
    ("README.md", "./dev run"): "deploy/test_newcomer.py",  # but for its second line, `./dev test`
    ("README.md", "./dev build"): "deploy/test_newcomer.py",
    ("README.md", "build/bin/promp -r find.py"): "deploy/test_newcomer.py",
    ("README.md", "python3 -m venv"): "deploy/test_newcomer.py",
    ("operations.md", "broker$  sudo apt"): "deploy/conftest.py",
    ("operations.md", "broker$  sudo -u"): "deploy/conftest.py",
    ("tutorial.md", "./dev build"): "deploy/test_newcomer.py",
    ("README.md", "docker compose"): "deploy/test_docker.py",
    ("operations.md", "cd deploy/docker"): "deploy/test_docker.py",
}


def excused(page, text):
    return [key for key in ELSEWHERE if key[0] == page.name and text.startswith(key[1])]


def having(kind):
    return [p for p in PAGES if any(k == kind for k, _ in blocks(p))]


def shows(expected, said):
    """Whether said is as the page has it."""
    pattern = ".*".join(map(re.escape, expected.strip().split("...")))
    return re.fullmatch(pattern, said.strip(), re.S) is not None


def follow(page, kind, reader):
    """Pastes the blocks of a kind; what is said to be printed behind one must be."""
    reader.write(scripts(page))
    said = None
    for this, text in blocks(page):
        if this == kind:
            said = reader.run(text)
        elif this == "text" and said is not None:
            assert shows(text, said), f"the page says:\n{text}\nit prints:\n{said}\n{reader.logs()}"
            said = None


@pytest.mark.parametrize("page", having("sh run"), ids=lambda p: p.name)
def test_page(world, page):
    """Aim: a page's blocks, pasted in their order, do what the page says."""
    assert cluster.built(), "promp-broker is not built"
    reader = Reader(world)
    follow(page, "sh run", reader)
    reader.close()


@pytest.mark.root
@pytest.mark.skipif(hosts.possible() is not None, reason=str(hosts.possible()))
@pytest.mark.parametrize("page", having("sh hosts"), ids=lambda p: p.name)
def test_hosts(world, page):
    """Aim: what a page tells to type on several machines works on several hosts, in that order."""
    names = {}
    for kind, text in blocks(page):
        if kind == "sh hosts":
            names.update(dict.fromkeys(re.findall(r"^([\w-]+)\$|ssh (?:\w+@)?([\w-]+)", text, re.M)))
    site = Site(world, list(dict.fromkeys(n for pair in names for n in pair if n)))
    try:
        follow(page, "sh hosts", site)
    finally:
        site.close()


def test_all_known():
    """Aim: nobody adds commands to a page that are neither run nor excused, and no excuse outlives its block."""
    unknown, used = [], set()
    for page in PAGES:
        for kind, text in blocks(page):
            if kind.split()[:1] in (["sh"], ["bash"], ["shell"], ["console"]) and kind not in ("sh run", "sh hosts"):
                keys = excused(page, text)
                used.update(keys)
                if not keys:
                    unknown.append(f"{page.name}: {text.splitlines()[0]}")
    assert not unknown, "mark them `sh run` or `sh hosts`, or name in ELSEWHERE the test that runs them"
    assert used == set(ELSEWHERE), "ELSEWHERE names blocks that are not there"
    for (page, _), test in ELSEWHERE.items():
        assert page in (build.ROOT / "tests" / test).read_text(), f"{test} does not look at {page}"


def test_scripts_are_run():
    """Aim: each whole script of a page is run: by a block of its page, or by test_readme."""
    for page in PAGES:
        commands = "".join(text for kind, text in blocks(page)
                           if kind in ("sh run", "sh hosts") or (kind == "sh" and page.name == "README.md"))
        for kind, text in blocks(page):
            if kind == "python":
                name = re.match(r"# ([\w.]+\.py)\n", text)
                assert name and name.group(1) in commands, f"{page.name}: nobody runs\n{text}"


def test_readme(world):
    """Aim: the README's scripts print what it says."""
    reader = Reader(world)
    reader.write(scripts(build.ROOT / "README.md"))
    assert reader.run("promp -r sum.py") == "adding\nsum: 5050\n"
    (reader.folder / "README.md").write_text("one worker, two workers")
    assert reader.run("promp -r find.py README.md") == "[4, 16]\n"
    reader.close()
