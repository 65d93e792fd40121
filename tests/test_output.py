"""Output of workers: redirected or not, atomic or not, in order, native, and the last words of a crash."""

import pytest
from support.build import ERR
from support.proc import wait_until

STDOUT, STDERR, NATIVE_STDOUT, NATIVE_STDERR = 1, 2, 3, 4


def printed(m, *texts, stream=STDOUT):
    w = m.start()
    assert m.call(w, "print", stream, *texts) == 0
    return m.output(w)


def test_redirect(noisy):
    """Each write is one call of the output function, in order, with its stream; empty ones are left out."""
    texts = ["a", "", "b\n", "\n", "c\nd", "ä€", "x" * 300000]
    expected = [(STDOUT, t.encode()) for t in texts if t]
    assert printed(noisy, *texts) == expected
    assert printed(noisy, b"\xff\0 bytes", stream=STDERR) == [(STDERR, b"\xff\0 bytes")]


def test_atomic(noisy):
    """ATOMIC alone implies REDIRECT, drops lone newlines and ends every write with one."""
    noisy.check("set", options=2)
    got = printed(noisy, "a", "\n", "b\n", "\r\n", "c\nd", "\n\n", "", "e\n")
    assert [t for _, t in got] == [b"a\n", b"b\n", b"c\nd\n", b"\n\n", b"e\n"]


def test_no_redirect(world):
    """Without REDIRECT nothing of a worker shows anywhere in the manager."""
    m = world.manager()
    m.check("output", "show")
    w = m.start()
    assert m.call(w, "print", STDOUT, "a\n") == 0
    m.call(w, "print", STDERR, "b\n")
    m.task(w, "native", 10, 1)
    m.task(w, "native", 10, 2)
    m.until("idle")
    m.until("time", timeout=0.2, check=False)
    assert m.output() == [] and m.stdout() == b"" and m.stderr() == ""


def test_default_function(world):
    """Without an output function output goes to the manager's own stdout and stderr, by stream."""
    m = world.manager()
    m.check("set", options=1)
    w = m.start()
    m.call(w, "print", STDOUT, "to ", "stdout\n")
    m.call(w, "print", STDERR, "to stderr\n")
    m.task(w, "native", 2, 1)
    m.until("idle")
    wait_until(lambda: (m.process(), b"native 1" in m.stdout())[1], 10, "native output")
    assert m.stdout() == b"to stdout\nnative 0\nnative 1\n" and m.stderr() == "to stderr\n"


def test_only_in_process(noisy):
    """Output is handed over inside process, not while messages are waited for."""
    m = noisy
    w = m.start()
    m.task(w, "print", STDOUT, "early\n")
    m.task(w, "send", 1, "x")
    assert m.wait_message(w, 20000)["err"] == 0
    assert m.output() == []
    m.until("idle")
    assert m.output() == [(STDOUT, b"early\n")]


def test_busy_until_shown(noisy):
    """A worker is busy until its output has been handed over: output comes before the end of its task."""
    m = noisy
    w = m.start()
    m.task(w, "lines", 1000, 0, 0, result=0)
    m.task(w, "send", 1, "done")
    m.wait_message(w, 20000)
    assert m.state(w)["is_busy"] and m.output() == []
    m.until("idle")
    assert len(m.output()) == 1000


def test_30000_records(noisy):
    """30,000 records of 4 workers arrive complete, each worker's in order."""
    m = noisy
    m.check("output", "count")
    ids = m.start(count=4)
    for w in ids:
        m.task(w, "lines", 7500, 0, 20)
    m.until("idle", timeout=60)
    answer = m.counted()
    assert (answer["records"], answer["wrong"]) == (30000, 0)


@pytest.mark.slow
def test_1000000_records(noisy):
    """1,000,000 output records arrive complete and in order."""
    m = noisy
    m.check("output", "count")
    m.task(m.start(), "lines", 1_000_000, 0, 20)
    m.until("idle", timeout=300)
    answer = m.counted()
    assert (answer["records"], answer["wrong"]) == (1_000_000, 0)


