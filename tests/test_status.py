"""Aim: what an operator sees of a cluster's nodes with `promp status --nodes`, and `promp drain`, which takes one out of service."""

import json
import re

import pytest
from support import proc, wire
from support.build import ERR, scaled
from support.cluster import PROMP, built
from support.site import broker, site, until_said  # noqa: F401

pytestmark = [pytest.mark.sanitize, pytest.mark.skipif(not built(), reason="not all programs are built")]

PAGE = 64  # PROMP_LIMIT_NODES_PAGE
VERSION = wire.VERSION


def looker(site, role="observer"):
    config = site.config(f"my-{role}")
    site.run(PROMP, "join", "--config", config, "--name", f"my-{role}", "-", stdin=site.token(role))
    return config


def nodes_of(site, config):
    told = json.loads(site.run(PROMP, "status", "--nodes", "--json", "--config", config))
    assert told["broker"] == site.address
    return {n["name"]: n for n in told["nodes"]}


def shown(site, config, **states):
    """The nodes, as soon as these are in these states."""
    def look():
        nodes = nodes_of(site, config)
        return nodes if all(n in nodes and nodes[n]["state"] == state for n, state in states.items()) else None
    return proc.wait_until(look, 10, lambda: nodes_of(site, config))


def offer(peer, name, version=VERSION, settled=True, **values):
    """The peer is a node that offers this."""
    fields = {"places": 4, "cpus": 4000, "memory": 8 << 30, "gpus": 2, "labels": "", "pythons": "3.11", **values}
    peer.send(wire.message("OFFER", node=name.encode().ljust(16, b"."), **fields))
    if settled:
        peer.send(wire.message("HELD_END"))


def up(site, name, *args, version=VERSION, **values):
    """A node in our hands."""
    p = site.peer(site.member("node", name, *args))
    p.send(wire.hello(1, version, role=3))
    p.expect("WELCOME")
    offer(p, name, **values)
    return p


def start(manager, node, session, **values):
    manager.send(wire.message("START", session=session, lease_ms=10000, umask=0o22, program="w", argv=["w"], env=[], **values))
    assert node.expect("START")["session"] == session
    node.send(wire.message("STARTED", session=session, pid=1))
    manager.expect("STARTED")


def test_nodes(site, broker):  # noqa: F811
    """Aim: each node with its state, what is free of what it has, labels of key and node, Pythons and version; as a table whose
    columns stand below each other, and as JSON."""
    config = looker(site)
    assert nodes_of(site, config) == {}
    big = up(site, "big", "--label", "ssd", labels="fast ssd")
    slow = up(site, "slow", settled=False, gpus=0)
    full = up(site, "full", places=0)
    manager = site.up(site.member("manager", "m"))
    start(manager, big, b"s" * 16)
    shown(site, config, slow="starting")
    slow.close()
    nodes = shown(site, config, big="ready", slow="away", full="draining")
    assert list(nodes) == ["big", "full", "slow"]
    assert 0 <= nodes["big"].pop("heard_ms") < scaled(60000)
    assert nodes["big"] == {
        "name": "big", "state": "ready", "workers": 1, "places": 4, "cpus": 4, "cpus_free": 4, "memory": 8 << 30,
        "memory_free": 8 << 30, "gpus": 2, "gpus_free": 2, "version": "wire test", "pythons": ["3.11"],
        "labels": ["fast", "ssd"], "key_labels": ["ssd"]}
    table = site.run(PROMP, "status", "--nodes", "--config", config).splitlines()
    assert table[0] == f"broker {site.address}, 3 nodes"
    assert re.split(r" {2,}", table[1]) == ["NODE", "STATE", "WORKERS", "CPUS FREE", "MEMORY FREE", "GPUS FREE", "HEARD", "VERSION",
                                           "PYTHONS", "LABELS"]
    for title in ("STATE", "WORKERS", "MEMORY FREE", "VERSION", "LABELS"):
        at = table[1].index(title)
        assert all(line[at - 2:at] == "  " and line[at:at + 1] != " " for line in table[2:4]), table
    row = re.split(r" {2,}", table[2])
    assert row[:6] == ["big", "ready", "1/4", "4/4", "8.0/8.0 GiB", "2/2"] and row[7:] == ["wire test", "3.11", "ssd fast"]
    assert "\x1b" not in "".join(table)
    assert full


