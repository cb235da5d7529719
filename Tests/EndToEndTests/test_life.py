"""The life of a VM from the bus, with a real guest that boots, and powers off by itself when it is asked to."""

import json
import pathlib

from support.bus import VM_INTERFACE, options
from support.guest import POWERBUTTON, READY
from support.system import DISKS, domains, run, virsh


def test_the_life_of_a_vm(client, vms, recorder, media):
    name = vms.name()
    path = client.create(
        name, type="linux", memory_mb=1024, vcpus=1, disk_size_gb=2, iso_path=str(media / "guest.iso")
    )
    properties = client.get_all(path)
    assert properties["Name"] == name
    assert properties["State"] == "shut-off"
    assert (properties["MemoryMB"], properties["VCPUs"]) == (1024, 1)
    assert (properties["Template"], properties["OSType"]) == ("linux-basic", "linux")
    assert properties["OwnerUID"] == 0
    assert properties["CreatedAt"] > 1_600_000_000_000_000
    assert domains() == [name]
    assert virsh("domuuid", name) == properties["UUID"]
    (disk,) = DISKS.glob(f"{name}-*.qcow2")
    image = json.loads(run("qemu-img", "info", "--output=json", str(disk)).stdout)
    assert (image["format"], image["virtual-size"]) == ("qcow2", 2 << 30)
    # The old form, which libvirt makes if nothing is said, cannot note what a guest has discarded.
    assert image["format-specific"]["data"]["compat"] == "1.1"

    client.vm(path, "Start")
    assert client.state(path) == "running"
    console = vms.console(name)
    console.wait(READY)
    assert "cpus=1 " in console.text

    client.vm(path, "Pause")
    assert client.state(path) == "paused"
    assert virsh("domstate", name) == "paused"
    console.write("written while paused")
    client.vm(path, "Resume")
    assert client.state(path) == "running"
    console.wait("NEURON-GUEST-ECHO written while paused")

    client.vm(path, "Stop", timeout=300)
    assert client.state(path) == "shut-off"
    assert client.get(path, "StateReason") == "shutdown"
    console.wait(POWERBUTTON)

    kept = client.vm(path, "Delete", delete_disks=True)
    assert str(disk) not in kept
    assert not disk.exists()
    assert (media / "guest.iso").exists()
    assert domains() == []
    assert name not in client.list()

    recorder.wait(lambda s: s.member == "VMRemoved" and s.arguments[0] == path)
    states = recorder.states(path)
    assert all(new == next_old for (new, _), (_, next_old) in zip(states, states[1:]))
    passed = [new for new, _ in states if new != "shutting-down"]
    assert passed == ["shut-off", "running", "paused", "running", "shut-off"]
    assert states[0] == ("shut-off", "creating")


def test_each_transition_leaves_in_one_signal_before_its_announcement(client, vms, recorder):
    name, path = vms.create()
    client.vm(path, "Start")
    client.vm(path, "Destroy")
    client.vm(path, "Delete", delete_disks=True)
    recorder.wait(lambda s: s.member == "VMRemoved" and s.arguments[0] == path)

    signals = recorder.of(path)
    assert (signals[0].member, signals[1].member) == ("InterfacesAdded", "VMAdded")
    assert signals[0].arguments[1][VM_INTERFACE]["Name"] == name
    assert (signals[-2].member, signals[-1].member) == ("InterfacesRemoved", "VMRemoved")
    assert VM_INTERFACE in signals[-2].arguments[1]
    announced = [i for i, s in enumerate(signals) if s.member == "VMStateChanged"]
    assert announced
    for index in announced:
        assert signals[index - 1].changed.get("State") == signals[index].arguments[2]
    assert sum("State" in s.changed for s in signals) == len(announced)


