"""Pro.MP: the multi-processing interface: managers, workers, messages, wait objects.

A manager gives tasks to workers, each a process of its own; output, results, messages, progress and abort travel between
them. A manager must be used from the thread that created it; processMessages() does what must happen in that thread.
"""

import atexit as _atexit
import os as _os
import sys as _sys
import time as _time
import weakref as _weakref

from . import _find, _promp
from ._promp import ProMPError
from .Core import NTIWait, NTVariantList

__all__ = ["ProMPMessage", "ProMPMessage_Invalid", "ProMPOpt_AtomicOutput", "ProMPOpt_RedirectOutput", "ProManager",
           "ProManagerWait", "ProMPError", "ProWorker", "ProWorkerExit", "ProWorker_All", "ProWorker_Any",
           "ProWorker_Invalid", "proIsManagerProcess", "proIsWorkerProcess", "proWorkerObject", "proWorkerProcessLevel"]

ProMPMessage_Invalid = _promp.MESSAGE_INVALID
ProMPOpt_RedirectOutput = _promp.OPT_REDIRECT
ProMPOpt_AtomicOutput = _promp.OPT_ATOMIC
ProWorker_All = _promp.WORKER_ALL
ProWorker_Any = _promp.WORKER_ANY
ProWorker_Invalid = _promp.WORKER_INVALID


class ProMPMessage:
    """A message: an id and optional data (reference: Custom Messaging).

    Parameters: id - 0..0x7FFFFFFF for users; None makes an invalid message.
    """

    __slots__ = ("_id", "_data", "_worker")

    def __init__(self, id: "int | None" = None):
        self._data = b""
        self._worker = ProWorker_Invalid
        self._id = ProMPMessage_Invalid
        if id is not None:
            self.id = id

    def clear(self) -> None:
        """Clears the fields: id ProMPMessage_Invalid, data b''."""
        self._id = ProMPMessage_Invalid
        self._data = b""

    @property
    def id(self) -> int:
        """The id; OverflowError when set outside 0..2**32-1, TypeError when it is no int."""
        return self._id

    @id.setter
    def id(self, value: int) -> None:
        number = value.__index__() if hasattr(value, "__index__") else None
        if number is None:
            raise TypeError("a message's id is an int, not %s" % type(value).__name__)
        if not 0 <= number <= 0xFFFFFFFF:
            raise OverflowError("a message's id is between 0 and 2**32 - 1")
        self._id = number

    @property
    def data(self) -> bytes:
        """The data as bytes; accepts any bytes-like object or None (no data), TypeError for others."""
        return self._data

    @data.setter
    def data(self, value) -> None:
        if value is None:
            self._data = b""
        elif isinstance(value, bytes):
            self._data = value
        else:
            self._data = bytes(memoryview(value))

    def __repr__(self) -> str:
        return "<ProMPMessage id=%d, %d bytes>" % (self._id, len(self._data))


class ProWorkerExit:
    """How a worker ended.

    Attributes: worker (id), number and cause (of docs/errors.md, 15xx, and in words), code (exit code), signal (0: none),
    memory (peak resident bytes), output (last undelivered output, bytes), lost (bytes of output known to be lost).
    """

    __slots__ = ("worker", "number", "cause", "code", "signal", "memory", "output", "lost")

    def __init__(self, worker, number, code, signal, memory, cause, output, lost):
        self.worker, self.number, self.cause = worker, number, cause
        self.code, self.signal, self.memory, self.output, self.lost = code, signal, memory, output, lost

    def __repr__(self) -> str:
        return "<ProWorkerExit worker=%d: %s>" % (self.worker, self.cause)


class ProTaskError(ProMPError):
    """A task that failed. Attributes: worker, task (number), number, kind (type of the exception), traceback (text)."""


def _task_error(parts):
    worker, task, number, kind, text, trace = parts
    error = ProTaskError("%s: %s" % (kind, text) if kind else text)
    error.worker, error.task, error.number, error.kind, error.traceback = worker, task, number, kind, trace
    return error


