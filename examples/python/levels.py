#!/usr/bin/env python3
"""A worker that is a manager itself: this script starts itself twice, and what the last one prints is shown here.

example: promp -r levels.py
"""

from Pro.MP import ProManager, ProMPOpt_AtomicOutput, proWorkerProcessLevel

if proWorkerProcessLevel() == 2:
    print("here is level %d" % proWorkerProcessLevel())
else:
    with ProManager() as m:
        m.setOptions(ProMPOpt_AtomicOutput)
        m.executePythonScript(m.startWorker(), __file__)
        while m.isBusy():
            m.wait()
            m.processMessages()
