"""Aim: the Debian packages, installed into a fresh root by apt, work there: each program, one host, a cluster, a stranger's C
program; and nothing is left when they are purged."""

import json
import os
import re
import shutil
import subprocess

import debian_root
import pytest
from support import build

PACKAGES = build.ROOT / "build" / "packages"
NAMES = ["libpromp", "libpromp-dev", "promp-broker", "promp-node", "promp-tools", "python3-promp"]
FOLDERS = "/usr/share/promp /usr/lib/python3/dist-packages"
SURVEY = f"/usr/share/promp/survey/survey.py --quiet --json --workers 2 {FOLDERS}"
NOBODY = 65534

pytestmark = [pytest.mark.deploy, pytest.mark.root, pytest.mark.plain, pytest.mark.timeout(1200)]

# Waits for a condition; whoever runs this ends it when it takes too long.
UNTIL = 'until_() { until "$@"; do sleep 0.05; done; }\n'

CLUSTER = UNTIL + f"""
cd "$(mktemp -d)"
export HOME="$PWD" PROMP_RUNTIME_DIR="$PWD/runtime"
trap 'r=$?; [ $r = 0 ] || tail -n 20 *.log' EXIT
promp-auth init --config broker
promp-broker --config broker --listen tcp://127.0.0.1:0 >broker.out 2>broker.log & broker=$!
until_ grep -q '^ready' broker.out
address=$(sed -n 's/^ready //p' broker.out)
(umask 077; promp-auth token node --config broker --address "$address" >token)
promp-node --config node --places 2 --join token >node.out 2>node.log & node=$!
until_ grep -q '^ready' node.out
promp-auth token manager --config broker --address "$address" | promp join --config manager - >join.log 2>&1
PROMP_CONFIG=$PWD/manager promp -r {SURVEY} >survey.json 2>survey.log
[ ! -e runtime ] || [ -z "$(ls runtime)" ] # no local node was asked
kill -TERM $node; wait $node
kill -TERM $broker; wait $broker
cat survey.json
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    folder = tmp_path_factory.mktemp("debian") / "root"
    folder.parent.chmod(0o755)
    try:
        yield debian_root.Root(folder)
    except debian_root.NoRoot as why:
        pytest.skip(str(why))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("host", ["broker", "node", "desk"])
def test_documented_sets(bare, host):
    """Aim: what docs/operations.md tells to install on a machine is all that it needs: apt, asked in a root that has none of it, would."""
    example = re.search(r"^## From packages\n.*?```sh\n(.*?)```", (build.ROOT / "docs/operations.md").read_text(), re.M | re.S)
    command = re.search(rf"^{host}\$ +sudo apt install (.*)$", example.group(1), re.M).group(1)
    shelf = bare.folder / "shelf"
    shutil.copytree(PACKAGES, shelf)
    try:
        said = bare.run(f"cd /shelf; apt-get -q -s install {command}")
    finally:
        shutil.rmtree(shelf)
    named = set(re.findall(r"\./([\w-]+)_", command))
    assert named and named == {n for n in re.findall(r"^Inst ([\w-]+)", said, re.M) if n in NAMES}


@pytest.fixture(scope="module")
def root(bare):
    """A root with all packages, their dependencies and recommendations' libzmq5, and with what makes systemd's users."""
    packages = sorted(PACKAGES.glob("*.deb"))
    assert sorted(p.name.split("_")[0] for p in packages) == NAMES, "./dev package makes them"
    (bare.folder / "packages").mkdir()
    for p in packages:
        shutil.copy(p, bare.folder / "packages")
    bare.run("apt-get -q -y install --no-install-recommends systemd-standalone-sysusers systemd-standalone-tmpfiles",
             timeout=600)
    bare.run("apt-get -q -y install --no-install-recommends libzmq5 /packages/*.deb; rm -r /packages", timeout=600)
    return bare


def test_programs(root):
    """Aim: every program runs, and each package's files are what it says."""
    for program in ("promp", "promp-auth", "promp-broker", "promp-node"):
        assert re.fullmatch(rf"{program} 0\.1\.0(\+\w+)?\n", root.run(f"{program} --version"))
    assert "usage: promp-worker" in root.run("promp-worker --help")
    assert root.run("python3 -c 'from Pro.MP import *; print(ProManager)'").startswith("<class")
    assert root.run("dpkg --verify " + " ".join(NAMES)) == ""
    assert root.run("dpkg --audit") == ""
    for name in NAMES:
        assert root.run(f"dpkg-query -W -f '${{Version}}' {name}") == "0.1.0"
        assert (root.folder / f"usr/share/doc/{name}/copyright").stat().st_size > 0
    assert list((root.folder / "usr/lib/python3/dist-packages/Pro/__pycache__").glob("MP.*.pyc")), "compiled when installed"


