"""Tasks, results and failures: every kind of value, unknown names, order, ANY and ALL."""

import math
import struct

import pytest
from support.build import ERR, LIMIT
from support.manager import ALL, ANY, TW, name_of
from support.values import cbor, words

VALUES = [
    None, True, False, 0, 1, -1, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1, -2**63, 2**63, -2**63 - 1,
    2**64 - 1, 2**64, -2**64, -2**64 - 1, 2**200, -2**4000, 0.0, -0.0, 1.5, -1e308, 5e-324, math.inf, -math.inf, b"",
    b"\0\xff", bytes(range(256)) * 5, "", "a", "zero \0 inside", "äöü €  𝄞", "x" * 70000, [], [1, [2, [3, []]]], {},
    {"a": 1, 2: "b", -3: None, 2**70: [{}]}, [None, True, 1, 1.0, b"1", "1", [1], {"1": 1}],
]


def same(a, b):
    """Equal, types and signs of zero included."""
    return words(a) == words(b)


def test_every_kind_of_value(worker):
    """A value of every kind goes to a worker and comes back as it was, taken apart and made anew on the way."""
    m, w = worker
    for value in VALUES:
        assert same(m.call(w, "echo", value), value), value


def test_cbor_is_what_the_standard_says(worker):
    """What a manager encodes and a worker sends back equals CBOR written by another hand."""
    m, w = worker
    for value in VALUES:
        m.task(w, "echo_cbor", value)
        m.until("idle")
        answer = m.result_cbor(w)
        assert answer["got"] and answer["cbor"] == cbor([value]).hex(), value


def test_arguments_given_as_cbor(worker):
    """Arguments that the caller encoded himself arrive, shorter floats among them."""
    m, w = worker
    half, single = b"\xf9\x3e\x00", b"\xfa" + struct.pack(">f", 0.25)
    assert m.call(w, "echo", cbor=b"\x81" + half) == 1.5
    assert m.call(w, "echo", cbor=b"\x81" + single) == 0.25
    assert m.call(w, "add", cbor=cbor([2**40, 2])) == 2**40 + 2


def test_not_a_number(worker):
    """NaN arrives as NaN."""
    m, w = worker
    assert math.isnan(m.call(w, "echo", math.nan))


@pytest.mark.parametrize("bad", ["00", "a0", "8101ff", "9fff", "81", "8162fffe", "811b", "81d9d9f700", "81c240ff", ""])
def test_malformed_arguments(worker, bad):
    """Arguments that are no encoded list are refused at the call or fail the task; the worker goes on."""
    m, w = worker
    answer = m.command("task", w, "echo", cbor=bad or None)
    if answer["err"] == 0:
        m.until("idle")
        assert m.take_error(w)
    assert m.call(w, "add", 1, 2) == 3


def test_big_value_both_ways(worker):
    """64 MiB travel as an argument and as a result."""
    m, w = worker
    size = 64 << 20
    assert m.call(w, "check", size=size, timeout=60) == size
    assert m.call(w, "big", size, timeout=60) == (size, size)


def test_too_deep_and_deepest(worker):
    """A value at the limit of nesting arrives, one level more is refused by number and nothing is sent."""
    m, w = worker
    assert m.command("deep", w, "nothing", LIMIT["LIMIT_VALUE_DEPTH"])["err"] == 0
    answer = m.command("deep", w, "nothing", LIMIT["LIMIT_VALUE_DEPTH"] + 1)
    assert answer["err"] == ERR["VALUE_DEPTH"] and "deep" in answer["text"]
    deep = LIMIT["LIMIT_VALUE_DEPTH"] + 1
    for cbor_deep in (b"\x81" * deep + b"\0", b"\x81" * 30000 + b"\0"):
        if m.command("task", w, "echo", cbor=cbor_deep)["err"] == 0:
            m.until("idle")
            assert m.take_error(w)
    m.until("idle")
    m.take_result(w)
    assert m.call(w, "add", 1, 2) == 3


def test_text_that_is_not_utf8(worker):
    """Text with a lone byte is refused: in arguments that the caller encoded, and in a task's name."""
    m, w = worker
    if m.command("task", w, "echo", cbor=b"\x81\x62\xc3\x28")["err"] == 0:
        m.until("idle")
        assert m.take_error(w)
    assert m.command("task", w, "\udcc3(")["err"] == ERR["ARGUMENT"]
    assert m.call(w, "add", 1, 2) == 3


