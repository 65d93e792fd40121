"""Aim: the layers of docs/architecture.md hold (who includes what), files are of a readable size and name nobody's machine."""

import os
import re
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

LIB = ("lib/base", "lib/proto", "lib/session", "lib/container", "lib/net")
PUBLIC = ("promp.h", "promp_container.h", "promp_error.h", "promp_value.h")
PUBLIC_FILES = ("manager/promp.h", "lib/base/promp_error.h", "lib/proto/promp_value.h", "lib/container/promp_container.h")

# folder -> folders and single headers it may include, besides its own.
MAY_INCLUDE = {
    "lib/base": (),
    "lib/proto": ("lib/base",),
    "lib/session": ("lib/base", "lib/proto"),
    "lib/container": ("lib/base", "lib/proto"),
    "lib/net": ("lib/base", "lib/proto", "lib/session", "auth/auth_key.h"),
    "auth": ("lib/base",),
    "join": (*LIB, "auth"),
    "broker": (*LIB, "auth"),
    "node": (*LIB, "auth", "join"),
    "manager": (*LIB, "auth"),
    "worker": (*LIB, "auth", "manager/halves.h", "manager/promp.h"),
    "tool": ("worker/python/interpreter.h", "worker/python/package.h", *PUBLIC_FILES, "lib/base", "auth", "join"),
    "python": (*PUBLIC_FILES, "lib/base/limits.h"),
    "examples": PUBLIC_FILES,
    "bench": (*PUBLIC_FILES, *LIB),
    "tests": (*LIB, "auth", "broker", "node", "manager", "worker"),
}

# header of another project -> the folders that may include it.
FOREIGN = {
    "zmq.h": ("lib/net", "auth", "join", "bench", "tests"),
    "czmq.h": ("auth", "broker", "node", "tests"),
    "sodium.h": ("lib/net", "auth", "examples", "tests"),
    "cbor.h": ("lib/proto", "bench"),
    "lz4.h": ("lib/container",),
    "lz4frame.h": ("lib/container",),
    "Python.h": ("python", "worker"),
}

# Cores are plain state machines: neither these folders, nor files named *core*, nor containers' reader do input, output,
# threads or time.
CORE_FOLDERS = ("lib/proto", "lib/session")
CORE_FILES = ("lib/container/reader",)
NOT_IN_CORES = {"sys/socket.h", "sys/epoll.h", "poll.h", "pthread.h", "threads.h", "time.h", "sys/time.h", "unistd.h",
                "zmq.h", "Python.h"}

LINES_MOST = 400
LINES_WISHED = 300

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# What hides the system's header of the same name hands it on outside of its guard.
GUARD = re.compile(r"\A\s*(?:#include_next <\w+\.h>\s*)?#ifndef (\w+)\n#define \1\n.*#endif\s*\Z", re.DOTALL)
MACHINE = re.compile(r"(?<![\w./~-])/(home/[\w.-]+|Users/[\w.-]+|work|root)/")
SKIPPED = {".git", "__pycache__", ".pytest_cache", ".hypothesis"}


def files_of(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in SKIPPED and not (folder == str(root) and f.startswith("build"))]
        for name in names:
            if name not in SKIPPED:  # .git is a file in a second work tree
                yield Path(folder, name).relative_to(root)


def part_of(path):
    """The row of MAY_INCLUDE that a file belongs to, or None."""
    text = path.as_posix()
    return next((part for part in MAY_INCLUDE if text.startswith(part + "/")), None)


def is_core(path):
    if path.stem.endswith(("_test", "_fuzz")) or "tests" in path.parts:
        return False
    return (part_of(path) in CORE_FOLDERS or path.as_posix().startswith(CORE_FILES)
            or "core" in path.stem.split("_"))


def problems_of_include(path, kind, name, headers):
    part = part_of(path)
    base = name.rsplit("/", 1)[-1]
    if is_core(path) and name in NOT_IN_CORES:
        yield f"{path}: a core includes <{name}>"
    if name in FOREIGN:
        if part not in FOREIGN[name]:
            yield f"{path}: <{name}> may be included in {', '.join(FOREIGN[name])} only"
        return
    if kind == "<":
        if base in PUBLIC and part not in ("examples", "tests", "python", "bench"):
            yield f"{path}: our own {name} is included with <>"
        return
    if part is None or path.with_name(base).as_posix() in headers.get(base, ()):
        return
    found = headers.get(base, [])
    if not found:
        yield f"{path}: \"{name}\" is nowhere in the repository"
    elif not any(allowed(part, header) for header in found):
        yield f"{path}: {part} may not include {found[0]}"


