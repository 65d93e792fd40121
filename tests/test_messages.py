"""User messages: both ways, in order, none lost; waiting; ids; limits."""

import os
import signal

import pytest
from support.build import ERR, LIMIT, scaled
from support.manager import ALL, ANY
from support.proc import wait_until

MANY = 100_000


def test_100000_each_way(worker):
    """100,000 messages go to a worker and come back, in order, while both ends send at once."""
    m, w = worker
    m.task(w, "messages", MANY)
    answer = m.check("flood", w, 7, MANY, 64)
    assert answer["sent"] == MANY
    answer = m.check("drain", w, MANY, int(scaled(60) * 1000), patience=90)
    assert (answer["count"], answer["wrong"]) == (MANY, 0)
    m.until("idle")
    assert m.take_result(w) == (True, MANY) and not m.receive(w)["got"]


def test_flood_of_a_worker(worker):
    """100,000 messages of a worker that does not listen wait for a manager that comes late."""
    m, w = worker
    m.task(w, "flood", MANY, 100)
    m.until("idle", timeout=60)
    answer = m.check("drain", ANY, MANY, 10000)
    assert (answer["count"], answer["wrong"]) == (MANY, 0)


def test_sizes(worker):
    """Empty, one byte, around every power of two up to 1 MiB, 32 MiB: all come back as they were."""
    m, w = worker
    sizes = [0, 1] + [n + d for n in (256, 4096, 65536, 262144, 1 << 20) for d in (-49, -48, -1, 0, 1)] + [32 << 20]
    m.task(w, "messages", len(sizes), 1)
    for size in sizes:
        m.check("send_big", w, 3, size)
    for size in sizes:
        assert m.wait_message(w, int(scaled(20) * 1000))["err"] == 0, (size, m.take_error())
        answer = m.receive(w)
        assert answer["size"] == size
        assert answer.get("right") == size if size > 100000 else len(answer["hex"]) == 2 * size
    m.until("idle")


def test_ids(worker):
    """0 and 0x7FFFFFFF are ids, everything above is reserved, at both ends."""
    m, w = worker
    m.task(w, "messages", 2, 1)
    for id_ in (0, 0x7FFFFFFF):
        m.check("send", w, id_, b"abc")
        assert m.wait_message(w, 20000)["err"] == 0
        answer = m.receive(w)
        assert (answer["id"], answer["hex"], answer["worker"]) == (id_, b"abc".hex(), w)
    for id_ in (0x80000000, 0xFFFFFFFE, 0xFFFFFFFF):
        assert m.command("send", w, id_, b"abc")["err"] == ERR["MESSAGE_ID"]
    m.until("idle")
    m.take_result(w)
    for id_ in (0x80000000, 0xFFFFFFFF):
        assert m.call(w, "send", id_, "x") == ERR["MESSAGE_ID"]
    assert not m.receive(w)["got"]


def test_nothing_there(worker):
    """No message: has says no, receive gives the invalid id, and asking does not wait."""
    m, w = worker
    for target in (w, ANY, ALL):
        answer = m.receive(target)
        assert (answer["had"], answer["got"], answer["id"]) == (0, 0, 0xFFFFFFFF)


def test_waiting(worker):
    """Waiting ends with the message, or with TIMEOUT after the time, and takes nothing away."""
    m, w = worker
    answer = m.wait_message(w, 150)
    assert answer["err"] == ERR["TIMEOUT"] and 145 <= answer["ms"] < 150 + scaled(1000)
    assert m.wait_message(w, 0)["err"] == ERR["TIMEOUT"]
    m.task(w, "send", 5, "hello")
    assert m.wait_message(w, 20000)["err"] == 0
    assert m.wait_message(ANY, 0)["err"] == 0
    answer = m.receive(w)
    assert answer["had"] and answer["id"] == 5 and answer["hex"] == b"hello".hex()


def test_waiting_of_a_worker(worker):
    """A worker's waiting ends by time, by a message, and by abort."""
    m, w = worker
    assert m.call(w, "wait_message", 50) == ERR["TIMEOUT"]
    m.task(w, "wait_message", -1)
    m.check("send", w, 1, b"x")
    m.until("idle")
    assert m.take_result(w) == (True, 0)
    m.task(w, "messages", 1, 1)  # takes what the one before left
    m.until("idle")
    m.receive(w)
    m.take_result(w)
    m.task(w, "wait_message", -1)
    m.until("busy", w)
    assert m.abort(w, int(scaled(2000)))["ms"] < scaled(2000)
    assert m.take_result(w) in ((True, ERR["TASK_ABORTED"]), (False, None))  # it ran already, or it did not
    assert m.take_result(w) in ((False, None), (True, ERR["TASK_ABORTED"]))  # dropped, or it had begun to wait
    assert m.call(w, "add", 1, 2) == 3


