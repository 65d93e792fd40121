"""A cluster for one test: a broker, nodes and who works with it, each with a configuration folder of its own, on loopback or
on hosts of their own (support/hosts.py). Everything is set up as a user would: promp-auth, tokens, --join."""

import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import threading

from . import build, proc

BROKER = str(build.BUILD / "bin" / "promp-broker")
AUTH = str(build.BUILD / "bin" / "promp-auth")
PROMP = str(build.BUILD / "bin" / "promp")


def built():
    return all(os.access(p, os.X_OK) for p in (BROKER, AUTH, PROMP, build.NODE))


class Program:
    """A program of the cluster: what it prints on stdout can be waited for, its log is a file."""

    def __init__(self, cluster, name, args, host=None, stdin=None):
        self.cluster, self.name, self.args, self.host = cluster, name, args, host
        self.log = cluster.folder / f"{name}.log"
        self.lines = queue.Queue()
        command = host.command(args) if host else args
        with open(self.log, "ab") as log:
            self.process = cluster.world.popen(command, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                               stdout=subprocess.PIPE, stderr=log, text=True, env=cluster.environment)
        if stdin:
            self.process.stdin.write(stdin)
            self.process.stdin.close()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def line(self, pattern, timeout=10):
        """The next line on stdout that matches; AssertionError when it ends before, or the time is over."""
        while True:
            try:
                line = self.lines.get(timeout=build.scaled(timeout))
            except queue.Empty:
                raise AssertionError(f"{self.name} did not print {pattern!r}:\n{self.said()}") from None
            assert line is not None, f"{self.name} ended ({self.process.wait()}) before {pattern!r}:\n{self.said()}"
            found = re.fullmatch(pattern, line)
            if found:
                return found

    def said(self):
        return self.log.read_text(errors="replace")

    @property
    def pid(self):
        return self.process.pid

    def kill(self, number=signal.SIGKILL):
        proc.kill(self.pid, number)
        if number == signal.SIGKILL:
            self.process.wait()

    def stop(self, timeout=10):
        """Ends it in good order; its exit code."""
        self.process.terminate()
        return self.process.wait(build.scaled(timeout))


class Cluster:
    """world: what ends all of it. hosts: where programs run, by name; none: here."""

    def __init__(self, world, hosts=None):
        self.world, self.hosts = world, hosts or {}
        self.folder = pathlib.Path(world.folder) / "cluster"
        self.folder.mkdir()
        self.environment = {**world.environment, "HOME": str(self.folder), "TMPDIR": str(self.folder)}
        self.address = None
        self.brokers = 0

    def config(self, name):
        folder = self.folder / name
        if not folder.exists():
            folder.mkdir(mode=0o700)
        return folder

    def run(self, *args, stdin="", code=0, config=None, timeout=20):
        """Output of a tool that ends by itself."""
        env = {**self.environment, "PROMP_CONFIG": str(config or self.config("broker"))}
        done = subprocess.run([str(a) for a in args], input=stdin, text=True, capture_output=True, env=env,
                              timeout=build.scaled(timeout))
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
        self.complaint = done.stderr
        return done.stdout

    # --- the broker

    def broker(self, *args, listen="tcp://127.0.0.1:0", host=None):
        """Starts it (again: at the same address) and waits until it is ready."""
        config = self.config("broker")
        if not (config / "broker.cert").exists():
            self.run(AUTH, "init")
        self.brokers += 1
        program = Program(self, f"broker{self.brokers}",
                          [BROKER, "--config", str(config), "--listen", self.address or listen, *args], host)
        self.address = program.line(r"ready (tcp://\S+)").group(1)
        return program

    def token(self, role, *args, address=None):
        return self.run(AUTH, "token", role, "--address", address or self.address, *args)

    # --- nodes and managers

    def node(self, name="node", *args, host=None, token_args=(), ready=True, address=None):
        """Joins with a new token, or comes back where it has joined; serves when this returns."""
        config = self.config(name)
        command = [build.NODE, "--config", str(config), *args]
        token = None
        if not (config / "node.broker").exists():
            token = self.token("node", "--name", name, *token_args, address=address)
            command += ["--join", "-"]
        program = Program(self, f"{name}.{len(self.world.popens)}", command, host, token)
        if ready:
            program.line(r"ready .*", 20)
        return program

    def manager_config(self, name="manager", *token_args, host=None, address=None):
        """A folder that has joined as manager; its path is what PROMP_CONFIG names."""
        config = self.config(name)
        if not (config / "manager.broker").exists():
            token = self.token("manager", "--name", name, *token_args, address=address)
            command = [PROMP, "join", "--config", str(config), "-"]
            self.run(*(host.command(command) if host else command), stdin=token, config=config)
        return config

    def manager(self, name="manager", host=None, address=None, **options):
        """A manager program (support/manager.py) of the cluster."""
        config = self.manager_config(name, host=host, address=address)
        env = {"PROMP_CONFIG": str(config), **options.pop("env", {})}
        return self.world.manager(env=env, prefix=host.command([]) if host else (), **options)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
