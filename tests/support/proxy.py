"""A TCP proxy that treats connections badly, by a seed: it delays, stalls, narrows, cuts one direction or resets. As a program:

    proxy.py LISTEN-HOST:PORT TARGET-HOST:PORT SEED    prints "ready PORT"; reads one command a line on stdin:
        fair              does nothing bad from now on, and lets go of what it holds
        rough [MS]        does one bad thing after the other, each about MS long (default 300)
        reset             ends all connections with RST
        deaf, mute        nothing goes to the target, nothing comes from it, until fair
        refuse            new connections are reset at once, until fair

Bytes are never changed or lost within a connection that lives: that is TCP's promise, and not what is tested here."""

import asyncio
import random
import socket
import struct
import sys

CHUNK = 64 * 1024
NARROW = 4 * 1024  # bytes that go at once where the way is narrow


class Way:
    """One direction of all connections."""

    def __init__(self):
        self.open = asyncio.Event()
        self.fair()

    def fair(self):
        self.delay, self.narrow = 0.0, False
        self.open.set()


class Proxy:
    def __init__(self, target, seed):
        self.target = target
        self.dice = random.Random(seed)
        self.ways = (Way(), Way())
        self.writers = set()
        self.refusing = False
        self.rough = None

    # --- what is done to the connections

    def fair(self):
        self.refusing = False
        for way in self.ways:
            way.fair()

    def reset(self):
        for writer in list(self.writers):
            try:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
            writer.transport.abort()

    def accident(self):
        """One bad thing, until fair()."""
        kind = self.dice.choice(("delay", "stall", "narrow", "deaf", "mute", "reset", "refuse", "none"))
        if kind == "delay":
            for way in self.ways:
                way.delay = self.dice.uniform(0.01, 0.15)
        elif kind == "narrow":
            for way in self.ways:
                way.narrow = True
        elif kind == "stall":
            for way in self.ways:
                way.open.clear()
        elif kind in ("deaf", "mute"):
            self.ways[kind == "mute"].open.clear()
        elif kind in ("reset", "refuse"):
            self.refusing = kind == "refuse"
            self.reset()
        return kind

    async def be_rough(self, ms):
        while True:
            self.accident()
            await asyncio.sleep(self.dice.uniform(0.2, 1.8) * ms / 1000)
            self.fair()
            await asyncio.sleep(self.dice.uniform(0.2, 1.8) * ms / 1000)

    # --- moving bytes

    async def carry(self, way, reader, writer):
        try:
            while True:
                data = await reader.read(NARROW if way.narrow else CHUNK)
                if way.delay:
                    await asyncio.sleep(way.delay)
                if way.narrow:
                    await asyncio.sleep(0.002)
                await way.open.wait()
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
        except (OSError, ConnectionError):
            writer.transport.abort()

    async def serve(self, reader, writer):
        self.writers.add(writer)
        other = None
        try:
            if self.refusing:
                self.reset()
                return
            far, other = await asyncio.open_connection(*self.target)
            self.writers.add(other)
            await asyncio.gather(self.carry(self.ways[0], reader, other), self.carry(self.ways[1], far, writer))
        except OSError:
            pass
        finally:
            for w in (writer, other):
                if w:
                    self.writers.discard(w)
                    w.transport.abort()

    # --- what is asked for

    def command(self, words):
        if self.rough:
            self.rough.cancel()
            self.rough = None
        self.fair()
        if words[0] == "rough":
            self.rough = asyncio.ensure_future(self.be_rough(int(words[1]) if len(words) > 1 else 300))
        elif words[0] == "reset":
            self.reset()
        elif words[0] in ("deaf", "mute"):
            self.ways[words[0] == "mute"].open.clear()
        elif words[0] == "refuse":
            self.refusing = True
        elif words[0] != "fair":
            raise ValueError(words[0])


async def main(listen, target, seed):
    host, port = listen.rsplit(":", 1)
    far_host, far_port = target.rsplit(":", 1)
    proxy = Proxy((far_host, int(far_port)), int(seed))
    server = await asyncio.start_server(proxy.serve, host, int(port), limit=2 * CHUNK)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).split():
        proxy.command([word.decode() for word in line])
        print("done", flush=True)
    server.close()
    proxy.reset()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
