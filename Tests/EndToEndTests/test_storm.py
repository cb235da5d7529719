"""Very many changes at once, made behind the service's back."""

import subprocess

import pytest

from support import storm
from support.bus import Recorder
from support.system import Usage


@pytest.fixture
def stormy_service(service):
    """The service on a driver that is quick enough."""
    service.restart("--uri", storm.URI)
    yield service
    service.restart()


@pytest.mark.restarts_service
def test_a_storm_of_changes_is_told_in_order(stormy_service, client):
    recorder = Recorder()
    try:
        names = storm.define(300)
        recorder.wait_for(lambda: set(names) <= set(client.list()), what="list of all VMs")
        _, _, before = Usage(stormy_service.pid).now()

        shell = subprocess.Popen([*storm.SHELL], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        shell.communicate("".join(line for _, line in storm.commands(names)), timeout=120)
        assert shell.returncode == 0
        # Events come in order: whoever knows this one has had all the others.
        storm.define(1, "after the storm ")
        recorder.wait_for(lambda: "after the storm 0" in client.list(), what="last VM")
        recorder.wait_for(
            lambda: all(client.list()[name][3] == storm.STATES[-1] for name in names), what="end of the storm")
        recorder.catch_up()

        told = {name: recorder.states(client.list()[name][0]) for name in names}
        # What passes while a VM is being read is not told one by one, so how much is told depends on the machine.
        assert any(told.values())
        for name, states in told.items():
            assert storm.in_order([new for new, _ in states]), f"{name}: {states}"
            assert all(old == earlier for (_, old), (earlier, _) in zip(states[1:], states)), f"{name}: {states}"
        assert Usage(stormy_service.pid).now()[2] < before * 1.25
    finally:
        recorder.close()