def test_native_output(noisy):
    """What native code writes to descriptors 1 and 2 arrives complete and in order."""
    m = noisy
    w = m.start()
    m.task(w, "native", 20000, 1)
    m.task(w, "native", 100, 2)
    m.until("idle", timeout=30)
    expected = [b"".join(b"native %d\n" % i for i in range(n)) for n in (20000, 100)]
    got = {NATIVE_STDOUT: b"", NATIVE_STDERR: b""}

    def complete():
        m.process()
        for stream, text in m.output():
            got[stream] += text
        return len(got[NATIVE_STDOUT]) >= len(expected[0]) and len(got[NATIVE_STDERR]) >= len(expected[1])

    wait_until(complete, 10, lambda: {k: len(v) for k, v in got.items()})
    assert [got[NATIVE_STDOUT], got[NATIVE_STDERR]] == expected


def test_native_output_of_children(noisy):
    """Output of a process that the worker starts arrives, too."""
    m = noisy
    w = m.start()
    m.until("ready", w)
    m.task(w, "family", "exec")
    m.until("idle")
    assert m.take_result(w) == (True, 1)


def test_native_output_without_redirect_never_blocks(worker):
    """A worker that writes megabytes nobody asked for is not stopped by its own pipe."""
    m, w = worker
    m.task(w, "native", 200000, 1)
    m.until("idle", timeout=30)
    assert m.take_error() is None


def test_last_words(noisy):
    """What a worker wrote in the very last moment before a SIGKILL arrives as output, once."""
    m = noisy
    w = m.start()
    m.task(w, "words", "last words\n", 1)
    end = m.end(w)
    m.process()
    out = b"".join(t for _, t in m.output())
    assert out.count(b"last words\n") == 1 and end["signal"] == 9


def test_last_words_without_redirect(worker):
    """Without REDIRECT the exit record's tail has the end of what was written, however much that was."""
    m, w = worker
    m.call(w, "print", STDOUT, "said before\n")
    m.task(w, "words", "0123456789abcdef" * 4, 5000)
    end = m.end(w)
    assert 1000 < len(end["tail"]) <= 65536 and end["tail"].endswith(b"0123456789abcdef")


def test_tail_of_prints(worker):
    """Without REDIRECT the last prints are kept for the exit record."""
    m, w = worker
    m.call(w, "print", STDOUT, "I was here\n")
    m.task(w, "exit", 1)
    assert m.end(w)["tail"].endswith(b"I was here\n")


def test_output_before_a_crash(noisy):
    """Records printed before a crash are delivered, all of them, before the worker is shown as dead."""
    m = noisy
    m.check("output", "count")
    w = m.start()
    m.task(w, "lines", 3000, 0, 100)
    m.task(w, "signal", 11)
    end = m.end(w, timeout=30)
    answer = m.counted()
    assert answer["wrong"] == 0 and answer["records"] + end["lost"] > 0
    assert answer["records"] == 3000 or end["lost"] > 0, (answer, end["lost"])


def test_destroy_flushes(noisy):
    """Output that has arrived is handed over by destroy at the latest."""
    m = noisy
    w = m.start()
    m.task(w, "print", STDOUT, "late\n")
    m.task(w, "send", 1, "x")
    assert m.wait_message(w, 20000)["err"] == 0
    m.destroy()
    assert (STDOUT, b"late\n") in m.output()


def test_print_of_an_unread_manager_ends_on_stop(noisy):
    """A worker that waits for room to print (its manager reads nothing) ends when it is stopped."""
    m = noisy
    m.check("output", "count")
    w = m.start()
    m.until("ready", w)
    m.task(w, "lines", 10_000_000, 0, 1000)
    m.until("time", timeout=0, check=False)
    m.check("stop", w)
    m.until("dead", w, timeout=20)
    assert m.exit(w)["cause"] in (ERR["WORKER_STOPPED"], ERR["WORKER_EXITED"])


def test_streams_that_do_not_exist(noisy):
    """A stream that there is not is an argument error for the worker's call, nothing more."""
    m = noisy
    w = m.start()
    assert m.call(w, "print", 9, "x") == ERR["ARGUMENT"]
    assert m.call(w, "print", 1, "y") == 0
    assert m.output() == [(1, b"y")]
