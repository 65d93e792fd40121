"""The world of one test: a runtime folder, hence a node of its own, and everything that runs with it."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from . import build, proc
from .manager import Manager


class World:
    """A runtime folder and what runs in it."""

    def __init__(self, idle_ms=60):
        # Short: the path of the socket in it is limited to 107 bytes.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
        self.runtime = self.folder / "r"
        self.logs = self.folder / "logs"
        self.logs.mkdir()
        self.before = {p.pid for p in proc.descendants()}
        self.managers = []
        self.popens = []
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PROMP_", "XDG_RUNTIME"))},
            "PROMP_RUNTIME_DIR": str(self.runtime),
            "PROMP_CONFIG": str(self.folder / "config"),  # there is none: not that of whoever runs the tests
            "PROMP_NODE": build.NODE,
            "PROMP_NODE_IDLE_MS": str(int(idle_ms)),
            "ASAN_OPTIONS": f"log_path={self.logs}/asan:detect_leaks=1:abort_on_error=0:allocator_may_return_null=1",
            "UBSAN_OPTIONS": f"log_path={self.logs}/ubsan:print_stacktrace=1",
            "TSAN_OPTIONS": f"log_path={self.logs}/tsan:halt_on_error=0:second_deadlock_stack=1",
        }

    # --- programs

    def manager(self, **options):
        env = {**self.environment, **options.pop("env", {})}
        m = Manager(self.folder, env, **options)
        self.managers.append(m)
        return m

    def popen(self, args, **options):
        env = {**self.environment, **options.pop("env", {})}
        p = subprocess.Popen(args, env=env, **options)
        self.popens.append(p)
        return p

    def node(self, *args, stay=True, wait=True, **options):
        """promp-node --local by hand, in the foreground, ready when this returns."""
        args = [build.NODE, "--local", *(["--stay"] if stay else []), *args]
        options.setdefault("stderr", open(self.folder / "node.err", "ab"))
        options.setdefault("stdout", open(self.folder / "node.out", "ab"))
        p = self.popen(args, **options)
        if wait:
            proc.wait_until(self.socket, 10, lambda: f"a socket; {(self.folder / 'node.err').read_text()}")
        return p

    # --- what there is

    def socket(self):
        """Path of the node's socket, None when there is none."""
        found = list(self.runtime.glob("*/socket"))
        assert len(found) <= 1, found
        return found[0] if found else None

    def log(self):
        return "".join(p.read_text(errors="replace") for p in self.runtime.glob("*/log"))

    def processes(self):
        return [p for p in proc.descendants() if p.pid not in self.before]

    def living(self):
        return [p for p in self.processes() if not p.zombie]

    def of_role(self, role):
        return [p for p in self.living() if proc.role(p) == role]

    def one(self, role):
        return proc.wait_until(lambda: self.of_role(role), 10, f"a process that is {role}: {self.living()}")[0]

    def workers(self):
        return self.of_role("tw")

    def wait_gone(self, pids, timeout):
        """Waits until none of these processes is there; seconds that it took."""
        begin = time.monotonic()
        pids = list(pids)
        proc.wait_until(lambda: not [p for p in pids if proc.alive(p)], timeout,
                        lambda: f"gone: {[proc.find(p) for p in pids if proc.alive(p)]}")
        return time.monotonic() - begin

    def _own(self):
        return {m.pid for m in self.managers} | {p.pid for p in self.popens}

    def foreign_zombies(self):
        """Zombies that their parent, one of the processes under test, has left."""
        return [p for p in self.processes() if p.zombie and p.parent != os.getpid()]

    # --- the end

    def close(self):
        """Ends managers and the node in good order and gives what is wrong then, a list of sentences."""
        wrong = []
        for m in self.managers:
            m.leave()
        for m in self.managers:
            if m.process_.poll() is None:
                try:
                    m.quit()
                except subprocess.TimeoutExpired:
                    wrong.append(f"the manager {m.pid} did not end: {m.stderr()}")
                    m.kill()
            else:
                m.forget()
        # Users before their nodes, nodes before their broker: what ends together may leave the other its lease to wait for.
        for p in reversed(self.popens):
            if p.poll() is None:
                p.terminate()
            try:
                p.wait(build.scaled(10))
            except subprocess.TimeoutExpired:
                wrong.append(f"{p.args} does not end on SIGTERM")
        idle = float(self.environment["PROMP_NODE_IDLE_MS"]) / 1000
        deadline = time.monotonic() + idle + build.scaled(6)
        while time.monotonic() < deadline:
            proc.reap(self._own())
            if not self.processes():
                break
            time.sleep(0.005)
        left = self.processes()
        if left:
            wrong.append(f"left over: {left}")
            for p in left:
                proc.kill(p.pid, signal.SIGCONT)
                proc.kill(p.pid)
            time.sleep(0.05)
            proc.reap(self._own())
        for report in sorted(self.logs.iterdir()):
            wrong.append(f"sanitizer report {report.name}:\n{report.read_text(errors='replace')[:6000]}")
        return wrong

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
