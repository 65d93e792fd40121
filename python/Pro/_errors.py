"""What went wrong: refusals, failures of tasks, ends of workers."""

from . import _promp
from ._promp import ProMPError


class ProTaskError(ProMPError):
    """A task that failed, or whose worker died (ours, beyond the reference).

    Attributes: worker - its id; task - its number at the worker; number - 10xx or 15xx of docs/errors.md;
    kind - type of the exception, '' where there was none; traceback - as text, '' where there was none. The text is what
    a traceback ends with, or begins with number and name where there was no exception.
    """

    worker: int
    task: int
    number: int
    kind: str
    traceback: str


def task_error(parts):
    """Returns the ProTaskError of what _promp.Manager.take_error() gives."""
    worker, task, number, kind, text, trace = parts
    name = _promp.error(number, None).name
    error = ProTaskError("%s: %s" % (kind, text) if kind else "%d %s: %s" % (number, name, text))
    error.worker, error.task, error.number, error.kind, error.traceback = worker, task, number, kind, trace
    error.name = name
    return error


class ProWorkerExit:
    """How a worker ended (ours, beyond the reference).

    Attributes: worker - its id; number - 15xx of docs/errors.md; cause - the same in words; code - exit code, where signal
    is 0; signal - 0 where none ended it; node - name of the host it ran on, in a cluster of the node's key, '' where that
    is not known; memory - largest resident memory in bytes; output - its last output that had not been delivered, at most
    64 KiB, bytes; lost - bytes of output known to be lost; unsure - whether output and messages may be missing beyond that: a way to it broke, or its node was
    lost or replaced, with what was under way.
    """

    __slots__ = ("worker", "number", "cause", "code", "signal", "node", "memory", "output", "lost", "unsure")

    def __init__(self, worker: int, number: int, code: int, signal: int, memory: int, cause: str, output: bytes, lost: int,
                 unsure: bool, node: str):
        self.worker, self.number, self.cause, self.code, self.signal = worker, number, cause, code, signal
        self.node, self.memory, self.output, self.lost, self.unsure = node, memory, output, lost, unsure

    def __repr__(self) -> str:
        return "<ProWorkerExit worker=%d: %s>" % (self.worker, self.cause)
