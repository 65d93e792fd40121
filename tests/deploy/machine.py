"""A machine of its own: Debian that has booted under QEMU, with a real systemd and a kernel that nobody else uses. Where KVM
does not work QEMU translates the machine's instructions itself: a boot takes a minute then, and all times count tenfold.

A test takes the fixture `machine` (one for the whole session, conftest.py) and is marked `vm`; `./dev test-vm` runs it:

    code, output = machine.run("systemctl is-active promp-node")    a line of sh, as root; output has stderr too
    output = machine.check("systemctl start promp-node", 30)        the same; anything but exit code 0 fails the test
    machine.until("test -e /run/x", 10)                             repeats it until exit code 0
    machine.put("/root/x.py", b"...", 0o644); machine.get("/root/x.py")
    machine.unit("promp-node", "MainPID")                           a property of a unit, text
    machine.reboot()                                                returns when its systemd has started everything
    machine.power_cut()                                             the same, without shutting down

What a command leaves in the background runs on (`run("sleep 60 &")` returns at once). One command at a time.
The disk is fresh in each session and there is no network but loopback. The fixture `served` is this machine with promp's packages,
a broker and a node, set up by the commands of docs/operations.md.
"""

import base64
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from support import build

QEMU = "qemu-system-x86_64"
BOOT = 60
_KVM_CREATE_VM = 0xAE01


def impossible():
    """None, or why no machine can be had here."""
    if os.uname().machine != "x86_64":
        return f"the machine is of x86_64, and this is {os.uname().machine}"
    if not shutil.which(QEMU):
        return f"there is no {QEMU}"
    return None


def has_kvm():
    """KVM without the processor's help exists too: it opens, and runs no ordinary kernel."""
    flags = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    try:
        with open("/dev/kvm", "r+b", buffering=0) as kvm:
            os.close(fcntl.ioctl(kvm, _KVM_CREATE_VM, 0))
    except OSError:
        return False
    return bool(flags & {"vmx", "svm"})