def test_what_workers_take_is_not_free(site, broker):  # noqa: F811
    """Aim: what running workers asked for is missing from what is free."""
    config = looker(site, "admin")
    big, manager = up(site, "big"), site.up(site.member("manager", "m"))
    optional = wire.optional((2, 1500), (3, 6 << 30), (4, 2), size={3: 8})
    body = wire.body("START", lease_ms=10000, umask=0o22, program="w", argv=["w"], env=[]) + optional
    manager.send(wire.frame("START", body, session=b"s" * 16))
    assert big.expect("START")["session"] == b"s" * 16
    node = nodes_of(site, config)["big"]
    assert (node["cpus_free"], node["memory_free"], node["gpus_free"]) == (2.5, 2 << 30, 0)
    row = site.run(PROMP, "status", "--nodes", "--config", config).splitlines()[2]
    assert re.split(r" {2,}", row)[2:6] == ["1/4", "2.5/4", "2.0/8.0 GiB", "0/2"]


def test_hostile_texts(site, broker):  # noqa: F811
    """Aim: what a node says of itself can neither move the cursor nor forge a line or a value, in both forms."""
    config = looker(site)
    evil = 'a\x1b[2Jb\nc\x7fd\u009b\u202e"\\ z'
    p = site.peer(site.member("node", "evil"))
    p.send(wire.message("HELLO", version_low=1, version_high=VERSION, role=3, build=evil))
    p.expect("WELCOME")
    offer(p, "evil", labels=evil, pythons="\r3.11")
    node = shown(site, config, evil="ready")["evil"]
    assert node["version"] == evil and node["labels"] == evil.split(" ") and node["pythons"] == ["\r3.11"]
    raw = site.run(PROMP, "status", "--nodes", "--json", "--config", config)
    table = site.run(PROMP, "status", "--nodes", "--config", config)
    for text in (raw, table):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text), text
    assert len(table.splitlines()) == 3 and r"a\u001b[2Jb\u000ac\u007fd\u009b\u202e" in table


def test_pages(site, broker):  # noqa: F811
    """Aim: more nodes than one answer holds all come, once each, in the order of their names."""
    count = PAGE + 6
    peers = [up(site, f"n{i:03}") for i in range(count)]
    names = [f"n{i:03}" for i in range(count)]
    assert list(shown(site, looker(site), **dict.fromkeys(names, "ready"))) == names
    watcher = site.peer(site.member("observer"))
    watcher.send(wire.hello(1, VERSION, role=4))
    watcher.expect("WELCOME")
    watcher.send(wire.message("NODES"))
    first = [watcher.expect("NODE")["key"] for _ in range(PAGE)]
    assert watcher.expect("NODES_END")["more"] == 1
    watcher.send(wire.message("NODES", after=first[-1]))
    rest = [watcher.expect("NODE")["key"] for _ in range(count - PAGE)]
    assert watcher.expect("NODES_END")["more"] == 0
    assert first + rest == sorted(set(first + rest)) and len(peers) == count
    watcher.send(wire.message("NODES", after=b"\xff" * 16))
    assert watcher.read()[0] == "NODES_END"


@pytest.mark.parametrize("role,asked,error", [
    ("manager", "NODES", "MESSAGE_SENDER"), ("node", "NODES", "MESSAGE_SENDER"), ("manager", "DRAIN", "MESSAGE_SENDER"),
    ("node", "DRAIN", "MESSAGE_SENDER"), ("observer", "DRAIN", "MESSAGE_SENDER"),
])
def test_who_may(site, broker, role, asked, error):  # noqa: F811
    """Aim: nodes are shown to observers and admins, taken out by admins; anybody else who tries is dropped."""
    p = site.peer(site.member(role))
    p.send(wire.hello(1, VERSION, role={"manager": 1, "node": 3, "observer": 4}[role]))
    p.expect("WELCOME")
    p.send(wire.message(asked))
    assert p.end()["error"] == ERR[error]


def test_versions(site, broker):  # noqa: F811
    """Aim: who speaks the first version of the protocol gets its figures, and no message that it does not know; nor
    can a node of that version be taken out."""
    p = site.peer(site.member("admin"))
    p.send(wire.hello(1, 1, role=5))
    assert p.expect("WELCOME")["version"] == 1
    p.send(wire.message("STATUS"))
    p.expect("COUNTERS")
    p.send(wire.message("NODES"))
    assert p.end()["error"] == ERR["MESSAGE_UNKNOWN"]
    old, config = up(site, "old", version=1), looker(site, "admin")
    shown(site, config, old="ready")
    site.run(PROMP, "drain", "--config", config, "old", code=1)
    assert f"{ERR['VERSION']} VERSION: " in site.complaint and "SIGTERM" in site.complaint
    old.send(wire.message("BEAT"))
    assert nodes_of(site, config)["old"]["state"] == "ready"


