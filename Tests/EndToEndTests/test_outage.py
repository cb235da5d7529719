"""libvirtd that is gone, hangs or comes late, and QEMUs that hang: nothing is lost, and nobody waits for ever."""

import concurrent.futures
import contextlib
import os
import time

import pytest

from support.bus import ERROR, BusError, Client, Recorder, vm_path
from support.outage import ending, frozen, hanging_up, is_connected, outcome, seconds, wait_connected
from support.system import DISKS, INTENTS, Usage, neuron_vm, run, virsh, wait_until

UNAVAILABLE = ERROR + "HypervisorUnavailable"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvciB0ZXN0cyBvbmx5 alice@home"
# Seconds that libvirtd hangs.
HANG = 60 if "NEURON_TEST_ROUNDS" in os.environ else 20


def running(client, vms, count):
    """The names of so many VMs that run, and the path of each."""
    names = [vms.define()[0] for _ in range(count)]
    paths = {name: client.manager("GetVM", "(s)", name) for name in names}
    for name in names:
        client.vm(paths[name], "Start")
    return names, paths


@contextlib.contextmanager
def all_frozen(names):
    """While this is open the QEMUs of these VMs do nothing; a function that lets them go on before its end, and threads for calls."""
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool, contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(frozen(name))
        yield pool, stack.close


@pytest.fixture
def no_service(service):
    """The service does not run, and runs again afterwards as before."""
    service.stop()
    yield service
    service.restart()


# No libvirtd at the start


@pytest.mark.restarts_service
def test_it_starts_without_libvirtd_and_finds_the_vms_later(vms, no_service, libvirtd):
    name, uuid = vms.define(is_known=False)
    libvirtd.kill()
    try:
        assert seconds(no_service.start) < 25
        late = Client()
        assert is_connected(late) is False and late.list() == {}
        result = neuron_vm("list", timeout=5)
        assert "no connection to libvirt" in result.stderr
        with pytest.raises(BusError) as caught:
            late.create("any", type="linux")
        assert caught.value.name == UNAVAILABLE
        recorder = Recorder()
    finally:
        libvirtd.start()
    wait_connected(recorder, True, timeout=10)
    recorder.catch_up()
    assert [s.member for s in recorder.of(vm_path(uuid))] == ["InterfacesAdded", "VMAdded"]
    assert late.list()[name][3] == "shut-off"
    late.vm(vm_path(uuid), "Start")
    late.close()
    recorder.close()


@pytest.mark.restarts_service
def test_it_starts_beside_a_libvirtd_that_hangs(vms, no_service, libvirtd):
    name, _ = vms.define(is_known=False)
    with libvirtd.suspended():
        assert seconds(no_service.start) < 25
        late, recorder = Client(), Recorder()
        assert is_connected(late) is False
        assert "no connection to libvirt" in neuron_vm("list", timeout=30).stderr
    wait_connected(recorder, True, timeout=10)
    assert name in late.list()
    late.close()
    recorder.close()


# A libvirtd that hangs


def test_libvirtd_hangs_with_a_hundred_calls(client, vms, service, recorder, libvirtd):
    names, paths = running(client, vms, 10)
    usage = Usage(service.pid)
    before, lists, threads = usage.now(), [], []
    callers = [Client() for _ in range(100)]
    with concurrent.futures.ThreadPoolExecutor(100) as pool, libvirtd.suspended():
        start = time.monotonic()
        calls = [
            pool.submit(ending, lambda own, path=paths[names[number % 10]]: own.vm(path, "Pause"), own)
            for number, own in enumerate(callers)
        ]
        while time.monotonic() < start + HANG:
            lists.append(seconds(client.list))
            threads.append(usage.now()[1])
            concurrent.futures.wait([c for c in calls if not c.done()], 0.2, concurrent.futures.FIRST_COMPLETED)
        wait_connected(recorder, False, timeout=1)
        outcomes = [call.result(timeout=1) for call in calls]
        later = [outcome(paths[name], "Pause") for name in names]
    wait_connected(recorder, True, timeout=10)
    longest = max(s for _, s in outcomes)
    print("seconds of calls:", longest, "of lists:", max(lists), "threads:", before[1], max(threads))
    assert {error for error, _ in outcomes} <= {UNAVAILABLE, ERROR + "Timeout", ERROR + "Busy"}
    assert longest <= 30
    assert {error for error, _ in later} == {UNAVAILABLE} and max(s for _, s in later) <= 5
    assert max(lists) <= 5
    assert max(threads) <= before[1] + 16
    for name in names:
        # What libvirtd has been asked for before it hung, it may have done when it went on.
        wait_until(lambda name=name: client.state(paths[name]) == virsh("domstate", name), f"state of {name}")
        client.vm(paths[name], "Destroy")
    usage.wait_for(before)