def test_unknown_task(worker):
    """A name that the worker does not know fails with NO_TASK and says the name."""
    m, w = worker
    error = m.failure(w, "no such thing")
    assert error["code"] == ERR["NO_TASK"] and "no such thing" in error["text"]
    assert error["worker"] == w and error["task"] == 1
    assert m.call(w, "add", 1, 2) == 3


def test_kinds_that_a_native_worker_has_not(worker):
    """Code and functions are not for a native worker: NO_TASK; unknown kinds are for nobody; there is no display for a message box."""
    m, w = worker
    for kind in (1, 2):
        error = m.failure(w, "x", kind=kind)
        assert error["code"] == ERR["NO_TASK"], kind
    assert m.command("task", w, "x", kind=77)["err"] == ERR["ARGUMENT"]
    assert m.failure(w, "", kind=4)["code"] == ERR["TASK_FAILED"]
    assert m.call(w, "add", 1, 2) == 3


def test_longest_name_and_one_more(worker):
    """A name at its limit is a name, a longer one is refused at the call."""
    m, w = worker
    assert m.failure(w, "n" * LIMIT["LIMIT_NAME"])["code"] == ERR["NO_TASK"]
    assert m.command("task", w, "n" * (LIMIT["LIMIT_NAME"] + 1))["err"] != 0
    assert m.call(w, "add", 1, 2) == 3


def test_failures(worker):
    """Each way for a task to fail is told, with text, type and trace; a failed task gives no result."""
    m, w = worker
    error = m.failure(w, "fail", "it is broken: äöü")
    assert (error["code"], error["text"]) == (ERR["TASK_FAILED"], "it is broken: äöü")
    error = m.failure(w, "failure", "KeyError", "'x'", "line 1\nline 2\n")
    assert (error["kind"], error["text"], error["trace"]) == ("KeyError", "'x'", "line 1\nline 2\n")
    assert m.failure(w, "nonzero", 7)["code"] == ERR["TASK_FAILED"]
    m.failure(w, "result_then_fail")
    assert m.take_result(w) == (False, None)


def test_nobody_wanted_the_result(worker):
    """Without `result` no value is sent, whatever the task returns."""
    m, w = worker
    m.task(w, "add", 1, 2, result=0)
    m.until("idle")
    assert not m.state(w)["results"] and m.take_result(w) == (False, None)


def test_order_of_tasks(worker):
    """Tasks of one worker run one after the other, in order, and so do their results; numbers count from 1."""
    m, w = worker
    numbers = [m.task(w, "echo", i) for i in range(300)]
    assert numbers == list(range(1, 301))
    m.until("idle")
    assert [m.take_result(w)[1] for _ in range(300)] == list(range(300))


def test_many_small_tasks(worker):
    """20,000 tasks that wait at once are all done, and once each."""
    m, w = worker
    m.task(w, "add", 40, 2, many=20000)
    m.until("idle", timeout=60)
    for _ in range(20000):
        answer = m.result(w)
        assert answer["got"] and answer["value"] == "i42", answer
    assert m.take_result(w) == (False, None)


def test_all(manager):
    """ALL gives one task to each worker."""
    ids = manager.start(count=4)
    assert manager.check("task", ALL, "info")["number"] == 0
    manager.until("idle")
    seen = {manager.take_result(ANY)[1]["id"] for _ in ids}
    assert seen == set(ids) and manager.take_result(ALL) == (False, None)


def test_any(manager):
    """Tasks for ANY go to whoever is free: all are done once, and with enough of them everybody works."""
    ids = manager.start(count=3)
    for i in range(30):
        manager.task(ANY, "sleep", 20)
    manager.until("idle", timeout=30)
    workers = [manager.result(ANY)["worker"] for _ in range(30)]
    assert set(workers) == set(ids) and not manager.state(ANY)["results"]


def test_any_before_ready(manager):
    """A task for ANY waits for a worker that has only just been started."""
    manager.start()
    assert manager.call(ANY, "add", 1, 1) == 2


def test_any_when_the_last_worker_dies(manager):
    """Tasks that wait for ANY are dropped, as failures, when nobody is left; nothing stays busy."""
    w = manager.start()
    manager.until("ready", w)
    manager.task(w, "exit", 3)
    manager.task(ANY, "add", 1, 2)
    manager.until("dead", w)
    manager.until("idle")


