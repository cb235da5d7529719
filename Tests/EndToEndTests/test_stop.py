"""A graceful stop that is real, with guests that do not listen; and what else goes on while one is waited for."""

import concurrent.futures
import time

import pytest

from support.bus import ERROR, BusError, Client
from support.guest import READY
from support.system import neuron_vm, virsh


def test_a_guest_that_does_not_listen_runs_on_at_the_timeout(client, vms):
    name, path = vms.create(start=True)
    before = time.monotonic()
    with pytest.raises(BusError) as caught:
        client.vm(path, "Stop", timeout=2)
    assert caught.value.name == ERROR + "Timeout"
    assert name in caught.value.message
    assert 2 <= time.monotonic() - before < 10
    assert virsh("domstate", name) == "running"
    assert client.state(path) == "running"


def test_with_force_it_is_destroyed_at_the_timeout(client, vms):
    name, path = vms.create(start=True)
    client.vm(path, "Stop", timeout=1, force=True)
    assert client.state(path) == "shut-off"
    assert virsh("domstate", name) == "shut off"


def test_destroy_needs_no_answer_from_the_guest(client, vms):
    name, path = vms.create(start=True)
    client.vm(path, "Destroy")
    assert client.state(path) == "shut-off"
    assert client.get(path, "StateReason") == "destroyed"


def test_a_booted_guest_that_ignores_the_button_runs_on(client, vms, media):
    name, path = vms.create(memory_mb=1024, iso_path=str(media / "ignore-acpi.iso"), start=True)
    console = vms.console(name)
    console.wait(READY)
    with pytest.raises(BusError) as caught:
        client.vm(path, "Stop", timeout=2)
    assert caught.value.name == ERROR + "Timeout"
    console.write("still here")
    console.wait("NEURON-GUEST-ECHO still here")


def test_a_slow_call_delays_nobody_else(client, vms):
    _, slow = vms.create(start=True)
    other = Client()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        stop = pool.submit(other.vm, slow, "Stop", timeout=120)
        # The request has arrived when the guest is said to have been asked, or is still running: both are fine here.
        assert client.list()
        _, path = vms.create()
        for method, state in (("Start", "running"), ("Pause", "paused"), ("Destroy", "shut-off")):
            client.vm(path, method)
            assert client.state(path) == state
        client.vm(slow, "Pause")
        client.vm(slow, "Resume")
        assert not stop.done()
        # Pulling the plug does not wait for the guest either, and is what the waiting call was waiting for.
        client.vm(slow, "Destroy")
        assert stop.result(timeout=30) is None
    other.close()


def test_a_stop_ends_when_another_tool_has_stopped_the_vm(client, vms, recorder):
    name, path = vms.create(start=True)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        other = Client()
        stop = pool.submit(other.vm, path, "Stop", timeout=120)
        virsh("destroy", name)
        assert recorder.wait_state(path, "shut-off")
        try:
            stop.result(timeout=30)
        except BusError as error:
            # The call came second, or was cut off.
            assert error.name in (ERROR + "InvalidState", ERROR + "Failed")
        other.close()


def test_the_command_line_says_that_the_guest_runs_on(vms, client):
    name, path = vms.create(start=True)
    result = neuron_vm("stop", name, "--timeout", "1", check=False)
    assert result.returncode == 1
    assert name in result.stderr and "runs on" in result.stderr
    assert client.state(path) == "running"
    neuron_vm("stop", name, "--force", "--timeout", "1")
    assert client.state(path) == "shut-off"
