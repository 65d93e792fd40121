"""Programs of the package that pip puts into the environment's bin."""

import os
import sys

from . import _find


def node() -> None:
    """promp-node: becomes the program in Pro/bin."""
    path = _find.program("promp-node")
    if path is None:
        sys.exit("promp-node is not in this package")
    os.execv(path, [path, *sys.argv[1:]])
