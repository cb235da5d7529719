"""The service is struck at system calls while it makes and removes VMs: a sample of what `make torture` does at each of them."""

import itertools

import pytest

from support import faults
from support.bus import Client, options
from support.system import DISKS, INTENTS, domains, run, wait_until
from support.torture import FAULTS, NEW_VM, OPERATIONS, Torture
from test_recovery import begin, kill

FAULT = {fault.name: fault for fault in FAULTS}


@pytest.fixture
def torture():
    if reason := faults.obstacle():
        pytest.skip(reason)
    torture = Torture()
    yield torture
    torture.end()


# The last number is the distance of the calls that are struck: as many of them as there is time for.
@pytest.mark.restarts_service
@pytest.mark.parametrize(
    "operation, fault, step",
    [
        ("create", "kill", 9), ("create", "kill-after", 11), ("create", "EINTR", 17), ("create", "ENOSPC", 43),
        ("delete", "kill", 8), ("delete", "kill-after", 9), ("delete", "EIO", 23), ("recover-create", "kill", 41),
        ("recover-delete", "kill", 37),
    ],
)  # fmt: skip
def test_a_fault_at_every_so_many_calls(torture, operation, fault, step):
    for number in itertools.count(3, step):
        try:
            outcome = torture.strike(OPERATIONS[operation], FAULT[fault], number)
        except AssertionError:
            torture.repair()
            print(f"at call {number}:")
            raise
        if outcome is None:
            break
        if fault == "EINTR":
            assert outcome.reply == "ok"
    assert number > 3, "not one call was struck"


@pytest.mark.restarts_service
def test_a_disk_that_libvirt_is_still_making_is_waited_for(service, vms, held_qemu_img):
    """The process that asked for it is dead, and the next one has nothing to remove yet."""
    client = Client()
    name = vms.name()
    begin(client, "CreateVM", name, **NEW_VM)
    wait_until(lambda: run("pgrep", "-f", "^/bin/sh /usr/bin/qemu-img create", check=False).stdout, "volume that is being made")
    kill(service)
    client.close()
    service.start()
    with pytest.raises(AssertionError, match="end of the cleaning up"):
        wait_until(lambda: not list(INTENTS.iterdir()), "end of the cleaning up", timeout=5)
    held_qemu_img.unlink()
    wait_until(lambda: not list(INTENTS.iterdir()), "end of the cleaning up")
    assert list(DISKS.iterdir()) == [] and domains() == []
    client = Client()
    client.create(name, **NEW_VM)
    client.manager("DeleteVM", "(sa{sv})", name, options({"delete_disks": True}))
    client.close()
