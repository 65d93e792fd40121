"""The process's ZeroMQ context, made when it is asked for first: promp itself needs none on one machine."""

import ctypes
import os
import threading

from . import _promp

_lock = threading.Lock()
_contexts = {}  # process id -> (address, owner): a context does not survive a fork


def _from_pyzmq():
    """pyzmq often brings a libzmq of its own, and a context works only with the library that made it."""
    try:
        import zmq
    except ImportError:
        return None
    context = zmq.Context()
    return context.underlying, context


def _from_libzmq():
    try:
        library = ctypes.CDLL("libzmq.so.5")
    except OSError as error:
        raise _promp.error(_promp.ERR_NOT_FOUND, "ZeroMQ's library: %s" % error) from None
    library.zmq_ctx_new.restype = ctypes.c_void_p
    address = library.zmq_ctx_new()
    if not address:
        raise MemoryError("no memory for a ZeroMQ context")
    return address, library


def context():
    """Returns the address of this process's context."""
    with _lock:
        process = os.getpid()
        if process not in _contexts:
            _contexts[process] = _from_pyzmq() or _from_libzmq()
        return _contexts[process][0]
