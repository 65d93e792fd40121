"""Aim: on a machine with a real systemd the packages install, and broker and node live and die as their units say."""

import subprocess

import disk
import pytest
from support.build import ERR

pytestmark = [pytest.mark.vm, pytest.mark.root, pytest.mark.plain, pytest.mark.timeout(1800)]

NAMES = "libpromp promp-broker promp-node promp-tools python3-promp"
GROUP = "/sys/fs/cgroup/system.slice/promp-node.service"


def pid(machine, part):
    return int(machine.unit(f"promp-{part}", "MainPID"))


def until_another(machine, part, before):
    """Waits for the service to be ready in another process."""
    machine.until(f'test "$(systemctl is-active promp-{part})" = active && '
                  f'test "$(systemctl show -P MainPID promp-{part})" != {before}', 60)


def until_ready(machine):
    """Waits for the broker to have the node among those that take workers."""
    machine.until("promp status --nodes --config /root/watch | grep -w ready", 60)


def run_one(desk):
    """A worker starts, works and ends."""
    results, end = desk("nap", 2, 0).results()
    assert results == [0, 1] and end["number"] == ERR["WORKER_STOPPED"]


# ---------------------------------------------------------------- installed


def test_users_and_folders(served):
    """Aim: a user for each service without a shell, and folders that only these can look into; files are as packed."""
    for part in ("broker", "node"):
        user = served.check(f"getent passwd promp-{part}").strip().split(":")
        assert user[5:] == [f"/etc/promp/{part}", "/usr/sbin/nologin"] and 0 < int(user[2]) < 1000
        assert served.check(f"stat -c '%U %G %a' /etc/promp/{part}") == f"promp-{part} promp-{part} 700\n"
        assert served.run(f"find /etc/promp/{part} -perm /022 | grep .")[0] == 1
        assert served.check(f"find /etc/promp/{part} -name '*secret' -printf '%m\\n'") == "600\n"
    assert served.check(f"dpkg --verify {NAMES}; dpkg --audit") == ""


def test_set_up(served, desk):
    """Aim: the commands of docs/operations.md make a cluster that works and starts with the machine, and no unit has failed."""
    for part in ("broker", "node"):
        assert served.check(f"systemctl is-enabled promp-{part}").strip() == "enabled"
    assert served.check("systemctl --failed --no-legend") == ""
    until_ready(served)
    run_one(desk)


def test_journal(served):
    """Aim: the journal has the lines of both under their names, one for each event, nothing that is cut or not text."""
    for part, words in (("broker", "serves at tcp://"), ("node", "welcome at tcp://127.0.0.1:5599")):
        lines = served.check(f"journalctl -o cat -u promp-{part} _SYSTEMD_UNIT=promp-{part}.service").splitlines()
        assert any(words in line for line in lines), lines
        assert not any("blob data" in line or not line.isprintable() for line in lines), lines


# ---------------------------------------------------------------- broker


def test_broker_killed(served, desk):
    """Aim: a broker that is killed is started again, by the same key; the worker of a manager that waits works on and no result is
    lost."""
    manager, before = desk("nap", 30, 0.5), pid(served, "broker")
    worker = manager.until("result")["pid"]
    served.check(f"kill -9 {before}")
    until_another(served, "broker", before)
    until_ready(served)
    results, end = manager.results()
    assert results == list(range(30)) and end["number"] == ERR["WORKER_STOPPED"]
    assert [one["result"]["pid"] for one in manager.said() if isinstance(one.get("result"), dict)] == [worker]


def test_broker_killed_often(served):
    """Aim: systemd does not give it up. Where it is slow in starting no limit is reached, so that is asked for too."""
    before = int(served.unit("promp-broker", "NRestarts"))
    served.check("""for i in 1 2 3 4 5 6; do
        until p=$(systemctl show -P MainPID promp-broker); test "$p" != 0; do sleep 0.1; done
        kill -9 "$p"
        while test "$(systemctl show -P MainPID promp-broker)" = "$p"; do sleep 0.1; done
    done""", 120)
    served.until("systemctl is-active promp-broker", 60)
    assert served.unit("promp-broker", "StartLimitIntervalUSec") == served.unit("promp-node", "StartLimitIntervalUSec") == "0"
    assert int(served.unit("promp-broker", "NRestarts")) >= before + 6
    until_ready(served)


