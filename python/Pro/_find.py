"""Where the programs of promp are, and how a worker runs the interpreter of this process."""

import os
import sys

PACKAGE_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What a worker's interpreter runs; the argument is the folder that holds the package.
BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from Pro._worker import main; main()"


def program(name: str) -> "str | None":
    """Returns the path of a program of promp, None when it is left to $PATH and libpromp's own search."""
    given = os.environ.get(name.upper().replace("-", "_"))
    if given:
        return given
    # A wheel; a build folder; an installed tree, where the package is in lib/promp.
    for folder in (os.path.join(PACKAGE_ROOT, "Pro", "bin"), os.path.join(os.path.dirname(PACKAGE_ROOT), "bin"),
                   os.path.join(PACKAGE_ROOT, "..", "..", "bin"), os.path.join(PACKAGE_ROOT, "..", "..", "..", "bin")):
        path = os.path.normpath(os.path.join(folder, name))
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None


def shared_library() -> "str | None":
    """Returns the path of this interpreter's libpython, None when it is a static one."""
    import sysconfig

    name = sysconfig.get_config_var("INSTSONAME")
    folder = sysconfig.get_config_var("LIBDIR")
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    if not name or ".so" not in name or not folder:
        return None
    for path in (os.path.join(folder, name), os.path.join(folder, multiarch, name)):
        if os.path.exists(path):
            return path
    return None


def worker_command(other: "str | None" = None) -> "tuple[str, list[str]]":
    """Returns program and arguments of a worker that runs the same Python as this process, or the interpreter `other`."""
    import subprocess  # here, for workers need it only when they are managers

    # The standard library's own multiprocessing hands the interpreter's options on with the same function.
    tail = [*subprocess._args_from_interpreter_flags(), "-c", BOOT, PACKAGE_ROOT]
    executable = other or sys.executable or "python3"
    worker = program("promp-worker")
    if worker is None:
        return executable, [executable, *tail]
    argv = [worker, "--python", executable]
    library = None if other else shared_library()
    if library:
        argv += ["--library", library, "--version", "%d.%d" % sys.version_info[:2]]
    return worker, [*argv, "--", *tail]
