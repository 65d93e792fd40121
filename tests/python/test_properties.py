"""Properties: values survive every way, random bytes never crash the decoder, random calls agree with a small model."""

import os

import pytest
from conftest import PYTHON
from test_mp import LOOP

EXAMPLES = int(os.environ.get("PROMP_EXAMPLES", "60"))

HYPOTHESIS = LOOP + """
try:
    from hypothesis import HealthCheck, Phase, given, settings, strategies as st
except ImportError:
    print("no hypothesis"); sys.exit()
from Pro import _promp
EXAMPLES = int(os.environ["PROMP_EXAMPLES"])
quiet = dict(deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize="PROMP_RANDOM" not in os.environ)
text = st.text(st.characters(blacklist_categories=("Cs",)))
scalars = (st.none() | st.booleans() | st.integers() | st.integers(min_value=-2**70, max_value=2**70) | st.floats(allow_nan=False)
           | st.binary() | text)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text | st.integers(), inner, max_size=5),
                      max_leaves=30)
def same(a, b):
    if type(a) is not type(b): return False
    if isinstance(a, list): return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict): return list(a) == list(b) and all(same(x, y) for x, y in zip(a.values(), b.values()))
    return a == b and str(a) == str(b)
"""


@pytest.fixture
def run_hypothesis(run):
    def call(text, examples=EXAMPLES, env=()):
        # Debian's hypothesis belongs to Debian's Python.
        out = run(HYPOTHESIS + text, env={"PROMP_EXAMPLES": str(examples), **dict(env)}, timeout=250)
        if out == "no hypothesis\n":
            pytest.skip("hypothesis is not installed for " + PYTHON)
        assert out == "ok\n"

    return call


def test_values(run_hypothesis):
    """Aim: whatever is encoded decodes to the same, with the same types and order, here and through a worker and back [51]."""
    run_hypothesis("""
m, (w,) = started()
@settings(max_examples=EXAMPLES * 4, **quiet)
@given(values)
def alone(v): assert same(_promp.decode(_promp.encode(v)), v)
alone()
@settings(max_examples=EXAMPLES // 4, **quiet)
@given(st.lists(values, max_size=40))
def through_a_worker(batch):
    m.evalPythonFunction(w, "def f(*a): return list(a)", "f", batch, True)
    for v in batch: m.evalPythonFunction(w, "def f(a): return a", "f", [v], True)
    loop(m)
    assert same(m.takeResult(w), batch)
    for v in batch: assert same(m.takeResult(w), v)
    assert not m.hasResults() and not m.hasErrors()
through_a_worker()
print("ok")
""")


def test_decoder(run_hypothesis):
    """Aim: random bytes, and real values with a change, give a value or ValueError; what is decoded can travel again."""
    run_hypothesis("""
def attempt(data):
    try: v = _promp.decode(data)
    except (ValueError, OverflowError): return
    again = _promp.decode(_promp.encode(v))
    assert repr(again) == repr(v)
@settings(max_examples=EXAMPLES * 10, **quiet)
@given(st.binary(max_size=80))
def random_bytes(data): attempt(data)
random_bytes()
@settings(max_examples=EXAMPLES * 10, **quiet)
@given(values, st.integers(0, 10**6), st.integers(0, 255), st.integers(0, 3))
def changed(v, at, byte, how):
    data = bytearray(_promp.encode(v)); at %= len(data)
    if how == 0: data[at] = byte
    elif how == 1: del data[at]
    elif how == 2: data.insert(at, byte)
    else: del data[at:]
    attempt(bytes(data))
changed()
for head in range(256):
    for tail in (b"", b"\\0", b"\\xff" * 8, b"\\xff" * 9, b"\\x01" * 20): attempt(bytes([head]) + tail)
attempt(b"\\x81" * 10**5); attempt(b"\\xc2" * 10**5); attempt(b"\\x9b" + b"\\xff" * 8 + b"\\0" * 100)
print("ok")
""")


