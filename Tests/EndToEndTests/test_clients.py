"""Clients that others have written: GLib's object manager, dbus-python, busctl and gdbus."""

import json
import re

import dbus
import dbus.lowlevel
import pytest
from gi.repository import Gio, GLib

from support.bus import MANAGER, MANAGER_INTERFACE, NAME, OBJECT_MANAGER, PROPERTIES, VM_INTERFACE, vm_path
from support.stream import Stream
from support.system import neuron_vm, run, virsh


@pytest.fixture
def stream(nothing_left_behind):
    """Starts programs that are ended after the test."""
    streams = []

    def start(*command):
        streams.append(Stream(*command))
        return streams[-1]

    yield start
    for each in streams:
        each.close()


def iterate_until(condition, timeout=30):
    """Runs GLib's default main loop until the condition holds."""
    expired = []
    timer = GLib.timeout_add_seconds(timeout, lambda: expired.append(True) or GLib.SOURCE_REMOVE)
    while not condition():
        assert not expired, f"nothing for {timeout} s"
        GLib.MainContext.default().iteration(True)
    if not expired:
        GLib.source_remove(timer)


def test_gdbus_object_manager_client(vms):
    first, first_uuid = vms.define()
    manager = Gio.DBusObjectManagerClient.new_for_bus_sync(
        Gio.BusType.SYSTEM, Gio.DBusObjectManagerClientFlags.DO_NOT_AUTO_START, NAME, MANAGER, None, None, None
    )
    log = []
    manager.connect("object-added", lambda _, item: log.append(("added", item.get_object_path())))
    manager.connect("object-removed", lambda _, item: log.append(("removed", item.get_object_path())))
    manager.connect(
        "interface-proxy-properties-changed",
        lambda _m, item, _p, changed, _i: log.append((item.get_object_path(), changed.unpack().get("State"))),
    )
    proxy = manager.get_interface(vm_path(first_uuid), VM_INTERFACE)
    assert proxy.get_cached_property("Name").unpack() == first
    assert proxy.get_cached_property("State").unpack() == "shut-off"

    second, second_uuid = vms.define()
    path = vm_path(second_uuid)
    iterate_until(lambda: ("added", path) in log)
    virsh("start", second)
    iterate_until(lambda: (path, "running") in log)
    assert manager.get_interface(path, VM_INTERFACE).get_cached_property("State").unpack() == "running"
    virsh("destroy", second)
    virsh("undefine", second)
    iterate_until(lambda: ("removed", path) in log)
    assert manager.get_object(path) is None
    assert manager.get_object(vm_path(first_uuid)) is not None


# dbus-python shows what came over the wire: the types, and how deep each variant is.


@pytest.fixture
def bus(nothing_left_behind):
    bus = dbus.SystemBus(private=True)
    yield bus
    bus.close()


def raw_reply(bus, path, interface, member, signature="", *arguments):
    message = dbus.lowlevel.MethodCallMessage(NAME, path, interface, member)
    message.append(*arguments, signature=signature)
    return bus.send_message_with_reply_and_block(message, 30)


def test_dbus_python(bus, vms):
    name, path = vms.create()
    manager = dbus.Interface(bus.get_object(NAME, MANAGER), MANAGER_INTERFACE)
    vm = bus.get_object(NAME, manager.GetVM(name))
    assert vm.object_path == path
    dbus.Interface(vm, VM_INTERFACE).Start({})
    properties = dbus.Interface(vm, PROPERTIES).GetAll(VM_INTERFACE)
    assert properties["State"] == "running"
    with pytest.raises(dbus.DBusException) as caught:
        dbus.Interface(vm, VM_INTERFACE).Start(dbus.Dictionary({}, signature="sv"))
    assert caught.value.get_dbus_name() == "org.neuronos.VMManager.Error.InvalidState"
    dbus.Interface(vm, VM_INTERFACE).Stop({"force": True, "timeout": dbus.UInt32(0)})
    assert dbus.Interface(vm, PROPERTIES).Get(VM_INTERFACE, "State") == "shut-off"


