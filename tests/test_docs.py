"""Aim: what the documents tell to type can be typed, and shows what they say.

In a page's text a block of the kind `sh run` is run, all those of a page in one shell, in order, as a reader pastes them. A `python`
block that begins with `# NAME.py` is saved under that name; `text` after a block that was run is what it prints, `...` stands for
anything. The address 127.0.0.1:5599 is replaced by a free port. Every other sh block is in NOT_RUN with the reason."""

import os
import pathlib
import queue
import re
import subprocess
import threading

import pytest

from support import build, cluster

pytestmark = pytest.mark.plain  # an interpreter without sanitizers cannot load the package with them

PAGES = [build.ROOT / "README.md", *sorted((build.ROOT / "docs").glob("*.md"))]
ADDRESS = "127.0.0.1:5599"

# (page, how the block begins): why it is not run here.
NOT_RUN = {
    ("README.md", "./dev run"): "builds all and runs all tests",
    ("README.md", "./dev build"): "installs with sudo; test_install.py does it elsewhere",
    ("README.md", "pip install"): "installs; test_install_pip.py does it, test_readme below runs the script",
    ("README.md", "broker$"): "names hosts that are not there; tutorial.md has the same with loopback",
    ("README.md", "build/bin/promp -r find.py"): "test_readme below runs it",
    ("operations.md", "export PATH"): "uses /tmp/try; tutorial.md has the same",
    ("operations.md", "broker$"): "three machines; tutorial.md has the same on one",
    ("tutorial.md", "./dev build"): "builds all; what is run here was built by it",
}


def blocks(page):
    """[(kind, text)] of a page; indented fences do not exist in ours."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(), re.M | re.S)


def excused(page, text):
    return [key for key in NOT_RUN if key[0] == page.name and text.startswith(key[1])]


class Shell:
    """A bash that gets one block after the other; the address of the page becomes the one that the broker tells."""

    def __init__(self, world):
        home = pathlib.Path(world.folder) / "reader"
        home.mkdir(mode=0o700)
        self.folder, self.address = home, None
        env = {"HOME": str(home), "TMPDIR": str(home), "PATH": f"{build.BUILD / 'bin'}:{os.environ['PATH']}"}
        self.process = world.popen(["bash", "-e"], cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, env=env)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def run(self, text):
        """What the block prints; AssertionError when a command of it fails, or it takes a minute."""
        self.process.stdin.write(text.replace(ADDRESS, self.address or "127.0.0.1:0") + "\necho '--- end of block'\n")
        self.process.stdin.flush()
        said = ""
        while True:
            try:
                line = self.lines.get(timeout=build.scaled(60))
            except queue.Empty:
                raise AssertionError(f"this hangs:\n{text}\n{said}{self.logs()}") from None
            assert line is not None, f"this fails:\n{text}\n{said}{self.logs()}"
            if line == "--- end of block\n":
                break
            said += line
        found = re.search(r"^ready tcp://(127\.0\.0\.1:\d+)", said, re.M)
        if found and not self.address:
            self.address = found.group(1)
        return said.replace(self.address, ADDRESS) if self.address else said

    def logs(self):
        return "".join(f"--- {p.name}\n{p.read_text(errors='replace')[-2000:]}" for p in self.folder.glob("*.log"))


def shows(expected, said):
    """Whether said is as the page has it."""
    pattern = ".*".join(map(re.escape, expected.strip().split("...")))
    return re.fullmatch(pattern, said.strip(), re.S) is not None


@pytest.mark.parametrize("page", [p for p in PAGES if any(kind == "sh run" for kind, _ in blocks(p))], ids=lambda p: p.name)
def test_page(world, page):
    """Aim: a page's blocks, pasted in their order, do what the page says."""
    assert cluster.built(), "promp-broker is not built"
    shell = Shell(world)
    said = None
    for kind, text in blocks(page):
        if kind == "sh run":
            said = shell.run(text)
        elif kind == "text" and said is not None:
            assert shows(text, said), f"the page says:\n{text}\nit prints:\n{said}\n{shell.logs()}"
            said = None
        elif kind == "python" and (name := re.match(r"# ([\w.]+\.py)\n", text)):
            (shell.folder / name.group(1)).write_text(text)
    shell.process.stdin.close()
    assert shell.process.wait(build.scaled(20)) == 0


def test_all_known():
    """Aim: nobody adds commands to a page that are neither run nor excused, and no excuse outlives its block."""
    unknown, used = [], set()
    for page in PAGES:
        for kind, text in blocks(page):
            if kind.split()[:1] in (["sh"], ["bash"], ["shell"], ["console"]) and kind != "sh run":
                keys = excused(page, text)
                used.update(keys)
                if not keys:
                    unknown.append(f"{page.name}: {text.splitlines()[0]}")
    assert not unknown, "mark them `sh run`, or say in NOT_RUN why not"
    assert used == set(NOT_RUN), "NOT_RUN names blocks that are not there"


def test_scripts_are_run():
    """Aim: each whole script of a page is run: by a block of its page, or by test_readme."""
    for page in PAGES:
        commands = "".join(text for kind, text in blocks(page) if kind == "sh run" or (kind == "sh" and page.name == "README.md"))
        for kind, text in blocks(page):
            if kind == "python":
                name = re.match(r"# ([\w.]+\.py)\n", text)
                assert name and name.group(1) in commands, f"{page.name}: nobody runs\n{text}"


def test_readme(world):
    """Aim: the README's scripts print what it says."""
    shell = Shell(world)
    for kind, text in blocks(build.ROOT / "README.md"):
        name = re.match(r"# ([\w.]+\.py)\n", text)
        if kind == "python" and name:
            (shell.folder / name.group(1)).write_text(text)
    assert shell.run("promp -r sum.py") == "adding\nsum: 5050\n"
    (shell.folder / "README.md").write_text("one worker, two workers")
    assert shell.run("promp -r find.py README.md") == "[4, 16]\n"
    shell.process.stdin.close()
    assert shell.process.wait(build.scaled(20)) == 0
