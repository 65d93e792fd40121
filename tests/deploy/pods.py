"""Pods of deploy/kubernetes as real processes, without a Kubernetes: each container has the mounts, the user, the rights and the
environment that its manifest says, in namespaces of its own; each pod is a host of its own (support/hosts.py). Volumes and secrets
have the owners and modes that a kubelet gives them."""

import math
import os
import re
import shutil
import signal
import subprocess
import threading

import manifests
from support import build, proc

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# $0: the host's name; $1: a folder; $2: what was installed; $3: /etc/hosts; $4: rw or ro; then `SOURCE TARGET MODE` for each mount, `--`, the command.
CONTAINER = r"""
set -e
hostname "$0"
box=$1 image=$2 hosts=$3 rights=$4; shift 4
mount -t tmpfs tmpfs "$box"
mkdir "$box/upper" "$box/work" "$box/root"
cp -r "$image/." "$box/upper"
mount -t overlay overlay -o "lowerdir=/,upperdir=$box/upper,workdir=$box/work" "$box/root"
cp "$hosts" "$box/root/etc/hosts"
while [ "$1" != -- ]; do
    mkdir -p "$box/root$2"
    mount --bind "$1" "$box/root$2"
    mount -o "remount,bind,$3" "$box/root$2"
    shift 3
done
mount -o "remount,$rights" "$box/root"
mount -t proc proc "$box/root/proc"
mount --rbind /dev "$box/root/dev"
shift
exec chroot "$box/root" "$@"
"""


def installed(folder):
    """What the images have: the programs, the package and the survey, below folder/usr."""
    done = subprocess.run(["cmake", "--install", build.BUILD, "--prefix", folder / "usr"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shutil.copytree(build.ROOT / "examples/survey", folder / "usr/share/promp/survey", dirs_exist_ok=True)
    for path in [folder, *folder.parents][:3]:
        path.chmod(0o755)
    return folder


def possible(folder):
    """None, or why containers cannot be made here."""
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "sh", "-ec",
                           'mount -t tmpfs tmpfs "$1"; cd "$1"; mkdir u w r; '
                           "mount -t overlay overlay -o lowerdir=/,upperdir=u,workdir=w r", "sh", folder],
                          capture_output=True, text=True)
    return None if done.returncode == 0 else f"no overlay mounts: {done.stderr.strip()}"


class Volume:
    """A volume of a pod as a kubelet makes it: a fresh one belongs to root, and to the group of the pod."""

    def __init__(self, folder, mode, group):
        self.folder = folder
        if not folder.exists():
            folder.mkdir(parents=True)
            os.chown(folder, 0, group)
            folder.chmod(mode)


