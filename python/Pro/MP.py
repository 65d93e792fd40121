"""Pro.MP: the multi-processing interface: managers, workers, messages, wait objects.

A manager gives tasks to workers, each a process of its own; output, results, messages, progress and abort travel between
them. A manager must be used from the thread that created it; processMessages() does what must happen in that thread.
`Pro` says what "Reference" and "ours" mean below.
"""

from . import _promp
from ._errors import ProTaskError, ProWorkerExit
from ._manager import ProManager
from ._message import ProMPMessage
from ._process import (ProWorker, proIsManagerProcess, proIsWorkerProcess, proWorkerObject, proWorkerProcessLevel,
                       proZMQContext)
from ._promp import ProMPError
from ._wait import ProManagerWait

__all__ = ["ProMPMessage", "ProMPMessage_Invalid", "ProMPOpt_AtomicOutput", "ProMPOpt_RedirectOutput", "ProManager",
           "ProManagerWait", "ProMPError", "ProTaskError", "ProWorker", "ProWorkerExit", "ProWorker_All", "ProWorker_Any",
           "ProWorker_Invalid", "proIsManagerProcess", "proIsWorkerProcess", "proWorkerObject", "proWorkerProcessLevel",
           "proZMQContext"]

ProMPMessage_Invalid = _promp.MESSAGE_INVALID
ProMPOpt_RedirectOutput = _promp.OPT_REDIRECT
ProMPOpt_AtomicOutput = _promp.OPT_ATOMIC
ProWorker_All = _promp.WORKER_ALL
ProWorker_Any = _promp.WORKER_ANY
ProWorker_Invalid = _promp.WORKER_INVALID

for _name in __all__:  # where users find them, in messages and in pickles
    if hasattr(globals()[_name], "__module__"):
        globals()[_name].__module__ = __name__
del _name
