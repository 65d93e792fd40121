"""Hosts for a cluster on one machine: network namespaces that this test made, each with an address and a cable of its own to
one switch. Needs root."""

import os
import shutil
import subprocess

_made = 0


def _ip(*args):
    done = subprocess.run(["ip", *args], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(args)}: {done.stderr}"


def possible():
    """None, or why not."""
    if os.geteuid() != 0:
        return "needs root"
    if not shutil.which("ip"):
        return "needs the Debian package iproute2"
    name = f"promp-{os.getpid()}-probe"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if done.returncode:
        return f"no network namespaces: {done.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return None


class Host:
    """One network namespace."""

    def __init__(self, network, name, address):
        self.network, self.name, self.address = network, f"{network.name}-{name}", address

    def command(self, args):
        return ["ip", "netns", "exec", self.name, *map(str, args)]

    def _in(self, *args):
        _ip("-n", self.name, *args)

    def plug(self, cable):
        """Puts the cable in or pulls it out; connections are not told."""
        self._in("link", "set", "eth0", "up" if cable else "down")


class Network:
    """A switch, in a namespace of its own, and hosts around it."""

    def __init__(self, *names):
        global _made
        _made += 1
        self.name = f"promp-{os.getpid()}-{_made}"
        self.hosts = {}
        _ip("netns", "add", self.name)
        try:
            _ip("-n", self.name, "link", "add", "switch", "type", "bridge")
            _ip("-n", self.name, "link", "set", "switch", "up")
            for number, name in enumerate(names, 1):
                self._add(name, number)
        except BaseException:
            self.close()
            raise

    def _add(self, name, number):
        host = Host(self, name, f"10.99.0.{number}")
        _ip("netns", "add", host.name)
        self.hosts[name] = host
        port = f"port{number}"
        _ip("-n", self.name, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        _ip("-n", self.name, "link", "set", port, "master", "switch", "up")
        _ip("-n", host.name, "link", "set", "lo", "up")
        _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", "eth0")
        _ip("-n", host.name, "link", "set", "eth0", "up")

    def __getitem__(self, name):
        return self.hosts[name]

    def close(self):
        for host in self.hosts.values():
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)
