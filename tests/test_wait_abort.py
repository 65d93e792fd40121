"""Wait objects (progress and text) and abort: obedient, deaf, at once, while a huge value is under way."""

import os
import signal

import pytest
from support.build import ERR, SANITIZER, scaled
from support.manager import ALL, ANY


def test_progress(worker):
    """A wait object sees values that never fall, and the last one always, before the worker is idle."""
    m, w = worker
    m.check("wait_object", w, 1000)
    m.task(w, "progress", 5000)
    m.until("idle")
    heard = m.heard()
    assert heard["last"] == 5000 and heard["falls"] == 0 and 1 <= heard["calls"] <= 5000


def test_text(worker):
    """Likewise the text."""
    m, w = worker
    m.check("wait_object", w, 1000)
    m.task(w, "texts", 3000)
    m.until("idle")
    assert m.heard()["text"] == "step 3000"


def test_unmirrored(worker):
    """Progress without a wait object has no effect, and an object taken away hears nothing more."""
    m, w = worker
    m.task(w, "progress", 100)
    m.until("idle")
    m.check("wait_object", w, 1000)
    m.check("wait_object", w, 1000, off=1)
    m.task(w, "progress", 100)
    m.until("idle")
    assert m.heard()["calls"] == 0 and m.take_error() is None


def test_wait_object_of_nobody(manager):
    """A wait object for an unknown worker is refused or ignored, nothing else."""
    assert manager.command("wait_object", 77, 1000)["err"] in (0, ERR["NO_WORKER"])


def test_obedient(worker):
    """A task that looks at the flag ends at once; the worker lives on, the flag does not."""
    m, w = worker
    pid = m.worker_pid(w)
    m.begin(w, "sleep")
    assert m.check("abort", w, int(scaled(3000)))["ms"] < scaled(1000)
    state = m.state(w)
    assert state["alive"] and not state["busy"] and state["pid"] == pid
    assert m.take_result(w) == (True, 1)  # the task returned in good order, so its value counts
    assert m.call(w, "sleep", 10) in (0, False)
    assert m.take_error() is None


def test_waiting_tasks_are_dropped(worker):
    """Abort drops what waits behind the running task."""
    m, w = worker
    m.begin(w, "sleep")
    for i in range(10):
        m.task(w, "echo", i)
    m.check("abort", w, int(scaled(3000)))
    m.until("idle")
    values = []
    while m.state(w)["results"]:
        values.append(m.take_result(w)[1])
    assert not set(values) & set(range(2, 10)), values
    assert m.call(w, "add", 1, 2) == 3


def test_deaf(worker):
    """A task that does not listen is ended with its worker when the time is over, with that cause."""
    m, w = worker
    m.begin(w, "deaf")
    answer = m.check("abort", w, 400)
    assert 300 <= answer["ms"] < 400 + scaled(1500)
    end = m.end(w)
    assert end["cause"] == "WORKER_ABORTED" and end["text"]
    error = m.take_error(w)
    assert error is None or error["code"] in (ERR["OUTCOME_UNKNOWN"], ERR["WORKER_ABORTED"])


def test_zero(worker):
    """A time-out of 0 ends the worker at once."""
    m, w = worker
    m.begin(w, "sleep")
    assert m.check("abort", w, 0)["ms"] < scaled(1000)
    assert m.end(w)["cause"] == "WORKER_ABORTED"


def test_idle(worker):
    """Abort of an idle worker returns at once and leaves no flag behind."""
    m, w = worker
    assert m.check("abort", w, 5000)["ms"] < scaled(200)
    assert m.call(w, "sleep", 20) in (0, False)
    assert m.state(w)["alive"]


def test_asynchronous(worker):
    """abort_async returns at once; the task ends, or the worker after the time."""
    m, w = worker
    m.begin(w, "sleep")
    m.check("abort_async", w, int(scaled(3000)))
    m.until("idle")
    assert m.state(w)["alive"]
    m.take_result(w)
    m.begin(w, "deaf")
    m.check("abort_async", w, 300)
    assert m.end(w)["cause"] == "WORKER_ABORTED"


def test_others_go_on(manager):
    """Abort of one worker does not touch another."""
    m = manager
    a, b = m.start(count=2)
    m.begin(a, "sleep")
    m.task(b, "sleep", 300)
    m.check("abort", a, int(scaled(3000)))
    m.until("idle")
    assert m.state(a)["alive"] and m.state(b)["alive"]
    assert m.take_result(b) == (True, 0)


def test_any_and_all(manager):
    """ANY aborts the lowest busy worker, ALL each, sharing the time."""
    m = manager
    ids = m.start(count=3)
    m.until("ready", ALL)
    for w in ids[1:]:
        m.begin(w, "sleep")
    m.check("abort", ANY, int(scaled(3000)))
    assert not m.state(ids[1])["busy"] and m.state(ids[2])["busy"]
    m.check("abort", ids[2], int(scaled(3000)))
    for w in ids:
        m.begin(w, "deaf")
    assert m.check("abort", ALL, 500)["ms"] < 500 + scaled(2000)
    assert m.state(ALL)["all_alive"] == 0


def test_by_the_wait_object(worker):
    """When the wait object says aborted, processing aborts the worker with the object's time-out."""
    m, w = worker
    m.check("wait_object", w, int(scaled(3000)))
    m.begin(w, "sleep")
    m.process()
    assert m.state(w)["busy"]
    m.say_aborted(1)
    m.until("idle")
    assert m.state(w)["alive"]


def under_way(m, w, size):
    m.begin(w, "sleep")
    m.check("send_big", w, 1, size, zeros=1, patience=120)
    return m.check("abort", w, int(scaled(5000)))["ms"]


def test_while_a_large_value_is_under_way(worker):
    """Abort takes effect at once while 256 MiB are on their way to the worker."""
    m, w = worker
    assert under_way(m, w, (64 if SANITIZER else 256) << 20) < scaled(300)
    assert m.state(w)["alive"]


@pytest.mark.slow
def test_while_1_gib_is_under_way(worker):
    """Abort takes effect at once while 1 GiB is on its way to the worker."""
    m, w = worker
    assert under_way(m, w, (1 << 30) - 4096) < scaled(300)
    assert m.state(w)["alive"]


def test_while_results_flood(worker):
    """Abort reaches a worker whose messages nobody takes."""
    m, w = worker
    m.task(w, "flood", 100_000_000, 1000)
    m.wait_message(w, 20000)
    answer = m.check("abort", w, int(scaled(2000)))
    assert answer["ms"] < scaled(2000) + 1500


def test_frozen_worker(worker):
    """A worker that is stopped by SIGSTOP cannot obey: it is ended in time."""
    m, w = worker
    pid = m.worker_pid(w)
    m.begin(w, "sleep")
    os.kill(pid, signal.SIGSTOP)
    assert m.check("abort", w, 300)["ms"] < 300 + scaled(1500)
    assert m.end(w)["cause"] == "WORKER_ABORTED"


def test_interrupted_by_a_signal(worker):
    """A signal handler of the host does not break an abort."""
    m, w = worker
    m.begin(w, "sleep")
    m.alarm(20)
    m.command("abort", w, int(scaled(3000)))
    m.until("idle")
    assert m.state(w)["alive"]
