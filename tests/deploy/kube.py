"""As much of a Kubernetes as deploy/kubernetes/README.md needs: a `kubectl` for a shell, whose pods are those of pods.py, on hosts of
their own, without a scheduler, an API server or a network policy."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

import manifests
import pods
from support import build, hosts

KUBECTL = """#!{python}
import base64, json, socket, sys
given = sys.stdin.read() if {{*sys.argv}} & {{"--from-file=token=/dev/stdin", "-"}} else ""
s = socket.socket(socket.AF_UNIX)
s.connect("{path}")
f = s.makefile("rw")
f.write(json.dumps([sys.argv[1:], given]) + "\\n")
f.flush()
code, text = json.loads(f.readline())
(sys.stderr if code else sys.stdout).buffer.write(base64.b64decode(text))
raise SystemExit(code)
"""

GET = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())"
REACH = "import sys, socket; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"


class Kube:
    """The broker has a host of its own, whose address all know by the name of its service; others take one that is free."""

    def __init__(self, world, folder, names=("broker", "a", "b", "c", "d", "e")):
        self.world, self.folder = world, folder
        for path in [folder, *folder.parents][:3]:
            path.chmod(0o755)
        self.image = pods.installed(folder / "image")
        self.network = hosts.Network(*names)
        self.broker, *self.free = [self.network[name] for name in names]
        self.hosts_file = folder / "hosts"
        self.hosts_file.write_text(f"127.0.0.1 localhost\n{self.broker.address} promp-broker\n")
        self.secrets, self.wanted, self.running, self.jobs, self.doomed = {}, [], {}, {}, set()
        self._serve()

    def close(self):
        self.listening.close()
        for pod in [*self.running.values(), *self.jobs.values()]:
            pod.kill()
        self.network.close()

    def get(self, host, address):
        return subprocess.run(host.command([sys.executable, "-c", GET, address]), capture_output=True, text=True).stdout

    def reaches(self, host, address, port):
        """What a tcpSocket probe says."""
        return subprocess.run(host.command([sys.executable, "-c", REACH, address, str(port)]), capture_output=True).returncode == 0

    # --- what a controller does

    def _needs(self, manifest):
        volumes = manifest["spec"]["template"]["spec"].get("volumes", ())
        return {v["secret"]["secretName"] for v in volumes if "secret" in v}

    def _start(self, manifest, name):
        return pods.Pod(self, manifest, name, self.broker if manifest["kind"] == "Deployment" else self.free.pop(0))

    def names(self, manifest):
        name, count = manifest["metadata"]["name"], manifest["spec"].get("replicas", 1)
        return [f"{name}-{i}" for i in range(count)]

    def settle(self):
        """Starts those that can start, ends those that are too many, and starts those anew that have ended."""
        for manifest in self.wanted:
            names = self.names(manifest)
            for name in [n for n, p in self.running.items() if p.manifest["metadata"]["name"] == manifest["metadata"]["name"]]:
                pod = self.running[name]
                if name not in names:
                    pod.terminate()
                if pod.process.poll() is not None:
                    self._forget(name)
            for name in names:
                if name not in self.running and self._needs(manifest) <= set(self.secrets):
                    self.running[name] = self._start(manifest, name)

    def _forget(self, name):
        pod = self.running.pop(name)
        if pod.host is not self.broker:
            self.free.append(pod.host)
        for claim in [c for c in self.doomed if c.endswith(name)]:
            shutil.rmtree(self.folder / "claims" / claim)
            self.doomed.remove(claim)

    # --- kubectl

    def apply(self, folder):
        for manifest in manifests.built(folder):
            if manifest["kind"] in ("Deployment", "StatefulSet"):
                self.wanted = [m for m in self.wanted if m["metadata"]["name"] != manifest["metadata"]["name"]]
                self.wanted.append(manifest)
            elif manifest["kind"] == "Job":
                name = manifest["metadata"]["name"]
                self.jobs[name] = self._start(manifest, name)
        self.settle()

    def _manifest(self, what):
        kind, name = what.split("/")
        kind = {"deploy": "Deployment", "deployment": "Deployment", "statefulset": "StatefulSet"}[kind]
        return manifests.one(self.wanted, kind, name)

    def pods_of(self, what):
        return [self.running[name] for name in self.names(self._manifest(what))]

    def wait_ready(self, what):
        end = time.monotonic() + build.scaled(30)
        while not all(pod.ready() for pod in self.pods_of(what)):
            assert time.monotonic() < end, [pod.said() for pod in self.pods_of(what)]
            time.sleep(0.1)
        return "ready\n"

    def execute(self, words, given):
        pod, = self.pods_of(words[0])
        assert words[1] == "--"
        done = pod.run(words[2:], input=given.encode() or None)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def create(self, words, given):
        assert words[:2] == ["secret", "generic"]
        key = re.fullmatch(r"--from-file=(\S+)=/dev/stdin", words[3]).group(1)
        assert given.strip(), "the secret is empty"
        if "--dry-run=client" in words:
            return json.dumps([words[2], key, given])
        assert words[2] not in self.secrets, f"there is a secret {words[2]}"
        self.secrets[words[2]] = {key: given.encode()}
        self.settle()
        return "created\n"

    def scale(self, what, count):
        self._manifest(what)["spec"]["replicas"] = int(count.removeprefix("--replicas="))
        self.settle()
        return "scaled\n"

    def delete_pod(self, name):
        self.running[name].terminate()
        self.settle()
        return "deleted\n"

    def kubectl(self, words, given):
        """What kubectl prints; AssertionError where it fails."""
        verb, *rest = words
        if verb == "apply" and rest[0] == "-k":
            return self.apply(build.ROOT / rest[1]) or "applied\n"
        if verb == "apply":
            name, key, value = json.loads(given)
            self.secrets[name] = {key: value.encode()}
            return "configured\n"
        if verb == "config":
            return ""
        if verb == "rollout" and rest[0] == "status":
            return self.wait_ready(rest[1])
        if verb == "wait":
            job = self.jobs[rest[-1].removeprefix("job/")]
            assert job.process.wait(build.scaled(60)) == 0, job.said()
            return "condition met\n"
        if verb == "logs":
            pod = self.jobs.get(rest[0].removeprefix("job/")) or self.pods_of(rest[0])[0]
            return pod.said()
        if verb == "delete" and rest[0] == "pvc":
            return self.doomed.add(rest[1]) or "deleted\n"
        if verb == "delete" and rest[0] == "pod":
            return self.delete_pod(rest[1])
        if verb == "scale":
            return self.scale(*rest)
        return {"exec": self.execute, "create": self.create}[verb](rest, given)

    # --- the program

    def _serve(self):
        path = self.folder / "kubectl.socket"
        bin_ = self.folder / "bin"
        bin_.mkdir()
        (bin_ / "kubectl").write_text(KUBECTL.format(python=sys.executable, path=path))
        (bin_ / "kubectl").chmod(0o755)
        self.path = f"{bin_}:{os.environ['PATH']}"
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        self.listening.listen()
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection, connection.makefile("rw") as f:
                try:
                    answer = [0, self.kubectl(*json.loads(f.readline()))]
                except Exception as why:  # its caller is another process: it is told, whatever it is
                    answer = [1, f"{type(why).__name__}: {why}\n"]
                text = answer[1] if isinstance(answer[1], bytes) else answer[1].encode()
                f.write(json.dumps([answer[0], base64.b64encode(text).decode()]) + "\n")

    def shell(self, text):
        """What a block of the README prints when it is pasted."""
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=self.folder, env={**os.environ, "PATH": self.path},
                              capture_output=True, text=True, timeout=build.scaled(120))
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout
