"""A node that runs short of something because of one manager: others keep their workers."""

import contextlib
import itertools
import os
import resource

import pytest
from support import proc
from support.manager import name_of

pytestmark = pytest.mark.plain  # a sanitizer opens files, too


@contextlib.contextmanager
def short(pid, spare):
    """A process that can open no more than so many descriptors."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    free = (fd for fd in itertools.count() if fd not in used)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (next(itertools.islice(free, spare, None)), before[1]))
    yield
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


# A start takes nine of the keeper's at once and keeps three: what is left then must do for another agent.
@pytest.mark.parametrize("role,spare", [*(("agent", n) for n in range(15)), *(("keeper", n) for n in range(4, 25, 2))])
def test_descriptors(world, role, spare):
    """Agent or keeper short of descriptors: another manager is told what cannot be started, what could be works, and the
    worker of the first one is none the worse, also when the agent is replaced then."""
    m = world.manager()
    w = m.start()
    assert m.call(w, "add", 1, 2) == 3
    agent, keeper = world.one("agent").pid, world.one("keeper").pid
    other = world.manager()
    with short(world.one(role).pid, spare):
        answers = [other.start(check=False, count=count) for count in (6, 1, 2)]
        assert m.call(w, "add", 1, 2) == 3
        for answer in answers:
            assert answer["err"] == 0 or name_of(answer["err"]) == "DESCRIPTORS" and answer["text"], answer
        ids = [x for a in answers for x in a["workers"]]
        for x in ids:
            assert other.call(x, "add", x, 1) == x + 1
        assert (world.one("agent").pid, world.one("keeper").pid) == (agent, keeper)
        proc.kill(agent)
        for x in ids:
            assert other.call(x, "add", x, 1) == x + 1
        assert m.call(w, "add", 1, 2) == 3
    assert len(ids) < 9
    assert world.one("keeper").pid == keeper
