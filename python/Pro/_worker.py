"""The main loop of a Python worker: takes tasks, runs them in the main thread, sends what they return."""

import _signal as signal  # `signal` makes enums of the numbers, a tenth of the time until a worker is ready
import atexit
import builtins
import io
import os
import sys
import types

from . import _process, _promp

_CODE_CACHE = 64  # compiled scripts that are kept, so that a call repeated is not compiled again
_CODE_BYTES = 4 << 20  # of their texts together
_OUTCOME_DONE, _OUTCOME_FAILED, _OUTCOME_ABORTED = range(3)


def _compile(cache, code, name):
    key = (code, name)
    compiled = cache.get(key)
    if compiled is None:
        compiled = compile(code.decode("utf-8"), name, "exec", dont_inherit=True)
        if len(code) <= _CODE_BYTES:
            cache[key] = compiled
            while len(cache) > _CODE_CACHE or sum(len(text) for text, _ in cache) > _CODE_BYTES:
                del cache[next(iter(cache))]
    return compiled


def _main_module(file):
    """A module of its own for each task: what looks for sys.modules['__main__'], pickle say, finds the task."""
    module = types.ModuleType("__main__")
    module.__builtins__ = builtins
    if file is not None:
        module.__file__ = file
    return module


def _execute(task, parts, cache):
    """Runs one task's code, with its module as __main__ and the folder of its script on the path."""
    _, kind, name, file, code, args, wants = parts
    module = _main_module(file)
    before, sys.modules["__main__"] = sys.modules.get("__main__"), module
    folder = os.path.dirname(file) if file and not _process.remote else None
    if folder:
        sys.path.insert(0, folder)
    elif _process.remote:
        _from_afar(file, code)
    try:
        exec(_compile(cache, code, file or "<remote>"), module.__dict__)
        if kind == _promp.TASK_FUNCTION:
            if name not in module.__dict__:
                raise NameError("the script has no function '%s'" % name)
            value = module.__dict__[name](*args)
            if wants:
                task.result(value)
    finally:
        sys.modules["__main__"] = before
        if folder and folder in sys.path:
            sys.path.remove(folder)


def _from_afar(file, code):
    """A task begins whose script, if it has one, lies on another host, and so do the modules beside it."""
    if _process.importer is not None:
        _process.importer.enter(file)
    if file:
        from . import _received

        _received.note(file, code.decode("utf-8"), True)


def _run(task, parts, cache, core):
    """Runs one task; returns when it is done, raises what it raised."""
    kind = parts[1]
    if kind == _promp.TASK_TEST:
        core.print(1, "Test message.\n")
    elif kind == _promp.TASK_TEST_BOX:
        raise RuntimeError("a message box needs a display, and this worker has none")
    elif kind in (_promp.TASK_CODE, _promp.TASK_FUNCTION):
        _execute(task, parts, cache)
    else:
        raise LookupError("a Python worker has no native task '%s'" % parts[2])


def _text_of(error):
    try:
        return str(error)
    except BaseException:
        return "<unprintable>"


def _trace_of(error, code):
    """The traceback as text, without our own frames, with the lines of code that came without a file."""
    import linecache
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next
    text = code.decode("utf-8", "replace")
    linecache.cache["<remote>"] = (len(text), None, text.splitlines(True), "<remote>")
    try:
        return "".join(traceback.format_exception(type(error), error, trace))
    except BaseException:
        return "%s: <unprintable>\n" % type(error).__name__
    finally:
        linecache.cache.pop("<remote>", None)


def _clean(text, limit):
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")[:limit]


def _report(task, core, error, code):
    """Sends a failure as a record of its own and its traceback as one write to stderr."""
    try:
        trace = _trace_of(error, code)
        core.print(2, trace)
        # In bytes a character is at most four: the limits of limits.h hold.
        task.failure(_clean(type(error).__qualname__, 200), _clean(_text_of(error), 15000), _clean(trace, 250000))
    except MemoryError:
        task.failure("MemoryError", "no memory left, not even to say for what", "")


def _exit_text(error):
    """What sys.exit('text') prints."""
    return "" if error.code is None or isinstance(error.code, int) else _text_of(error.code) + "\n"


class _Interrupts:
    """SIGINT asks the task it names to end, once; one that arrives when that task is over is dropped."""

    def __init__(self, core):
        self._core = core
        self.current = 0

    def __call__(self, number, frame):
        if self.current and self._core.interrupted() == self.current:
            self.current = 0
            raise KeyboardInterrupt

    def expect(self, task):
        """A task begins; what the one before it did to the signal is undone."""
        if signal.getsignal(signal.SIGINT) is not self:
            signal.signal(signal.SIGINT, self)
        self.current = task


def _one(task, core, interrupts, cache):
    """Runs a task from its begin to its end. Returns its outcome."""
    code = b""
    try:
        parts = task.parts()
        code = parts[4]
        interrupts.expect(parts[0])
        try:
            _run(task, parts, cache, core)
        finally:
            interrupts.current = 0
        return _OUTCOME_DONE  # also when it was asked to end meanwhile: what it returned counts
    except SystemExit as error:
        interrupts.current = 0
        core.print(2, _exit_text(error))
        return _OUTCOME_ABORTED  # it ended itself: there is no result
    except BaseException as error:
        interrupts.current = 0
        if isinstance(error, KeyboardInterrupt) and task.aborted():
            return _OUTCOME_ABORTED
        _report(task, core, error, code)
        return _OUTCOME_ABORTED if task.aborted() and not core.stopped() else _OUTCOME_FAILED


def _serve(core, interrupts):
    cache = {}
    while True:
        task = core.next()
        if task is None:
            return
        task.finish(_one(task, core, interrupts, cache))
        task = None


def _set_up_afar(core, extra):
    """A node of a cluster has started this worker: its path is the interpreter's own."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if sys.path and sys.path[0] == package:  # put there by promp-worker, to find us
        del sys.path[0]
    sys.path[:] = [p for p in sys.path if p]
    for name in extra.get("unset") or ():
        os.environb.pop(name, None)
    _process.remote = True
    if extra.get("modules"):
        from ._import import Importer

        _process.importer = Importer(core, extra["modules"])
        _process.importer.install()


def _set_path(extra):
    if extra.get("path"):
        sys.path[:] = extra["path"]
    elif extra.get("path_first"):
        sys.path[:] = extra["path_first"] + [p for p in sys.path if p not in extra["path_first"]]


def main():
    """Runs the worker of this process until its manager stops it; the process ends when this returns."""
    core = _promp.worker_open()
    _process.worker = _process.ProWorker._make(core)
    extra = core.extra() or {}
    if extra.get("cluster"):
        _set_up_afar(core, extra)
    else:
        _set_path(extra)
    sys.argv[:] = [""]
    sys.stdout, sys.stderr = core.output(1), core.output(2)
    io.TextIOBase.register(type(sys.stdout))
    io.RawIOBase.register(type(sys.stdout.buffer))
    # Registered first, called last: threads, exit handlers of the tasks and their managers still have an output then.
    atexit.register(core.close)
    interrupts = _Interrupts(core)
    signal.signal(signal.SIGINT, interrupts)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _serve(core, interrupts)