class _Mirror:
    """What the manager holds of a wait object: only a weak reference, so that dropping it ends the mirroring."""

    __slots__ = ("_wait",)

    def __init__(self, wait):
        self._wait = _weakref.ref(wait)

    def _target(self):
        wait = self._wait()
        return wait._wrapped() if wait is not None else None

    def _progress(self, i):
        target = self._target()
        if target is not None:
            target.progress(i)

    def _text(self, text):
        target = self._target()
        if target is not None:
            target.msg(text)

    def _aborted(self):
        target = self._target()
        return bool(target is not None and target.wasAborted())


class ProManagerWait(NTIWait):
    """A wait object that mirrors one worker (made by ProManager.createWaitObject)."""

    def __init__(self, manager, worker_id, wo):
        self._manager = _weakref.ref(manager)
        self._worker = worker_id
        self._wrapped = _weakref.ref(wo)
        self._timeout = 1000

    def setAbortTimeout(self, timeout: int) -> None:
        """Sets the time-out of abort() in milliseconds; the default is 1000."""
        self._timeout = int(timeout)
        manager = self._manager()
        if manager is not None:
            manager._mirror(self)

    def abort(self) -> None:
        """Calls ProManager.abortOperation() for the worker with the time-out that was set."""
        manager = self._manager()
        if manager is not None:
            manager.abortOperation(self._worker, self._timeout)

    def wasAborted(self) -> bool:
        wo = self._wrapped()
        return bool(wo is not None and wo.wasAborted())

    def msg(self, text: str) -> None:
        wo = self._wrapped()
        if wo is not None:
            wo.msg(text)

    def progress(self, i: int) -> None:
        wo = self._wrapped()
        if wo is not None:
            wo.progress(i)

    def processEvents(self) -> None:
        """Forwards to the wrapped object and starts the abort that it asks for."""
        wo = self._wrapped()
        if wo is None:
            return
        wo.processEvents()
        manager = self._manager()
        if manager is not None and wo.wasAborted():
            manager._core.abort_async(self._worker, self._timeout)

    def stop(self) -> None:
        wo = self._wrapped()
        if wo is not None:
            wo.stop()


_managers = _weakref.WeakSet()


@_atexit.register
def _close_managers():
    for manager in list(_managers):
        manager._close()


def _print(worker, stream, data):
    """Output of a worker goes where this process's own output goes, in processMessages()."""
    target = _sys.stdout if stream & 1 else _sys.stderr
    if target is not None:
        target.write(data.decode("utf-8", "replace"))
        if stream > 2 or data.endswith(b"\n"):
            target.flush()


