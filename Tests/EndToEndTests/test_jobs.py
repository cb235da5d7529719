"""What takes time, as others see it: objects with progress, and an end that is told once."""

import os
import random
import signal
import subprocess
import time

import pytest

from support import polkit as answers
from support.bus import ERROR, JOB_INTERFACE, STANDARD_ERROR, BusError, options
from support.system import DISKS, INTENTS, domains, media_files, wait_until
from support.terminal import Terminal

ROUNDS = int(os.environ.get("NEURON_TEST_ROUNDS", 25))
NEW_VM = {"type": "linux", "memory_mb": 256, "vcpus": 1, "disk_size_gb": 1}

SLOW = {"timeout": 600, "background": True}


def job_of(client, path):
    return client.get(path, "Job")


def test_a_creation_in_the_background(client, vms, recorder):
    name = vms.name()
    path = client.create(name, **NEW_VM, background=True)
    completed = recorder.wait(lambda s: s.member == "Completed")
    assert completed.arguments[:2] == (True, "")
    job = completed.path
    added = recorder.wait(lambda s: s.member == "InterfacesAdded" and s.arguments[0] == job)
    properties = added.arguments[1][JOB_INTERFACE]
    assert (properties["Operation"], properties["Target"], properties["Objects"]) == ("create", name, [path])
    assert properties["StartedByUID"] == os.getuid()
    assert client.state(path) == "shut-off" and job_of(client, path) == "/"
    assert client.get(job, "Progress", JOB_INTERFACE) == 1
    # The VM names its job, and then none, before the job is said to have ended.
    told = [s.changed["Job"] for s in recorder.of(path) if "Job" in s.changed]
    assert told == [job, "/"]


def test_a_stop_that_is_cancelled_leaves_the_guest(client, vms, recorder):
    _, path = vms.create(start=True)
    client.vm(path, "Stop", **SLOW)
    job = job_of(client, path)
    assert client.get(job, "Cancelable", JOB_INTERFACE)
    client.call(job, JOB_INTERFACE, "Cancel")
    assert recorder.wait(lambda s: s.member == "Completed" and s.path == job).arguments[:2] == (False, ERROR + "Cancelled")
    assert client.state(path) == "running" and job_of(client, path) == "/"
    with pytest.raises(BusError) as error:
        client.call(job, JOB_INTERFACE, "Cancel")
    assert error.value.name == ERROR + "InvalidState"


def seconds_of_a_life(client, vms):
    began = time.monotonic()
    client.manager("DeleteVM", "(sa{sv})", vms.create()[0], options({"delete_disks": True}))
    return time.monotonic() - began


def test_creations_that_are_cancelled_leave_a_whole_vm_or_nothing(client, vms):
    """Cancel comes at another moment each time, also before and after there is something to cancel."""
    seed = int(os.environ.get("NEURON_TEST_SEED", random.randrange(1 << 32)))
    print(f"NEURON_TEST_SEED={seed}")
    moments = random.Random(seed)
    # As long as it takes, and a little longer.
    longest = min(seconds_of_a_life(client, vms) for _ in range(4))
    made = 0
    for _ in range(ROUNDS):
        name = vms.name()
        path = client.create(name, **NEW_VM, background=True)
        # The moment is what is tried out; this waits for nothing.
        time.sleep(moments.uniform(0, longest))
        try:
            client.call(job_of(client, path), JOB_INTERFACE, "Cancel")
        except BusError as error:
            # It had ended, and perhaps so early that the VM had no job any more.
            assert error.name in (ERROR + "InvalidState", STANDARD_ERROR + "UnknownObject"), error
            made += 1
            # Or it was about to end, when it was too late already.
            wait_until(lambda: client.state(path) == "shut-off", "end of the creation")
            client.manager("DeleteVM", "(sa{sv})", name, options({"delete_disks": True}))
        else:
            assert name not in client.list()
        assert domains() == [] and list(DISKS.iterdir()) == []
    print(f"{ROUNDS - made} of {ROUNDS} were cancelled, {made} were there before that")
    assert made < ROUNDS