def test_drain_marks_and_tells(site, broker):  # noqa: F811
    """Aim: a node that is taken out gets no more starts and is told, again when it is back; another one with its key, as after a
    restart, serves. The log has who did it."""
    config = looker(site, "admin")
    key = site.member("node", "big")
    p = site.peer(key)
    p.send(wire.hello(1, VERSION, role=3))
    p.expect("WELCOME")
    offer(p, "big")
    shown(site, config, big="ready")
    assert site.run(PROMP, "drain", "--config", config, "big") == "'big' gets no more workers; it has 0\n"
    assert p.expect("DRAIN")["name"] == ""
    until_said(broker, r"'my-admin' .* takes node 'big' out of service")
    offer(p, "big", settled=False)
    assert nodes_of(site, config)["big"]["state"] == "draining"
    p.close()
    shown(site, config, big="away")
    assert "told if its connection is back within 30 s" in site.run(PROMP, "drain", "--config", config, "big")

    def back(identity):
        p = site.peer(key)
        p.send(wire.hello(1, VERSION, role=3))
        p.expect("WELCOME")
        offer(p, identity)
        return p

    p = back("big")
    p.expect("DRAIN")
    assert nodes_of(site, config)["big"]["state"] == "draining"
    p.close()
    shown(site, config, big="away")
    p = back("another")
    assert shown(site, config, big="ready")["big"]["places"] == 4


def test_drain_a_node(site, broker):  # noqa: F811
    """Aim: a real node that is taken out keeps its worker, takes no new one, ends when the worker has, with 0, and is gone from
    the list; started again it serves."""
    config = looker(site, "admin")
    node = site.node("one", "--places", "2", "--cpus", "2")
    m = site.manager()
    w = m.start()
    assert m.call(w, "add", 1, 2) == 3
    assert site.run(PROMP, "drain", "--config", config, "one") == "'one' gets no more workers; it has 1\n"
    site.run(PROMP, "drain", "--config", config, "one")
    until_said(node, "the broker's operator takes it out: the node drains")
    assert nodes_of(site, config)["one"]["state"] == "draining"
    assert m.call(w, "add", 3, 4) == 7
    assert node.process.poll() is None
    m.stop(w)
    assert node.process.wait(scaled(20)) == 0
    proc.wait_until(lambda: nodes_of(site, config) == {}, 10, lambda: nodes_of(site, config))
    site.run(PROMP, "drain", "--config", config, "one", code=1)
    assert f"promp: {ERR['NOT_FOUND']} NOT_FOUND: " in site.complaint
    site.node("one", "--places", "2", "--cpus", "2")
    assert m.call(m.start(), "add", 1, 2) == 3


def test_stopped_while_it_drains(site, broker):  # noqa: F811
    """Aim: SIGTERM for a node that an admin has taken out, as from who takes its machine down next, leaves it its workers; only a
    second one ends them."""
    config = looker(site, "admin")
    node = site.node("one", "--places", "2", "--cpus", "2")
    m = site.manager()
    w = m.start()
    assert m.call(w, "add", 1, 2) == 3
    site.run(PROMP, "drain", "--config", config, "one")
    until_said(node, "the node drains")
    node.process.terminate()
    until_said(node, "signal 15: the node drains already")
    assert m.call(w, "add", 3, 4) == 7
    node.process.terminate()
    assert node.process.wait(scaled(20)) == 0
    assert m.end(w)["cause"] == "WORKER_NODE_LOST"


def test_drain_needs_an_admin(site, broker):  # noqa: F811
    """Aim: who joined as observer only is told what is missing; usage errors end with 2."""
    config = looker(site)
    site.run(PROMP, "drain", "--config", config, "one", code=1)
    assert "NO_BROKER" in site.complaint and "join as admin first" in site.complaint
    for args in ((), ("a", "b"), ("a b",), ("--force", "a")):
        site.run(PROMP, "drain", "--config", config, *args, code=2)
        assert "promp drain --help" in site.complaint
    assert "promp drain node7" in site.run(PROMP, "drain", "--help")
