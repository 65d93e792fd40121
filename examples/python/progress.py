#!/usr/bin/env python3
"""A wait object: progress of a task in this process, and the task's end when this process has seen enough.

example: promp -r progress.py
"""

from Pro.Core import NTSimpleWait
from Pro.MP import ProManager

CODE = """
import time
from Pro.MP import proWorkerObject

wait = proWorkerObject().waitObject()
for percent in range(1, 101):
    if wait.wasAborted():
        break
    wait.progress(percent)
    wait.msg("%d %% done" % percent)
    time.sleep(0.01)
"""


class Watch(NTSimpleWait):
    """Gives up at half."""

    def __init__(self):
        super().__init__()
        self.last, self.text = 0, ""

    def progress(self, i):
        self.last = i
        if i >= 50:
            self.abort()

    def msg(self, text):
        self.text = text


with ProManager() as m:
    worker = m.startWorker()
    watch = Watch()
    mirror = m.createWaitObject(worker, watch)  # keep both: the manager refers to neither
    m.evalPythonCode(worker, CODE)
    while m.isBusy():
        m.wait()
        m.processMessages()
    print("ended early:", 50 <= watch.last < 100, "- the worker lives:", m.isWorkerAlive(worker))
