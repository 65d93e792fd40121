"""ProManager: starts workers and looks after them; its calls about tasks, messages and containers
are in _manager_tasks and _manager_share."""

import atexit as _atexit
import os as _os
import weakref as _weakref

from . import _find, _place, _process, _promp
from ._errors import ProWorkerExit
from ._manager_share import Containers
from ._manager_tasks import Messages, Tasks
from ._promp import ProMPError
from ._wait import Mirror, ProManagerWait
from .Core import NTIWait

_managers = _weakref.WeakSet()


@_atexit.register
def close_managers():
    """Ends the workers of managers that are still referred to when the interpreter ends."""
    for manager in list(_managers):
        manager._core.end()


class ProManager(Tasks, Messages, Containers):
    """A manager: starts workers, each a process, and gives them tasks.

    It uses the broker that `promp join` has written down, else this user's local node, which is started where none runs; in
    a worker, what the worker itself was started by. It must be used from the thread that created it. Dropping the last
    reference, leaving a `with` block and the end of the interpreter stop its workers. A task, message or abort for an id
    that is no living worker's is dropped without an error.
    Parameters (ours, beyond the reference): broker - "tcp://HOST:PORT", or "local": this user's local node; None: what
    PROMP_BROKER says, else the configuration. config - the folder with this manager's key and the broker's address; None:
    PROMP_CONFIG, else ~/.config/promp. In a worker only what is given here counts.
    Raises: ProMPError with attributes number and name (12xx, 17xx, 18xx of docs/errors.md), TypeError, ValueError.
    Reference: class ProManager.
    """

    def __init__(self, broker: "str | None" = None, config: "str | None" = None):
        if broker is not None and not isinstance(broker, str):
            raise TypeError("broker is a str, not %s" % type(broker).__name__)
        if broker == "":
            raise ValueError("broker is empty; None stands for the configured one")
        config = None if config is None else _os.fspath(config)
        parent = _process.worker if broker is None and config is None else None
        self._core = _promp.Manager(parent._core if parent is not None else None, _find.program("promp-node"), broker, config)
        self._token = object()
        self._refusal = None
        self._modules = None
        _managers.add(self)

    def __enter__(self) -> "ProManager":
        self._core.check()
        return self

    def __exit__(self, *exc) -> None:
        self._core.close()

    # --- workers ---

    def startWorker(self, *, labels: dict = {}, cpus: "float | None" = None, memory: "int | None" = None,
                    gpus: "int | None" = None, node: "str | None" = None, env: "dict | None" = None,
                    python: "str | None" = None, modules: bool = True, time_limit: "int | None" = None) -> int:
        """Starts a worker. It may not be ready then: what is sent to it meanwhile waits.

        Parameters (all ours, beyond the reference): labels, cpus, memory (bytes), gpus, node - what the worker's host must
        have; what none can ever have is refused. Where a cluster's node could set limits, memory is one of the worker and all
        that it starts, and cpus their share of busy processors. {"gpu": True} is the label gpu of a node, {"zone": "eu"} its label
        zone-eu; node is the name of a node's key. env - variables added to the environment, this process's, or in a
        cluster the node's; a value of None removes one. python - "3.12", or an interpreter's path where the worker will
        be; None: this process's own, in a cluster one of the same version. modules - in a cluster: what a node has not is
        imported from the folder of this script (sources, as they are at the first start), and from that of the script
        that a task executes. time_limit - milliseconds that the worker may live; then it is ended.
        Returns: its id, or ProWorker_Invalid; then lastError() tells why.
        Raises: TypeError, ValueError.
        Reference: ProManager.startWorker.
        """
        ids = self.startWorkers(1, labels=labels, cpus=cpus, memory=memory, gpus=gpus, node=node, env=env, python=python,
                                modules=modules, time_limit=time_limit)
        return ids[0] if ids else _promp.WORKER_INVALID

    def startWorkers(self, n: int, *, labels: dict = {}, cpus: "float | None" = None, memory: "int | None" = None,
                     gpus: "int | None" = None, node: "str | None" = None, env: "dict | None" = None,
                     python: "str | None" = None, modules: bool = True, time_limit: "int | None" = None) -> "list[int]":
        """Starts n workers at once, in parallel (ours, beyond the reference).

        Parameters: n - how many, 1 or more; the others as in startWorker().
        Returns: the ids of those that started; when they are fewer than n, lastError() tells why.
        Raises: TypeError, ValueError; KeyboardInterrupt and what else a signal's handler raises meanwhile: then those that
        had started are stopped.
        """
        self._core.check()
        self._refusal = None
        if not isinstance(modules, (bool, int)):
            raise TypeError("modules is a bool, not %s" % type(modules).__name__)
        limit = _place.time_limit(time_limit)
        try:
            if self._core.remote():
                return self._core.start(*self._for_nodes((labels, cpus, memory, gpus, node), env, python, modules, limit, n))
            variables = _place.environment(env)
            _place.check_needs(labels, cpus, memory, gpus, node)
            program, argv, extra = _place.command(python)
        except _place.Refused as refused:
            self._refusal = _promp.error(_promp.ERR_NO_PLACE, refused.args[0])
            return []
        return self._core.start(program, argv, variables, None, extra, limit, n)

    def _for_nodes(self, asked, env, python, modules, limit, n):
        """Returns the arguments of a start by a node of a cluster."""
        from . import _cluster

        needs = _cluster.needs(*asked)
        variables, removed = _cluster.environment(env)
        argv, extra, version = _cluster.command(python, self._offer() if modules else None, removed)
        return argv[0], argv, variables, None, extra, limit, n, (*needs, version)

    def _offer(self):
        """Shares the modules beside this process's script, once. Returns the name under which they are, or None."""
        if self._modules is None and not (_process.remote and _process.importer is None):
            from ._modules import Modules

            self._modules = Modules(self._core, _process.importer)
        return self._modules.name if self._modules is not None else None

    def stopWorker(self, worker_id: int) -> None:
        """Stops a worker: it gets no new task and ends after its current one; after 1 s it is ended.

        Parameters: worker_id - its id; ProWorker_All: each, ProWorker_Any: the first idle one, else the lowest living.
        Raises: TypeError.
        Reference: ProManager.stopWorker.
        """
        self._core.stop(worker_id)

    def stopAllWorkers(self) -> None:
        """Calls stopWorker() with ProWorker_All.

        Reference: ProManager.stopAllWorkers.
        """
        self.stopWorker(_promp.WORKER_ALL)

    def isWorkerAlive(self, worker_id: int) -> bool:
        """Returns True if a worker is alive.

        Parameters: worker_id - its id; ProWorker_Any: at least one is, ProWorker_All: every one and at least one.
        Raises: TypeError.
        Reference: ProManager.isWorkerAlive.
        """
        return self._core.worker_alive(worker_id)

    def isWorkerBusy(self, worker_id: int) -> bool:
        """Returns True if a worker has a task that is not over.

        Parameters: worker_id - as in isWorkerAlive().
        Raises: TypeError.
        Reference: ProManager.isWorkerBusy.
        """
        return self._core.worker_busy(worker_id)

    def isWorkerReady(self, worker_id: int) -> bool:
        """Returns True if a worker takes tasks.

        Parameters: worker_id - as in isWorkerAlive().
        Raises: TypeError.
        Reference: ProManager.isWorkerReady.
        """
        return self._core.worker_ready(worker_id)

    def workersAlive(self) -> int:
        """Returns the number of workers that are alive.

        Reference: ProManager.workersAlive.
        """
        return self._core.workers_alive()

    def workersBusy(self) -> int:
        """Returns the number of workers that are busy.

        Reference: ProManager.workersBusy.
        """
        return self._core.workers_busy()

    def workerExit(self, worker_id: int) -> "ProWorkerExit | None":
        """Returns how a worker ended (ours, beyond the reference); the latest 1,024 ends are kept.

        Parameters: worker_id - its id.
        Returns: None while it lives, when the id is unknown, and until what it sent last has come.
        Raises: TypeError.
        """
        parts = self._core.worker_exit(worker_id)
        if parts is None:
            return None
        *parts, node = parts
        return ProWorkerExit(worker_id, *parts, node if self._core.remote() else _os.uname().nodename)

    def workerWaits(self, worker_id: int) -> "str | None":
        """Returns why a worker waits for a place in a cluster (ours, beyond the reference): places are in use, or no node could
        serve it and how long one may still come.

        Parameters: worker_id - its id.
        Returns: None when it has a place, ended, or the id is unknown.
        Raises: TypeError.
        """
        return self._core.worker_waits(worker_id)

    # --- options ---

    def getOptions(self) -> int:
        """Returns the options for the workers.

        Reference: ProManager.getOptions.
        """
        return self._core.options()

    def setOptions(self, options: int) -> None:
        """Sets the options of workers that are started from now on.

        Parameters: options - ProMPOpt_RedirectOutput: what they print is written here by processMessages(); without
        it only the last of it is kept, for workerExit(). ProMPOpt_AtomicOutput: the same, each write as a line of
        its own. 0: neither.
        Raises: TypeError, ValueError.
        Reference: ProManager.setOptions.
        """
        self._core.set_options(options)

    def getManagerTimeout(self) -> int:
        """Returns the manager time-out in milliseconds; 10,000 until it is set.

        Reference: ProManager.getManagerTimeout.
        """
        return self._core.timeout()

    def setManagerTimeout(self, timeout: int) -> None:
        """Sets the manager time-out of workers that are started from now on: a worker ends that has not heard of its
        manager for so long.

        Parameters: timeout - milliseconds, brought between 500 and 86,400,000.
        Raises: TypeError.
        Reference: ProManager.setManagerTimeout.
        """
        self._core.set_timeout(timeout)

    # --- what is to be done in this thread ---

    def createWaitObject(self, worker_id: int, wo: NTIWait) -> ProManagerWait:
        """Mirrors a worker's wait object in wo. A second call for the same worker replaces the first.

        No reference to wo is kept: keep it and what is returned, mirroring ends with either.
        Parameters: worker_id - the specific worker. wo - a wait object, usually derived from Pro.Core.NTSimpleWait.
        Returns: the mirror, itself a wait object.
        Raises: TypeError, ValueError for ProWorker_All and ProWorker_Any.
        Reference: ProManager.createWaitObject.
        """
        if not isinstance(wo, NTIWait):
            raise TypeError("a wait object is an NTIWait, not %s" % type(wo).__name__)
        if worker_id in (_promp.WORKER_ALL, _promp.WORKER_ANY):
            raise ValueError("a wait object is for one specific worker")
        wait = ProManagerWait(self, worker_id, wo)
        self._mirror(wait)
        return wait

    def _mirror(self, wait):
        self._core.set_wait(wait._worker, Mirror(wait), wait._timeout)

    def isBusy(self) -> bool:
        """Returns True if a worker is busy or there is something for processMessages() to do.

        Reference: ProManager.isBusy.
        """
        return self._core.is_busy()

    def processMessages(self) -> None:
        """Prints output, calls wait objects and ends tasks: what must happen in the thread of the manager. Never blocks.

        Raises: what sys.stdout or a wait object raised.
        Reference: ProManager.processMessages.
        """
        self._core.process()

    def wait(self, timeout: int = -1) -> bool:
        """Waits until processMessages() has something to do, or a message, result or failure came, or a worker got ready
        (ours, beyond the reference). Call processMessages() between two waits.

        Parameters: timeout - milliseconds; 0 does not wait, a negative one waits without end.
        Returns: False when the time is over.
        Raises: TypeError.
        """
        return self._core.wait(timeout)

    def fileno(self) -> int:
        """Returns a descriptor for event loops: readable while wait() would return at once (ours, beyond the reference).

        It is the manager's: do not read or close it.
        Raises: ProMPError where there are no descriptors left.
        """
        return self._core.fileno()

    def lastError(self) -> "ProMPError | None":
        """Returns why the last call was refused that failed (ours, beyond the reference), None when none was.

        Returns: a ProMPError with attributes number and name, not raised.
        """
        self._core.check()
        if self._refusal is not None:
            return self._refusal
        parts = self._core.last_error()
        return _promp.error(*parts) if parts else None
