"""Sources that came from the manager's host: tracebacks show their lines, and managers in this worker can send them on."""

import linecache

_SCRIPTS = 64  # scripts of tasks that are kept; modules are all kept

_texts = {}
_scripts = []


def note(path, text, script=False):
    """Keeps a source under its path on the manager's host."""
    if _texts.get(path) == text:
        return
    if script and path not in _texts:
        _scripts.append(path)
        if len(_scripts) > _SCRIPTS:
            _forget(_scripts.pop(0))
    _texts[path] = text
    # No time of modification: linecache does not look whether a file of this host is called so, too.
    linecache.cache[path] = (len(text), None, text.splitlines(True), path)


def _forget(path):
    del _texts[path]
    linecache.cache.pop(path, None)


def text_of(path, importer):
    """Returns the text that lies under this path on the manager's host, None when it is not known here. Raises OSError,
    ImportError, SyntaxError."""
    if path not in _texts and importer is not None:
        data = importer.script(path)
        if data is not None:
            from importlib.util import decode_source

            note(path, decode_source(data), True)
    return _texts.get(path)
