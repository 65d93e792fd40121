"""Faults at random moments of running jobs, on one host and in a cluster (chaos.py and chaos_cluster.py say what is promised): a few
every day, 200 of each with -m chaos, or PROMP_CHAOS_TIMES."""

import os

import chaos_cluster
import pytest
from chaos import VICTIMS, campaign
from support import cluster
from support.build import SANITIZER

TIMES = int(os.environ.get("PROMP_CHAOS_TIMES", 200))
in_a_cluster = pytest.mark.skipif(not cluster.built(), reason="the programs of a cluster are not built")


def run(fault, victim, times, seed, **options):
    hits, _, violations = campaign(fault, victim, times, seed, **options)
    assert not violations, "\n".join(f"seed {seed}: {text}" for seed, text in violations)
    assert hits == times


def run_cluster(fault, victim, times, seed):
    run(fault, victim, times, seed, timeout=chaos_cluster.TIMEOUT, case=chaos_cluster.ClusterCase)


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
def test_many_times(fault, victim):
    """The same at 200 moments."""
    run(fault, victim, TIMES, 1000)


@in_a_cluster
@pytest.mark.parametrize("victim", chaos_cluster.VICTIMS)
def test_kill_in_a_cluster(victim):
    """kill -9 of the victim, at two moments."""
    run_cluster("kill", victim, 2, 1)


@in_a_cluster
@pytest.mark.parametrize("victim", chaos_cluster.VICTIMS)
def test_nap_in_a_cluster(victim):
    """The victim stands still for less than the time-out, at two moments."""
    run_cluster("nap", victim, 2, 1)


@in_a_cluster
@pytest.mark.parametrize("victim", chaos_cluster.VICTIMS)
def test_stop_in_a_cluster(victim):
    """The victim stands still for longer than the time-out, once."""
    run_cluster("stop", victim, 1, 1)


@in_a_cluster
@pytest.mark.chaos
@pytest.mark.parametrize("fault", chaos_cluster.FAULTS)
@pytest.mark.parametrize("victim", chaos_cluster.VICTIMS)
def test_many_times_in_a_cluster(fault, victim):
    """The same at 200 moments."""
    run_cluster(fault, victim, TIMES, 1000)
