#!/usr/bin/env python3
"""Many calls on a few workers: who is free takes the next one; a call that fails or kills its worker spoils no other.

example: promp -r crew.py
"""

from Pro.MP import ProManager, ProWorker_All, ProWorker_Any

CODE = """
import os

def divisors(n):
    if n == 13:
        raise ValueError("unlucky")
    if n == 17:
        os._exit(1)
    return [n, sum(1 for d in range(1, n + 1) if n % d == 0)]
"""

with ProManager() as m:
    m.startWorkers(3)
    for n in range(10, 20):
        m.evalPythonFunction(ProWorker_Any, CODE, "divisors", [n], True)
    found = {}
    while m.isBusy():
        m.wait()
        m.processMessages()
        while m.hasResults():
            n, count = m.takeResult(ProWorker_Any)
            found[n] = count
    for n in sorted(found):
        print(n, "has", found[n], "divisors")
    while m.hasErrors():
        print("failed:", m.takeError(ProWorker_All))
    print(m.workersAlive(), "workers are alive")