# A QEMU that hangs


def test_one_qemu_of_ten_hangs_and_the_storage_as_well(client, vms, recorder, held_qemu_img):
    names, paths = running(client, vms, 10)
    hung, *others = names
    with frozen(hung), concurrent.futures.ThreadPoolExecutor(4) as pool:
        call = pool.submit(outcome, paths[hung], "Pause")
        creation = pool.submit(ending, lambda own: own.create(vms.name(), type="linux", disk_size_gb=1))
        for name in others:
            for member, state in (("Pause", "paused"), ("Resume", "running")):
                assert seconds(lambda name=name, member=member: client.vm(paths[name], member)) < 10
                assert client.state(paths[name]) == state
        assert seconds(client.list) < 1
        assert client.state(paths[hung]) == "running"
        error, duration = call.result(timeout=90)
        assert error == ERROR + "Timeout" and duration <= 60
        assert creation.result(timeout=60)[0] == ERROR + "Timeout"
        # Others get on with what is stored elsewhere, and everybody with what is not stored.
        client.manager("ListMedia")
        client.vm(paths[others[0]], "Pause")
        recorder.catch_up()
        assert not any("HypervisorConnected" in s.changed for s in recorder.signals)
        assert seconds(client.list) < 1
        held_qemu_img.unlink()
        assert client.list().keys() >= set(names)
    wait_until(lambda: not list(INTENTS.iterdir()), "end of the cleaning up")
    # What had been asked for happens when it goes on; then it is as any other.
    wait_until(lambda: virsh("domstate", hung) == client.state(paths[hung]), "state of the VM")
    client.vm(paths[hung], "Destroy")


def test_many_qemus_that_hang_take_nothing_from_the_others(client, vms, recorder):
    """libvirtd works on five calls of a client at once, and these do not end."""
    names, paths = running(client, vms, 8)
    *hung, first, second = names
    with all_frozen(hung) as (pool, let_go):
        calls = [pool.submit(outcome, paths[name], "Pause") for name in hung]
        end = time.monotonic() + 12
        while time.monotonic() < end:
            for name in (first, second):
                for member in ("Pause", "Resume"):
                    assert seconds(lambda name=name, member=member: client.vm(paths[name], member)) < 5
        recorder.catch_up()
        assert not any("HypervisorConnected" in s.changed for s in recorder.signals)
        assert not any(call.done() for call in calls)
        let_go()
        assert [call.result(timeout=30)[0] for call in calls] == [None] * len(hung)


def test_a_qemu_that_hangs_can_be_destroyed(client, vms):
    name, uuid = vms.define()
    client.vm(vm_path(uuid), "Start")
    with frozen(name), concurrent.futures.ThreadPoolExecutor(1) as pool:
        pause = pool.submit(outcome, vm_path(uuid), "Pause")
        client.vm(vm_path(uuid), "Destroy")
        assert client.state(vm_path(uuid)) == "shut-off"
        assert pause.result(timeout=30)[0] is not None
    assert virsh("domstate", name) == "shut off"


