#!/usr/bin/env python3
"""The smallest useful manager: a worker, a call, its output and its result.

example: promp -r hello.py
"""

from Pro.MP import ProManager, ProMPOpt_RedirectOutput

CODE = """
def greet(name):
    print("greeting", name)
    return "hello, " + name
"""

with ProManager() as m:
    m.setOptions(ProMPOpt_RedirectOutput)
    worker = m.startWorker()
    m.evalPythonFunction(worker, CODE, "greet", ["world"], True)
    while m.isBusy():
        m.wait()
        m.processMessages()
    print(m.takeResult(worker))