class ProManager:
    """A manager: starts workers and gives them tasks (reference: class ProManager).

    Parameters: none for this user's local node, which is started where none runs; in a worker, its node.
    Raises ProMPError when no node can be reached or started (numbers 12xx of docs/errors.md).
    """

    def __init__(self):
        self._core = _promp.Manager()
        parent = proWorkerObject()
        self._core.open(_promp, parent._core if parent is not None else None, _find.program("promp-node"), False, _print)
        self._ids = []
        _managers.add(self)

    def _close(self):
        self._core.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._close()

    # --- workers ---

    def startWorker(self, *, env: "dict | None" = None) -> int:
        """Starts a worker.

        Parameters: env - variables added to (value None: removed from) this process's environment.
        Returns its id, or ProWorker_Invalid (then lastError() tells why). Does not wait until it is ready.
        """
        ids = self.startWorkers(1, env=env)
        return ids[0] if ids else ProWorker_Invalid

    def startWorkers(self, n: int, *, env: "dict | None" = None) -> "list[int]":
        """Starts n workers at once. Returns the ids of those that started."""
        program, argv = _find.worker_command()
        variables = dict(_os.environb)
        for name, value in (env or {}).items():
            if value is None:
                variables.pop(_os.fsencode(name), None)
            else:
                variables[_os.fsencode(name)] = _os.fsencode(value)
        extra = _promp.encode({"path": [p if p else _os.getcwd() for p in _sys.path if isinstance(p, str)]})
        ids = self._core.start(program, argv, [k + b"=" + v for k, v in variables.items()], None, extra, n)
        self._ids += ids
        return ids

    def stopWorker(self, worker_id: int) -> None:
        """Stops a worker (ProWorker_All, ProWorker_Any allowed): it ends after its current task, after 1 s it is ended."""
        self._core.stop(worker_id)

    def stopAllWorkers(self) -> None:
        """Calls stopWorker() with ProWorker_All."""
        self.stopWorker(ProWorker_All)

    def isWorkerAlive(self, worker_id: int) -> bool:
        """Returns True if the worker is alive (Any: at least one; All: every one and at least one)."""
        return self._core.worker_alive(worker_id)

    def isWorkerBusy(self, worker_id: int) -> bool:
        """Returns True if the worker has a task that is not over (Any, All as in isWorkerAlive)."""
        return self._core.worker_busy(worker_id)

    def isWorkerReady(self, worker_id: int) -> bool:
        """Returns True if the worker takes tasks (Any, All as in isWorkerAlive)."""
        return self._core.worker_ready(worker_id)

    def workersAlive(self) -> int:
        """Returns the number of workers that are alive."""
        return self._core.workers_alive()

    def workersBusy(self) -> int:
        """Returns the number of workers that are busy."""
        return self._core.workers_busy()

    def workerExit(self, worker_id: int) -> "ProWorkerExit | None":
        """Returns how a worker ended, None while it lives or when the id is unknown."""
        parts = self._core.worker_exit(worker_id)
        return ProWorkerExit(worker_id, *parts) if parts else None

    # --- options ---

    def getOptions(self) -> int:
        """Returns the options for the workers."""
        return self._core.options()

    def setOptions(self, options: int) -> None:
        """Sets the options (ProMPOpt_*) of workers that are started from now on."""
        self._core.set_options(options)

    def getManagerTimeout(self) -> int:
        """Returns the manager time-out in milliseconds; the default is 10,000."""
        return self._core.timeout()

    def setManagerTimeout(self, timeout: int) -> None:
        """Sets the manager time-out in milliseconds (500 to 86,400,000) of workers that are started from now on."""
        self._core.set_timeout(timeout)

    # --- tasks ---

    def _task(self, worker_id, kind, name, file, code, args, result):
        if not isinstance(code, (str, type(None))):
            raise TypeError("the script is a str, not %s" % type(code).__name__)
        if args is not None and not isinstance(args, (list, tuple)):
            raise TypeError("the arguments are an NTVariantList, list or tuple")
        self._core.task(worker_id, kind, name, file, code, list(args) if args else None, bool(result))

    def evalPythonCode(self, worker_id: int, script: str) -> None:
        """Executes Python code in a worker (All: in each; Any: in the first available one)."""
        self._task(worker_id, _promp.TASK_CODE, None, None, script, None, False)

    def evalPythonFunction(self, worker_id: int, script: str, func_name: str, args: NTVariantList = (),
                           enqueue_result: bool = False) -> None:
        """Calls a function that the script defines. enqueue_result: the value it returns comes to takeResult()."""
        self._task(worker_id, _promp.TASK_FUNCTION, func_name, None, script, args, enqueue_result)

    def executePythonScript(self, worker_id: int, file_name: str) -> None:
        """Executes a script from a file, which is read now. Raises OSError, SyntaxError (bad encoding)."""
        path, text = _read_script(file_name)
        self._task(worker_id, _promp.TASK_CODE, None, path, text, None, False)

    def executePythonFunction(self, worker_id: int, file_name: str, func_name: str, args: NTVariantList = (),
                              enqueue_result: bool = False) -> None:
        """Calls a function from a file, which is read now. Raises OSError, SyntaxError (bad encoding)."""
        path, text = _read_script(file_name)
        self._task(worker_id, _promp.TASK_FUNCTION, func_name, path, text, args, enqueue_result)

    def testMessage(self, worker_id: int) -> None:
        """Instructs the worker to print a test message."""
        self._task(worker_id, _promp.TASK_TEST, None, None, None, None, False)

    def testMessageBox(self, worker_id: int) -> None:
        """Instructs the worker to show a test message box; without a display the task fails."""
        self._task(worker_id, _promp.TASK_TEST_BOX, None, None, None, None, False)

    def abortOperation(self, worker_id: int, timeout: int = 1000) -> None:
        """Aborts what a worker runs and has waiting within timeout milliseconds, else ends the worker."""
        targets = [i for i in self._ids if self._core.worker_busy(i)]
        if worker_id == ProWorker_Any:
            targets = targets[:1]
        elif worker_id != ProWorker_All:
            targets = [worker_id] if worker_id in targets else []
        if worker_id == ProWorker_Any and targets:
            worker_id = targets[0]
        self._core.abort_async(worker_id, max(0, timeout))
        # After the time-out the node ends the worker; its end is awaited too, within a bound.
        deadline = _time.monotonic() + max(0, timeout) / 1000 + 1
        while True:
            self._core.process()
            left = deadline - _time.monotonic()
            if left <= 0 or not any(self._core.worker_busy(i) for i in targets):
                return
            self._core.wait(min(int(left * 1000) + 1, 50))

    # --- results and failures ---

    def hasResults(self) -> bool:
        """Returns True if results are available."""
        return self._core.has_results()

    def takeResult(self, worker_id: int, deflt=None):
        """Removes and returns the oldest result of a worker (All, Any: of all), deflt when there is none."""
        return self._core.take_result(worker_id, deflt)

    def hasErrors(self) -> bool:
        """Returns True if failures of tasks are available."""
        return self._core.has_errors()

    def takeError(self, worker_id: int) -> "ProTaskError | None":
        """Removes and returns the oldest failure of a worker (All, Any: of all), None when there is none."""
        parts = self._core.take_error(worker_id)
        return _task_error(parts) if parts else None

    def lastError(self) -> "ProMPError | None":
        """Returns why the last call of this manager was refused, None when it was not."""
        parts = self._core.last_error()
        if parts is None:
            return None
        error = ProMPError(parts[2])
        error.number, error.name = parts[0], parts[1]
        return error

    # --- messages ---

    def sendMessage(self, worker_id: int, msg: ProMPMessage) -> bool:
        """Sends a message. Returns False when it was not accepted; lastError() tells why."""
        return self._core.send(worker_id, msg._id, msg._data)

    def hasMessage(self, worker_id: int) -> bool:
        """Returns True if a message of the worker (All, Any: of one) is there; does not take it."""
        return self._core.has_message(worker_id)

    def getMessage(self, worker_id: int) -> ProMPMessage:
        """Takes the oldest message of the worker (All, Any: of all); an invalid message when there is none."""
        msg = ProMPMessage()
        parts = self._core.receive(worker_id)
        if parts:
            msg._id, msg._data, msg._worker = parts
        return msg

    def waitForMessage(self, worker_id: int, timeout: int) -> bool:
        """Waits up to timeout milliseconds (0: not at all, negative: without end) for a message; does not take it."""
        return self._core.wait_message(worker_id, timeout)

    def getWorkerFromIncomingMessage(self, msg: ProMPMessage) -> int:
        """Returns the id of the worker that sent the message, ProWorker_Invalid when it came from none."""
        return msg._worker

    # --- wait objects and events ---

    def _mirror(self, wait):
        self._core.set_wait(wait._worker, _Mirror(wait), wait._timeout)

    def createWaitObject(self, worker_id: int, wo: NTIWait) -> ProManagerWait:
        """Mirrors the worker's wait object in wo, which is referred to weakly: keep both wo and what is returned."""
        wait = ProManagerWait(self, worker_id, wo)
        self._mirror(wait)
        return wait

    def isBusy(self) -> bool:
        """Returns True if a worker is busy or there is something for processMessages() to do."""
        return self._core.is_busy()

    def processMessages(self) -> None:
        """Prints output, calls wait objects and ends tasks: what must happen in the thread of the manager."""
        self._core.process()

    def wait(self, timeout: int = -1) -> bool:
        """Waits up to timeout milliseconds (negative: without end) until processMessages() has something to do."""
        return self._core.wait(timeout)

    def fileno(self) -> int:
        """Returns a descriptor that is readable while processMessages() has something to do."""
        return self._core.fileno()


