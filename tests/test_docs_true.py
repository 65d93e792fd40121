"""Aim: what the documents say about the code is so: layers, libraries, limits, names of files, functions and metrics."""

import re
import subprocess

import pytest
from support import build
from support.pages import PAGES, page, prose, spans, tables
from test_includes import FOREIGN, LIB, MAY_INCLUDE, PUBLIC_FILES, files_of

OTHERS = [p for p in (build.ROOT / "tests/README.md", *sorted((build.ROOT / "deploy").glob("*/README.md"))) if p.exists()]
ARCHITECTURE = page("architecture.md")
FILES = [p.as_posix() for p in files_of(build.ROOT)]


def table(path, first):
    """The rows of the table whose first cell is this."""
    return next(rows for _, rows in tables(path) if rows[0][0] == first)


def test_layers():
    """Aim: the table of folders in architecture.md says what test_includes.py allows."""
    told = {row[0]: set(row[2].split(", ")) for row in table(ARCHITECTURE, "lib/base")}
    assert set(told) == set(MAY_INCLUDE) - {"examples", "bench", "tests"} | {"worker/python"}
    library = {"libzmq": "zmq.h", "libsodium": "sodium.h", "libcbor": "cbor.h", "libpython": "Python.h", "libmicrohttpd": "microhttpd.h"}
    for folder, allowed in told.items():
        if folder == "worker/python":
            continue
        ours = set()
        for name in allowed - set(library) - {"libc"}:
            ours |= {"lib": set(LIB), "the public headers": set(PUBLIC_FILES)}.get(name, {name})
        may = {"worker/python" if m.startswith("worker/python/") else m for m in MAY_INCLUDE[folder]}
        assert ours == may, folder
        used = {name for name, header in library.items() if uses(folder, header)}
        assert used - {"libpython"} <= allowed, folder


def uses(folder, header):
    """Whether sources of a folder, but for its tests, include a header; what is below worker/python is not worker's."""
    for name in FILES:
        if name.startswith(folder + "/") and name.endswith((".c", ".h")) and not re.search(r"_(test|rig|fuzz)\.c$", name):
            if re.search(rf"#include <{header}>", (build.ROOT / name).read_text()):
                return True
    return False


def test_foreign_headers():
    """Aim: what test_includes.py lets include another project's header stands in architecture.md's table of libraries."""
    told = " ".join(row[0] for row in table(ARCHITECTURE, "libzmq 4.3.3, with CURVE of libsodium"))
    for header in FOREIGN:
        name = {"zmq.h": "libzmq", "sodium.h": "libsodium", "cbor.h": "libcbor", "Python.h": "libpython", "czmq.h": "czmq",
                "microhttpd.h": "libmicrohttpd"}.get(header)
        if any(uses(folder, header) for folder in {n.split("/")[0] for n in FILES if "/" in n}):
            assert name and (name in told or name == "czmq"), header


@pytest.mark.plain
def test_libraries():
    """Aim: each program is linked with the libraries that architecture.md says, and no others."""
    rows = table(ARCHITECTURE, "libzmq 4.3.3, with CURVE of libsodium")
    system = {"libc", "libm", "libpthread", "libdl", "librt", "ld-linux-x86-64", "ld-linux-aarch64", "libpromp"}
    loaded = {"libzmq": {"promp-node", "promp", "libpromp"}, "libpython": {"promp-worker"}}
    for name, path in {**{p: f"bin/{p}" for p in ("promp", "promp-auth", "promp-broker", "promp-node", "promp-worker")},
                       "libpromp": "lib/libpromp.so"}.items():
        said = subprocess.run(["readelf", "-d", build.BUILD / path], capture_output=True, text=True, check=True).stdout
        needed = {n.split(".so")[0] for n in re.findall(r"NEEDED.*\[(.*?)\]", said)} - system
        told = {row[0].split()[0] for row in rows if re.search(rf"(?<![\w-]){name}(?![\w-])", row[2])}
        assert needed == told - {n for n, by in loaded.items() if name in by}, name


# First cell of operations.md's table of limits -> what is in limits.h.
LIMITS = {
    "peers of a broker": [8192, "PEERS"],
    "workers of all nodes, of one node": ["SESSIONS", "WORKERS"],
    "connections with one key": ["PEERS_KEY"],
    "starts that wait for a place, those of one key": ["WAITING", "WAITING_KEY"],
    "bytes that wait at the broker, for one key": ["BROKER_DATA", "KEY_DATA"],
    "one value (arguments, a result)": ["VALUE"],
    "keys and tokens in the store": ["KEYS"],
}


def test_limits():
    """Aim: the table of limits has the numbers of limits.h."""
    unit = {"": 1, " KiB": 1 << 10, " MiB": 1 << 20, " GiB": 1 << 30}
    rows = {row[0]: row[1] for row in table(page("operations.md"), "peers of a broker")}
    assert set(rows) == set(LIMITS)
    for what, text in rows.items():
        told = [int(n) * unit[u] for n, u in re.findall(r"(\d+)( [KMG]iB|)", text)]
        assert told == [n if isinstance(n, int) else build.LIMIT["LIMIT_" + n] for n in LIMITS[what]], what


def test_files():
    """Aim: each source file that a page names is there."""
    names = {name.rsplit("/", 1)[-1] for name in FILES}
    wrong = []
    for path in [*PAGES, *OTHERS]:
        for name in re.findall(r"(?<![\w/.$-])((?:[\w-]+/)*[\w-]+\.(?:c|h|def|sbatch|service))(?![\w(])", prose(path)):
            if not (any(f == name or f.endswith("/" + name) for f in FILES) if "/" in name else name in names):
                wrong.append(f"{path.name}: {name}")
    assert [w for w in wrong if not w.startswith("README.md: sum_")] == []


def test_functions_and_metrics():
    """Aim: each function of C, and each metric, that a page names is one."""
    text = "".join((build.ROOT / name).read_text() for name in FILES if name.endswith((".h", ".def", ".cmake", "CMakeLists.txt"))
                   and not name.startswith("tests/"))
    wrong = []
    for path in [*PAGES, *OTHERS]:
        for name in {re.match(r"promp_\w+", s).group() for s in spans(path) if re.fullmatch(r"promp_\w+(\(.*\))?(\.\w+)?", s)}:
            if not re.search(rf"\b{name}\b|, \"{name.removeprefix('promp_')}\"", text):
                wrong.append(f"{path.name}: {name}")
    assert wrong == []


def test_error_numbers():
    """Aim: each number of an error that a page names, in brackets or in a table of numbers, is one; and what is named beside it, its name."""
    wrong = []
    for path in PAGES:
        text = prose(path)
        told = re.findall(r"\((1[0-8]\d\d)\b(?![.,]\d)", text) + re.findall(r"\b(1[0-8]\d\d)\)", text)
        told += [n for _, rows in tables(path) for row in rows for n in re.findall(r"\b1\d{3}\b", row[0]) if re.match(r"1\d{3}", row[0])]
        wrong += [f"{path.name}: {n}" for n in told if int(n) not in build.ERROR_NAMES]
        wrong += [f"{path.name}: {n} {name}" for n, name in re.findall(r"\b(1\d{3}) ([A-Z]+_[A-Z_]+)\b", text)
                  if build.ERROR_NAMES.get(int(n)) != name]
    assert wrong == []
