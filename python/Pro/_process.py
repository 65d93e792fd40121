"""This process: is it a worker, which one, at which level."""

from ._message import ProMPMessage, checked
from ._wait import WorkerWait
from .Core import NTContainer, NTIWait


def _int(name, value):
    if not hasattr(value, "__index__"):
        raise TypeError("%s is an int, not %s" % (name, type(value).__name__))
    return value.__index__()


def is_reserved(name):
    """True for names of containers that the package keeps for itself."""
    return isinstance(name, str) and name.startswith(".promp/")


def checked_name(name):
    """Returns a name of a container that users may have. Raises ValueError for a reserved one."""
    if is_reserved(name):
        raise ValueError("names that begin with '.promp/' are reserved")
    return name


def split_address(address):
    """Returns host and port of "tcp://host:port"; any other address as it is, and 0."""
    if not address.startswith("tcp://"):
        return address, 0
    host, _, port = address[len("tcp://"):].rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return (host, int(port)) if host and port.isdecimal() else (address, 0)


class ProWorker:
    """This process as a worker. It cannot be made: proWorkerObject() returns the only one.

    All calls but those of ProWorker.waitObject() may be made from any thread.
    Reference: class ProWorker.
    """

    def __new__(cls, *args, **kwargs):
        raise TypeError("a ProWorker cannot be made; proWorkerObject() returns the one of this process")

    @classmethod
    def _make(cls, core):
        self = object.__new__(cls)
        self._core = core
        self._timeout = core.timeout()
        self._options = core.options()
        self._wait = WorkerWait(core)
        return self

    def getWorkerId(self) -> int:
        """Returns the id that startWorker() gave.

        Reference: ProWorker.getWorkerId.
        """
        return self._core.id()

    def isBusy(self) -> bool:
        """Returns True while a task runs.

        Reference: ProWorker.isBusy.
        """
        return self._core.is_busy()

    def wasStopped(self) -> bool:
        """Returns True if the manager stopped this worker.

        Reference: ProWorker.wasStopped.
        """
        return self._core.stopped()

    def getOptions(self) -> int:
        """Returns the options that the manager gave, or setOptions().

        Reference: ProWorker.getOptions.
        """
        return self._options

    def setOptions(self, options: int) -> None:
        """Changes this worker's own copy of the options; what the manager shows does not change.

        Raises: TypeError.
        Reference: ProWorker.setOptions.
        """
        self._options = _int("options", options)

    def getManagerTimeout(self) -> int:
        """Returns the manager time-out in milliseconds.

        Reference: ProWorker.getManagerTimeout.
        """
        return self._timeout

    def setManagerTimeout(self, timeout: int) -> None:
        """Changes this worker's own copy of the manager time-out.

        Parameters: timeout - milliseconds.
        Raises: TypeError.
        Reference: ProWorker.setManagerTimeout.
        """
        self._timeout = _int("timeout", timeout)

    def getConnectionAddress(self) -> str:
        """Returns the address through which the manager is reached: on one host "ipc://" and a path, in a cluster the
        broker's host, a name or a number.

        Reference: ProWorker.getConnectionAddress.
        """
        return split_address(self._core.address())[0]

    def getConnectionPort(self) -> int:
        """Returns the port of that address, 0 on one host.

        Reference: ProWorker.getConnectionPort.
        """
        return split_address(self._core.address())[1]

    def setupConnection(self, address: str, port: int) -> None:
        """Has no effect: a worker is connected from the beginning.

        Parameters: address, port - not used.
        Raises: TypeError.
        Reference: ProWorker.setupConnection.
        """
        if not isinstance(address, str):
            raise TypeError("address is a str, not %s" % type(address).__name__)
        _int("port", port)

    def remotePrint(self, s: str) -> None:
        """Prints a string in the process of the manager, if the manager asked for output. No new-line is added.

        Parameters: s - the string.
        Raises: TypeError.
        Reference: ProWorker.remotePrint.
        """
        self._core.print(1, s)

    def sendMessage(self, msg: ProMPMessage) -> bool:
        """Sends a message to the manager; its data is copied.

        Parameters: msg - the message.
        Returns: False when it was not accepted: a reserved id, too much that waits, or the worker is ending.
        Raises: TypeError, MemoryError.
        Reference: ProWorker.sendMessage.
        """
        checked(msg)
        return self._core.send(msg._id, msg._data)

    def hasMessage(self) -> bool:
        """Returns True if a message is there; does not take it.

        Reference: ProWorker.hasMessage.
        """
        return self._core.has_message()

    def getMessage(self) -> ProMPMessage:
        """Takes the oldest message, without blocking.

        Returns: a message whose id is ProMPMessage_Invalid when there is none.
        Reference: ProWorker.getMessage.
        """
        msg = ProMPMessage()
        parts = self._core.receive()
        if parts:
            msg._id, msg._data = parts
        return msg

    def waitForMessage(self, timeout: int) -> bool:
        """Waits for a message; does not take it.

        Parameters: timeout - milliseconds; 0 does not wait, a negative one waits without end.
        Returns: True when one is there; False early when the worker is stopped or its task aborted.
        Raises: TypeError.
        Reference: ProWorker.waitForMessage.
        """
        return self._core.wait_message(timeout)

    def getSharedContainer(self, name: str) -> NTContainer:
        """Returns a container that the manager shares. Its bytes cannot be changed.

        It can be read from any thread, in later tasks, too, and after the manager has ended the sharing. Getting it costs a
        question to the manager, its bytes travel when they are read, or not at all where they can be mapped.
        Parameters: name - as in ProManager.shareContainer().
        Returns: an invalid container on failure; its attribute `error` tells why.
        Raises: TypeError, ValueError for a text that is no name, or a reserved one, MemoryError; RuntimeError in a forked
        process.
        Reference: ProWorker.getSharedContainer.
        """
        container = NTContainer()
        self._core.container(container, checked_name(name))
        return container

    def waitObject(self) -> NTIWait:
        """Returns the wait object of this worker; its calls have no effect when the manager mirrors none.

        Reference: ProWorker.waitObject.
        """
        return self._wait


worker = None  # the ProWorker of this process, set once by the main loop of a worker
remote = False  # whether this worker was started by a node of a cluster
importer = None  # there: the _import.Importer, where modules may come from the manager


def proWorkerObject() -> "ProWorker | None":
    """Returns this process's worker object, None in a process that is no worker.

    Reference: proWorkerObject.
    """
    return worker


def proWorkerProcessLevel() -> int:
    """Returns the level of this process: 0 for a root manager, 1 for its workers, and so on.

    Reference: proWorkerProcessLevel.
    """
    return worker._core.level() if worker is not None else 0


def proIsManagerProcess() -> bool:
    """Returns True if the level of this process is 0.

    Reference: proIsManagerProcess.
    """
    return proWorkerProcessLevel() == 0


def proIsWorkerProcess() -> bool:
    """Returns True if the level of this process is 1 or more.

    Reference: proIsWorkerProcess.
    """
    return proWorkerProcessLevel() > 0


def proZMQContext() -> int:
    """Returns the address of this process's ZeroMQ context, made at the first call; pyzmq's Context.shadow() takes it.

    Where pyzmq is installed the context is of its libzmq, else of the system's. Nobody may terminate it.
    Raises: ProMPError where there is no libzmq, MemoryError.
    Reference: proZMQContext.
    """
    from . import _zmq

    return _zmq.context()