def test_another_user_does_not_cancel_it(client, vms, users):
    _, path = vms.create(start=True)
    client.vm(path, "Stop", **SLOW)
    job = job_of(client, path)
    outcome = users.nobody().outcome(job, JOB_INTERFACE, "Cancel", "()", ())
    assert outcome.error == "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
    assert client.get(job, "Cancelable", JOB_INTERFACE)
    client.call(job, JOB_INTERFACE, "Cancel")


def test_ctrl_c_gives_a_stop_up(client, vms, recorder):
    name, path = vms.create(start=True)
    terminal = Terminal("root", "neuron-vm", "stop", name, "--timeout", "600", "--force")
    try:
        recorder.wait(
            lambda s: s.member == "InterfacesAdded"
            and s.arguments[1].get(JOB_INTERFACE, {}).get("Operation") == "stop"
        )
        os.write(terminal.master, b"\x03")
        assert terminal.end() == 1
        assert "cancelled" in terminal.text
    finally:
        terminal.close()
    assert client.state(path) == "running" and job_of(client, path) == "/"


def test_many_creations_of_one_user_hold_up_no_other(client, vms, polkit, users, recorder):
    """A hundred of root's, and then one of another's, which is done before those are."""
    polkit.decide = lambda check: answers.YES
    other = users.other()
    other.name()
    names = [vms.name() for _ in range(100)]
    paths = [client.create(name, **NEW_VM, background=True) for name in names]
    assert other.named("CreateVM", vms.name(), **NEW_VM).error is None
    assert "creating" in {row[3] for name, row in client.list().items() if name in names}
    for path in paths:
        recorder.wait_state(path, "shut-off", timeout=120)


@pytest.fixture
def large(tmp_path):
    """A file that takes some seconds to copy."""
    file = tmp_path / "large.iso"
    with open(file, "wb") as out:
        out.truncate(2 << 30)
    return file


def import_job(recorder):
    """The path of the import's job, once it is told of."""
    added = recorder.wait(
        lambda s: s.member == "InterfacesAdded"
        and s.arguments[1].get(JOB_INTERFACE, {}).get("Operation") == "import-media"
    )
    return added.arguments[0]


def test_an_import_tells_how_far_it_is_and_ctrl_c_cancels_it(client, recorder, large):
    terminal = Terminal("root", "env", "TERM=xterm", "neuron-vm", "media", "import", str(large))
    try:
        job = import_job(recorder)
        recorder.wait(lambda s: s.path == job and s.changed.get("Progress", 0) > 0.1)
        terminal.wait("importing large.iso [##")
        os.write(terminal.master, b"\x03")
        assert terminal.end() == 1
        assert "cancelled" in terminal.text
    finally:
        terminal.close()
    assert recorder.wait(lambda s: s.member == "Completed").arguments[:2] == (False, ERROR + "Cancelled")
    told = [s.changed["Progress"] for s in recorder.signals if s.path == job and "Progress" in s.changed]
    assert told == sorted(told) and all(0 <= share <= 1 for share in told)
    assert media_files() == [] and "large.iso" not in dict(client.manager("ListMedia"))


def test_imports_that_are_cancelled_leave_all_or_nothing(client, large):
    """At moments left to chance."""
    seed = random.randrange(1 << 32)
    print(f"NEURON_TEST_SEED={seed}")
    chance = random.Random(int(os.environ.get("NEURON_TEST_SEED", seed)))
    os.truncate(large, 64 << 20)
    outcomes = []
    for _ in range(ROUNDS):
        importing = subprocess.Popen(
            ["neuron-vm", "media", "import", str(large)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(0, 0.3))
        importing.send_signal(signal.SIGINT)
        outcomes.append(importing.wait(timeout=60))
        if outcomes[-1] != 0 and outcomes[-1] != 1:
            # It ended before it had asked for anything, or did not wait for what it had asked for.
            wait_until(lambda: list(INTENTS.iterdir()) == [], "end of the import")
            wait_until(lambda: not media_files() or "large.iso" in dict(client.manager("ListMedia")), "end of the import")
        if "large.iso" in dict(client.manager("ListMedia")):
            client.manager("RemoveMedia", "(s)", "large.iso")
        assert media_files() == []
    print(f"{outcomes.count(1)} of {ROUNDS} were cancelled")
