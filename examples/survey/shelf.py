"""Files on their way to the workers: opened by the manager, shared as containers, unshared when they are done with."""

import os
from collections import deque

from Pro.Core import createContainerFromFile

BATCH_FILES = 64
BATCH_BYTES = 64 << 20


class Batch:
    """Files that are shared. files: [shared name, name, whether to hash it] of each, what a worker's task gets."""

    def __init__(self, manager, files):
        self.manager, self.files = manager, files

    def close(self):
        """They are done with. Returns their names."""
        for shared, _, _ in self.files:
            self.manager.unshareContainer(shared)
        return [name for _, name, _ in self.files]


def batches(names, hashed):
    """Returns the names in batches, each of limited number and bytes to hash."""
    made, batch, total = deque(), [], 0
    for name in names:
        size = hashed.get(name, 0)
        if batch and (len(batch) == BATCH_FILES or total + size > BATCH_BYTES):
            made.append(batch)
            batch, total = [], 0
        batch.append(name)
        total += size
    if batch:
        made.append(batch)
    return made


class Shelf:
    """All names in batches, some of them open ahead, so that no worker waits for the opening.

    hashed: those that shall be hashed; blame(name, cause): a file could not be opened."""

    def __init__(self, manager, names, hashed, blame):
        self.manager, self.hashed, self.blame = manager, hashed, blame
        self.left, self.ready, self.failed, self.count = batches(names, hashed), deque(), 0, 0

    def __len__(self):
        return len(self.left) + len(self.ready)

    def open(self, names):
        files = []
        for name in names:
            file = createContainerFromFile(name)
            if file.isValid():
                self.count += 1
                self.manager.shareContainer(str(self.count), file)
                files.append([str(self.count), name, name in self.hashed])
            else:
                error = file.error
                self.blame(name, os.strerror(error.errno) if error.errno else str(error))
                self.failed += 1
        if files:
            self.ready.append(Batch(self.manager, files))

    def prepare(self, count):
        """Opens batches until count are ready, or all. Returns how many files could not be opened since the last call."""
        while self.left and len(self.ready) < count:
            self.open(self.left.popleft())
        failed, self.failed = self.failed, 0
        return failed

    def take(self):
        """Returns the next batch, None when there is none."""
        while self.left and not self.ready:
            self.open(self.left.popleft())
        return self.ready.popleft() if self.ready else None

    def back(self, parts):
        """These names come again, before all that is not open yet."""
        self.left.extendleft(part for part in reversed(parts) if part)
