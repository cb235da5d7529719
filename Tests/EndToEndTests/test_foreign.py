"""What other tools do to VMs shows on the bus, in order and at once."""

import pathlib

from support.bus import VM_INTERFACE, vm_path
from support.guest import foreign_xml
from support.system import virsh


def test_a_vm_that_virsh_makes_changes_and_removes(client, vms, recorder):
    name, uuid = vms.define()
    path = vm_path(uuid)
    added = recorder.wait(lambda s: s.member == "InterfacesAdded" and s.arguments[0] == path)
    properties = added.arguments[1][VM_INTERFACE]
    assert (properties["Name"], properties["UUID"], properties["State"]) == (name, uuid, "shut-off")
    assert (properties["MemoryMB"], properties["VCPUs"], properties["Persistent"]) == (64, 1, True)
    assert (properties["Template"], properties["OwnerUID"]) == ("", 4294967295)

    for command, state in (("start", "running"), ("suspend", "paused"), ("resume", "running"), ("destroy", "shut-off")):
        virsh(command, name)
        recorder.wait_for(lambda: [new for new, _ in recorder.states(path)][-1:] == [state], what=f"change to {state}")
        assert client.state(path) == state
    virsh("undefine", name)
    recorder.wait(lambda s: s.member == "VMRemoved" and s.arguments[0] == path)

    signals = recorder.of(path)
    assert [s.member for s in signals[:2]] == ["InterfacesAdded", "VMAdded"]
    assert [s.member for s in signals[-2:]] == ["InterfacesRemoved", "VMRemoved"]
    assert recorder.states(path) == [
        ("running", "shut-off"),
        ("paused", "running"),
        ("running", "paused"),
        ("shut-off", "running"),
    ]
    shown = [s.changed["State"] for s in signals if "State" in s.changed]
    assert shown == ["running", "paused", "running", "shut-off"]
    assert signals[1].arguments == (path, uuid, name)
    assert signals[-1].arguments == (path, uuid, name)


def test_a_transient_vm_comes_running_and_goes_when_it_ends(client, vms, recorder):
    name = vms.name()
    file = pathlib.Path("/run/tmp/transient.xml")
    file.write_text(foreign_xml(name), encoding="utf-8")
    virsh("create", str(file))
    path = vm_path(virsh("domuuid", name))
    recorder.wait(lambda s: s.member == "VMAdded" and s.arguments[0] == path)
    # The VM may be seen while it is still being started.
    recorder.wait_for(lambda: client.state(path) == "running", what="running VM")
    assert client.get(path, "Persistent") is False
    virsh("destroy", name)
    recorder.wait(lambda s: s.member == "InterfacesRemoved" and s.arguments[0] == path)
    recorder.wait(lambda s: s.member == "VMRemoved" and s.arguments[0] == path)
    assert name not in client.list()


def test_a_changed_definition_changes_the_properties(client, vms, recorder):
    name, uuid = vms.define()
    path = vm_path(uuid)
    vms.define(name, uuid, vcpus=3, memory_mb=128)
    recorder.wait(lambda s: s.path == path and s.changed.get("VCPUs") == 3 and s.changed.get("MemoryMB") == 128)
    assert client.list()[name][4:6] == (128, 3)


def test_a_renamed_vm_keeps_its_object(client, vms, recorder):
    name, uuid = vms.define()
    path, new_name = vm_path(uuid), vms.name()
    recorder.wait(lambda s: s.member == "VMAdded" and s.arguments[0] == path)
    virsh("domrename", name, new_name)
    recorder.wait(lambda s: s.path == path and s.changed.get("Name") == new_name)
    assert client.manager("GetVM", "(s)", new_name) == path
    assert name not in client.list()


def test_names_that_other_tools_allow_are_listed_as_they_are(client, vms):
    names = ["blank in name", "tab\tin name", "caf\u00e9", "cafe\u0301", "right\u202eto left", "a&b"]
    for name in names:
        vms.later(lambda name=name: virsh("undefine", name))
        vms.define(name)
    wanted = set(names)
    assert wanted <= set(client.list())
    for name in wanted:
        path = client.manager("GetVM", "(s)", name)
        assert client.get(path, "Name") == name
    assert len({client.manager("GetVM", "(s)", name) for name in wanted}) == len(wanted)
    virsh("start", "tab\tin name")
    client.vm(client.manager("GetVM", "(s)", "tab\tin name"), "Destroy")


def test_own_methods_work_on_vms_of_other_tools(client, vms):
    name, uuid = vms.define()
    for method, state in (("Start", "running"), ("Pause", "paused"), ("Resume", "running"), ("Destroy", "shut-off")):
        client.vm(vm_path(uuid), method)
        assert client.state(vm_path(uuid)) == state
        assert virsh("domstate", name).replace(" ", "-") == state
    assert client.vm(vm_path(uuid), "Delete") == []
