"""Guests and QEMUs that end, fail or stop by themselves: the state, why, and one signal for each change, at once."""

import os
import pathlib
import signal

import pytest

from support import bootsector
from support.bus import VM_INTERFACE, vm_path
from support.system import qemu_pid, run, virsh, wait_until

# Seconds from what happens to the last signal about it.
AT_ONCE = 10


class Machine:
    """A VM of another tool whose guest is a boot sector; it is running, and its signals are written down from there on."""

    def __init__(self, vms, client, recorder, code, **details):
        self.client, self.recorder = client, recorder
        self.name, uuid = bootsector.define(vms, code, **details)
        self.path = vm_path(uuid)
        virsh("start", self.name)
        recorder.wait_state(self.path, "running")
        recorder.catch_up()
        recorder.signals.clear()

    def go(self, vms):
        """Has the guest do what it is there for, and returns when it is about to."""
        console = vms.console(self.name)
        console.write("x")
        with console.changed:
            # The console may end with the guest before what it said last is read.
            assert console.changed.wait_for(lambda: bootsector.ACTS in console.text or console.ended, 30)

    def changes(self):
        """The (new, old, reason) of each VMStateChanged, each told with one change of the property, and no other change of that."""
        told = [s.arguments[2:] for s in self.recorder.of(self.path) if s.member == "VMStateChanged"]
        changed = [s.changed for s in self.recorder.of(self.path) if "State" in s.changed]
        assert [(c["State"], c.get("StateReason")) for c in changed] == [(new, reason) for new, _, reason in told]
        return told

    def properties(self):
        values = self.client.get_all(self.path)
        return values["State"], values["StateReason"]

    def has_settled(self):
        """What comes late has come: a change that is made afterwards is told afterwards."""
        self.client.call(self.path, VM_INTERFACE, "SetAutostart", "(ba{sv})", (True, {}))
        self.recorder.wait(lambda s: s.path == self.path and s.changed.get("Autostart") is True)
        self.recorder.catch_up()


def test_a_qemu_that_is_killed(client, vms, recorder):
    machine = Machine(vms, client, recorder, bootsector.HALT)
    os.kill(qemu_pid(machine.name), signal.SIGKILL)
    recorder.wait_state(machine.path, "shut-off", timeout=AT_ONCE)
    machine.has_settled()
    assert machine.changes() == [("shut-off", "running", "crashed")]
    assert machine.properties() == ("shut-off", "crashed")
    client.vm(machine.path, "Start")
    assert client.state(machine.path) == "running"


def test_a_guest_that_shuts_down_by_itself(client, vms, recorder):
    machine = Machine(vms, client, recorder, bootsector.POWER_OFF)
    machine.go(vms)
    recorder.wait_state(machine.path, "shut-off", timeout=AT_ONCE)
    machine.has_settled()
    assert machine.changes() in (
        [("shutting-down", "running", ""), ("shut-off", "shutting-down", "shutdown")],
        [("shut-off", "running", "shutdown")],
    )
    assert machine.properties() == ("shut-off", "shutdown")


@pytest.mark.parametrize(
    "on_crash, changes",
    [
        ("destroy", [("shut-off", "running", "crashed")]),
        ("preserve", [("crashed", "running", "panicked")]),
        ("restart", [("crashed", "running", "panicked"), ("running", "crashed", "crashed")]),
    ],
)
def test_a_guest_that_panics(client, vms, recorder, on_crash, changes):
    machine = Machine(vms, client, recorder, bootsector.PANIC, on_crash=on_crash)
    machine.go(vms)
    last, _, reason = changes[-1]
    recorder.wait(lambda s: s.path == machine.path and s.changed.get("StateReason") == reason, timeout=AT_ONCE)
    machine.has_settled()
    told = machine.changes()
    if last == "running" and not told:
        # It was started anew before anybody could look.
        told = changes
    if last == "running" and [change[:2] for change in told] == [("paused", "running"), ("running", "paused")]:
        # The same, but for QEMU's own stop.
        told = changes
    if told[0] == ("paused", "running", "user"):
        # QEMU says first that it has stopped, and libvirt may pass that on before it knows why.
        told = [(told[1][0], "running", told[1][2]), *told[2:]]
    assert told == changes
    assert machine.properties() == (last, reason)
    if last == "crashed":
        client.vm(machine.path, "Destroy")
        assert machine.properties() == ("shut-off", "destroyed")


def test_a_disk_that_is_full(client, vms, recorder):
    small = pathlib.Path("/run/small")
    small.mkdir(mode=0o755)
    run("mount", "-t", "tmpfs", "-o", "size=4m,mode=755", "small", str(small))
    vms.later(small.rmdir)
    vms.later(lambda: run("umount", str(small)))
    machine = Machine(vms, client, recorder, bootsector.FILL_DISK, directory=small)
    machine.go(vms)
    wait_until(lambda: virsh("domstate", machine.name) == "paused", "pause")
    recorder.wait_state(machine.path, "paused", timeout=AT_ONCE)
    machine.has_settled()
    assert machine.changes() == [("paused", "running", "io-error")]
    assert machine.properties() == ("paused", "io-error")
    # With room again it goes on where it was, until there is none.
    run("mount", "-o", "remount,size=64m", str(small))
    client.vm(machine.path, "Resume")
    recorder.wait_state(machine.path, "running")
    recorder.catch_up()
    assert machine.changes()[1][:2] == ("running", "paused")
