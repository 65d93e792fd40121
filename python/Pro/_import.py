"""Modules for workers on other hosts, the worker's side: what this host has not is imported from the manager.

See _modules about what is shared. The finder stands at the end of sys.meta_path: what is installed here is taken first.
"""

import errno
import importlib.machinery as machinery
import os
import sys
from _thread import RLock

from . import _modules, _promp
from .Core import NTContainer

_FIRST = 4096  # bytes of a slot that are read at once: most sources are no longer
_MARK = "promp:"  # begins an entry of a package's __path__: number of the Folder, and the part of it


class Folder:
    """A folder of the manager's host: the sources below it, opened at the first miss."""

    def __init__(self, core, name, number):
        self._core, self.name, self.number, self._lock = core, name, number, RLock()
        self.container, self.root, self._slots, self._folders, self.cut = None, None, None, set(), False

    def open(self):
        """Reads the index. Returns False where the manager shares nothing under this name. Raises ImportError."""
        with self._lock:
            if self._slots is None:
                container = NTContainer()
                if not self._core.container(container, self.name):
                    if container.error.number != _promp.ERR_CONTAINER_NAME:
                        raise ImportError("the manager's modules cannot be reached: %s" % container.error)
                    self._slots = {}
                else:
                    self._read_index(container)
            return self.container is not None

    def _read_index(self, container):
        container.advise("random")
        try:
            index = _promp.decode(_slot(container, 0))
        except OSError as error:
            raise ImportError("the manager's modules cannot be reached: %s" % error) from None
        self.container, self.root, self.cut = container, os.fsdecode(index["root"]), index["cut"]
        for name in index["files"]:
            while "/" in name:
                name = name.rpartition("/")[0]
                self._folders.add(name)
        self._slots = {name: i + 1 for i, name in enumerate(index["files"])}

    def text(self, name):
        """Returns the source that is called so, as bytes. Raises KeyError, OSError."""
        return _slot(self.container, self._slots[name])

    def has(self, name):
        return name in self._slots

    def path(self, name):
        """Returns where it lies on the manager's host."""
        return os.path.join(self.root, name)

    def spec(self, fullname, below):
        """Returns the spec of the module whose name ends with what is searched for below a part of the folder, or None."""
        name = below + fullname.rpartition(".")[2]
        for file in (name + "/__init__.py", name + ".py"):
            if file in self._slots:
                loader = Loader(fullname, self, file)
                return spec_of(fullname, loader, [self.mark(name)] if file.endswith("/__init__.py") else None)
        if name in self._folders:  # a namespace package
            spec = machinery.ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [self.mark(name)]
            return spec
        return None

    def mark(self, name):
        return "%s%d/%s/" % (_MARK, self.number, name)

    def modules(self, below):
        """Yields (name, is it a package) of what is right below a part of the folder."""
        for name in self._slots:
            if name.startswith(below):
                first, slash, rest = name[len(below):].partition("/")
                if not slash and first != "__init__.py":
                    yield first[:-3], False
                elif rest == "__init__.py":
                    yield first, True


def _slot(container, number):
    start = number * _modules.SLOT
    data = container.read(start, _FIRST)
    size = int.from_bytes(data[:_modules.HEAD], "little")
    if size > _modules.SLOT - _modules.HEAD:
        raise OSError(errno.EINVAL, "what the manager shares is not what it should be")
    data = data[_modules.HEAD:]
    if size > len(data):
        data += container.read(start + _FIRST, size - len(data))
    return data[:size]


def spec_of(fullname, loader, locations):
    from importlib.util import spec_from_file_location

    return spec_from_file_location(fullname, loader.path, loader=loader, submodule_search_locations=locations)


