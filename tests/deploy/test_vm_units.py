"""Aim: on a machine with a real systemd the packages install, and broker and node live and die as their units say."""

import pytest

pytestmark = [pytest.mark.vm, pytest.mark.root, pytest.mark.plain, pytest.mark.timeout(1800)]


def test_set_up(served):
    """Aim: the commands of docs/operations.md make a broker and a node that has joined it."""
    assert served.check("systemctl is-active promp-broker promp-node").split() == ["active", "active"]
