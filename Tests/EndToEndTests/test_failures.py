"""A creation that fails leaves nothing behind: no definition, no disk, no object."""

import pathlib
import shutil

import pytest

from support.bus import ERROR, BusError
from support.guest import foreign_xml
from support.system import DISKS, domains, run, virsh


def fails(client, name, **options):
    with pytest.raises(BusError) as caught:
        client.create(name, **{"type": "linux", "memory_mb": 256, "vcpus": 1, "disk_size_gb": 1, **options})
    assert caught.value.name.startswith(ERROR)
    # libvirt's own words are for root, who calls here, and behind the message that everybody gets.
    assert "/var/lib" not in caught.value.message.split(" (libvirt: ")[0], "a message to the caller carries a path"
    return caught.value


def nothing_is_left(client, name):
    assert name not in client.list()
    assert domains() == []
    assert list(DISKS.iterdir()) == []


def test_a_first_start_that_fails(client, vms, recorder):
    name = vms.name()
    error = fails(client, name, iso_path="/nonexistent/installer.iso", start=True)
    assert name in error.message
    nothing_is_left(client, name)
    # Who had been told of the VM is told that it is gone.
    added = recorder.wait(lambda s: s.member == "VMAdded" and s.arguments[2] == name)
    recorder.wait(lambda s: s.member == "VMRemoved" and s.arguments[0] == added.arguments[0])


def test_a_disk_that_cannot_be_made(client, vms):
    name = vms.name()
    run("mount", "-t", "tmpfs", "-o", "ro", "full", str(DISKS))
    try:
        fails(client, name)
        assert name not in client.list()
        assert domains() == []
    finally:
        run("umount", str(DISKS))
    nothing_is_left(client, name)
    path = client.create(name, type="linux", memory_mb=256, vcpus=1, disk_size_gb=1)
    assert client.state(path) == "shut-off"


def test_a_disk_that_has_no_room(client, vms):
    name = vms.name()
    # An image of a few kilobytes does not fit into one block that is taken.
    run("mount", "-t", "tmpfs", "-o", "size=4k", "full", str(DISKS))
    try:
        (DISKS / "taken").write_bytes(b"x" * 4096)
        assert fails(client, name).name == ERROR + "NoSpace"
        (DISKS / "taken").unlink()
        assert list(DISKS.iterdir()) == []
    finally:
        run("umount", str(DISKS))
    nothing_is_left(client, name)


@pytest.mark.restarts_service
def test_a_definition_that_libvirt_refuses(client, vms, service):
    directory = pathlib.Path("/run/tmp/templates")
    shutil.copytree("/usr/share/neuron-vm/templates", directory)
    base = directory / "_base.xml.j2"
    good = base.read_text(encoding="utf-8")
    # Well-formed and valid, but no machine that QEMU has.
    bad = good.replace("machine='q35'", "machine='none-such'")
    assert bad != good
    base.write_text(bad, encoding="utf-8")
    name = vms.name()
    try:
        service.restart("--template-dir", str(directory))
        error = fails(client, name)
        assert error.name in {ERROR + "TemplateInvalid", ERROR + "HostUnsupported", ERROR + "Failed"}
        nothing_is_left(client, name)
    finally:
        service.restart()


def test_a_name_that_another_tool_takes_meanwhile(client, vms):
    """libvirt has the last word: a VM that it knows is never replaced, however the two meet."""
    name = vms.name()
    file = pathlib.Path("/run/tmp/meanwhile.xml")
    file.write_text(foreign_xml(name), encoding="utf-8")
    virsh("define", str(file))
    uuid = virsh("domuuid", name)
    assert fails(client, name).name == ERROR + "AlreadyExists"
    assert virsh("domuuid", name) == uuid
    assert list(DISKS.iterdir()) == []