def test_the_signatures_on_the_wire(bus, vms):
    _, path = vms.create()
    for reply, signature in (
        (raw_reply(bus, MANAGER, MANAGER_INTERFACE, "ListVMs"), "a(ossstub)"),
        (raw_reply(bus, MANAGER, MANAGER_INTERFACE, "ListTemplates"), "a(sssa{sv})"),
        (raw_reply(bus, MANAGER, OBJECT_MANAGER, "GetManagedObjects"), "a{oa{sa{sv}}}"),
        (raw_reply(bus, path, PROPERTIES, "GetAll", "s", VM_INTERFACE), "a{sv}"),
        (raw_reply(bus, path, PROPERTIES, "Get", "ss", VM_INTERFACE, "State"), "v"),
        (raw_reply(bus, path, VM_INTERFACE, "GetXML", "a{sv}", {}), "s"),
        (raw_reply(bus, path, VM_INTERFACE, "Start", "a{sv}", {}), ""),
        (raw_reply(bus, path, VM_INTERFACE, "Destroy", "a{sv}", {}), ""),
        (raw_reply(bus, path, VM_INTERFACE, "Delete", "a{sv}", {"delete_disks": True}), "as"),
    ):
        assert reply.get_signature() == signature


def test_the_types_of_the_properties_and_no_variant_in_a_variant(bus, vms):
    _, path = vms.create()
    types = {
        "Name": dbus.String, "UUID": dbus.String, "State": dbus.String, "StateReason": dbus.String,
        "MemoryMB": dbus.UInt64, "VCPUs": dbus.UInt32, "Autostart": dbus.Boolean, "Persistent": dbus.Boolean,
        "Template": dbus.String, "OSType": dbus.String, "OwnerUID": dbus.UInt32, "CreatedAt": dbus.UInt64,
        "HasSavedState": dbus.Boolean, "Job": dbus.ObjectPath,
    }  # fmt: skip
    (properties,) = raw_reply(bus, path, PROPERTIES, "GetAll", "s", VM_INTERFACE).get_args_list()
    assert {key: type(value) for key, value in properties.items()} == types
    (objects,) = raw_reply(bus, MANAGER, OBJECT_MANAGER, "GetManagedObjects").get_args_list()
    everything = [properties, *objects[path].values(), *objects.get(MANAGER, {}).values()]
    assert all(value.variant_level == 1 for each in everything for value in each.values())
    assert properties["Job"] == "/"
    (state,) = raw_reply(bus, path, PROPERTIES, "Get", "ss", VM_INTERFACE, "State").get_args_list()
    assert state.variant_level == 1


def test_the_signatures_of_the_signals(vms, stream):
    monitor = stream("busctl", "--system", "--json=short", "monitor", NAME)
    monitor.wait("Monitoring bus message stream")
    name, _ = vms.define()
    virsh("start", name)
    monitor.wait('"member":"VMStateChanged"')
    virsh("destroy", name)
    virsh("undefine", name)
    monitor.wait('"member":"VMRemoved"')
    wanted = {
        "InterfacesAdded": "oa{sa{sv}}",
        "VMAdded": "oss",
        "PropertiesChanged": "sa{sv}as",
        "VMStateChanged": "ossss",
        "InterfacesRemoved": "oas",
        "VMRemoved": "oss",
    }
    seen = {}
    for line in monitor.text.splitlines():
        if line.startswith("{"):
            message = json.loads(line)
            if message["type"] == "signal" and message.get("member") in wanted:
                seen[message["member"]] = message["payload"]["type"]
                assert '"type":"v"' not in line.replace(" ", ""), "a variant in a variant"
    assert seen == wanted


