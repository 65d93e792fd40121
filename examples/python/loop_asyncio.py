#!/usr/bin/env python3
"""A manager in asyncio: its descriptor wakes the loop, so nothing polls, and other coroutines run meanwhile.

example: promp -r loop_asyncio.py
"""

import asyncio

from Pro.MP import ProManager, ProWorker_Any

CODE = """
import time

def slow_square(n):
    time.sleep(0.05)
    return [n, n * n]
"""


class Calls:
    """Awaitable calls of one function on the workers of a manager; first argument and first result tell which call it is."""

    def __init__(self, manager):
        self.manager, self.waiting = manager, {}
        asyncio.get_running_loop().add_reader(manager.fileno(), self.ready)

    def ready(self):
        self.manager.processMessages()
        while self.manager.hasResults():
            n, value = self.manager.takeResult(ProWorker_Any)
            self.waiting.pop(n).set_result(value)

    def square(self, n):
        self.waiting[n] = asyncio.get_running_loop().create_future()
        self.manager.evalPythonFunction(ProWorker_Any, CODE, "slow_square", [n], True)
        return self.waiting[n]

    def close(self):
        asyncio.get_running_loop().remove_reader(self.manager.fileno())


async def main():
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    with ProManager() as m:
        m.startWorkers(2)
        calls, clock = Calls(m), asyncio.create_task(tick())
        print("squares:", await asyncio.gather(*(calls.square(n) for n in range(8))))
        clock.cancel()
        calls.close()
    print("the loop went on meanwhile:", ticks > 0)


asyncio.run(main())
