"""What a worker is started with: program, arguments, environment, and what it asks of its node."""

import os
import sys

from . import _find, _promp


class Refused(Exception):
    """A start that no node can ever serve; args[0] says what is missing."""


def _number(name, value, kinds=(int,)):
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError("%s is a number, not %s" % (name, type(value).__name__))
    if value < 0:
        raise ValueError("%s is below 0" % name)
    return value


def numbers(cpus, memory, gpus):
    """Returns them checked."""
    return _number("cpus", cpus, (int, float)), _number("memory", memory), _number("gpus", gpus)


def check_needs(labels, cpus, memory, gpus, node):
    """Raises Refused for what this host has not, TypeError and ValueError for what makes no sense."""
    if not isinstance(labels, dict):
        raise TypeError("labels is a dict, not %s" % type(labels).__name__)
    if node is not None and not isinstance(node, str):
        raise TypeError("node is a str, not %s" % type(node).__name__)
    cpus, memory, gpus = numbers(cpus, memory, gpus)
    if labels:
        raise Refused("the local node has no labels, asked for: %s" % ", ".join(map(str, labels)))
    if node is not None and node != os.uname().nodename:
        raise Refused("the local node is '%s', asked for: '%s'" % (os.uname().nodename, node))
    here = len(os.sched_getaffinity(0))
    if cpus is not None and cpus > here:
        raise Refused("there are %d processors, asked for: %s" % (here, cpus))
    here = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if memory is not None and memory > here:
        raise Refused("there are %d bytes of memory, asked for: %d" % (here, memory))
    if gpus:
        raise Refused("the local node manages no GPUs, asked for: %d" % gpus)


def time_limit(limit):
    """Returns the limit in ms, 0 for none."""
    if limit is None:
        return 0
    if _number("time_limit", limit) == 0:
        raise ValueError("time_limit is 0; None stands for no limit")
    return limit


def changes(env):
    """Yields name and value of the variables in env, in bytes; None for one that shall not be there."""
    if env is not None and not isinstance(env, dict):
        raise TypeError("env is a dict, not %s" % type(env).__name__)
    for name, value in (env or {}).items():
        key = os.fsencode(name)
        if not key or b"=" in key:
            raise ValueError("%r cannot be the name of a variable" % name)
        yield key, None if value is None else os.fsencode(value)


def environment(env):
    """Returns this process's environment with the changes, as a list of NAME=value in bytes."""
    variables = dict(os.environb)
    for name, value in changes(env):
        if value is None:
            variables.pop(name, None)
        else:
            variables[name] = value
    return [name + b"=" + value for name, value in variables.items()]


def interpreter(python):
    """Returns what was asked for: (name or path, None), or (None, version); (None, None) for this process's own. Raises
    Refused, TypeError."""
    if python is None:
        return None, None
    name = os.fspath(python)
    if not isinstance(name, str):
        raise TypeError("python is a version or a path, a str")
    import re

    version = re.fullmatch(r"(\d+)\.(\d+)(\.\d+)?", name)
    if not version:
        return name, None
    pair = tuple(map(int, version.groups()[:2]))
    if pair < (3, 11):
        raise Refused("Python %s is too old, 3.11 is the first that works" % name)
    return None, "%d.%d" % pair


def _here(python):
    """Returns the path of the interpreter that was asked for, None for this process's own."""
    name, version = interpreter(python)
    if name is None:
        if version in (None, "%d.%d" % sys.version_info[:2]):
            return None
        name = "python" + version
    import shutil

    path = shutil.which(name)
    if path is None:
        raise Refused("there is no interpreter '%s'" % name)
    return os.path.abspath(path)


def _own_library(path):
    """True for a folder of this interpreter's library: one of another version would break over it."""
    import re

    return re.search(r"/python3(\.?\d+)?(\.zip|/|$)", path) is not None


def command(python):
    """Returns program, arguments and extra value of a worker that runs this process's Python, or another one."""
    other = _here(python)
    program, argv = _find.worker_command(other)
    path = [p if p else os.getcwd() for p in sys.path if isinstance(p, str)]
    if other is None:
        extra = {"path": path}
    else:
        extra = {"path_first": [p for p in path if not _own_library(p)]}
    return program, argv, _promp.encode(extra)