def allowed(part, header):
    return any(header == may or header.startswith(may + "/") for may in (part, *MAY_INCLUDE[part]))


def problems_of_source(path, text, headers):
    for kind, name in INCLUDE.findall(text):
        yield from problems_of_include(path, kind, name, headers)
    lines = text.count("\n")
    if lines > LINES_MOST:
        yield f"{path}: {lines} lines, {LINES_MOST} are allowed"
    elif lines > LINES_WISHED:
        warnings.warn(f"{path}: {lines} lines")
    if path.suffix == ".h" and not GUARD.match(COMMENT.sub("", text)):
        yield f"{path}: has no include guard around all of it"


def problems(root):
    files = sorted(files_of(root))
    headers = {}
    for path in files:
        if path.suffix in (".h", ".def", ".inc"):
            headers.setdefault(path.name, []).append(path.as_posix())
    found = []
    for path in files:
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # seeds of fuzzers
        if path.suffix in (".c", ".h"):
            found += problems_of_source(path, text, headers)
        for match in MACHINE.finditer(text):
            if match.group(1) in ("root", "home/someone") and path.parts[:2] == ("tests", "deploy"):
                continue  # of a machine that the test has made
            found.append(f"{path}: names a path of somebody's machine: {match.group()}")
    return found


def test_repository():
    """Aim: this repository keeps its rules."""
    assert problems(ROOT) == []


HEADER = "#ifndef A_H\n#define A_H\nint a(void);\n#endif\n"


@pytest.mark.parametrize("path, text, complaint", [
    ("broker/a.c", "#include <zmq.h>\n", "<zmq.h> may be included in"),
    ("manager/a.c", "  #  include <czmq.h>\n", "<czmq.h> may be included in"),
    ("node/a.c", "#include <sodium.h>\n", "<sodium.h> may be included in"),
    ("manager/a.c", "#include <cbor.h>\n", "<cbor.h> may be included in"),
    ("lib/net/a.c", "#include <Python.h>\n", "<Python.h> may be included in"),
    ("lib/net/a.c", '#include "Python.h"\n', "<Python.h> may be included in"),
    ("lib/base/a.c", '#include "session.h"\n', "lib/base may not include lib/session/session.h"),
    ("lib/session/a.c", '#include "link.h"\n', "lib/session may not include lib/net/link.h"),
    ("node/a.c", '#include "promp.h"\n', "node may not include manager/promp.h"),
    ("examples/c/a.c", '#include "session.h"\n', "examples may not include lib/session/session.h"),
    ("lib/net/a.c", '#include "nowhere.h"\n', '"nowhere.h" is nowhere'),
    ("lib/net/a.c", '#include "auth_store.h"\n', "lib/net may not include auth/auth_store.h"),
    ("lib/net/a.c", "#include <promp.h>\n", "included with <>"),
    ("lib/session/a.c", "#include <pthread.h>\n", "a core includes <pthread.h>"),
    ("node/agent_core.c", "#include <sys/socket.h>\n", "a core includes <sys/socket.h>"),
    ("lib/base/a.c", "int a;\n" * 401, "401 lines"),
    ("lib/base/a.h", "int a(void);\n", "no include guard"),
    ("lib/base/a.h", HEADER + "int b(void);\n", "no include guard"),
    ("docs/a.md", "see /" + "home/alice/promp/x.c\n", "somebody's machine"),
    ("deploy/a.service", "Exec=/" + "work/main/dev\n", "somebody's machine"),
])
def test_each_rule_can_fail(tmp_path, path, text, complaint):
    """Aim: each rule finds a file that breaks it, and nothing else in a small repository that keeps them."""
    for good in ("lib/session/session.h", "lib/net/link.h", "auth/auth_store.h", "manager/promp.h"):
        (tmp_path / good).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / good).write_text("/* a comment */\n" + HEADER)
    (tmp_path / "manager/a_good.c").write_text('#include "promp.h"\n#include "session.h"\n#include <limits.h>\n')
    assert problems(tmp_path) == []

    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text)
    found = problems(tmp_path)
    assert len(found) == 1
    assert complaint in found[0]


def test_the_map_knows_every_folder():
    """Aim: a new folder of sources gets its row in the map of this test."""
    unknown = {p.as_posix() for p in files_of(ROOT) if p.suffix in (".c", ".h") and part_of(p) is None}
    assert unknown == set()
