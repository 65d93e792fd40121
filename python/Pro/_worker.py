"""The main loop of a Python worker: takes tasks, runs them in the main thread, sends what they return."""

import builtins
import io
import signal
import sys

from . import MP, _promp

_CODE_CACHE = 64  # compiled scripts that are kept, so that a call repeated is not compiled again


class _Output(io.TextIOBase):
    """sys.stdout and sys.stderr: each write is one record of output."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, core, stream, fd):
        self._print = core.print
        self._stream = stream
        self._fd = fd
        self.buffer = _Bytes(self)

    def write(self, text):
        if text:
            self._print(self._stream, text)
        return len(text)

    def writable(self):
        return True

    def fileno(self):
        return self._fd


class _Bytes(io.RawIOBase):
    """The `buffer` of an output: bytes are text of the same record stream."""

    def __init__(self, text):
        self._text = text

    def write(self, data):
        self._text.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def writable(self):
        return True


def _compile(cache, code, name):
    key = (code, name)
    compiled = cache.get(key)
    if compiled is None:
        compiled = compile(code, name, "exec", dont_inherit=True)
        if len(cache) >= _CODE_CACHE:
            cache.pop(next(iter(cache)))
        cache[key] = compiled
    return compiled


def _namespace(file):
    names = {"__name__": "__main__", "__builtins__": builtins, "__doc__": None}
    if file is not None:
        names["__file__"] = file
    return names


def _run(task, parts, cache, core):
    """Runs one task; returns when it is done, raises what it raised."""
    _, kind, name, file, code, args, wants = parts
    if kind == _promp.TASK_TEST:
        core.print(1, "Test message.\n")
        return
    if kind == _promp.TASK_TEST_BOX:
        raise RuntimeError("a message box needs a display, and there is none")
    if kind not in (_promp.TASK_CODE, _promp.TASK_FUNCTION):
        raise LookupError("a Python worker has no native task '%s'" % name)
    names = _namespace(file)
    exec(_compile(cache, code.decode("utf-8"), file or "<remote>"), names)
    if kind == _promp.TASK_FUNCTION:
        if name not in names:
            raise NameError("the script has no function '%s'" % name)
        value = names[name](*args)
        if wants:
            task.result(value)


def _report(task, core, error):
    """Sends a failure as a record of its own and its traceback as one write to stderr."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next  # our own frames say nothing to the user
    try:
        text = "".join(traceback.format_exception(type(error), error, trace))
    except Exception:
        text = "%s: <unprintable>\n" % type(error).__name__
    try:
        message = str(error)
    except Exception:
        message = "<unprintable>"
    core.print(2, text)
    clean = [s.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")
             for s in (type(error).__qualname__, message, text)]
    task.failure(clean[0][:200], clean[1][:15000], clean[2][:250000])


class _Interrupts:
    """SIGINT asks the task it names to end; one that arrives when that task is over is dropped."""

    def __init__(self, core):
        self._core = core
        self.current = 0

    def __call__(self, number, frame):
        if self.current and self._core.interrupted() == self.current:
            raise KeyboardInterrupt


def _serve(core, interrupts):
    cache = {}
    while True:
        task = core.next()
        if task is None:
            return
        outcome = 0
        try:
            parts = task.parts()
            interrupts.current = parts[0]
            try:
                _run(task, parts, cache, core)
            finally:
                interrupts.current = 0
        except SystemExit:
            pass
        except BaseException as error:
            interrupts.current = 0
            outcome = 2 if task.aborted() else 1
            if not (isinstance(error, KeyboardInterrupt) and outcome == 2):
                _report(task, core, error)
            error = None
        if outcome == 0 and task.aborted():
            outcome = 2
        task.finish(outcome)


def main():
    """Runs the worker of this process until its manager stops it; the process exits when this returns."""
    core = _promp.worker_open()
    MP._worker_object = MP.ProWorker._make(core)
    extra = core.extra() or {}
    if extra.get("path"):
        sys.path[:] = extra["path"]
    sys.argv[:] = [""]
    sys.stdout, sys.stderr = _Output(core, 1, 1), _Output(core, 2, 2)
    interrupts = _Interrupts(core)
    signal.signal(signal.SIGINT, interrupts)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _serve(core, interrupts)
    MP._close_managers()
    core.close()
