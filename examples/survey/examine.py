"""What a worker of the survey does: looks at files, one after the other, and says what each one is.

The files come as containers from the manager: a worker opens nothing itself, and may be where it could not."""

import hashlib
import math
from collections import Counter

from Pro.MP import proWorkerObject

SAMPLE = 4096  # bytes at the start that kind and entropy are taken from
PIECE = 1 << 20


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


def digest(file, tick):
    """Returns the BLAKE2b-256 of a container; calls tick() now and then."""
    state = hashlib.blake2b(digest_size=32)
    for offset in range(0, file.size(), PIECE):
        state.update(file.read(offset, PIECE))
        tick()
    return state.digest()


def look(file, signatures, hashed, tick):
    """Returns [size, kind, entropy, digest] of a container; the last is None where it shall not be hashed."""
    sample = file.read(0, SAMPLE)
    return [file.size(), kind_of(sample, signatures), round(entropy(sample), 3), digest(file, tick) if hashed else None]


def each(files, work):
    """Runs work(container, name, hashed, tick) for each of [shared name, name, hashed], and tells the wait object which one
    is in hand.

    Returns [index, value, error] for each; value or error is None."""
    worker = proWorkerObject()
    wait = worker.waitObject()
    found, beats = [], 0

    def tick():
        nonlocal beats
        beats += 1
        wait.msg("%d %d" % (len(found), beats))

    for i, (shared, name, hashed) in enumerate(files):
        tick()
        try:
            file = worker.getSharedContainer(shared)
            if file.isNull():
                raise file.error
            found.append([i, work(file, name, hashed, tick), None])
        except OSError as error:
            found.append([i, None, str(error)])
        except Exception as error:
            found.append([i, None, "%s: %s" % (type(error).__name__, error)])
    return found


def look_all(files, signatures):
    """Task: looks at the files, and hashes those that shall be."""
    return each(files, lambda file, name, hashed, tick: look(file, signatures, hashed, tick))
