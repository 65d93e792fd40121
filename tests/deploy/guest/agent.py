"""Runs inside the machine of ../machine.py, as root, and does what it is asked to: a JSON line for each command
comes by a virtio port, and one goes back. One at a time."""

import base64
import io
import json
import os
import pathlib
import signal
import subprocess
import tempfile

PORT = "/dev/virtio-ports/promp.agent"
MOST_OUTPUT = 4 << 20
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "USER": "root",
               "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_PAGER": ""}


def run(command, timeout):
    """Waits for the shell, not for what it has left in the background: so the output is a file, no pipe."""
    with tempfile.TemporaryFile() as out:
        p = subprocess.Popen(["sh", "-uc", command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                             env=ENVIRONMENT, cwd="/root", start_new_session=True)
        try:
            code = p.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            code = None
        out.seek(max(0, out.seek(0, os.SEEK_END) - MOST_OUTPUT))
        return {"code": code, "output": out.read().decode(errors="replace")}


def put(path, data, mode):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(data))
    path.chmod(mode)
    return {}


def get(path):
    return {"data": base64.b64encode(pathlib.Path(path).read_bytes()).decode()}


def main():
    with open(PORT, "r+b", buffering=0) as port:
        def say(**answer):
            data = json.dumps(answer).encode() + b"\n"
            while data:
                data = data[port.write(data):]

        lines = io.BufferedReader(port)
        say(boot=pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        for line in lines:
            asked = json.loads(line)
            try:
                answer = {"run": run, "put": put, "get": get}[asked.pop("do")](**asked.pop("with"))
            except OSError as why:
                answer = {"error": str(why)}
            say(id=asked["id"], **answer)


main()
