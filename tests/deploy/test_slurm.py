"""Aim: deploy/slurm/promp-nodes.sbatch on a Slurm of one machine: nodes come with the job, do the main job, leave with it, and come
back when it is queued again, while a manager of before carries on."""

import os
import shutil
import socket
import subprocess

import pytest
from support import build, proc
from support.cluster import PROMP, Cluster

SBATCH = build.ROOT / "deploy" / "slurm" / "promp-nodes.sbatch"
SURVEY = build.ROOT / "examples" / "survey" / "survey.py"
DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")

pytestmark = [pytest.mark.deploy, pytest.mark.root, pytest.mark.plain, pytest.mark.timeout(300),
              pytest.mark.skipif(not all(map(shutil.which, DAEMONS)), reason="needs the Debian packages slurm-wlm and munge")]

CONFIG = """
ClusterName=promptest
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmdPort={d}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d.pid
KillWait=10
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Slurm:
    """Daemons of our own, in folders and on ports of our own."""

    def __init__(self, world):
        self.world, self.folder = world, world.folder / "slurm"
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        world.folder.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        config = self.folder / "slurm.conf"
        config.write_text(CONFIG.format(host=socket.gethostname().split(".")[0], folder=self.folder, ctld=free_port(),
                                        d=free_port(), cpus=os.cpu_count()))
        self.env = {"SLURM_CONF": str(config)}
        self.daemon("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
                    f"--pid-file={self.folder}/munged.pid", f"--seed-file={self.folder}/seed",
                    f"--log-file={self.folder}/munged.log")
        proc.wait_until((self.folder / "munge.socket").exists, 10, "munged")
        self.daemon("slurmctld", "-D")
        self.daemon("slurmd", "-D")
        proc.wait_until(lambda: "idle" in self.run("sinfo", "-h", "-o", "%t", check=False), 60, self.said, step=0.2)

    def daemon(self, *args):
        with open(self.folder / f"{args[0]}.out", "wb") as out:
            self.world.popen(args, env=self.env, stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def said(self):
        return "\n".join(p.read_text(errors="replace")[-1500:] for p in self.folder.glob("*.out"))

    def run(self, *args, check=True):
        done = subprocess.run(args, env={**self.world.environment, **self.env}, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 or not check, f"{args}: {done.stdout}{done.stderr}\n{self.said()}"
        return done.stdout


def test_nodes_of_an_allocation(world, tmp_path):
    """The sbatch file brings a node, the main job runs on it; re-queued it comes back and the same manager goes on; scancel drains it."""
    slurm, cluster = Slurm(world), Cluster(world)
    cluster.broker()
    token = tmp_path / "token"
    token.write_text(cluster.token("node", "--uses", "9"))
    token.chmod(0o600)
    log = tmp_path / "nodes.log"
    asked = {"PROMP_TOKEN": str(token), "PROMP_NODES": str(tmp_path / "nodes"), "PROMP_NODE": build.NODE, "PROMP_DRAIN": "8"}
    job = slurm.run("env", *(f"{k}={v}" for k, v in asked.items()), "sbatch", "--parsable", "--nodes=1", f"--cpus-per-task={os.cpu_count()}", f"--output={log}",
                    f"--chdir={tmp_path}", str(SBATCH)).strip()

    def ready(times):
        def is_ready():
            return log.exists() and log.read_text().count("\nready tcp://") >= times
        proc.wait_until(is_ready, 60, lambda: (log.read_text() if log.exists() else "no log") + slurm.said(), step=0.1)

    ready(1)
    m = cluster.manager()
    w = m.start()
    assert m.call(w, "add", 1, 2) == 3
    m.stop(w)
    m.end(w)
    config = cluster.manager_config()
    out = cluster.run(PROMP, "-r", SURVEY, "--quiet", str(build.ROOT / "lib"), config=config, timeout=60)
    assert " files in " in out
    slurm.run("scontrol", "requeue", job)
    proc.wait_until(lambda: "PENDING" in slurm.run("squeue", "-h", "-o", "%T"), 30, "the job to wait again", step=0.2)
    slurm.run("scontrol", "update", f"jobid={job}", "StartTime=now")
    ready(2)
    assert m.call(m.start(), "add", 2, 2) == 4
    node = next(p for p in world.living() if proc.role(p) == "keeper" and str(tmp_path) in " ".join(p.args))
    assert node.args[node.args.index("--drain-timeout") + 1] == "8000", "milliseconds"
    slurm.run("scancel", job)
    proc.wait_until(lambda: not slurm.run("squeue", "-h").strip(), 40, "the job to end", step=0.2)
    assert not [p for p in world.living() if proc.role(p) == "keeper" and str(tmp_path) in " ".join(p.args)]