def test_random_calls(run_hypothesis):
    """Aim: random sequences of calls do what a small model of a manager says: who lives, who is busy, which results and
    messages come, in which order."""
    run_hypothesis("""
from hypothesis.stateful import RuleBasedStateMachine, rule, precondition, invariant, run_state_machine_as_test
ECHO = '''
from Pro.MP import *
me = proWorkerObject()
def echo(x): return x
def answer(n):
    for i in range(n):
        while not me.waitForMessage(1000): pass
        msg = me.getMessage(); msg.id += 1000; me.sendMessage(msg)
    return n
def hang():
    while not me.waitObject().wasAborted(): me.waitForMessage(20)
def fail(x): raise ValueError(x)
def die():
    import os; os._exit(3)
'''
class Model:
    def __init__(self): self.results, self.inbox, self.answers, self.failures, self.hangs, self.alive = [], 0, [], [], False, True
class Calls(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.m = ProManager(); self.w = {}; self.n = 0
    def teardown(self): self.m.__exit__(None, None, None)
    def pick(self, k):
        able = [i for i, w in self.w.items() if w.alive]
        return able[k % len(able)] if able else 0
    def call(self, i, name, *args): self.m.evalPythonFunction(i, ECHO, name, list(args), True)
    def idle(self, i):
        end = time.monotonic() + 20
        while self.m.isWorkerBusy(i):
            assert time.monotonic() < end
            self.m.wait(100); self.m.processMessages()
    def settle(self, i): # a worker that hangs is aborted before it is asked for more
        if self.w[i].hangs:
            self.m.abortOperation(i, 10000); self.w[i].hangs = False
            assert self.m.isWorkerAlive(i) and not self.m.isWorkerBusy(i)
    @precondition(lambda self: len([w for w in self.w.values() if w.alive]) < 3)
    @rule()
    def start(self):
        i = self.m.startWorker(); assert i == max(self.w, default=0) + 1, self.m.lastError(); self.w[i] = Model()
    @rule(k=st.integers(0, 9), v=values)
    def echo(self, k, v):
        i = self.pick(k)
        if i: self.settle(i); self.call(i, "echo", v); self.w[i].results.append(v); assert self.m.isBusy() and self.m.isWorkerBusy(i)
        else: self.call(7777, "echo", v)
    @rule(k=st.integers(0, 9), n=st.integers(1, 3))
    def talk(self, k, n):
        i = self.pick(k)
        if not i: assert not self.m.sendMessage(ProWorker_Any, ProMPMessage(1)); return
        self.settle(i)
        for j in range(n):
            self.n += 1
            msg = ProMPMessage(self.n); msg.data = b"%d" % self.n
            assert self.m.sendMessage(i, msg); self.w[i].answers.append(self.n)
        self.call(i, "answer", n); self.w[i].results.append(n)
    @rule(k=st.integers(0, 9))
    def hang(self, k):
        i = self.pick(k)
        if i: self.settle(i); self.idle(i); self.call(i, "hang"); self.w[i].hangs = True  # an abort drops all that waits
    @rule(k=st.integers(0, 9))
    def fail(self, k):
        i = self.pick(k)
        if i: self.settle(i); self.call(i, "fail", k); self.w[i].failures.append("ValueError: %d" % k)
    @rule(k=st.integers(0, 9), how=st.sampled_from(["stop", "die", "abort"]))
    def end(self, k, how):
        i = self.pick(k)
        if not i: return
        self.settle(i); self.idle(i)
        if how == "stop": self.m.stopWorker(i)
        elif how == "die": self.call(i, "die"); self.w[i].failures.append("lost")
        else: self.call(i, "hang"); self.m.abortOperation(i, 0); self.w[i].failures.append("ended")
        end = time.monotonic() + 20
        while self.m.isWorkerAlive(i) or self.m.isWorkerBusy(i):
            assert time.monotonic() < end
            self.m.wait(100); self.m.processMessages()
        self.w[i].alive = False
    @rule(k=st.integers(0, 9))
    def collect(self, k):
        if not self.w: assert self.m.takeResult(ProWorker_All, "none") == "none"; return
        i = sorted(self.w)[k % len(self.w)]; w = self.w[i]
        if w.alive: self.settle(i); self.idle(i)
        for want in w.results: assert same(self.m.takeResult(i, "nothing"), want)
        for want in w.answers:
            assert self.m.waitForMessage(i, 10000)
            msg = self.m.getMessage(i)
            assert (msg.id, msg.data) == (want + 1000, b"%d" % want) and self.m.getWorkerFromIncomingMessage(msg) == i
        for want in w.failures: assert want in str(self.m.takeError(i)), want
        assert self.m.takeResult(i, "nothing") == "nothing" and not self.m.hasMessage(i) and self.m.takeError(i) is None
        w.results, w.answers, w.failures = [], [], []
    @invariant()
    def counts(self):
        alive = [i for i, w in self.w.items() if w.alive]
        assert self.m.workersAlive() == len(alive)
        assert all(self.m.isWorkerAlive(i) == w.alive for i, w in self.w.items())
        assert self.m.isWorkerAlive(ProWorker_Any) == self.m.isWorkerAlive(ProWorker_All) == bool(alive)
        assert all(self.m.isWorkerBusy(i) for i, w in self.w.items() if w.hangs)
        assert self.m.workersBusy() == sum(self.m.isWorkerBusy(i) for i in self.w) and (not self.m.workersBusy() or self.m.isBusy())
run_state_machine_as_test(Calls, settings=settings(max_examples=EXAMPLES // 12, stateful_step_count=25, phases=[Phase.generate], **quiet))
print("ok")
""")
