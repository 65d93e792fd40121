"""The disk of the machine of machine.py: Debian with systemd, a kernel and all that promp's packages need, but without these.
Made without mounts, and kept below build/vm until something changes that it is made of."""

import contextlib
import fcntl
import hashlib
import pathlib
import shutil
import subprocess

import debian_root
from support import build

CACHE = build.ROOT / "build" / "vm"
PACKAGES = build.ROOT / "build" / "packages"
SYSTEM = ["systemd", "systemd-sysv", "dbus", "udev", "linux-image-cloud-amd64", "zstd", "python3", "sudo", "procps", "iproute2"]
SIZE = "4G"  # of a sparse file

AGENT = """[Unit]
Description=does what the test asks for
[Service]
ExecStart=/usr/bin/python3 /usr/local/lib/machine_agent.py
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""
# Nothing of these is looked at, and each takes its time at a boot.
IDLE = ("serial-getty@ttyS0 getty@tty1 apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer "
        "e2scrub_reap fstrim.timer systemd-tmpfiles-clean.timer")


def _depends():
    """What promp's packages depend on and recommend, themselves left out."""
    packages = sorted(PACKAGES.glob("*.deb"))
    if not packages:
        raise debian_root.NoRoot(f"there are no packages in {PACKAGES}: ./dev package makes them")
    found, own = set(), {p.name.split("_")[0] for p in packages}
    for package in packages:
        for field in ("Depends", "Recommends"):
            text = subprocess.run(["dpkg-deb", "-f", package, field], capture_output=True, text=True, check=True).stdout
            found |= {one.strip() for one in text.split(",") if one.strip()}
    return sorted(one for one in found if one.split()[0] not in own)


def _put(root, path, text):
    path = root / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _make(folder, depends):
    """folder/disk, folder/kernel and folder/initrd."""
    root = folder / "root"
    debian = debian_root.Root(root)
    _put(root, "etc/dpkg/dpkg.cfg.d/fast", "force-unsafe-io\n")
    _put(root, "etc/hostname", "machine\n")
    _put(root, "etc/hosts", "127.0.0.1 localhost machine\n")
    _put(root, "etc/initramfs-tools/conf.d/small", "MODULES=list\n")
    _put(root, "etc/initramfs-tools/modules", "virtio_pci\nvirtio_blk\next4\n")
    debian.run(f"apt-get -q -y install --no-install-recommends {' '.join(SYSTEM)}", timeout=1200)
    debian.run(f"apt-get -q -y satisfy --no-install-recommends '{', '.join(depends)}'", timeout=600)
    shutil.copy(pathlib.Path(__file__).with_name("guest") / "agent.py", root / "usr/local/lib/machine_agent.py")
    _put(root, "etc/systemd/system/machine-agent.service", AGENT)
    (root / "var/log/journal").mkdir(exist_ok=True)  # the journal outlives a boot
    debian.run(f"systemctl enable machine-agent; systemctl mask {IDLE}; apt-get clean; rm -r /var/lib/apt/lists/*_*")
    for name, found in (("kernel", "vmlinuz-*"), ("initrd", "initrd.img-*")):
        shutil.copy(next((root / "boot").glob(found)), folder / name)
    done = subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, folder / "disk", SIZE], capture_output=True, text=True)
    if done.returncode:
        raise debian_root.NoRoot(f"mke2fs: {done.stderr.strip()[-300:]}")
    shutil.rmtree(root)


@contextlib.contextmanager
def _alone():
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made():
    """The folder with disk, kernel and initrd, which nobody writes to. Raises NoRoot where it cannot be made."""
    depends = _depends()
    parts = [debian_root.release(), *debian_root.sources(debian_root.release()), *depends]
    for name in ("disk.py", "guest/agent.py"):
        parts.append((pathlib.Path(__file__).parent / name).read_text())
    folder = CACHE / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    with _alone():
        if folder.is_dir():
            return folder
        for old in CACHE.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
        making = CACHE / "making"
        making.mkdir()
        _make(making, depends)
        making.rename(folder)
    return folder
