"""A container as a binary file."""

import errno
import io
import os

_BUFFER = 64 * 1024
_REST = 2**64 - 1


class ContainerFile(io.RawIOBase):
    """Reads from a view of a container, which stays the same whatever becomes of the container."""

    mode = "rb"

    def __init__(self, view):
        self._view, self._at = view, 0

    def readable(self):
        self._checkClosed()
        return True

    def seekable(self):
        self._checkClosed()
        return True

    def tell(self):
        self._checkClosed()
        return self._at

    def seek(self, offset, whence=os.SEEK_SET):
        self._checkClosed()
        if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise ValueError("whence is 0, 1 or 2, not %r" % (whence,))
        at = offset.__index__() + (0, self._at, self._view.size())[whence]
        if at < 0:
            raise OSError(errno.EINVAL, "that lies before the beginning")
        self._at = at
        return at

    def readinto(self, buffer):
        self._checkClosed()
        count = self._view._read_into(self._at, buffer)
        self._at += count
        return count

    def readall(self):
        self._checkClosed()
        data = self._view.read(self._at, _REST)
        self._at += len(data)
        return data

    def close(self):
        self._view = None
        super().close()


def open_container(container):
    """Returns an io.BufferedReader over the bytes of a container."""
    return io.BufferedReader(ContainerFile(container._view()), _BUFFER)