class Pod:
    """A pod that runs. kube: what it finds around it, see kube.py."""

    def __init__(self, kube, manifest, name, host):
        self.kube, self.manifest, self.name, self.host = kube, manifest, name, host
        self.spec = manifest["spec"]["template"]["spec"]
        self.folder = kube.folder / "pods" / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.security = self.spec["securityContext"]
        self.volumes = {v["name"]: self._volume(v) for v in self.spec.get("volumes", ())}
        for claim in manifest["spec"].get("volumeClaimTemplates", ()):
            title = claim["metadata"]["name"]
            self.volumes[title] = self._claim(f"{title}-{name}")
        self.log = self.folder / "log"
        for container in self.spec.get("initContainers", ()):
            process = self._start(container)
            assert process.wait(build.scaled(30)) == 0, f"{name}, {container['name']}: {self.said()}"
        self.container, = self.spec["containers"]
        self.process = self._start(self.container)

    # --- volumes

    def _claim(self, name):
        return Volume(self.kube.folder / "claims" / name, 0o2775, self.security["fsGroup"]).folder

    def _volume(self, volume):
        if "persistentVolumeClaim" in volume:
            return self._claim(volume["persistentVolumeClaim"]["claimName"])
        folder = self.folder / "volumes" / volume["name"]
        Volume(folder, 0o2777, self.security["fsGroup"])
        if "secret" in volume:
            self._fill(folder, self.kube.secrets[volume["secret"]["secretName"]], volume["secret"].get("defaultMode", 0o644))
        else:
            assert "emptyDir" in volume, volume
        return folder

    def _fill(self, folder, secret, mode):
        """Links to files below a hidden folder; the group of the pod may read them, whatever the mode says."""
        (folder / "..2026").mkdir()
        (folder / "..data").symlink_to("..2026")
        for key, value in secret.items():
            path = folder / "..2026" / key
            path.write_bytes(value)
            os.chown(path, 0, self.security["fsGroup"])
            path.chmod(mode | 0o440)
            (folder / key).symlink_to(f"..data/{key}")

    # --- containers

    def _value(self, entry):
        if "value" in entry:
            return entry["value"]
        source = entry["valueFrom"]
        if "fieldRef" in source:
            return {"metadata.name": self.name}[source["fieldRef"]["fieldPath"]]
        wanted = source["resourceFieldRef"]
        of, = [c for c in manifests.containers(self.manifest) if c["name"] == wanted["containerName"]]
        kind, resource = wanted["resource"].split(".")
        return str(math.ceil(manifests.quantity(of["resources"][kind][resource]) / manifests.quantity(wanted.get("divisor", 1))))

    def environment(self, container):
        env = {"PATH": PATH, "HOME": "/config", "HOSTNAME": self.name}
        for entry in container.get("env", ()):
            env[entry["name"]] = self._value(entry)
        return env

    def words(self, container):
        """Command and arguments; $(NAME) is replaced as a kubelet does."""
        env = self.environment(container)
        words = [*container["command"], *container.get("args", ())]
        for name, value in env.items():
            words = [word.replace(f"$({name})", value) for word in words]
        return words

    def _rights(self, container):
        """What comes before the command: user, group, rights, environment."""
        user, own = self.security, container["securityContext"]
        assert own["capabilities"] == {"drop": ["ALL"]} and own["allowPrivilegeEscalation"] is False and user["runAsNonRoot"]
        return ["setpriv", f"--reuid={user['runAsUser']}", f"--regid={user['runAsGroup']}", f"--groups={user['fsGroup']}",
                "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs",
                "env", "-i", *(f"{k}={v}" for k, v in self.environment(container).items())]

    def _start(self, container):
        box = self.folder / f"box-{container['name']}"
        box.mkdir()
        rights = "ro" if container["securityContext"]["readOnlyRootFilesystem"] else "rw"
        mounts = [(str(self.volumes[m["name"]]), m["mountPath"], "ro" if m.get("readOnly") else "rw")
                  for m in container.get("volumeMounts", ())]
        command = ["unshare", "--mount", "--pid", "--uts", "--fork", "sh", "-c", CONTAINER, self.name,
                   str(box), str(self.kube.image), str(self.kube.hosts_file), rights, *(word for m in mounts for word in m), "--",
                   *self._rights(container), *self.words(container)]
        with open(self.log, "ab") as log:
            process = self.kube.world.popen(self.host.command(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=log, text=True)
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()
        return process

    def _read(self, stream):
        with open(self.log, "a") as log:
            for line in stream:
                log.write(line)
                log.flush()

    def said(self):
        return self.log.read_text(errors="replace")

    def first(self):
        """The number, outside, of the container's process 1, once it is in its root."""
        def inside():
            return [p.pid for p in proc.descendants() if p.parent == self.process.pid and os.readlink(f"/proc/{p.pid}/root") != "/"]
        return proc.wait_until(inside, 10, self.said)[0]

    def kill(self):
        """Its process 1, and by that all."""
        if self.process.poll() is None:
            os.kill(self.first(), signal.SIGKILL)
        self.process.wait()

    def run(self, words, **options):
        """`kubectl exec`."""
        command = ["nsenter", f"--target={self.first()}", "--mount", "--pid", "--net", "--root", "--wd=/",
                   *self._rights(self.container), *words]
        return subprocess.run(command, capture_output=True, timeout=build.scaled(30), **options)

    def ready(self):
        """What its readiness probe says."""
        probe = self.container["readinessProbe"]
        if "exec" in probe:
            return self.run(probe["exec"]["command"]).returncode == 0
        port, = [p["containerPort"] for p in self.container["ports"] if p["name"] == probe["tcpSocket"]["port"]]
        return self.kube.reaches(self.host, self.host.address, port)

    def terminate(self):
        """SIGTERM; it has to end with 0 within its time of grace, and a test has not more than 30 s of that."""
        first = self.first()

        def waits():
            blocked = re.search(r"^SigBlk:\s*(\w+)$", open(f"/proc/{first}/status").read(), re.M).group(1)
            return int(blocked, 16) >> signal.SIGTERM - 1 & 1

        proc.wait_until(waits, 10, self.said)  # before, the kernel drops it: it is process 1
        os.kill(first, signal.SIGTERM)
        code = self.process.wait(min(self.spec["terminationGracePeriodSeconds"], 30))
        assert code == 0, f"{self.name} ended with {code}: {self.said()}"
