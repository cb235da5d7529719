"""What libvirt keeps for a VM goes with it: firmware variables, TPM, saved state, snapshots."""

import pathlib

from support.bus import MANAGER, MANAGER_INTERFACE, options
from support.system import DISKS, domains, run, virsh, wait_until

LIBVIRT = pathlib.Path("/var/lib/libvirt")


def kept_for(name, uuid):
    """Everything below libvirt's own directories that bears a VM's name or UUID."""
    roots = (LIBVIRT / "qemu", LIBVIRT / "swtpm")
    return [path for root in roots for path in root.rglob("*") if name in path.name or uuid in path.name]


def delete(client, name):
    return client.call(
        MANAGER, MANAGER_INTERFACE, "DeleteVM", "(sa{sv})", (name, options({"delete_disks": True})), timeout=120
    )


def test_firmware_tpm_and_saved_state_go_with_the_vm(client, vms, recorder):
    name = vms.name()
    path = client.create(name, template="windows11-basic", memory_mb=4096, vcpus=2, disk_size_gb=64, start=True)
    uuid = client.get(path, "UUID")
    recorder.wait_state(path, "running")
    virsh("managedsave", name)
    wait_until(lambda: client.get(path, "HasSavedState"), "saved state")
    kinds = {kept.relative_to(LIBVIRT).parts[0:2] for kept in kept_for(name, uuid)}
    assert {("qemu", "nvram"), ("qemu", "save")} <= kinds and any(kind[0] == "swtpm" for kind in kinds), kinds
    assert delete(client, name) == []
    assert kept_for(name, uuid) == []
    assert domains() == [] and list(DISKS.iterdir()) == []


def test_what_libvirt_knows_of_snapshots_goes_with_the_vm(client, vms, tmp_path):
    """The disk is another tool's: it stays, and is named."""
    disk = pathlib.Path("/run/tmp/snapshots.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", str(disk), "8M")
    vms.later(disk.unlink)
    name, uuid = vms.define(disk=str(disk))
    virsh("snapshot-create-as", name, "before")
    assert kept_for(name, uuid) != []
    assert delete(client, name) == [str(disk)]
    assert disk.exists() and kept_for(name, uuid) == [] and domains() == []
