"""Reads agree with each other, with libvirt and with what a method has just done."""

import concurrent.futures

from support.bus import JOB_INTERFACE, MANAGER, MANAGER_INTERFACE, VM_INTERFACE, Client
from support.system import virsh

# The whole contract of a VM's properties.
VM_PROPERTIES = {
    "Name", "UUID", "State", "StateReason", "MemoryMB", "VCPUs", "Autostart", "Persistent", "Template", "OSType",
    "OwnerUID", "CreatedAt", "HasSavedState", "Job",
}  # fmt: skip


def test_managed_objects_equal_get_all_of_each(client, vms):
    vms.define()
    _, started = vms.create(start=True)
    vms.create()
    objects = client.managed_objects()
    vm_objects = {path: interfaces for path, interfaces in objects.items() if VM_INTERFACE in interfaces}
    assert len(vm_objects) == 3
    assert vm_objects[started][VM_INTERFACE]["State"] == "running"
    for path, interfaces in objects.items():
        # A job of another test may go in this moment.
        for interface, properties in interfaces.items() if JOB_INTERFACE not in interfaces else ():
            assert properties == client.get_all(path, interface), (path, interface)
    for interfaces in vm_objects.values():
        assert set(interfaces[VM_INTERFACE]) == VM_PROPERTIES


def test_each_property_by_itself_equals_get_all(client, vms):
    _, path = vms.create()
    for interface, object_path in ((VM_INTERFACE, path), (MANAGER_INTERFACE, MANAGER)):
        for name, value in client.get_all(object_path, interface).items():
            assert client.get(object_path, name, interface) == value


def test_the_list_equals_the_properties_and_libvirt(client, vms):
    vms.define()
    vms.create(autostart=True)
    vms.create(start=True)
    rows = client.list()
    assert sorted(rows) == sorted(virsh("list", "--all", "--name").split())
    for path, *fields in rows.values():
        properties = client.get_all(path)
        keys = ("Name", "UUID", "State", "MemoryMB", "VCPUs", "Autostart")
        assert fields == [properties[key] for key in keys]


def test_the_manager_describes_itself(client):
    properties = client.get_all(MANAGER, MANAGER_INTERFACE)
    assert properties["HypervisorURI"] == "qemu:///system"
    assert properties["HypervisorConnected"] is True
    assert properties["HypervisorVersion"].startswith("QEMU 7.2")
    assert properties["Version"]
    assert isinstance(properties["Features"], list)


def test_properties_are_current_when_a_method_has_returned(client, vms):
    _, path = vms.create(start=True)
    for _ in range(10):
        client.vm(path, "Pause")
        assert client.state(path) == "paused"
        client.vm(path, "Resume")
        assert client.state(path) == "running"
    client.vm(path, "Destroy")
    assert client.get_all(path)["State"] == "shut-off"


def test_a_new_vm_is_there_for_everyone_when_create_has_returned(client, vms):
    name, path = vms.create()
    other = Client()
    try:
        assert other.list()[name][0] == path
        assert path in other.managed_objects()
    finally:
        other.close()


def test_a_client_that_only_subscribes_gets_its_signals(vms, recorder):
    name, _ = vms.define()
    added = recorder.wait(lambda s: s.member == "VMAdded" and s.arguments[2] == name)
    virsh("start", name)
    recorder.wait_state(added.arguments[0], "running")
    virsh("destroy", name)
    recorder.wait_state(added.arguments[0], "shut-off")


def test_templates_say_what_they_take(client):
    templates = {name: (guest, text, parameters) for name, guest, text, parameters in client.manager("ListTemplates")}
    assert {"linux-basic", "windows11-basic"} <= set(templates)
    guest, text, parameters = templates["linux-basic"]
    assert guest == "linux"
    assert text
    assert {"memory_mb", "vcpus", "disk_size_gb", "iso_path"} <= set(parameters)
    assert parameters["memory_mb"]["type"] == "t"
    assert "default" in parameters["memory_mb"]


def test_two_clients_work_at_once(vms):
    names = [vms.name() for _ in range(2)]

    def life(name):
        client = Client()
        try:
            path = client.create(name, type="linux", memory_mb=256, vcpus=1, disk_size_gb=1)
            for method, state in (("Start", "running"), ("Pause", "paused"), ("Destroy", "shut-off")):
                client.vm(path, method)
                assert client.state(path) == state
            return client.vm(path, "Delete", delete_disks=True)
        finally:
            client.close()

    with concurrent.futures.ThreadPoolExecutor() as pool:
        assert list(pool.map(life, names)) == [[], []]


def test_of_many_who_want_a_name_one_gets_it(vms):
    name = vms.name()

    def create(_):
        client = Client()
        try:
            return client.create(name, type="linux", memory_mb=256, vcpus=1, disk_size_gb=1)
        except Exception as error:  # the outcome is looked at below
            return getattr(error, "name", repr(error))
        finally:
            client.close()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(create, range(8)))
    assert outcomes[0].startswith(MANAGER + "/vms/")
    assert outcomes[1:] == ["org.neuronos.VMManager.Error.AlreadyExists"] * 7
    assert virsh("list", "--all", "--name") == name
