"""What a worker is started with by a node of a cluster: nothing of this host but what is asked for."""

import math
import os
import re
import sys

from . import _place, _promp

_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LABELS = 256  # bytes of all of them, with the spaces between


def words(labels):
    """Returns labels as a node has them: {"gpu": True} (or None, or "") is the word gpu, {"zone": "eu"} the word zone-eu."""
    if not isinstance(labels, dict):
        raise TypeError("labels is a dict, not %s" % type(labels).__name__)
    found = []
    for key, value in labels.items():
        if not isinstance(key, str):
            raise TypeError("the name of a label is a str, not %s" % type(key).__name__)
        if value is False:
            raise ValueError("a label can be asked for, its absence cannot: %r" % key)
        if value is not None and value is not True and not isinstance(value, (str, int)):
            raise TypeError("the value of a label is a str or an int, not %s" % type(value).__name__)
        word = key if value in (None, "") or value is True else "%s-%s" % (key, value)
        if not _WORD.fullmatch(word):
            raise _place.Refused("no node has the label '%s': labels are made of A-Z a-z 0-9 . _ -" % word)
        found.append(word)
    text = " ".join(found)
    if len(text) > _LABELS:
        raise _place.Refused("the labels are longer than %d bytes" % _LABELS)
    return text


def _at_most(name, value, bits):
    if value is not None and value >= 1 << bits:
        raise _place.Refused("%s: no node has so much" % name)
    return value or 0


def needs(labels, cpus, memory, gpus, node):
    """Returns what _promp.Manager.start() takes: (labels, thousandths of a processor, bytes, GPUs, node). Raises Refused for
    what no node can have, TypeError and ValueError for what makes no sense."""
    if node is not None and not isinstance(node, str):
        raise TypeError("node is a str, not %s" % type(node).__name__)
    if node is not None and not _WORD.fullmatch(node):
        raise _place.Refused("no node is called '%s'" % node)
    cpus, memory, gpus = _place.numbers(cpus, memory, gpus)
    if cpus is not None and not math.isfinite(cpus):
        raise ValueError("cpus is not a number")
    thousandths = math.ceil(round(cpus * 1000, 3)) if cpus else 0
    return (words(labels), _at_most("cpus", thousandths, 32), _at_most("memory", memory, 64), _at_most("gpus", gpus, 32), node)


def environment(changes):
    """Returns the variables to be added, as a list of NAME=value in bytes, and the names of those to be taken out."""
    added, removed = [], []
    for name, value in _place.changes(changes):
        if value is None:
            removed.append(name)
        else:
            added.append(name + b"=" + value)
    return added, removed


def command(python, modules, removed):
    """Returns arguments, extra value and version of the interpreter for a worker that runs this process's Python, another
    version, or an interpreter by its name or path on the node. modules: where those of this host are shared, or None."""
    import subprocess

    other, version = _place.interpreter(python)
    argv = ["promp-worker", "--package"]
    if other is None:
        version = version or "%d.%d" % sys.version_info[:2]
    else:
        argv += ["--python", other]
    argv += ["--", *subprocess._args_from_interpreter_flags()]
    return argv, _promp.encode({"cluster": True, "modules": modules, "unset": removed}), version
