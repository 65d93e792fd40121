"""ProMPMessage: what managers and workers send each other."""

from . import _promp

NOBODY = object()  # where a message came from that was made here


class ProMPMessage:
    """A message: an id and optional data.

    Parameters: id - 0 to 0x7FFFFFFF, higher ones are reserved; None makes an invalid message.
    Raises: TypeError, OverflowError for what is no id at all.
    Reference: Custom Messaging; class ProMPMessage.
    """

    __slots__ = ("_id", "_data", "_worker", "_origin")

    def __init__(self, id: "int | None" = None):
        self._data = b""
        self._worker = _promp.WORKER_INVALID
        self._origin = NOBODY
        self._id = _promp.MESSAGE_INVALID
        if id is not None:
            self.id = id

    def clear(self) -> None:
        """Clears the fields: the id becomes ProMPMessage_Invalid, the data b''.

        Reference: ProMPMessage.clear.
        """
        self._id = _promp.MESSAGE_INVALID
        self._data = b""

    @property
    def id(self) -> int:
        """The id.

        Raises when set: TypeError for what is no int, OverflowError outside of 0 to 2**32 - 1.
        Reference: ProMPMessage.id.
        """
        return self._id

    @id.setter
    def id(self, value: int) -> None:
        if not hasattr(value, "__index__"):
            raise TypeError("a message's id is an int, not %s" % type(value).__name__)
        number = value.__index__()
        if not 0 <= number <= 0xFFFFFFFF:
            raise OverflowError("a message's id is between 0 and 2**32 - 1")
        self._id = number

    @property
    def data(self) -> bytes:
        """The data, always bytes; None stands for no data.

        Raises when set: TypeError for what is not bytes-like.
        Reference: ProMPMessage.data.
        """
        return self._data

    @data.setter
    def data(self, value: "bytes | bytearray | memoryview | None") -> None:
        if value is None:
            self._data = b""
        elif type(value) is bytes:
            self._data = value
        else:
            self._data = bytes(memoryview(value))

    def __repr__(self) -> str:
        return "<ProMPMessage id=%d, %d bytes>" % (self._id, len(self._data))


def checked(msg):
    """Returns msg; raises TypeError when it is no message."""
    if not isinstance(msg, ProMPMessage):
        raise TypeError("a message is a ProMPMessage, not %s" % type(msg).__name__)
    return msg
