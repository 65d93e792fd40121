"""Pro.Core: the types that Pro.MP works with: containers, values, times, wait objects.

`Pro` says what "Reference" and "ours" mean below.
"""

import time as _time

from ._container import (INVALID_STREAM_OFFSET, NTContainer, NTContainerMatch, createContainer,
                         createContainerFromFile)
from ._promp import ContainerError as NTContainerError

__all__ = ["KB_SIZE", "MB_SIZE", "GB_SIZE", "INVALID_STREAM_OFFSET", "NTContainer", "NTContainerError", "NTContainerMatch",
           "NTVariantList", "NTStringList", "NTTime", "NTIWait", "NTSimpleWait", "createContainer",
           "createContainerFromFile"]

KB_SIZE = 1024
MB_SIZE = 1024 * KB_SIZE
GB_SIZE = 1024 * MB_SIZE

for _thing in (NTContainer, NTContainerMatch, createContainer, createContainerFromFile):  # where users find them
    _thing.__module__ = __name__
del _thing


class NTVariantList(list):
    """A list of values: the arguments of a remote function.

    It is a Python list, so everything a list can do works; the methods below are the reference's names.
    Values are None, bool, int, float, bytes, str, and lists and dicts of these; others are refused when they travel.
    Reference: Calling Python Functions.
    """

    def size(self) -> int:
        """Returns the number of values."""
        return len(self)

    def at(self, i: int):
        """Returns the value at index i. Raises IndexError beyond the end."""
        return self[i]

    def isEmpty(self) -> bool:
        """Returns True if there is no value."""
        return not self

    def takeAt(self, i: int):
        """Removes and returns the value at index i. Raises IndexError beyond the end."""
        return self.pop(i)


class NTStringList(NTVariantList):
    """A list of str.

    Source: published scripts for Cerbero Suite.
    """


class NTTime:
    """A stop-watch on the monotonic clock.

    Reference: Remote Containers.
    """

    __slots__ = ("_start",)

    def __init__(self):
        self._start = None

    def start(self) -> None:
        """Starts, or starts again from zero."""
        self._start = _time.monotonic_ns()

    def restart(self) -> int:
        """Starts again from zero. Returns the milliseconds that had passed."""
        passed = self.elapsed()
        self.start()
        return passed

    def elapsed(self) -> int:
        """Returns the whole milliseconds since start(), 0 when it was never started."""
        return 0 if self._start is None else (_time.monotonic_ns() - self._start) // 1_000_000


class NTIWait:
    """What every wait object can do: show progress and text, and tell whether the user gave up.

    Reference: Wait Objects.
    """

    def wasAborted(self) -> bool:
        """Returns True once the operation was aborted."""
        return False

    def abort(self) -> None:
        """Aborts the operation."""

    def msg(self, text: str) -> None:
        """Shows a status text."""

    def progress(self, i: int) -> None:
        """Shows the progress i, usually 0 to 100."""

    def processEvents(self) -> None:
        """Lets the user interface do its work."""

    def stop(self) -> None:
        """Ends the wait."""


class NTSimpleWait(NTIWait):
    """A wait object to derive from: override what you want to see; only abort is kept.

    Reference: Wait Objects.
    """

    _aborted = False  # also where a derived class forgets our __init__

    def __init__(self):
        self._aborted = False

    def wasAborted(self) -> bool:
        """Returns True after abort()."""
        return self._aborted

    def abort(self) -> None:
        """Keeps that the operation shall end."""
        self._aborted = True