def _read_script(file_name):
    """Reads a script now, decoded as PEP 263 says. Returns its absolute path and its text."""
    import tokenize

    path = _os.path.abspath(_os.fspath(file_name))
    with tokenize.open(path) as file:
        return path, file.read()


class ProWorker:
    """This process as a worker; proWorkerObject() returns the only one (reference: class ProWorker)."""

    def __new__(cls, *args, **kwargs):
        raise TypeError("a ProWorker cannot be made; proWorkerObject() returns the one of this process")

    @classmethod
    def _make(cls, core):
        self = object.__new__(cls)
        self._core = core
        self._timeout = core.timeout()
        self._options = core.options()
        self._wait = _WorkerWait(core)
        return self

    def getWorkerId(self) -> int:
        """Returns the id that startWorker() gave."""
        return self._core.id()

    def isBusy(self) -> bool:
        """Returns True while a task runs."""
        return self._core.is_busy()

    def wasStopped(self) -> bool:
        """Returns True if the manager stopped this worker."""
        return self._core.stopped()

    def getOptions(self) -> int:
        """Returns the options that the manager gave."""
        return self._options

    def setOptions(self, options: int) -> None:
        """Changes this worker's own copy of the options."""
        self._options = int(options)

    def getManagerTimeout(self) -> int:
        """Returns the manager time-out in milliseconds."""
        return self._timeout

    def setManagerTimeout(self, timeout: int) -> None:
        """Changes this worker's own copy of the manager time-out."""
        self._timeout = int(timeout)

    def getConnectionAddress(self) -> str:
        """Returns the address through which the manager is reached, on one host "ipc://" and a path."""
        return self._core.address()

    def getConnectionPort(self) -> int:
        """Returns the port of that address, 0 on one host."""
        return 0

    def setupConnection(self, address: str, port: int) -> None:
        """Has no effect: a worker is connected from the beginning."""

    def remotePrint(self, s: str) -> None:
        """Prints a string in the process of the manager, if the manager allowed output."""
        self._core.print(1, s)

    def sendMessage(self, msg: ProMPMessage) -> bool:
        """Sends a message to the manager. Returns False when it was not accepted."""
        return self._core.send(msg._id, msg._data)

    def hasMessage(self) -> bool:
        """Returns True if a message is there; does not take it."""
        return self._core.has_message()

    def getMessage(self) -> ProMPMessage:
        """Takes the oldest message; an invalid message when there is none."""
        msg = ProMPMessage()
        parts = self._core.receive()
        if parts:
            msg._id, msg._data = parts
        return msg

    def waitForMessage(self, timeout: int) -> bool:
        """Waits up to timeout milliseconds for a message; False early when the worker is stopped or the task aborted."""
        return self._core.wait_message(timeout)

    def waitObject(self) -> NTIWait:
        """Returns the wait object of this worker; its calls have no effect when the manager mirrors none."""
        return self._wait


class _WorkerWait(NTIWait):
    """The worker's end of a wait object."""

    def __init__(self, core):
        self._core = core
        self._aborted = False

    def wasAborted(self) -> bool:
        return self._core.aborted()

    def msg(self, text: str) -> None:
        self._core.text(str(text))

    def progress(self, i: int) -> None:
        self._core.progress(int(i))


_worker_object = None  # set once, by the main loop of a worker process


def proWorkerObject() -> "ProWorker | None":
    """Returns this process's worker object, None in a process that is no worker."""
    return _worker_object


def proWorkerProcessLevel() -> int:
    """Returns the level of this process: 0 for a root manager, 1 for its workers, and so on."""
    return _worker_object._core.level() if _worker_object is not None else 0


def proIsManagerProcess() -> bool:
    """Returns True if the level of this process is 0."""
    return proWorkerProcessLevel() == 0


def proIsWorkerProcess() -> bool:
    """Returns True if the level of this process is 1 or more."""
    return proWorkerProcessLevel() > 0