def test_waiting_for_the_dead(worker):
    """Waiting for a worker that dies ends with NO_WORKER, long before the time."""
    m, w = worker
    m.task(w, "exit", 0)
    answer = m.wait_message(w, 60000)
    assert answer["err"] == ERR["NO_WORKER"] and answer["ms"] < scaled(10000)


def test_messages_outlive_their_sender(worker):
    """What a worker sent before it died can still be taken."""
    m, w = worker
    m.task(w, "flood", 1000, 50)
    m.task(w, "exit", 0)
    m.until("dead", w)
    answer = m.command("drain", w, 1000, 1000)
    assert (answer["count"], answer["wrong"]) == (1000, 0)


def test_signal_ends_waiting(worker):
    """A signal handler of the host ends a wait with STATE, and nothing is lost."""
    m, w = worker
    m.alarm(100)
    answer = m.wait_message(w, 60000)
    assert answer["err"] == ERR["STATE"] and answer["ms"] < scaled(10000)
    m.alarm(100)
    assert m.wait(60000)["err"] == ERR["STATE"]
    assert m.call(w, "add", 1, 2) == 3


def test_before_ready_and_between_tasks(manager):
    """Messages sent before a worker is ready, or while no task runs, wait for the next task."""
    m = manager
    w = m.start()
    m.check("flood", w, 1, 10, 8)
    m.until("ready", w)
    m.task(w, "messages", 10)
    m.until("idle")
    assert m.take_result(w) == (True, 10)
    assert m.check("drain", w, 10, 1000)["wrong"] == 0


def test_all_and_any(manager):
    """ALL sends to each, ANY to one."""
    m = manager
    ids = m.start(count=3)
    m.check("task", ALL, "wait_message", tail=" : i-1")
    m.check("send", ALL, 9, b"x")
    m.until("idle")
    assert sorted(m.result(ANY)["worker"] for _ in ids) == sorted(ids)
    m.check("send", ANY, 9, b"y")


def test_unsent_limit(worker):
    """Beyond the limit on unsent bytes QUEUE_FULL, one message always fits, and after the jam nothing is missing."""
    m, w = worker
    pid = m.worker_pid(w)
    m.check("set", unsent=1 << 20)
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = m.command("flood", w, 1, 10000, 100000)
        assert answer["err"] == ERR["QUEUE_FULL"] and 5 < answer["sent"] < 200
        assert m.command("flood", w, 1, 1, 100000)["err"] == ERR["QUEUE_FULL"]
        assert m.command("task", w, "nothing", size=200000)["err"] == ERR["QUEUE_FULL"]
    finally:
        os.kill(pid, signal.SIGCONT)
    sent = answer["sent"]
    wait_until(lambda: m.command("send_big", w, 1, 8 << 20)["err"] == 0, 20, "room for one large message")
    m.check("set", unsent=1 << 30)
    m.task(w, "messages", sent)
    assert m.check("drain", w, sent, 20000)["wrong"] == 0
    m.until("idle")


@pytest.mark.plain
def test_too_large(worker):
    """A message above the limit on values is refused by number, and nothing else happens."""
    m, w = worker
    answer = m.command("send_big", w, 1, LIMIT["LIMIT_VALUE"] + 1, zeros=1, patience=120)
    assert answer["err"] in (ERR["VALUE_SIZE"], ERR["MEMORY"])
    assert m.call(w, "add", 1, 2) == 3


def test_two_workers_do_not_mix(manager):
    """Messages of two workers keep their senders and each its order."""
    m = manager
    ids = m.start(count=2)
    for w in ids:
        m.task(w, "flood", 20000, 20)
    for w in ids:
        answer = m.check("drain", w, 20000, 20000)
        assert (answer["count"], answer["wrong"]) == (20000, 0)


@pytest.mark.slow
def test_big_messages(worker):
    """1 GiB goes to a worker and comes back in one message."""
    m, w = worker
    m.task(w, "messages", 1, 1)
    m.check("send_big", w, 2, 1 << 30, patience=120)
    assert m.command("wait_message", w, 300000, patience=320)["err"] == 0
    answer = m.command("receive", w, patience=120)
    assert answer["size"] == answer["right"] == 1 << 30