def test_wrong_settings(served):
    """Aim: settings that make no sense end a start once, with the line to be mended; a reload survives them."""
    served.put("/etc/promp/broker/broker.zpl", b"log = loud\n")
    try:
        before = pid(served, "broker")
        served.check("systemctl reload promp-broker")
        served.until(f"journalctl -u promp-broker | grep ' {ERR['CONFIG_FILE']} .*what was read before counts'")
        assert pid(served, "broker") == before
        assert served.run("systemctl restart promp-broker")[0] == 1
        assert served.unit("promp-broker", "ActiveState") == "failed"
        assert served.unit("promp-broker", "ExecMainStatus") == "2"
    finally:
        served.check("rm /etc/promp/broker/broker.zpl; systemctl reset-failed promp-broker; systemctl start promp-broker", 60)
    until_ready(served)


def test_reload(served):
    """Aim: by systemctl reload the broker reads its settings, and it is the same process."""
    before = pid(served, "broker")
    served.put("/etc/promp/broker/broker.zpl", b"log = debug\n")
    served.check("systemctl reload promp-broker")
    served.until("journalctl -u promp-broker | grep 'debug .*the store has'")
    served.check("rm /etc/promp/broker/broker.zpl; systemctl reload promp-broker")
    assert pid(served, "broker") == before and served.unit("promp-broker", "ActiveState") == "active"


def test_watchdog(served):
    """Aim: a broker that hangs is replaced."""
    before = pid(served, "broker")
    served.check("mkdir -p /run/systemd/system/promp-broker.service.d; "
                 "printf '[Service]\\nWatchdogSec=5\\n' >/run/systemd/system/promp-broker.service.d/soon.conf; "
                 "systemctl daemon-reload; systemctl restart promp-broker", 60)
    try:
        before = pid(served, "broker")
        served.check(f"kill -STOP {before}")
        until_another(served, "broker", before)
        served.check("journalctl -u promp-broker | grep 'Watchdog timeout'")
    finally:
        served.check("rm -r /run/systemd/system/promp-broker.service.d; systemctl daemon-reload; "
                     "systemctl restart promp-broker", 60)
    until_ready(served)


# ---------------------------------------------------------------- node


def test_node_killed(served, desk):
    """Aim: a node that is killed is started again and joins by itself; its workers have ended with it and their managers know."""
    manager, before = desk("nap", 1000, 1), pid(served, "node")
    worker = manager.until("result")["pid"]
    served.check(f"kill -9 {before}")
    results, end = manager.results()
    assert end["number"] == ERR["WORKER_NODE_LOST"] and len(results) < 1000
    until_another(served, "node", before)
    assert served.run(f"kill -0 {worker}")[0] != 0
    until_ready(served)
    run_one(desk)


def test_stop_drains(served, desk):
    """Aim: systemctl stop lets a worker end its work and leaves no process; started again the node has its place in the cluster."""
    manager = desk("nap", 20, 0.5)
    manager.until("result")
    served.check("systemctl stop promp-node", 120)
    results, end = manager.results()
    assert results == list(range(20)) and end["number"] == ERR["WORKER_STOPPED"]
    assert served.unit("promp-node", "Result") == "success"
    served.check(f"! test -e {GROUP} || ! grep . $(find {GROUP} -name cgroup.procs)")
    assert served.run("pgrep -u promp-node")[0] == 1
    served.check("systemctl start promp-node")
    until_ready(served)


def test_stop_ends(served, desk):
    """Aim: a worker that does not end in the time that a node is given is ended with all that it has started."""
    served.put("/etc/promp/node/node.zpl", b"drain-timeout = 3000\n")
    served.check("systemctl restart promp-node")
    manager = desk("linger")
    try:
        manager.until("idle")
        served.check("systemctl stop promp-node", 60)
        assert served.unit("promp-node", "Result") == "success"  # systemd did not have to end it
        assert served.run("pgrep -u promp-node")[0] == 1
        results, end = manager.results()
        assert results == [1, 1, 1] and end["number"] != ERR["WORKER_STOPPED"], end
    finally:
        served.check("rm /etc/promp/node/node.zpl; systemctl start promp-node")
    until_ready(served)


