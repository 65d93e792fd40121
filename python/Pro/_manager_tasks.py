"""ProManager's calls about tasks: giving them, ending them, what comes of them."""

import os as _os

from . import _process, _promp
from ._errors import ProTaskError, task_error
from ._message import ProMPMessage, checked
from .Core import NTVariantList


def read_script(file_name):
    """Reads a script now, decoded as PEP 263 says. Returns its absolute path and its text."""
    import tokenize

    path = _os.path.abspath(_os.fspath(file_name))
    if not isinstance(path, str):
        path = _os.fsdecode(path)
    if _process.remote:  # a path of the manager's host, __file__ for one, means what lies there
        from . import _received

        text = _received.text_of(path, _process.importer)
        if text is not None:
            return path, text
    with tokenize.open(path) as file:
        return path, file.read()


class Tasks:
    """Mixed into ProManager, which has the attributes _core and _modules."""

    __slots__ = ()

    def _script(self, file_name):
        """Reads a script now, and lets the workers have the modules beside it. Returns its absolute path and its text."""
        self._core.check()
        path, text = read_script(file_name)
        if self._modules is not None:
            self._modules.script(path)
        return path, text

    def _task(self, worker_id, kind, name, file, code, args, result):
        if args is not None and not isinstance(args, (list, tuple)):
            raise TypeError("the arguments are an NTVariantList, list or tuple, not %s" % type(args).__name__)
        self._core.task(worker_id, kind, name, file, code, list(args) if args else None, bool(result))

    def _function(self, worker_id, name, file, code, args, result):
        if not isinstance(name, str):
            raise TypeError("func_name is a str, not %s" % type(name).__name__)
        self._task(worker_id, _promp.TASK_FUNCTION, name, file, code, args, result)

    def evalPythonCode(self, worker_id: int, script: str) -> None:
        """Executes Python code in a worker, as a main script with a namespace of its own.

        Parameters: worker_id - its id; ProWorker_All: in each, ProWorker_Any: in the first that is free. script - the code.
        Raises: TypeError, ValueError (lone surrogates), OverflowError (more than 64 MiB), ProMPError (too much waits).
        Reference: ProManager.evalPythonCode.
        """
        if not isinstance(script, str):
            raise TypeError("the script is a str, not %s" % type(script).__name__)
        self._task(worker_id, _promp.TASK_CODE, None, None, script, None, False)

    def evalPythonFunction(self, worker_id: int, script: str, func_name: str, args: NTVariantList = (),
                           enqueue_result: bool = False) -> None:
        """Executes Python code and calls a function that it defines.

        Parameters: worker_id, script - as in evalPythonCode(). func_name - name of the function. args - its arguments.
        enqueue_result - the value that it returns comes to takeResult().
        Raises: as evalPythonCode(), and TypeError, ValueError, OverflowError for arguments that cannot travel.
        Reference: ProManager.evalPythonFunction.
        """
        if not isinstance(script, str):
            raise TypeError("the script is a str, not %s" % type(script).__name__)
        self._function(worker_id, func_name, None, script, args, enqueue_result)

    def executePythonScript(self, worker_id: int, file_name: str) -> None:
        """Executes a script from a file, which is read now; the modules beside it can be imported.

        Parameters: worker_id - as in evalPythonCode(). file_name - path of the script.
        Raises: as evalPythonCode(), and OSError (unreadable), SyntaxError (bad encoding).
        Reference: ProManager.executePythonScript.
        """
        path, text = self._script(file_name)
        self._task(worker_id, _promp.TASK_CODE, None, path, text, None, False)

    def executePythonFunction(self, worker_id: int, file_name: str, func_name: str, args: NTVariantList = (),
                              enqueue_result: bool = False) -> None:
        """Executes a script from a file, which is read now, and calls a function that it defines.

        Parameters: worker_id, file_name - as in executePythonScript(); the others as in evalPythonFunction().
        Raises: what these two raise.
        Reference: ProManager.executePythonFunction.
        """
        path, text = self._script(file_name)
        self._function(worker_id, func_name, path, text, args, enqueue_result)

    def testMessage(self, worker_id: int) -> None:
        """Instructs a worker to print "Test message." and a new-line.

        Parameters: worker_id - as in evalPythonCode().
        Raises: TypeError.
        Reference: ProManager.testMessage.
        """
        self._task(worker_id, _promp.TASK_TEST, None, None, None, None, False)

    def testMessageBox(self, worker_id: int) -> None:
        """Instructs a worker to show a test message box; where there is no display the task fails.

        Parameters: worker_id - as in evalPythonCode().
        Raises: TypeError.
        Reference: ProManager.testMessageBox.
        """
        self._task(worker_id, _promp.TASK_TEST_BOX, None, None, None, None, False)

    def abortOperation(self, worker_id: int, timeout: int = 1000) -> None:
        """Aborts what a worker runs and has waiting, and returns when it is idle, or gone.

        The task's wait object says wasAborted(); after half of the time the task is interrupted; a worker that does not
        obey in time is ended. Output and wait objects are served meanwhile.
        Parameters: worker_id - its id; ProWorker_All: each, ProWorker_Any: the busy one with the lowest id.
        timeout - milliseconds for all together; 0 ends the worker at once, with a negative one it is never ended.
        Raises: TypeError; ProMPError (1012, TIMEOUT) when one second after its time the worker's node has not ended it.
        Reference: ProManager.abortOperation.
        """
        self._core.abort(worker_id, timeout)

    def hasResults(self) -> bool:
        """Returns True if results are available.

        Reference: ProManager.hasResults.
        """
        return self._core.has_results()

    def takeResult(self, worker_id: int, deflt=None):
        """Removes and returns the oldest result.

        Parameters: worker_id - whose; ProWorker_All, ProWorker_Any: of all workers. deflt - what to return without one.
        Returns: None, bool, int, float, bytes, str, or a list or dict of these.
        Raises: TypeError.
        Reference: ProManager.takeResult.
        """
        return self._core.take_result(worker_id, deflt)

    def hasErrors(self) -> bool:
        """Returns True if failures of tasks are available (ours, beyond the reference)."""
        return self._core.has_errors()

    def takeError(self, worker_id: int) -> "ProTaskError | None":
        """Removes and returns the oldest failure of a task (ours, beyond the reference).

        A worker's death is the failure of the tasks that it had. At most the latest 10,000 failures are kept.
        Parameters: worker_id - whose; ProWorker_All, ProWorker_Any: of all workers.
        Returns: a ProTaskError, not raised; None when there is none.
        Raises: TypeError.
        """
        parts = self._core.take_error(worker_id)
        return task_error(parts) if parts else None


