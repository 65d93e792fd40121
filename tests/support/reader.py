"""A reader who pastes what a page says: a terminal here, or terminals on several hosts (support/hosts.py), each with a home and a
name of its own, between which `ssh` and `scp` go without sshd, and where `pgrep` and `pkill` see that host's processes only."""

import os
import pathlib
import queue
import re
import subprocess
import threading
import time

from . import build, hosts, proc

ADDRESS = "127.0.0.1:5599"
MARK = "--- end of block"

# $1: a host of this network. What comes behind is run there, at home, as a login would.
ENTER = """#!/bin/sh
name=$1; shift
exec ip netns exec {network}-$name unshare --uts sh -c '
    name=$1; shift
    hostname "$name"; mount --bind {site}/hosts /etc/hosts; cd {site}/$name
    exec env -i HOME="$PWD" TMPDIR="$PWD" PROMP_RUNTIME_DIR="$PWD/r" PROMP_NODE_IDLE_MS=60 PATH={path} LC_ALL=C.UTF-8 "$@"
' enter "$name" "$@"
"""
SSH = """#!/bin/sh
host=${{1#*@}}; shift
exec {site}/enter "$host" sh -c "$*"
"""
SCP = """#!/bin/sh
host=${{2%%:*}}
exec cp -p "$1" {site}/"${{host#*@}}"/"${{2#*:}}"
"""
PROCESSES = """#!/bin/sh
exec /usr/bin/{tool} --ns $$ --nslist net "$@"
"""


class Terminal:
    """A bash that gets one block after the other. command: what runs it."""

    def __init__(self, world, folder, command=(), env=None):
        self.folder = folder
        self.process = world.popen([*command, "bash", "-e"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, env=env or {})
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def run(self, text, end=MARK, timeout=60):
        """What a block prints, up to a line that begins with `end`; AssertionError when a command of it fails, or it hangs."""
        self.process.stdin.write(text + (f"\necho '{MARK}'\n" if end == MARK else "\n"))
        self.process.stdin.flush()
        said = ""
        while True:
            try:
                line = self.lines.get(timeout=build.scaled(timeout))
            except queue.Empty:
                raise AssertionError(f"this hangs:\n{text}\n{said}{self.logs()}") from None
            assert line is not None, f"this fails:\n{text}\n{said}{self.logs()}"
            if line.startswith(end):
                return said if end == MARK else said + line
            said += line

    def logs(self):
        return "".join(f"--- {p}\n{p.read_text(errors='replace')[-2000:]}" for p in self.folder.rglob("*.log"))

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(build.scaled(20)) == 0


class Reader:
    """One terminal on this host. The address of the pages becomes the one that the broker tells."""

    def __init__(self, world):
        home = pathlib.Path(world.folder) / "reader"
        home.mkdir(mode=0o700)
        self.folder, self.address = home, None
        env = {"HOME": str(home), "TMPDIR": str(home), "PATH": f"{build.BUILD / 'bin'}:{os.environ['PATH']}"}
        self.terminal = Terminal(world, home, env=env)
        self.logs, self.close = self.terminal.logs, self.terminal.close

    def write(self, scripts):
        for name, text in scripts.items():
            (self.folder / name).write_text(text)

    def run(self, text):
        said = self.terminal.run(text.replace(ADDRESS, self.address or "127.0.0.1:0"))
        found = re.search(r"^ready tcp://(127\.0\.0\.1:\d+)", said, re.M)
        if found and not self.address:
            self.address = found.group(1)
        return said.replace(self.address, ADDRESS) if self.address else said


class Site:
    """The hosts that a page names in its prompts and addresses; needs root. In a block each line is `HOST$ command`."""

    STAYS = re.compile(r"promp-(broker|node)\b(?!.*(--detach|--status|--stop|--help))")

    def __init__(self, world, names):
        self.world, self.network = world, hosts.Network(*names)
        self.folder = pathlib.Path(world.folder) / "site"
        self.folder.mkdir(mode=0o700)
        self.terminals, self.others = {}, []
        path = f"{self.folder}/bin:{build.BUILD / 'bin'}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        (self.folder / "bin").mkdir()
        lines = ["127.0.0.1 localhost"]
        for name, host in self.network.hosts.items():
            (self.folder / name).mkdir(mode=0o700)
            (self.folder / name / "examples").symlink_to(build.ROOT / "examples")
            lines.append(f"{host.address} {name} {name}.example")
        (self.folder / "hosts").write_text("\n".join(lines) + "\n")
        files = {"enter": ENTER, "bin/ssh": SSH, "bin/scp": SCP, "bin/pgrep": PROCESSES, "bin/pkill": PROCESSES}
        for file, text in files.items():
            (self.folder / file).write_text(text.format(network=self.network.name, site=self.folder, path=path, tool=file[4:]))
            (self.folder / file).chmod(0o755)

    def write(self, scripts):
        for host in self.network.hosts:
            for name, text in scripts.items():
                (self.folder / host / name).write_text(text)

    def _terminal(self, host):
        return Terminal(self.world, self.folder, [self.folder / "enter", host])

    def pid(self, host):
        """The node that serves on a host: what a page calls PID."""
        inside = os.stat(f"/run/netns/{self.network[host].name}").st_ino
        nodes = [p.pid for p in self.world.living() if p.name == "promp-node" and proc.role(p) != "agent"
                 and os.stat(f"/proc/{p.pid}/ns/net").st_ino == inside]
        assert len(nodes) == 1, f"{nodes} serve on {host}"
        return nodes[0]

    def run(self, text):
        """What the lines of a block print. Programs that stay get a terminal of their own and are waited for until they are
        ready; who is told to end, until it has."""
        said = ""
        for line in text.splitlines():
            host, command = re.fullmatch(r"([\w-]+)\$ +(.*)", line).groups()
            drained = re.match(r"promp drain .*?([\w-]+)$", command)
            ending = self.pid(drained.group(1) if drained else host) if drained or command.startswith("kill PID") else None
            if self.STAYS.match(command):
                self.others.append(self._terminal(host))
                said += self.others[-1].run(command, end="ready ")
                continue
            if host not in self.terminals:
                self.terminals[host] = self._terminal(host)
            said += self.terminals[host].run(command.replace("PID", str(ending)))
            if ending:
                try:
                    self.world.wait_gone([ending], build.scaled(20))
                except AssertionError as why:
                    raise AssertionError(f"{line}: {why}\n{self.logs()}") from None
        return said

    def logs(self):
        return "".join(f"--- {p}\n{p.read_text(errors='replace')[-2000:]}" for p in self.folder.glob("*/.config/promp/*.log"))

    def close(self):
        """Ends all that the page has left running."""
        for process in [p for p in self.world.living() if p.name in ("promp-node", "promp-broker")]:
            proc.kill(process.pid, 15)
        for terminal in [*self.terminals.values(), *self.others]:
            terminal.process.kill()
            terminal.process.wait()
        deadline = time.monotonic() + build.scaled(20)
        while time.monotonic() < deadline and [p for p in self.world.living() if p.name.startswith("promp-")]:
            time.sleep(0.02)
        self.network.close()