class Loader(machinery.SourceFileLoader):
    """Loads a module whose source comes from the manager; __file__ is where it lies there. No byte code is kept."""

    def __init__(self, fullname, folder, file):
        super().__init__(fullname, folder.path(file))
        self._folder, self._file = folder, file

    def path_stats(self, path):
        raise OSError(errno.ENOENT, "the file is not on this host", path)

    def get_data(self, path):
        if path != self.path:
            raise OSError(errno.ENOENT, "the file is not on this host", path)
        return self._folder.text(self._file)

    def get_code(self, fullname):
        try:
            data = self.get_data(self.path)
        except OSError as error:
            raise ImportError("the module '%s' cannot be had from the manager: %s" % (fullname, error), name=fullname,
                              path=self.path) from error
        self._note(data)  # first: a SyntaxError shows its line, too
        return self.source_to_code(data, self.path)

    def _note(self, data):
        from importlib.util import decode_source

        from . import _received

        try:
            _received.note(self.path, decode_source(data))
        except (SyntaxError, UnicodeDecodeError):
            pass  # compiling it will say so

    def get_resource_reader(self, fullname):
        return None  # data files do not come along


class Place:
    """Finder for an entry of a package's __path__: what sys.path_hooks gives for it."""

    def __init__(self, folder, below):
        self._folder, self._below = folder, below

    def find_spec(self, fullname, target=None):
        return self._folder.spec(fullname, self._below)

    def iter_modules(self, prefix=""):
        for name, is_package in sorted(set(self._folder.modules(self._below))):
            yield prefix + name, is_package


class Importer:
    """The finder. core: the _promp.Worker; name: under which the folder of the manager's script is shared, None: it has none."""

    def __init__(self, core, name):
        self._core, self._folders, self._pid, self._lock = core, {}, os.getpid(), RLock()
        self._main = self._folder(name) if name else None
        self._task = None  # folder of the running task's script

    def install(self):
        sys.meta_path.append(self)
        sys.path_hooks.append(self._hook)

    def _folder(self, name):
        with self._lock:
            if name not in self._folders:
                self._folders[name] = Folder(self._core, name, len(self._folders))
            return self._folders[name]

    def _hook(self, entry):
        if entry.startswith(_MARK):
            number, _, below = entry[len(_MARK):].partition("/")
            for folder in list(self._folders.values()):
                if str(folder.number) == number:
                    return Place(folder, below)
        raise ImportError("not a package of the manager", path=entry)

    def enter(self, file):
        """A task runs whose script is this file of the manager's host; None: it has none."""
        self._task = os.path.dirname(file) if file else None

    def main_root(self):
        """Returns the folder of the manager's script, None where nothing of it is shared."""
        return self._main.root if self._main and self._main.open() else None

    def _of_folder(self, folder):
        """Returns what is shared of a folder: (a Folder that is open, name of the part of it), or None."""
        if self._main and self._main.open():
            below = _modules.inside(self._main.root, folder)
            if below is not None:
                return self._main, below
        name = _modules.name_of(folder)
        found = self._folder(name) if name else None
        return (found, "") if found and found.open() else None

    def _places(self):
        """Where to look: beside the task's script, then beside the manager's."""
        if self._task is not None:
            place = self._of_folder(self._task)
            if place is not None:
                yield place
        if self._main and self._main.open():
            yield self._main, ""

    def find_spec(self, fullname, path=None, target=None):
        if path is not None or os.getpid() != self._pid:  # a forked child has no manager
            return None
        cut = None
        for folder, below in self._places():
            spec = folder.spec(fullname, below)
            if spec is not None:
                return spec
            cut = cut or (folder.root if folder.cut else None)
        if cut is not None:
            raise ModuleNotFoundError("No module named '%s': it is not here, and of %s on the manager's host, where there are "
                                      "too many or too long sources, not all are offered" % (fullname, cut), name=fullname)
        return None

    def invalidate_caches(self):
        pass

    # --- for managers in this worker ---

    def container(self, folder):
        """Returns the container with the sources below a folder of the manager's host, None where it is not shared."""
        place = self._of_folder(folder)
        return place[0].container if place and not place[1] else None

    def script(self, path):
        """Returns a source of the manager's host as bytes, None where it is not shared. Raises ImportError, OSError."""
        place = self._of_folder(os.path.dirname(path))
        name = place[1] + os.path.basename(path) if place else None
        return place[0].text(name) if place and place[0].has(name) else None
