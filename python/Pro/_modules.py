"""Modules for workers on other hosts, the manager's side: the Python sources below a folder as one container.

The container is made of slots. Each begins with 8 bytes, the size of what follows, and is otherwise as long as a source may
be, so a source has its place before anybody has read it. Slot 0 is the index, an encoded dict: "root" - the folder, "files" -
names relative to it, the first one's source is in slot 1; "cut" - whether there were more than are offered.
"""

import os

PREFIX = ".promp/"  # names of containers that users cannot have
SLOT = 4 << 20  # bytes of the longest source, and 8
HEAD = 8
MOST_FILES = 4096
MOST_FOLDERS = 1024
MOST_BYTES = 64 << 20
MOST_DEPTH = 16


def name_of(folder):
    """Returns the name under which the sources below a folder are shared, None where its path is too long for that."""
    name = PREFIX + "modules:" + os.fsencode(folder.replace("\\", "\\\\")).decode("utf-8", "backslashreplace")
    return name if len(name.encode()) <= 1024 else None


def inside(root, folder):
    """Returns how a folder is called below root, with "/" at its end and "" for root itself; None when it is not there, or
    not offered with root."""
    if folder == root:
        return ""
    top = root if root.endswith("/") else root + "/"
    if not folder.startswith(top):
        return None
    parts = folder[len(top):].split("/")
    return folder[len(top):] + "/" if all(map(_offered, parts)) and len(parts) < MOST_DEPTH else None


def _offered(folder):
    """What cannot be part of a module's name cannot be imported: hidden folders, "site-packages", "python3.11"."""
    return folder.isidentifier() and folder != "__pycache__"


def _source(entry, root):
    """Returns the stat of a source that may be offered, else None. Links that lead out of root are not followed."""
    try:
        if entry.is_symlink() and inside(os.path.realpath(root), os.path.dirname(os.path.realpath(entry.path))) is None:
            return None
        return entry.stat() if entry.is_file() else None
    except OSError:
        return None


def _entries(folder):
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def find_sources(root):
    """Returns the sources below a folder, nearest first, as {name: (size, time of modification)}, and whether there are more
    than the limits allow."""
    found, waiting, folders, total, cut = {}, [("", 0)], 0, 0, False
    for below, depth in waiting:  # grows meanwhile
        folders += 1
        if folders > MOST_FOLDERS:
            return found, True
        for entry in _entries(os.path.join(root, below)):
            if entry.name.endswith(".py") and entry.name[:-3].isidentifier():
                facts = _source(entry, root)
                if facts is None:
                    continue
                if facts.st_size > SLOT - HEAD:
                    cut = True
                    continue
                if len(found) == MOST_FILES or total + facts.st_size > MOST_BYTES:
                    return found, True
                total += facts.st_size
                found[below + entry.name] = facts.st_size, facts.st_mtime_ns
            elif _offered(entry.name) and depth + 1 < MOST_DEPTH and entry.is_dir(follow_symlinks=False):
                waiting.append((below + entry.name + "/", depth + 1))
    return found, cut


class Sources:
    """What the container reads from: a file is read when the first worker wants it, and stays as it was then."""

    def __init__(self, root):
        from . import _promp

        self._root = root
        self._found, cut = find_sources(root)
        self._files = list(self._found)
        index = _promp.encode({"root": os.fsencode(root), "files": self._files, "cut": cut})
        self._slots = {0: len(index).to_bytes(HEAD, "little") + index}
        self.size = SLOT * (1 + len(self._files))

    def _slot(self, number):
        if number not in self._slots:
            name = self._files[number - 1]
            with open(os.path.join(self._root, name), "rb") as file:
                text = file.read(SLOT - HEAD + 1)
                facts = os.fstat(file.fileno())
            if (len(text), facts.st_mtime_ns) != self._found[name]:
                raise ValueError("%s was changed since this manager started its first worker" % name)
            self._slots[number] = len(text).to_bytes(HEAD, "little") + text
        return self._slots[number]

    def read(self, offset, size):
        """Returns size bytes at offset, zeros behind the end of a source."""
        pieces = []
        while size:
            number, at = divmod(offset, SLOT)
            count = min(size, SLOT - at)
            pieces.append(self._slot(number)[at:at + count].ljust(count, b"\0"))
            offset, size = offset + count, size - count
        return b"".join(pieces)


def main_folder():
    """Returns the folder that the modules of this process's script are in, None where it has no script."""
    import sys

    main = sys.modules.get("__main__")
    file, spec = getattr(main, "__file__", None), getattr(main, "__spec__", None)
    if not isinstance(file, str):
        return None
    folder = os.path.dirname(os.path.abspath(file))
    for _ in range(spec.name.count(".") if spec is not None else 0):  # python -m package.module
        folder = os.path.dirname(folder)
    return folder if os.path.isdir(folder) else None


class Modules:
    """What one manager offers to its workers. core: its _promp.Manager; importer: the Importer of this process where it is
    itself a worker that gets modules, else None. name: under which the folder of this process's script is shared, or None."""

    def __init__(self, core, importer=None):
        self._core, self._importer, self._shared = core, importer, {}
        self._main = importer.main_root() if importer else main_folder()
        self.name = self._share(self._main) if self._main else None

    def _share(self, folder):
        """Shares what is below a folder, once. Returns the name, None when there is nothing."""
        if folder not in self._shared:
            name = name_of(folder)
            container = self._container(folder) if name else None
            if container is not None:
                self._core.share(name, container)
            self._shared[folder] = name if container is not None else None
        return self._shared[folder]

    def _container(self, folder):
        if self._importer is not None:
            container = self._importer.container(folder)
            if container is not None:
                return container
        if not os.path.isdir(folder):
            return None
        from .Core import createContainer

        return createContainer(Sources(folder), "promp-modules")

    def script(self, path):
        """A script is sent to workers: shares what is beside it, if that is not offered yet."""
        folder = os.path.dirname(path)
        if not self._main or inside(self._main, folder) is None:
            self._share(folder)
