"""Faults at random moments of running jobs (chaos.py says what is promised): a few every day, 200 of each with -m chaos."""

import pytest
from chaos import VICTIMS, campaign
from support.build import SANITIZER


def run(fault, victim, times, seed):
    hits, _, violations = campaign(fault, victim, times, seed)
    assert not violations, "\n".join(f"seed {seed}: {text}" for seed, text in violations)
    assert hits == times


@pytest.mark.parametrize("victim", VICTIMS)
def test_kill(victim):
    """kill -9 of the victim, at five moments."""
    run("kill", victim, 3 if SANITIZER else 5, 1)


@pytest.mark.parametrize("victim", VICTIMS)
def test_stop(victim):
    """kill -STOP of the victim, at three moments."""
    run("stop", victim, 2 if SANITIZER else 3, 1)


@pytest.mark.chaos
@pytest.mark.parametrize("fault", ["kill", "stop"])
@pytest.mark.parametrize("victim", VICTIMS)
def test_200_times(fault, victim):
    """The same at 200 moments."""
    run(fault, victim, 200, 1000)
