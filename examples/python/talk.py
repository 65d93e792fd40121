#!/usr/bin/env python3
"""Messages: a task that answers questions until it is told to end.

example: promp -r talk.py
"""

from Pro.MP import ProManager, ProMPMessage

QUESTION, ANSWER, END = 1, 2, 3

CODE = """
from Pro.MP import ProMPMessage, proWorkerObject

me = proWorkerObject()
while me.waitForMessage(-1):  # also ends when the task is aborted
    msg = me.getMessage()
    if msg.id == 3:
        break
    answer = ProMPMessage(2)
    answer.data = msg.data.upper()
    me.sendMessage(answer)
"""

with ProManager() as m:
    worker = m.startWorker()
    m.evalPythonCode(worker, CODE)
    for word in (b"one", b"two", b"three"):
        msg = ProMPMessage(QUESTION)
        msg.data = word
        m.sendMessage(worker, msg)
        if m.waitForMessage(worker, 5000):
            answer = m.getMessage(worker)
            assert answer.id == ANSWER
            print(answer.data.decode())
    m.sendMessage(worker, ProMPMessage(END))
    while m.isBusy():
        m.wait()
        m.processMessages()
