"""What a worker of the survey does: looks at files, one after the other, and says what each one is."""

import hashlib
import math
import os
import stat
from collections import Counter

SAMPLE = 4096  # bytes at the start that kind and entropy are taken from
PIECE = 1 << 20
FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # what became a pipe meanwhile must not hold us


def entropy(sample):
    """Returns the Shannon entropy of the bytes in bits per byte, 0 to 8."""
    total = len(sample)
    return max(0.0, -sum(n / total * math.log2(n / total) for n in Counter(sample).values()))


def kind_of(sample, signatures):
    """Returns the name of the first signature that fits, else "text", "data" or "empty"."""
    if not sample:
        return "empty"
    for name, offset, pattern in signatures:
        if sample.startswith(pattern, offset):
            return name
    if b"\0" in sample:
        return "data"
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        # The end of a full sample may cut a character.
        if len(sample) < SAMPLE or error.start < len(sample) - 3:
            return "data"
    return "text"


def _open(path):
    """Returns a file that reads path, and what fstat() says of it."""
    file = os.fdopen(os.open(path, FLAGS), "rb", buffering=0)
    facts = os.fstat(file.fileno())
    if not stat.S_ISREG(facts.st_mode):
        file.close()
        raise OSError("no regular file any more")
    return file, facts


def look(path, signatures):
    """Returns [size, kind, entropy, device and inode] of one file."""
    file, facts = _open(path)
    with file:
        sample = file.read(SAMPLE)
    return [facts.st_size, kind_of(sample, signatures), round(entropy(sample), 3), "%d:%d" % (facts.st_dev, facts.st_ino)]


def digest(path, tick):
    """Returns the BLAKE2b-256 of one file; calls tick() now and then."""
    state = hashlib.blake2b(digest_size=32)
    with _open(path)[0] as file:
        while piece := file.read(PIECE):
            state.update(piece)
            tick()
    return state.digest()


def _each(names, work):
    """Runs work(path, tick) for each file, and tells the wait object which one is in hand.

    Returns [index, value, error] for each; value or error is None."""
    from Pro.MP import proWorkerObject

    wait = proWorkerObject().waitObject()
    found, beats = [], 0

    def tick():
        nonlocal beats
        beats += 1
        wait.msg("%d %d" % (len(found), beats))

    for i, name in enumerate(names):
        tick()
        try:
            found.append([i, work(os.fsdecode(name), tick), None])
        except OSError as error:
            found.append([i, None, error.strerror or str(error)])
        except Exception as error:
            found.append([i, None, "%s: %s" % (type(error).__name__, error)])
        wait.progress((i + 1) * 100 // len(names))
    return found


def look_all(names, signatures):
    """Task: looks at the files."""
    return _each(names, lambda path, tick: look(path, signatures))


def digest_all(names):
    """Task: hashes the files."""
    return _each(names, digest)