@pytest.mark.parametrize("how, number", [("hide", ERR["WORKER_STOPPED"]), ("die", ERR["WORKER_SIGNALLED"])])
def test_descendants(served, desk, how, number):
    """Aim: Delegate=yes: a worker has a control group of its own below the unit, and nothing that it started outlives it, however
    it hides."""
    manager = desk(how)
    begun = manager.until("result")
    assert begun["group"].startswith("0::/system.slice/promp-node.service/") and begun["group"].count("/") >= 4
    results, end = manager.results()
    assert results == [1, 1, 1]
    assert end["number"] == number, end
    served.until("! pgrep -f '[s]leep 4711'", 10)
    served.until(f"! test -e /sys/fs/cgroup/{begun['group'][4:]}", 10)


# ---------------------------------------------------------------- machine


def test_reboot(served, desk):
    """Aim: both come back with the machine, and a node that is there before its broker waits for it."""
    folder = "/etc/systemd/system/promp-broker.service.d"
    served.check(f"mkdir {folder}; printf '[Service]\\nExecStartPre=/bin/sleep 15\\n' >{folder}/late.conf; systemctl daemon-reload")
    try:
        served.reboot()
        assert served.check("systemctl is-active promp-broker promp-node").split() == ["active", "active"]
        stamp = {}
        for part, words in (("broker", "serves at"), ("node", "agent [0-9]* started")):
            stamp[part] = float(served.check(f"journalctl -b -o short-unix -u promp-{part} | grep -m1 '{words}'").split()[0])
        assert stamp["node"] < stamp["broker"]
        assert served.unit("promp-node", "NRestarts") == "0"
    finally:
        served.check(f"rm -r {folder}; systemctl daemon-reload")
    until_ready(served)
    run_one(desk)


def test_power_cut(served, desk):
    """Aim: nothing that is needed is lost when the machine loses its power: keys, what joined, the broker's identity."""
    served.check("sync")
    served.power_cut()
    assert served.check("systemctl is-active promp-broker promp-node").split() == ["active", "active"]
    until_ready(served)
    run_one(desk)


# ---------------------------------------------------------------- packages


def newer(tmp_path):
    """The same packages with another version."""
    for package in disk.PACKAGES.glob("*.deb"):
        folder = tmp_path / package.stem
        subprocess.run(["dpkg-deb", "-R", package, folder], check=True)
        control = folder / "DEBIAN/control"
        version = next(line.split()[1] for line in control.read_text().splitlines() if line.startswith("Version:"))
        control.write_text(control.read_text().replace(version, f"{version}+next"))
        done = subprocess.run(["dpkg-deb", "-b", folder, tmp_path / package.name], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        yield tmp_path / package.name


def test_upgrade(served, desk, tmp_path):
    """Aim: a newer version restarts the broker and lets a node and its workers be; managers lose nothing."""
    for package in newer(tmp_path):
        served.put(f"/root/newer/{package.name}", package.read_bytes())
    manager = desk("nap", 60, 0.5)
    manager.until("result")
    broker, node = pid(served, "broker"), pid(served, "node")
    served.check("apt-get -q -y install /root/newer/promp-*.deb /root/newer/python3-*.deb /root/newer/libpromp_*.deb", 180)
    assert served.check("dpkg-query -W -f '${Version}' promp-broker").endswith("+next")
    until_another(served, "broker", broker)
    results, end = manager.results()
    assert results == list(range(60)) and end["number"] == ERR["WORKER_STOPPED"]
    assert pid(served, "node") == node
    served.check("systemctl restart promp-node", 90)
    until_ready(served)
    run_one(desk)


def test_remove_and_purge(served):
    """Aim: removed packages stop their services and keep the keys; purged ones leave nothing but the users."""
    served.check("apt-get -q -y remove promp-broker promp-node", 120)
    assert served.run("pgrep promp-")[0] == 1
    served.check("test -e /etc/promp/broker/broker.cert_secret && test -e /etc/promp/node/node.cert_secret")
    served.check("apt-get -q -y purge promp-broker promp-node", 120)
    served.check("! test -e /etc/promp && ! find / -xdev -path '*system*' -name '*promp-*.service*' | grep .")
    assert served.check("systemctl --failed --no-legend; systemctl list-units --no-legend 'promp-*'") == ""
    assert served.run("systemctl is-system-running")[1] == "running\n"
