"""What a worker of the survey does: looks at files, one after the other, and says what each one is."""

import hashlib
import math
import os
from collections import Counter

SAMPLE = 4096  # bytes at the start that kind and entropy are taken from
PIECE = 1 << 20


def entropy(sample):
    """Returns the Shannon entropy of the bytes in bits per byte, 0 to 8."""
    if not sample:
        return 0.0
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
        if error.start < len(sample) - 3:  # a character cut by the end of the sample is none
            return "data"
    return "text"


def look(path, signatures):
    """Returns (size, kind, entropy) of one file."""
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        sample = file.read(SAMPLE) or b""
    return size, kind_of(sample, signatures), round(entropy(sample), 3)


def digest(path):
    """Returns the BLAKE2b-256 of one file."""
    state = hashlib.blake2b(digest_size=32)
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(PIECE):
            state.update(piece)
    return state.digest()


def _each(names, work, base, total):
    """Runs work for each file; says which one it is at, so that a crash can be put down to it."""
    from Pro.MP import proWorkerObject

    wait = proWorkerObject().waitObject()
    found = []
    for i, name in enumerate(names):
        if wait.wasAborted():
            break
        wait.msg(str(i))
        try:
            found.append([i, work(os.fsdecode(name)), None])
        except OSError as error:
            found.append([i, None, error.strerror or str(error)])
        wait.progress((base + i + 1) * 100 // max(1, total))
    return found


def look_all(names, signatures, base, total):
    """Task: looks at the files. Returns [index, [size, kind, entropy], error] for each."""
    return _each(names, lambda path: list(look(path, signatures)), base, total)


def digest_all(names, base, total):
    """Task: hashes the files. Returns [index, digest, error] for each."""
    return _each(names, digest, base, total)
