"""Aim: what `cmake --install` leaves is enough for a stranger's program: the README's example, by pkg-config and by CMake."""

import os
import re
import shutil
import subprocess

import pytest

from support import build

CMAKE = """
cmake_minimum_required(VERSION 3.22)
project(stranger LANGUAGES C)
find_package(promp 0.1 REQUIRED)
foreach(program sum_manager sum_worker)
    add_executable(${program} ${program}.c)
    target_link_libraries(${program} PRIVATE promp::promp)
endforeach()
"""

# A library of another compiler cannot be linked without its sanitizer's runtime.
pytestmark = [pytest.mark.plain, pytest.mark.xdist_group("install")]


def run(*args, **options):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, f"{args}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """An installed tree that was moved after the installation: nothing in it may depend on where it was."""
    first = tmp_path_factory.mktemp("install") / "first"
    run("cmake", "--install", build.BUILD, "--prefix", first)
    moved = first.with_name("moved")
    first.rename(moved)
    return moved


@pytest.fixture
def sources(tmp_path):
    """A folder with the programs that the README shows."""
    readme = (build.ROOT / "README.md").read_text()
    for name, text in re.findall(r"```c\n/\* (\w+\.c) \*/\n(.*?)```", readme, re.DOTALL):
        (tmp_path / name).write_text(text)
    assert (tmp_path / "sum_manager.c").exists() and (tmp_path / "sum_worker.c").exists()
    return tmp_path


def one(prefix, pattern):
    found = list(prefix.glob(pattern))
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]


def sum_of(world, prefix, folder, library_path):
    """What the README's program prints, with the node that was installed."""
    env = {**world.environment, "LD_LIBRARY_PATH": str(library_path)}
    del env["PROMP_NODE"]  # it has to be found beside the library
    assert os.access(prefix / "bin" / "promp-node", os.X_OK)
    return run("./sum_manager", cwd=folder, env=env, timeout=build.scaled(30))


def test_pkg_config(world, prefix, sources):
    """Aim: the flags of pkg-config compile and link a manager and a worker, and they work."""
    pc = one(prefix, "lib*/**/promp.pc")
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent)}
    assert run("pkg-config", "--modversion", "promp", env=env).strip() == "0.1.0"
    flags = run("pkg-config", "--cflags", "--libs", "promp", env=env).split()
    for name in ("sum_manager", "sum_worker"):
        run("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", f"{name}.c", "-o", name, *flags, cwd=sources)
    assert sum_of(world, prefix, sources, pc.parent.parent) == "sum: 5050\n"


def test_find_package(world, prefix, sources):
    """Aim: find_package gives promp::promp, which needs nothing else, and the programs find the library by themselves."""
    (sources / "CMakeLists.txt").write_text(CMAKE)
    run("cmake", "-S", sources, "-B", sources / "b", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("ninja", "-C", sources / "b")
    assert sum_of(world, prefix, sources / "b", "") == "sum: 5050\n"


def test_headers_alone(prefix):
    """Aim: only the four public headers are installed, and each compiles alone, as C11 and as C++."""
    headers = sorted(p.relative_to(prefix / "include").as_posix() for p in (prefix / "include").rglob("*") if p.is_file())
    assert headers == ["promp.h", "promp_container.h", "promp_error.h", "promp_value.h"]
    compilers = [["gcc", "-std=c11", "-x", "c"]]
    if shutil.which("g++"):
        compilers.append(["g++", "-std=c++17", "-x", "c++"])
    for compiler in compilers:
        for header in headers:
            run(*compiler, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I", prefix / "include", "-",
                input=f"#include <{header}>\n")


def test_symbols(prefix):
    """Aim: the library exports every function that the headers declare, and nothing else."""
    library = one(prefix, "lib*/**/libpromp.so.0")
    lines = run("nm", "-D", "--defined-only", library).splitlines()
    exported = {line.split()[-1].split("@")[0] for line in lines}
    declared = set()
    for header in (prefix / "include").iterdir():
        text = re.sub(r"/\*.*?\*/|^#[^\n]*", "", header.read_text(), flags=re.DOTALL | re.MULTILINE)
        declared |= set(re.findall(r"PROMP_EXPORT[^;(]*?(\w+)\s*\(", text))
    assert len(declared) > 90
    assert exported == declared
    needed = re.findall(r"NEEDED.*\[(.*?)\]", run("readelf", "-d", library))
    assert not [n for n in needed if n.startswith(("libczmq", "libzmq", "libpython"))]
