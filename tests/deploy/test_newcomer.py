"""Aim: in a fresh Debian with nothing but git and a shell, what the README and the tutorial say to type on one machine
works as it stands there."""

import os
import re
import shutil
import subprocess

import debian_root
import pytest
from support import build
from support.pages import blocks, page, prose, scripts

pytestmark = [pytest.mark.deploy, pytest.mark.root, pytest.mark.plain, pytest.mark.timeout(2400)]

README = build.ROOT / "README.md"
HOME = "/root/promp"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A Debian with the sources as they are here, git, and a sudo that asks nothing, since there is nobody else than root."""
    folder = tmp_path_factory.mktemp("newcomer") / "root"
    try:
        root = debian_root.Root(folder)
        root.run("apt-get -q -y install --no-install-recommends git ca-certificates", timeout=600)
        listed = subprocess.run(["git", "-C", build.ROOT, "ls-files", "-zco", "--exclude-standard"], capture_output=True, check=True)
        for name in filter(None, listed.stdout.decode().split("\0")):
            target = folder / HOME[1:] / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (build.ROOT / name).exists():
                shutil.copy2(build.ROOT / name, target, follow_symlinks=False)
        for name, text in {**scripts(README), **programs()}.items():
            (folder / HOME[1:] / name).write_text(text)
        (folder / "usr/local/bin/sudo").write_text('#!/bin/sh\nexec "$@"\n')
        (folder / "usr/local/bin/sudo").chmod(0o755)
        if os.path.exists("/" + CERTIFICATES):
            shutil.copy("/" + CERTIFICATES, folder / CERTIFICATES)
        yield root
    except debian_root.NoRoot as why:
        pytest.skip(str(why))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def programs():
    return dict(re.findall(r"^```c\n/\* (\w+\.c) \*/\n(.*?)^```$", README.read_text(), re.M | re.S))


def block(begin):
    """The commands of the README's block that begins so."""
    found = [text for kind, text in blocks(README) if kind == "sh" and text.startswith(begin)]
    assert len(found) == 1, f"README.md has {len(found)} blocks that begin with {begin}"
    return found[0]


def typed(root, commands, timeout=900):
    return root.run(f"export PATH=/usr/local/bin:$PATH TERM=dumb; cd {HOME}\n{commands}", timeout=timeout)


def test_run(fresh):
    """Aim: `./dev run` installs what it needs, builds, and shows the survey. (`./dev test` is what runs this.)"""
    run, test = block("./dev run").splitlines()
    assert test.startswith("./dev test ")
    said = typed(fresh, run, 1800)
    assert re.search(r"^\d+ files in [\d.]+ s$", said, re.M), said[-2000:]


def test_python(fresh):
    """Aim: both scripts run from the build folder."""
    said = typed(fresh, block("./dev build\nbuild/bin/promp"))
    assert said.endswith("adding\nsum: 5050\n"), said
    assert re.match(r"\[\d+(, \d+)+\]\n$", typed(fresh, block("build/bin/promp -r find.py")))


def test_tutorial(fresh):
    """Aim: docs/tutorial.md, pasted from its first line to its last, with nobody else in the network."""
    fresh.run("apt-get -q -y install --no-install-recommends iproute2", timeout=600)
    pasted = []
    for kind, text in blocks(page("tutorial.md")):
        name = re.match(r"# ([\w.]+\.py)\n", text)
        if kind == "python":
            pasted.append(f"cat >{name.group(1)} <<'END OF SCRIPT'\n{text}END OF SCRIPT\n")
        elif kind in ("sh", "sh run"):
            pasted.append(text)
    (fresh.folder / "tutorial.sh").write_text("set -e\n" + "".join(pasted) + "echo followed\n")
    said = typed(fresh, "exec unshare --net sh -c 'ip link set lo up; exec bash /tutorial.sh'")
    assert "done, in one piece\n" in said and said.endswith("followed\n"), said[-3000:]


def test_c(fresh):
    """Aim: the C programs are compiled and run against the installed library."""
    commands = block("./dev build && sudo")
    assert "./sum_manager      # sum: 5050" in commands
    assert typed(fresh, commands).endswith("\nsum: 5050\n")
    # The same without rights: what the sentence behind says.
    install, export = (re.search(rf"`({begin}[^`]+)`", prose(README)).group(1) for begin in ("cmake --install build --prefix", "export PKG"))
    compile_, run = [line for line in commands.splitlines() if line.startswith("cc ")], "./sum_manager"
    said = typed(fresh, "rm -rf /usr/local/lib/libpromp* /usr/local/bin/promp*; ldconfig; rm sum_manager sum_worker\n" +
                 "\n".join([install, export, *compile_, run]))
    assert said.endswith("\nsum: 5050\n")


def test_pip(fresh):
    """Aim: in a virtual environment the package is built and the script runs."""
    fresh.run("apt-get -q -y install --no-install-recommends python3-venv", timeout=600)
    if fresh.run("python3 -m venv /v && /v/bin/pip download -q --no-deps -d /d scikit-build-core && echo there", code=None)[-6:] != "there\n":
        pytest.skip("pip cannot get scikit-build-core there")
    assert typed(fresh, block("python3 -m venv")).endswith("\nadding\nsum: 5050\n")