def test_dependencies(root):
    """Aim: the library does not need libzmq, and recommends it; the programs that cannot do without depend on it."""
    def field(name, package):
        return root.run(f"dpkg-query -W -f '${{{name}}}' {package}")

    assert "libzmq5" not in field("Depends", "libpromp") and "libzmq5" in field("Recommends", "libpromp")
    assert "libzmq5" in field("Depends", "promp-broker")
    assert "libmicrohttpd12" in field("Depends", "promp-broker") and "libmicrohttpd12" not in field("Depends", "promp-node")


def test_users_and_folders(root):
    """Aim: broker and node have a user each, and a folder for their keys that nobody else can look into."""
    for part in ("broker", "node"):
        assert re.match(rf"promp-{part}:x:\d+:", root.run(f"getent passwd promp-{part}"))
        assert root.run(f"stat -c '%U %G %a' /etc/promp/{part}") == f"promp-{part} promp-{part} 700\n"
        unit = (root.folder / f"lib/systemd/system/promp-{part}.service").read_text()
        program, config = re.search(r"ExecStart=(\S+) --config (\S+)", unit).groups()
        assert os.access(f"{root.folder}{program}", os.X_OK) and (root.folder / config[1:]).is_dir()



def is_whole(root, text):
    """The survey, the last thing that was printed, has found every file."""
    text = text[text.index("{\n  "):]
    there = int(root.run(f"find {FOLDERS} -type f | wc -l"))
    assert there > 40 and json.loads(text)["files"] == there


def test_one_host(root):
    """Aim: a user without rights runs the survey with `promp -r`; nothing else is running or set up."""
    out = root.run(f"export HOME=$(mktemp -d); cd $HOME; PROMP_RUNTIME_DIR=$HOME/r promp -r {SURVEY} 2>/dev/null", NOBODY)
    is_whole(root, out)


def test_cluster(root):
    """Aim: broker, node and manager, each joined by a token, run the survey."""
    is_whole(root, root.run(CLUSTER, NOBODY))


def test_c_program(root, tmp_path):
    """Aim: with libpromp-dev the README's C program is compiled by pkg-config's flags, and works there."""
    readme = (build.ROOT / "README.md").read_text()
    folder = next((root.folder / "usr/lib").glob("*/pkgconfig/promp.pc")).parent
    asked = subprocess.run(["pkg-config", "--cflags", "--libs", "promp"], env={**os.environ, "PKG_CONFIG_LIBDIR": str(folder)},
                           capture_output=True, text=True, check=True)
    assert f"-I{root.folder}" in asked.stdout.replace(f"{folder}/../../../..", f"{root.folder}")
    (root.folder / "sum").mkdir()
    for name, text in re.findall(r"```c\n/\* (\w+)\.c \*/\n(.*?)```", readme, re.DOTALL):
        (tmp_path / f"{name}.c").write_text(text)
        subprocess.run(["gcc", "-std=c11", tmp_path / f"{name}.c", "-o", root.folder / "sum" / name, *asked.stdout.split()],
                       check=True)
    assert root.run("cd /sum; PROMP_RUNTIME_DIR=/tmp/sum ./sum_manager", NOBODY) == "sum: 5050\n"


def test_without_libzmq(root):
    """Aim: where libzmq is missing, promp and promp-node say so when a broker is to be reached (ZMQ_MISSING) and how they end;
    one host works all the same."""
    out = root.run(f"""
    library=$(ls /usr/lib/*/libzmq.so.5); mv "$library" /tmp/libzmq.so.5
    trap 'mv /tmp/libzmq.so.5 "$library"' EXIT
    cd "$(mktemp -d)"
    export HOME=$PWD PROMP_RUNTIME_DIR=$PWD/r
    promp-auth init --config b --address tcp://127.0.0.1:9
    promp-auth token manager --config b | promp join --config m - || echo promp $?
    promp-auth token node --config b | promp-node --config n --join - || echo promp-node $?
    promp -r {SURVEY} >survey.json 2>survey.log
    head -c 1 survey.json
    """)
    for program in ("promp", "promp-node"):
        assert f"{program}: {build.ERR['ZMQ_MISSING']} ZMQ_MISSING: " in out, out
        assert re.search(rf"^{program} [1-9]$", out, re.M), out
    assert out.endswith("{")


def test_purge(root):
    """Aim: purged, nothing of them is left but the users: no file, no compiled module, no key."""
    root.run("setpriv --reuid=promp-broker --regid=promp-broker --clear-groups "
             "promp-auth init --config /etc/promp/broker --address tcp://127.0.0.1:9")
    assert (root.folder / "etc/promp/broker/broker.cert_secret").exists()
    root.run(f"apt-get -q -y purge {' '.join(NAMES)}; rm -rf /sum", timeout=300)
    found = root.run("find / -xdev \\( -path /proc -o -path /tmp -o -path /var/log \\) -prune -o "
                     "\\( -name '*promp*' -o -path '*dist-packages/Pro*' \\) -print")
    assert found == ""
