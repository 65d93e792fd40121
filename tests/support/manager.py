"""tm, the test manager, driven from Python: one method call, one command, one answer."""

import json
import os
import select
import signal
import subprocess
import time
import urllib.parse

from . import proc
from .build import ERR, ERROR_NAMES, TM, TW, scaled
from .values import from_words, words

ANY, ALL = "any", "all"


class ManagerDied(AssertionError):
    pass


class Manager:
    """One tm process. Commands that tm has and this class does not name are called by their name: m.process(), m.heard()."""

    def __init__(self, folder, environment, new=True, stdin_only=False, preexec=None, prefix=(), **options):
        out_read, out_write = os.pipe()
        count = len(list(folder.glob("tm-*.out")))
        self.stdout_path, self.stderr_path = folder / f"tm-{count}.out", folder / f"tm-{count}.err"
        with open(self.stdout_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.process_ = subprocess.Popen([*prefix, TM, str(out_write)], stdin=subprocess.PIPE, stdout=out, stderr=err,
                                             env=environment, pass_fds=[out_write], preexec_fn=preexec,
                                             cwd=options.pop("cwd", None))
        os.close(out_write)
        self.pid = self.process_.pid
        self._in = out_read
        self._rest = b""
        self.events = []
        if new:
            answer = self.new(**options)
            assert answer["made"], answer

    # --- the protocol with tm

    def _line(self, deadline):
        while b"\n" not in self._rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise AssertionError(f"tm {self.pid} does not answer; stderr: {self.stderr()!r}")
            data = os.read(self._in, 1 << 20)
            if not data:
                raise ManagerDied(f"tm {self.pid} ended; stderr: {self.stderr()!r}")
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)

    def send_command(self, name, *args, **options):
        """Sends a command without waiting; answer() takes what it says."""
        tail = options.pop("tail", "")
        text = [name] + [self._word(a) for a in args]
        for key, value in options.items():
            if isinstance(value, (list, tuple)):
                text += [f"{key}={self._word(v)}" for v in value]
            elif value is not None:
                text.append(f"{key}={self._word(value)}")
        try:
            self.process_.stdin.write((" ".join(text) + tail + "\n").encode())
            self.process_.stdin.flush()
        except BrokenPipeError:
            raise ManagerDied(f"tm {self.pid} ended; stderr: {self.stderr()!r}") from None

    def answer(self, timeout=60):
        deadline = time.monotonic() + scaled(timeout)
        while True:
            line = self._line(deadline)
            if "ev" in line:
                self.events.append(line)
                continue
            assert "bad" not in line, line
            return line

    @staticmethod
    def _word(value):
        if isinstance(value, bytes):
            return value.hex()
        return urllib.parse.quote(str(int(value) if isinstance(value, bool) else value), safe="/=:.-_,+", errors="surrogateescape")

    def command(self, name, *args, patience=60, **options):
        self.send_command(name, *args, **options)
        return self.answer(patience)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **options: self.command(name, *args, **options)

    def check(self, name, *args, **options):
        """A command that must not report an error."""
        answer = self.command(name, *args, **options)
        assert answer.get("err", 0) == 0, f"{name}: {ERROR_NAMES.get(answer['err'])}: {answer}"
        return answer

    # --- what tests say

    def start(self, program=TW, check=True, **options):
        """Starts a worker and gives its id, or (check=False) the whole answer."""
        answer = self.command("start", program, **options)
        if not check:
            return answer
        assert answer["err"] == 0, answer
        return answer["worker"] if "count" not in options else answer["workers"]

    def task(self, worker, name, *args, **options):
        tail = " : " + " ".join(map(words, args)) if args else ""
        return self.check("task", worker, name, tail=tail, **options)["number"]

    def until(self, what, worker=ANY, timeout=20, check=True):
        answer = self.command("until", what, worker, int(scaled(timeout) * 1000), patience=timeout + 30)
        if check:
            assert answer["err"] == 0 and answer["reached"], f"{what} of {worker} not reached: {answer}; {self.notes()}"
        return answer

    def take_result(self, worker=ANY):
        """(True, value) or (False, None); big bytes are given as (size, offset of the first wrong byte)."""
        answer = self.check("result", worker)
        if not answer["got"]:
            return False, None
        return True, from_words(answer["value"]) if "value" in answer else (answer["size"], answer["right"])

    def take_error(self, worker=ANY):
        answer = self.command("error", worker)
        return answer if answer["got"] else None

    def call(self, worker, name, *args, timeout=20, **options):
        """A task and its value."""
        self.task(worker, name, *args, **options)
        self.until("idle", timeout=timeout)
        got, value = self.take_result(worker)
        assert got, f"{name} gave no result: {self.take_error()}; {self.notes()}"
        return value

    def begin(self, worker, name, ms=60000):
        """A task (sleep or deaf) that runs when this returns."""
        self.task(worker, name, ms, 1)
        answer = self.command("wait_message", worker, int(scaled(20) * 1000))
        assert answer["err"] == 0, answer
        assert self.command("receive", worker)["id"] == 77

    def failure(self, worker, name, *args, timeout=20, **options):
        """A task and how it failed."""
        self.task(worker, name, *args, **options)
        self.until("idle", timeout=timeout)
        error = self.take_error(worker)
        assert error, f"{name} did not fail: {self.take_result()}"
        return error

    def worker_pid(self, worker):
        self.until("ready", worker)
        return self.command("state", worker)["pid"]

    def end(self, worker, timeout=20):
        """Waits for a worker's end and says how it came; cause as a name."""
        self.until("dead", worker, timeout)
        answer = self.command("exit", worker)
        assert answer["ended"], answer
        answer["cause"] = ERROR_NAMES.get(answer["cause"], answer["cause"])
        answer["tail"] = bytes.fromhex(answer["tail"])
        return answer

    def output(self, worker=None):
        """[(stream, bytes), ...] that came so far, and forgets it."""
        mine = [e for e in self.events if e["ev"] == "output" and worker in (None, e["worker"])]
        self.events = [e for e in self.events if e not in mine]
        return [(e["stream"], bytes.fromhex(e["hex"])) for e in mine]

    def notes(self):
        if self.process_.poll() is not None:
            return f"tm has ended ({self.process_.returncode})"
        return f"failures: {self.take_error()}"

    # --- its process

    def stderr(self):
        return self.stderr_path.read_bytes().decode(errors="replace")

    def stdout(self):
        return self.stdout_path.read_bytes()

    def leave(self):
        """Tells it to end; quit waits for that."""
        found = proc.find(self.pid)
        if found and found.state == "T":  # else no SIGCONT: a leak check at the end of a program would lose its SIGSTOP
            proc.kill(self.pid, signal.SIGCONT)
        if not self.process_.stdin.closed:
            try:
                self.process_.stdin.close()
            except BrokenPipeError:
                pass

    def quit(self, timeout=30):
        """Ends in good order: all managers destroyed. Gives the exit code."""
        self.leave()
        deadline = time.monotonic() + scaled(timeout)
        while self.process_.poll() is None and time.monotonic() < deadline:  # what it still says must not stop it
            if select.select([self._in], [], [], 0.005)[0] and not os.read(self._in, 1 << 20):
                break
        code = self.process_.wait(max(0.1, deadline - time.monotonic()))
        self.forget()
        return code

    def kill(self, number=signal.SIGKILL):
        self.process_.send_signal(number)
        if number == signal.SIGKILL:
            self.process_.wait()
            self.forget()

    def forget(self):
        if self._in >= 0:
            os.close(self._in)
            self._in = -1
        self.leave()


def name_of(number):
    return ERROR_NAMES.get(number, number)


__all__ = ["ALL", "ANY", "ERR", "Manager", "ManagerDied", "TW", "name_of"]