def test_targets_that_are_not_there(worker):
    """Unknown, dead and absurd ids: calls do nothing, questions say no, sends say NO_WORKER."""
    m, w = worker
    for target in (99, 0, 2**31):
        assert m.command("task", target, "add")["err"] == 0
        assert m.command("stop", target)["err"] == 0
        assert m.command("abort", target, 1000)["err"] == 0
        assert m.command("send", target, 1, b"x")["err"] == ERR["NO_WORKER"]
        state = m.state(target)
        assert (state["alive"], state["busy"], state["ready"], state["pid"]) == (0, 0, 0, 0)
        assert not m.exit(target)["ended"]
        assert m.wait_message(target, 10000)["err"] == ERR["NO_WORKER"]
    assert m.call(w, "add", 1, 2) == 3


def test_manager_without_workers(manager):
    """ANY and ALL of nobody: no-ops."""
    m = manager
    for target in (ANY, ALL):
        assert m.command("task", target, "add")["err"] == 0
        assert m.command("stop", target)["err"] == 0
        assert m.command("abort", target, 1000)["ms"] < 500
        assert m.command("send", target, 1)["err"] == ERR["NO_WORKER"]
        state = m.state(target)
        assert (state["alive"], state["busy"], state["ready"], state["is_busy"]) == (0, 0, 0, 0)


def test_state(manager):
    """alive, ready and busy agree with one another through a worker's life; busy is true at once."""
    m = manager
    w = m.start()
    m.task(w, "sleep", 300)
    state = m.state(w)
    assert state["alive"] and state["busy"] and state["is_busy"] and state["all_alive"] == 1 and state["all_busy"] == 1
    m.until("idle")
    state = m.state(w)
    assert state["alive"] and state["ready"] and not state["busy"] and not state["is_busy"]
    m.check("stop", w)
    m.until("dead", w)
    state = m.state(w)
    assert not (state["alive"] or state["ready"] or state["busy"] or state["all_alive"] or state["is_busy"])


def test_what_a_worker_is(world, manager, tmp_path):
    """Id, level, options, time-out, folder, environment, extra bytes, umask: as its manager gave them; a session of its own."""
    m = manager
    m.check("set", options=3, timeout=7000)
    first = m.start()
    w = m.start(folder=tmp_path, env=["A=1", "TEST_WORD=ä b=c"], extra=b"\xa1\x01\x02")
    m.until("ready", first)
    info = m.call(w, "info", "TEST_WORD")
    assert info["id"] == w and info["level"] == 1 and info["options"] in (2, 3) and info["timeout"] == 7000
    assert info["folder"] == str(tmp_path).encode() and info["env"] == "ä b=c".encode()
    assert info["extra"] == b"\xa1\x01\x02" and info["busy"] and info["number"] == 1 and info["name"] == b"info"
    assert info["address"].startswith(b"ipc://") and info["address"].endswith(b"/socket")
    assert info["session"] == info["pid"] == info["group"] != m.pid
    assert info["umask"] == m.host()["umask"]
    assert m.state(w)["pid"] == info["pid"]


def test_environment_of_a_worker_is_its_managers(world):
    """Without `env` a worker has its manager's variables and folder, whoever started the node."""
    world.node()
    m = world.manager(env={"ONLY_HERE": "42"}, cwd="/usr")
    w = m.start()
    info = m.call(w, "info", "ONLY_HERE")
    assert info["env"] == b"42" and info["folder"] == b"/usr"
    assert m.call(w, "info", "PROMP_WORKER_FDS")["env"] is None


def test_program_found_in_path(world):
    """A program without a slash is looked for in $PATH, a relative one in the manager's folder."""
    folder, name = TW.rsplit("/", 1)
    m = world.manager(env={"PATH": folder}, cwd=folder)
    assert m.call(m.start(name), "add", 1, 2) == 3
    assert m.call(m.start(f"./{name}"), "add", 1, 2) == 3


def test_errors_are_kept_and_taken(worker):
    """Failures wait until they are taken, in order; hundreds of them."""
    m, w = worker
    for i in range(500):
        m.task(w, "fail", f"number {i}")
    m.until("idle")
    assert [m.take_error(ANY)["text"] for _ in range(500)] == [f"number {i}" for i in range(500)]
    assert m.take_error() is None


def test_words(manager):
    """Version and words for numbers are there; an unknown number has words, too."""
    answer = manager.version()
    assert answer["version"].count(".") == 2 and answer["name"] == "NO_WORKER" and "no living worker" in answer["text"]
    assert answer["unknown"]
    assert name_of(ERR["NO_WORKER"]) == "NO_WORKER"