@pytest.mark.restarts_service
def test_the_first_listing_does_not_wait_for_a_qemu_that_hangs(client, vms, service):
    names = [vms.define()[0] for _ in range(3)]
    for name in names:
        client.manager("StartVM", "(sa{sv})", name, {})
    service.stop()
    quick = seconds(service.start)
    with frozen(names[1]):
        service.stop()
        slow = seconds(service.start)
        late = Client()
        listed = {name: row[3:6] for name, row in late.list().items()}
        late.close()
    print("seconds:", quick, "and with one that hangs:", slow)
    assert listed == {name: ("running", 64, 1) for name in names}
    assert slow < quick + 10


def test_a_call_whose_new_connection_is_reset_says_that_libvirt_is_away(client, vms, recorder):
    """As when libvirtd is killed in that moment: what it waited for a connection with is over before the others are."""
    hung, paths = running(client, vms, 6)
    _, last = vms.define()
    with all_frozen(hung) as (pool, let_go):
        with hanging_up():
            # More than the connections that are kept for such calls.
            calls = [pool.submit(outcome, paths[name], "Pause") for name in hung]
            refused = next(concurrent.futures.as_completed(calls, timeout=5))
            assert outcome(vm_path(last), "Start")[0] == UNAVAILABLE
        let_go()
        assert refused.result()[0] == UNAVAILABLE
        assert {call.result(timeout=30)[0] for call in calls} == {UNAVAILABLE, None}
    recorder.catch_up()
    assert not any("HypervisorConnected" in s.changed for s in recorder.signals)
    assert outcome(vm_path(last), "Start")[0] is None


@pytest.mark.restarts_service
@pytest.mark.parametrize("calls", range(1, 9))
def test_a_connection_that_ends_while_it_is_opened_is_not_taken(vms, service, calls):
    """Some of what libvirt asks at the beginning may fail, and then it gives the connection out all the same."""
    service.restart()
    late, recorder = Client(), Recorder()
    with hanging_up(after=calls), pytest.raises(BusError) as caught:
        # The connection for storage is opened when it is needed.
        late.create(vms.name(), type="linux", disk_size_gb=1)
    assert caught.value.name == UNAVAILABLE
    wait_until(lambda: late.list() == {} and not list(INTENTS.iterdir()), "end of the cleaning up")
    name = vms.name()
    late.create(name, type="linux", disk_size_gb=1)
    assert late.list().keys() == {name}
    recorder.catch_up()
    assert not any("HypervisorConnected" in s.changed for s in recorder.signals)
    late.close()
    recorder.close()


def test_a_copy_whose_connection_is_reset_says_so_and_leaves_nothing(client, recorder):
    """The volume is made, and libvirtd goes before the bytes have a connection of their own."""
    with hanging_up(), pytest.raises(BusError) as caught:
        client.create("nobody-s", type="linux", disk_size_gb=1, user="alice", ssh_keys=[KEY])
    assert caught.value.name == UNAVAILABLE
    wait_until(lambda: client.list() == {} and not list(INTENTS.iterdir()), "end of the cleaning up")
    assert list(DISKS.iterdir()) == []
    recorder.catch_up()
    assert not any("HypervisorConnected" in s.changed for s in recorder.signals)


@pytest.mark.parametrize("member, values", [("Destroy", {}), ("Stop", {"force": True})])
def test_a_start_that_hangs_can_be_ended(client, vms, hanging_emulator, member, values):
    name, uuid = vms.define()
    xml = virsh("dumpxml", name).replace("/usr/bin/qemu-system-x86_64", str(hanging_emulator))
    virsh("define", "/dev/stdin", stdin=xml)
    path = vm_path(uuid)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        start = pool.submit(outcome, path, "Start")
        wait_until(lambda: virsh("domstate", name) != "shut off", "process")
        assert client.state(path) == "shut-off"
        client.vm(path, member, **values)
        error, _ = start.result(timeout=30)
    assert error is not None
    assert client.state(path) == "shut-off" and virsh("domstate", name) == "shut off"
    assert run("pgrep", "-x", hanging_emulator.name, check=False).stdout == ""
