"""Containers: read-only bytes that are read where they lie."""

from . import _promp

INVALID_STREAM_OFFSET = _promp.CONTAINER_NOWHERE

_ADVICE = {"normal": _promp.ADVISE_NORMAL, "sequential": _promp.ADVISE_SEQUENTIAL, "random": _promp.ADVISE_RANDOM,
           "soon": _promp.ADVISE_SOON}


class NTContainerMatch(int):
    """Where a search found its pattern: an int, INVALID_STREAM_OFFSET when nowhere; true when found, also at 0.

    Attributes: offset - the same number; size - bytes that match, 0 when nothing does.
    Source: ours.
    """

    def __new__(cls, offset: int = INVALID_STREAM_OFFSET, size: int = 0, pattern: bytes = b"", end: "int | None" = None):
        self = int.__new__(cls, offset)
        self._size, self._pattern, self._end = size, pattern, end
        return self

    @property
    def offset(self) -> int:
        """Where it begins."""
        return int(self)

    @property
    def size(self) -> int:
        """How many bytes match."""
        return self._size

    def __bool__(self) -> bool:
        return self != INVALID_STREAM_OFFSET


def _limit(offset, size):
    """Returns where a range ends."""
    if size is None:
        return INVALID_STREAM_OFFSET
    if size < 0:
        raise ValueError("an offset or a size is negative")
    return offset + size


class NTContainer(_promp.Container):
    """Raw data: memory, a file, an object of yours, or what a manager shares. Its bytes cannot be changed, only replaced.

    NTContainer() is null until setData(); see also createContainerFromFile(), createContainer() and
    ProWorker.getSharedContainer(). len(c), c[i], c[a:b], `pattern in c` and bytes(c) are those of bytes; memoryview(c) shows
    the bytes without a copy where they are mapped, which memory on one host is, and is refused elsewhere. Iterating over
    single bytes is refused: take slices, or open(). It may be used from any thread.
    Reference: Remote Containers.
    """

    __slots__ = ("__weakref__",)

    def __init__(self):
        pass

    def findFirst(self, pattern: bytes, offset: int = 0, size: "int | None" = None) -> NTContainerMatch:
        """Searches for bytes; other threads run meanwhile, and an abort of the task ends it.

        Parameters: pattern - bytes-like; an empty one is found at offset. offset, size - the part to search in, the match
        lies within it as a whole; None: to the end.
        Returns: where it is first, INVALID_STREAM_OFFSET when it is not there.
        Raises: TypeError, ValueError for negative numbers and a null container, NTContainerError, MemoryError.
        Reference: Remote Containers.
        """
        return self._match(pattern, offset, _limit(offset, size))

    def findNext(self, match: NTContainerMatch) -> NTContainerMatch:
        """Searches on one byte behind a match, for the same bytes in the same part.

        Parameters: match - what findFirst() or findNext() returned.
        Returns, raises: as findFirst(); after no match there is none.
        Source: ours.
        """
        if not isinstance(match, NTContainerMatch):
            raise TypeError("a match is an NTContainerMatch, not %s" % type(match).__name__)
        if not match:
            return match
        end = INVALID_STREAM_OFFSET if match._end is None else match._end
        return self._match(match._pattern, int(match) + 1, end)

    def _match(self, pattern, offset, end):
        at = self._find(pattern, offset, end)
        if at is None:
            return NTContainerMatch()
        pattern = bytes(pattern)
        return NTContainerMatch(at, len(pattern), pattern, end)

    def open(self):
        """Returns a binary file over the bytes as they are now: seekable, buffered, read-only, one of as many as you like.

        zipfile, tarfile and parsers of files take it.
        Returns: io.BufferedReader.
        Raises: ValueError for a null container, NTContainerError with the reason why it is null.
        Source: ours.
        """
        from ._container_file import open_container

        return open_container(self)

    def advise(self, advice: str, offset: int = 0, size: "int | None" = None) -> None:
        """Tells how it will be read; only a hint, of use where the bytes have to travel.

        Parameters: advice - "normal": how it is read tells; "sequential": read far ahead; "random": never read ahead;
        "soon": fetch the part from offset on, size bytes (None: all), as far as the cache takes it. The first three are
        for the whole container.
        Raises: TypeError, ValueError.
        Source: ours.
        """
        if advice not in _ADVICE:
            raise ValueError("an advice is one of %s" % ", ".join(map(repr, _ADVICE)))
        self._advise(_ADVICE[advice], offset, INVALID_STREAM_OFFSET if size is None else size)

    def __bytes__(self) -> bytes:
        return self.read(0, INVALID_STREAM_OFFSET)

    def __contains__(self, pattern) -> bool:
        if hasattr(pattern, "__index__"):
            pattern = bytes((pattern,))
        return self._find(pattern, 0, INVALID_STREAM_OFFSET) is not None

    __iter__ = None  # one question to the manager per byte would be the worst way of reading
    __reversed__ = None


def createContainerFromFile(fname: str) -> NTContainer:
    """Returns a container over a regular file, as it is now, of any size; nothing is read.

    When the file changes later, reads raise NTContainerError. A file whose name is given to another one is read on as it
    was, except where so many are shared that they cannot all be kept open.
    Parameters: fname - str, bytes or os.PathLike.
    Returns: a null container on failure; its attribute `error` tells why.
    Raises: TypeError, ValueError for what is no path, MemoryError.
    Reference: Remote Containers.
    """
    container = NTContainer()
    container._open_file(fname)
    return container


def _size_of(source):
    size = source.size if hasattr(source, "size") else len(source)
    size = size() if callable(size) else size
    if not hasattr(size, "__index__"):
        raise TypeError("a source's size is an int, not %s" % type(size).__name__)
    return size.__index__()


def createContainer(source, thread: "str | None" = None) -> NTContainer:
    """Returns a container whose bytes an object of yours supplies, piece by piece when they are read.

    Parameters: source - has read(offset, size), which returns exactly size bytes-like at offset, all below its size, and
    size, an int or a method, or a length. The container keeps it. It is called for one read at a time; what it raises fails
    that read with NTContainerError and the text, and nothing else. It must not read its own container.
    thread - None: reads of workers are served in processMessages() of the manager that shares it; else a thread of
    that name is started, which serves them until the container is gone. Reads in this process call source at once.
    Raises: TypeError, ValueError, RuntimeError where no thread can be started, MemoryError.
    Source: ours.
    """
    if not callable(getattr(source, "read", None)):
        raise TypeError("a source has a method read(offset, size), %s has none" % type(source).__name__)
    if thread is not None and not isinstance(thread, str):
        raise TypeError("the name of a thread is a str, not %s" % type(thread).__name__)
    container = NTContainer()
    server = container._open_object(source, _size_of(source), thread is not None)
    if server is not None:
        from threading import Thread

        Thread(target=_promp.serve, args=(server,), name=thread, daemon=True).start()
    return container