def test_busctl(vms):
    name, path = vms.create()
    tree = run("busctl", "--system", "tree", "--list", NAME).stdout.split()
    assert {MANAGER, path} <= set(tree)
    shown = run("busctl", "--system", "introspect", NAME, MANAGER).stdout
    assert re.search(r"\.CreateVM\s+method\s+sa\{sv\}\s+o", shown)
    assert re.search(r"\.ListVMs\s+method\s+-\s+a\(ossstub\)", shown)
    assert re.search(r"\.VMAdded\s+signal\s+oss", shown)
    assert re.search(r"\.Version\s+property\s+s\s", shown)
    shown = run("busctl", "--system", "introspect", NAME, path).stdout
    assert re.search(r'\.State\s+property\s+s\s+"shut-off"\s+emits-change', shown)
    assert re.search(r"\.UUID\s+property\s+s\s+\S+\s+const", shown)
    assert re.search(r"\.SetAutostart\s+method\s+ba\{sv\}\s+-", shown)

    call = ["busctl", "--system", "call", NAME]
    assert run(*call, MANAGER, MANAGER_INTERFACE, "GetVM", "s", name).stdout.strip() == f'o "{path}"'
    run(*call, MANAGER, MANAGER_INTERFACE, "StartVM", "sa{sv}", name, "0")
    state = run("busctl", "--system", "get-property", NAME, path, VM_INTERFACE, "State").stdout.strip()
    assert state == 's "running"'
    run(*call, path, VM_INTERFACE, "Stop", "a{sv}", "2", "force", "b", "true", "timeout", "u", "0")
    result = run(*call, path, VM_INTERFACE, "Pause", "a{sv}", "0", check=False)
    assert result.returncode != 0 and name in result.stderr


def test_gdbus(vms, stream):
    monitor = stream("gdbus", "monitor", "--system", "--dest", NAME)
    # It does not say when it has begun to listen; the first VM that it tells of is the sign.
    for _ in range(30):
        name, path = vms.create()
        if monitor.has_printed(f"VMAdded (objectpath '{path}'", within=1):
            break
    assert "is owned by" in monitor.text
    shown = run("gdbus", "introspect", "--system", "--recurse", "--dest", NAME, "--object-path", MANAGER).stdout
    assert f"node {path} {{" in shown
    assert "interface org.neuronos.VMManager.VM {" in shown
    assert re.search(r"readonly s State = 'shut-off';", shown)
    method = [f"{VM_INTERFACE}.Start", "{}"]
    assert run("gdbus", "call", "--system", "--dest", NAME, "--object-path", path, "--method", *method).stdout == "()\n"
    monitor.wait("'running', 'shut-off'")
    result = run("gdbus", "call", "--system", "--dest", NAME, "--object-path", path, "--method", *method, check=False)
    assert "org.neuronos.VMManager.Error.InvalidState" in result.stderr
    neuron_vm("stop", name, "--force", "--timeout", "0")
    monitor.wait(f"{path}: org.freedesktop.DBus.Properties.PropertiesChanged")


def test_introspection_carries_documentation(bus, vms):
    _, path = vms.create()
    for each in (MANAGER, path):
        (text,) = raw_reply(bus, each, "org.freedesktop.DBus.Introspectable", "Introspect").get_args_list()
        assert "org.gtk.GDBus.DocString" in text
        assert Gio.DBusNodeInfo.new_for_xml(text).interfaces


def test_the_installed_interfaces_are_the_live_ones(bus, vms):
    """/usr/share/dbus-1/interfaces holds what the service says of itself, word for word."""
    _, path = vms.create()
    for object_path, interface in ((MANAGER, MANAGER_INTERFACE), (path, VM_INTERFACE)):
        (live,) = raw_reply(bus, object_path, "org.freedesktop.DBus.Introspectable", "Introspect").get_args_list()
        with open(f"/usr/share/dbus-1/interfaces/{interface}.xml", encoding="utf-8") as file:
            installed = file.read()
        canonical = []
        for text in (live, installed):
            info = Gio.DBusNodeInfo.new_for_xml(text).lookup_interface(interface)
            assert info is not None
            string = GLib.String.new("") if hasattr(GLib.String, "new") else GLib.String()
            info.generate_xml(0, string)
            canonical.append(string.str)
        assert canonical[0] == canonical[1]


def test_peer(bus):
    assert raw_reply(bus, MANAGER, "org.freedesktop.DBus.Peer", "Ping").get_signature() == ""
    (machine,) = raw_reply(bus, MANAGER, "org.freedesktop.DBus.Peer", "GetMachineId").get_args_list()
    with open("/etc/machine-id", encoding="ascii") as file:
        assert machine == file.read().strip()


def test_a_call_that_wants_no_reply_gets_none_and_is_done(bus, vms, recorder):
    _, path = vms.create()
    message = dbus.lowlevel.MethodCallMessage(NAME, path, VM_INTERFACE, "Start")
    message.append({}, signature="a{sv}")
    message.set_no_reply(True)
    bus.send_message(message)
    recorder.wait_state(path, "running")