def test_the_managers_methods_do_the_same_by_name(client, vms):
    name, path = vms.create()
    steps = [("StartVM", "running"), ("PauseVM", "paused"), ("ResumeVM", "running"), ("ResetVM", "running")]
    for method, state in [*steps, ("DestroyVM", "shut-off")]:
        client.manager(method, "(sa{sv})", name, {})
        assert client.state(path) == state, method
    assert client.manager("GetVM", "(s)", name) == path
    assert client.manager("GetVMByUUID", "(s)", virsh("domuuid", name)) == path
    assert client.manager("DeleteVM", "(sa{sv})", name, {}) == [str(disk) for disk in DISKS.glob(f"{name}-*")]
    assert name not in client.list()


def test_delete_keeps_disks_unless_told_otherwise(client, vms):
    name, path = vms.create()
    (disk,) = DISKS.glob(f"{name}-*.qcow2")
    assert client.vm(path, "Delete") == [str(disk)]
    assert disk.exists()


def test_delete_removes_no_disk_that_another_tool_made(client, vms):
    foreign = DISKS / "foreign.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", str(foreign), "1M")
    vms.later(foreign.unlink)
    name, _ = vms.define(disk=foreign)
    path = client.manager("GetVM", "(s)", name)
    assert client.vm(path, "Delete", delete_disks=True) == [str(foreign)]
    assert foreign.exists()


def test_delete_keeps_a_disk_that_a_copy_of_the_definition_names(client, vms):
    """Who copies a VM by hand copies the path of its disk and the service's metadata along."""
    name, path = vms.create(start=True)
    (disk,) = DISKS.glob(f"{name}-*.qcow2")
    uuid, copy = client.get(path, "UUID"), vms.name()
    definition = virsh("dumpxml", name, "--inactive").replace(f"<name>{name}<", f"<name>{copy}<")
    other_uuid = uuid[:-4] + ("0000" if uuid[-4:] != "0000" else "1111")
    file = pathlib.Path("/run/tmp/copy.xml")
    file.write_text(definition.replace(f"<uuid>{uuid}<", f"<uuid>{other_uuid}<"), encoding="utf-8")
    virsh("define", str(file))
    assert client.manager("DeleteVM", "(sa{sv})", copy, options({"delete_disks": True})) == [str(disk)]
    assert disk.exists()
    client.vm(path, "Destroy")
    assert client.vm(path, "Delete", delete_disks=True) == []
    assert not disk.exists()


def test_create_can_start_at_once_and_with_the_host(client, vms):
    name, path = vms.create(start=True, autostart=True)
    assert client.state(path) == "running"
    assert client.get(path, "Autostart") is True
    assert "Autostart:      enable" in virsh("dominfo", name)


def test_autostart_is_set_and_unset(client, vms):
    name, path = vms.create()
    for wanted, word in ((True, "enable"), (False, "disable")):
        client.call(path, VM_INTERFACE, "SetAutostart", "(ba{sv})", (wanted, {}))
        assert client.get(path, "Autostart") is wanted
        assert f"Autostart:      {word}" in virsh("dominfo", name)


def test_reboot_asks_the_guest_and_it_boots_again(client, vms, media):
    name, path = vms.create(memory_mb=1024, iso_path=str(media / "guest.iso"), start=True)
    console = vms.console(name)
    console.wait(READY)
    client.vm(path, "Reboot")
    console.wait(POWERBUTTON)
    console.text = ""
    console.wait(READY)
    assert client.state(path) == "running"


def test_rendering_changes_nothing_and_is_valid(client, vms, tmp_path):
    for template, *_ in client.manager("ListTemplates"):
        name = vms.name()
        xml = client.manager("RenderTemplate", "(ssa{sv})", template, name, {})
        file = tmp_path / f"{template}.xml"
        file.write_text(xml, encoding="utf-8")
        run("virt-xml-validate", str(file), "domain")
        assert f"<name>{name}</name>" in xml
    assert domains() == []


def test_the_definition_is_readable(client, vms):
    name, path = vms.create()
    assert f"<name>{name}</name>" in client.vm(path, "GetXML")
