"""What a ProManager does with containers."""

from ._process import checked_name, is_reserved
from .Core import NTContainer


class Containers:
    """Part of ProManager: sharing containers with the workers."""

    def shareContainer(self, name: str, c: NTContainer) -> None:
        """Shares a container with the workers, those that run and those that come. Nothing is copied and nothing travels
        until it is read.

        The manager keeps what c is; what setData() or setRange() makes of c later is not shared. Under a name that is in
        use it takes the place of the other one, which those keep who have it.
        Parameters: name - 1 to 1,024 bytes of UTF-8; those that begin with ".promp/" are reserved. c - a valid container, of
        another manager, too.
        Raises: TypeError, ValueError for a null container and a text that is no name, or a reserved one, NTContainerError where
        c could not be made, ProMPError (CONTAINER_LIMIT) for a longer name and beyond a million names, MemoryError.
        Reference: ProManager.shareContainer.
        """
        self._core.share(checked_name(name), c)

    def unshareContainer(self, name: str) -> None:
        """Ends the sharing of a container; workers that have it keep it. No effect where there is none of that name.

        Raises: TypeError, ValueError for a text that is no name, or a reserved one.
        Reference: ProManager.unshareContainer.
        """
        self._core.unshare(checked_name(name))

    def hasSharedContainer(self, name: str) -> bool:
        """Returns True if a container is shared by that name.

        Raises: TypeError, ValueError for a text that is no name.
        Reference: ProManager.hasSharedContainer.
        """
        return self._core.shares(name) and not is_reserved(name)