class Messages:
    """Mixed into ProManager, which has the attributes _core and _token."""

    __slots__ = ()

    def sendMessage(self, worker_id: int, msg: ProMPMessage) -> bool:
        """Sends a message; its data is copied, so msg may be changed and sent again.

        Parameters: worker_id - whom to; ProWorker_All: to each, ProWorker_Any: to one. msg - the message.
        Returns: False when it was not accepted (dead or unknown worker, reserved id, too much waits); lastError() tells why.
        Raises: TypeError, MemoryError.
        Reference: ProManager.sendMessage.
        """
        checked(msg)
        self._refusal = None
        return self._core.send(worker_id, msg._id, msg._data)

    def hasMessage(self, worker_id: int) -> bool:
        """Returns True if a message is there; does not take it.

        Parameters: worker_id - whose; ProWorker_All, ProWorker_Any: of any worker.
        Raises: TypeError.
        Reference: ProManager.hasMessage.
        """
        return self._core.has_message(worker_id)

    def getMessage(self, worker_id: int) -> ProMPMessage:
        """Takes the oldest message, without blocking.

        Parameters: worker_id - whose; ProWorker_All, ProWorker_Any: of all workers.
        Returns: a message whose id is ProMPMessage_Invalid when there is none.
        Raises: TypeError.
        Reference: ProManager.getMessage.
        """
        msg = ProMPMessage()
        parts = self._core.receive(worker_id)
        if parts:
            msg._id, msg._data, msg._worker = parts
            msg._origin = self._token
        return msg

    def waitForMessage(self, worker_id: int, timeout: int) -> bool:
        """Waits for a message; does not take it. Prints nothing and calls no wait object.

        Parameters: worker_id - whose; ProWorker_All, ProWorker_Any: of any worker. timeout - milliseconds; 0 does not wait,
        a negative one waits without end.
        Returns: True when one is there; False early when the worker is dead, or no worker is left.
        Raises: TypeError.
        Reference: ProManager.waitForMessage.
        """
        return self._core.wait_message(worker_id, timeout)

    def getWorkerFromIncomingMessage(self, msg: ProMPMessage) -> int:
        """Returns the id of the worker that sent a message, ProWorker_Invalid when it did not come to this manager.

        Parameters: msg - a message, as getMessage() returned it.
        Raises: TypeError.
        Reference: ProManager.getWorkerFromIncomingMessage.
        """
        self._core.check()
        return msg._worker if checked(msg)._origin is self._token else _promp.WORKER_INVALID
