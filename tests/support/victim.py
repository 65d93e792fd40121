"""A node that serves an honest manager while a test is hostile to it."""

import pytest

from .manager import name_of
from .wire import Client


@pytest.fixture
def victim(world):
    """connect() gives hostile clients; an honest manager and its worker are there before, during and after."""
    m = world.manager()
    w = m.start()
    assert m.call(w, "add", 1, 2) == 3
    keeper, agent = world.one("keeper").pid, world.one("agent").pid
    clients = []

    def connect():
        clients.append(Client(world.socket()))
        return clients[-1]

    yield connect
    assert m.call(w, "add", 2, 2) == 4
    for c in clients:
        c.close()
    fresh = world.manager()
    assert fresh.call(fresh.start(), "add", 3, 4) == 7
    assert m.call(w, "add", 2, 2) == 4
    assert (world.one("keeper").pid, world.one("agent").pid) == (keeper, agent), "the node was restarted"


def refused(client, *names):
    """The node closes, having said why: one of these numbers; or, with None among them, without a word."""
    end = client.end()
    if end is None:
        assert None in names, f"closed without a word; seen {client.seen[-3:]}"
    else:
        assert name_of(end["error"]) in names and end["text"], end
