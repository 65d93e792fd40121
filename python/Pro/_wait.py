"""Wait objects: the manager's end, which mirrors a worker in an object of the user, and the worker's end."""

import weakref as _weakref

from .Core import NTIWait


class Mirror:
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
    """A wait object that mirrors one worker; ProManager.createWaitObject() makes it.

    Its calls go to the wrapped object, as long as that lives; abort() goes to the worker.
    Reference: class ProManagerWait.
    """

    def __init__(self, manager, worker_id: int, wo: NTIWait):
        self._manager = _weakref.ref(manager)
        self._worker = worker_id
        self._wrapped = _weakref.ref(wo)
        self._timeout = 1000

    def setAbortTimeout(self, timeout: int) -> None:
        """Sets the time-out of an abort.

        Parameters: timeout - milliseconds; 1000 until it is set.
        Raises: TypeError.
        Reference: ProManagerWait.setAbortTimeout.
        """
        if not hasattr(timeout, "__index__"):
            raise TypeError("a time in milliseconds is an int, not '%s'" % type(timeout).__name__)
        self._timeout = timeout.__index__()
        manager = self._manager()
        if manager is not None:
            manager._mirror(self)

    def abort(self) -> None:
        """Calls ProManager.abortOperation() for the worker, with the time-out that was set.

        Raises: what that call raises; RuntimeError from another thread than the manager's.
        Reference: ProManagerWait.setAbortTimeout.
        """
        manager = self._manager()
        if manager is not None:
            manager.abortOperation(self._worker, self._timeout)

    def wasAborted(self) -> bool:
        """Returns what the wrapped object says, False when it is gone. Reference: Wait Objects."""
        wo = self._wrapped()
        return bool(wo is not None and wo.wasAborted())

    def msg(self, text: str) -> None:
        """Shows a status text in the wrapped object. Reference: Wait Objects."""
        wo = self._wrapped()
        if wo is not None:
            wo.msg(text)

    def progress(self, i: int) -> None:
        """Shows the progress i, usually 0 to 100, in the wrapped object. Reference: Wait Objects."""
        wo = self._wrapped()
        if wo is not None:
            wo.progress(i)

    def processEvents(self) -> None:
        """Lets the wrapped object process events and starts, without waiting, the abort that it asks for.

        Reference: Wait Objects.
        """
        wo = self._wrapped()
        if wo is None:
            return
        wo.processEvents()
        manager = self._manager()
        if manager is not None and wo.wasAborted():
            manager._core.abort_async(self._worker, self._timeout)

    def stop(self) -> None:
        """Ends the wrapped object. Reference: Wait Objects."""
        wo = self._wrapped()
        if wo is not None:
            wo.stop()


class WorkerWait(NTIWait):
    """The worker's end of a wait object."""

    def __init__(self, core):
        self._core = core

    def wasAborted(self) -> bool:
        """Returns True once the running task shall end: it was aborted, or the worker stopped."""
        return self._core.aborted()

    def msg(self, text: str) -> None:
        """Shows a status text, at most 16,000 characters; no effect where the manager mirrors nothing."""
        self._core.text(text[:16000] if isinstance(text, str) else text)

    def progress(self, i: int) -> None:
        """Shows the progress i, usually 0 to 100; no effect where the manager mirrors nothing."""
        self._core.progress(i)