class Machine:
    """disk: folder of disk.made(). memory: MiB."""

    def __init__(self, disk, memory=1024, processors=2):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="promp-vm-"))
        self.number, self.boot, self.buffer = 0, None, b""
        self.kvm = has_kvm()
        self.slow = build.scaled(1 if self.kvm else 10)
        self.sockets = []
        try:
            self._start(disk, memory, processors)
            self._booted()
        except BaseException:
            self.close()
            raise

    def _start(self, disk, memory, processors):
        port = f"server=on,wait=off,path={self.folder}"
        engine = ["-accel", "kvm", "-cpu", "kvm64"] if self.kvm else ["-accel", "tcg,tb-size=512", "-cpu", "qemu64"]
        self.qemu = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none",
             "-machine", "q35", *engine, "-smp", str(processors), "-m", str(memory),
             "-kernel", disk / "kernel", "-initrd", disk / "initrd",
             "-append", "root=/dev/vda rw console=ttyS0 panic=0 quiet mitigations=off systemd.show_status=1",
             "-drive", f"file={disk}/disk,format=raw,if=virtio,snapshot=on,cache=unsafe",  # written to a file of this run
             "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
             "-chardev", f"socket,id=agent,{port}/agent", "-device", "virtserialport,chardev=agent,name=promp.agent",
             "-qmp", f"unix:{self.folder}/control,server=on,wait=off", "-serial", f"file:{self.folder}/console"],
            stdin=subprocess.DEVNULL, stdout=open(self.folder / "qemu", "wb"), stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(self.folder)})
        self.agent = self._dial("agent")

    def _dial(self, name):
        s = socket.socket(socket.AF_UNIX)
        self.sockets.append(s)
        end = time.monotonic() + 20 * self.slow
        while True:
            try:
                s.connect(str(self.folder / name))
                return s
            except OSError as why:
                if self.qemu.poll() is not None or time.monotonic() > end:
                    self._fail(f"QEMU's {name} cannot be reached ({why.strerror})")
            time.sleep(0.02)

    def _fail(self, what):
        """AssertionError with what QEMU and the console said last."""
        said = [(self.folder / name).read_bytes().decode(errors="replace").replace("\r", "")
                if (self.folder / name).exists() else "" for name in ("qemu", "console")]
        code = self.qemu.poll()
        ended = "" if code is None else f"; QEMU has ended ({code})"
        raise AssertionError(f"{what}{ended}\n{said[0][-1000:]}\nconsole:\n{said[1][-3000:]}")

    def _gone(self, what):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.qemu.wait(5)
        self._fail(what)

    def _answer(self, end, what):
        """The next JSON line of the agent."""
        while b"\n" not in self.buffer:
            left = end - time.monotonic()
            if left <= 0:
                self._fail(f"no answer: {what}")
            self.agent.settimeout(left)
            try:
                data = self.agent.recv(1 << 20)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            if not data:
                self._gone(f"QEMU has closed the connection: {what}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def _booted(self):
        """Waits for the agent of another boot than the one before, and for all that systemd starts by itself."""
        end, before = time.monotonic() + BOOT * self.slow, self.boot
        while self.boot == before:
            self.boot = self._answer(end, "the machine boots").get("boot", self.boot)
        self.run("systemctl is-system-running --wait", BOOT)

    def _ask(self, wait, what, do, **arguments):
        self.number += 1
        end = time.monotonic() + wait * self.slow + 10
        self.agent.settimeout(wait * self.slow + 10)
        try:
            self.agent.sendall(json.dumps({"id": self.number, "do": do, "with": arguments}).encode() + b"\n")
        except OSError as why:
            self._fail(f"{what}: {why}")
        while True:
            answer = self._answer(end, what)
            if answer.get("boot", self.boot) != self.boot:
                self._fail(f"the machine has booted again: {what}")
            if answer.get("id") == self.number:
                break
        if "error" in answer:
            raise AssertionError(f"{what}: {answer['error']}")
        return answer

    def run(self, command, timeout=60):
        """(exit code, output) of a line of sh; AssertionError when it takes longer (seconds), and it is killed then."""
        answer = self._ask(timeout, command, "run", command=command, timeout=timeout * self.slow)
        assert answer["code"] is not None, f"not ended in {timeout * self.slow:.0f} s: {command}\n{answer['output'][-6000:]}"
        return answer["code"], answer["output"]

    def check(self, command, timeout=60):
        """Output; each line of the command must end with exit code 0."""
        code, output = self.run(f"set -e\n{command}", timeout)
        assert code == 0, f"exit code {code}: {command}\n{output[-6000:]}"
        return output

    def until(self, command, timeout=30):
        """Repeats it until its exit code is 0; the output of that time."""
        end = time.monotonic() + timeout * self.slow
        while True:
            code, output = self.run(command, timeout)
            if code == 0:
                return output
            assert time.monotonic() < end, f"not come true in {timeout * self.slow:.0f} s: {command}\n{output[-6000:]}"
            time.sleep(0.1)

    def unit(self, name, value):
        """A property of a unit."""
        return self.check(f"systemctl show -P {value} {name}").strip()

    def put(self, path, data, mode=0o644):
        self._ask(60, f"put {path}", "put", path=path, data=base64.b64encode(data).decode(), mode=mode)

    def get(self, path):
        return base64.b64decode(self._ask(60, f"get {path}", "get", path=path)["data"])

    def reboot(self):
        # The answer may get lost as the agent ends: nobody waits for it.
        self.run("systemd-run --on-active=100ms --timer-property=AccuracySec=1ms systemctl reboot")
        self._booted()

    def power_cut(self):
        """What was not synced may be lost; the disk's other content is as it was."""
        control = self._dial("control").makefile("rw")
        control.readline()
        for command in ("qmp_capabilities", "system_reset"):
            control.write(json.dumps({"execute": command}) + "\n")
            control.flush()
            control.readline()
        control.close()
        self._booted()

    def close(self):
        with contextlib.suppress(AttributeError):
            self.qemu.kill()
            self.qemu.wait()
        for s in self.sockets:
            s.close()
        shutil.rmtree(self.folder, ignore_errors=True)
