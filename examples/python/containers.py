#!/usr/bin/env python3
"""Shared data: a worker reads a file and bytes of the manager where they lie: slices, searches, as a file.

example: promp -r containers.py
"""

import tempfile

from Pro.Core import NTContainer, createContainerFromFile
from Pro.MP import ProManager

CODE = """
import hashlib
from Pro.MP import proWorkerObject

def shared(name):
    container = proWorkerObject().getSharedContainer(name)
    if container.isNull():
        raise container.error  # nobody shares it, or it could not be opened
    return container

def lines_with(name, pattern):
    data, offsets = shared(name), []
    match = data.findFirst(pattern)
    while match:
        offsets.append(match.offset)
        match = data.findNext(match)
    with data.open() as file:  # what takes a binary file takes this: zipfile, csv, ...
        return offsets, [line.decode().rstrip() for line in file if pattern in line]

def digest_of(name, offset, size):
    data = shared(name)
    return data[:5], len(data), hashlib.sha256(data.read(offset, size)).hexdigest()[:8]
"""


def call(m, worker, function, *args):
    m.evalPythonFunction(worker, CODE, function, list(args), True)
    while m.isBusy():
        m.wait()
        m.processMessages()
    return m.takeError(worker) or m.takeResult(worker)


with tempfile.NamedTemporaryFile() as file, ProManager() as m:
    file.write(b"apples: 3\npears: 5\npineapples: 1\n")
    file.flush()
    m.shareContainer("shelf", createContainerFromFile(file.name))
    memory = NTContainer()
    memory.setData(b"some bytes" * 100_000)
    m.shareContainer("bytes", memory)
    worker = m.startWorker()
    print("apples:", call(m, worker, "lines_with", "shelf", b"apples"))
    print("bytes:", call(m, worker, "digest_of", "bytes", 999_990, 10))
    m.unshareContainer("bytes")
    print("then:", call(m, worker, "digest_of", "bytes", 0, 1))
