"""A manager inside the machine: prints a JSON line for each thing that it sees.

usage: desk.py nap TIMES SECONDS    one worker, that many tasks of that length
       desk.py hide                 a worker whose descendants hide, and which is then stopped
       desk.py die                  the same, and the worker kills itself
       desk.py linger               the same, and the worker works for ever
"""

import json
import sys

from Pro.MP import ProManager

CODE = """
import os, signal, subprocess, time
def begin():
    return {"pid": os.getpid(), "group": open("/proc/self/cgroup").read().strip(), "user": os.getuid()}
def nap(i, seconds):
    time.sleep(seconds)
    return i
def hide(times):
    # Neither a parent, nor a session, nor anything in their environment tells whose they are.
    for i in range(times):
        subprocess.run(["env", "-i", "setsid", "--fork", "sleep", "4711"], start_new_session=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    return times
def die():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def say(**what):
    print(json.dumps(what), flush=True)


def main(what, times=3, seconds=0):
    with ProManager() as m:
        m.setManagerTimeout(600000)
        w = m.startWorker()

        def until_idle():
            while m.isBusy():
                m.wait()
                m.processMessages()
                while m.hasResults():
                    say(result=m.takeResult(w))

        m.evalPythonFunction(w, CODE, "begin", [], True)
        until_idle()
        for i in range(int(times)):
            m.evalPythonFunction(w, CODE, *(("nap", [i, float(seconds)]) if what == "nap" else ("hide", [1])), True)
        until_idle()
        say(idle=True)
        if what in ("die", "linger"):
            m.evalPythonFunction(w, CODE, *(("die", []) if what == "die" else ("nap", [0, 100000])), True)
            until_idle()
        m.stopWorker(w)
        while m.isWorkerAlive(w):
            m.wait()
            m.processMessages()
        end = m.workerExit(w)
        say(number=end.number, cause=end.cause, signal=end.signal)


main(*sys.argv[1:])
