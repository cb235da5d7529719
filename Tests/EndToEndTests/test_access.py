"""Who may do what: everybody reads names and states, root changes things, nobody else does."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from support.bus import MANAGER, MANAGER_INTERFACE, PROPERTIES, VM_INTERFACE, BusError
from support.system import TESTS, as_nobody, domains, run, virsh

PUBLIC = {
    ("org.freedesktop.DBus.Introspectable", "Introspect"),
    ("org.freedesktop.DBus.Peer", "Ping"),
    ("org.freedesktop.DBus.Peer", "GetMachineId"),
    ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects"),
    (PROPERTIES, "Get"),
    (PROPERTIES, "GetAll"),
    (MANAGER_INTERFACE, "ListVMs"),
    (MANAGER_INTERFACE, "GetVM"),
    (MANAGER_INTERFACE, "GetVMByUUID"),
    (MANAGER_INTERFACE, "ListTemplates"),
}
EXAMPLES = {"s": "vm", "b": "true", "u": "1", "t": "1", "o": "/", "v": "<'x'>", "a{sv}": "{}"}


def methods(client, path):
    """Every method that introspection names, with the types of its arguments."""
    text = client.call(path, "org.freedesktop.DBus.Introspectable", "Introspect")
    for interface in ElementTree.fromstring(text).iter("interface"):
        for method in interface.iter("method"):
            types = [arg.get("type") for arg in method.iter("arg") if arg.get("direction", "in") == "in"]
            yield interface.get("name"), method.get("name"), types


def call_as_nobody(path, interface, method, arguments):
    """The name of the error, or None."""
    result = as_nobody(
        "gdbus", "call", "--system", "--dest", MANAGER_INTERFACE, "--object-path", path,
        "--method", f"{interface}.{method}", *arguments,
    )  # fmt: skip
    if result.returncode == 0:
        return None
    return re.search(r"GDBus\.Error:([\w.]+)", result.stderr + result.stdout).group(1)


def test_others_than_root_are_refused_every_method_that_is_not_public(client, vms):
    name, path = vms.create(start=True)
    seen = set()
    for object_path in (MANAGER, path):
        for interface, method, types in methods(client, object_path):
            arguments = [EXAMPLES[argument] for argument in types]
            if interface == PROPERTIES:
                arguments[:2] = [VM_INTERFACE if object_path == path else MANAGER_INTERFACE, "State"][: len(types)]
            error = call_as_nobody(object_path, interface, method, arguments)
            if (interface, method) in PUBLIC:
                assert error != "org.freedesktop.DBus.Error.AccessDenied", (interface, method)
            else:
                assert error == "org.freedesktop.DBus.Error.AccessDenied", (interface, method)
            seen.add((interface, method))
    assert {(MANAGER_INTERFACE, method) for interface, method in PUBLIC if interface == MANAGER_INTERFACE} <= seen
    assert {"CreateVM", "DeleteVM", "Stop", "Delete", "GetXML", "Set"} <= {method for _, method in seen}
    assert client.state(path) == "running"
    assert domains() == [name]


def test_a_call_without_an_interface_is_no_way_round(client, vms):
    """The bus looks at the interface field to tell what is public; a call without it must not slip through."""
    name, path = vms.create(start=True)
    result = as_nobody(
        "/usr/bin/python3", "-c",
        "import dbus, sys\n"
        "bus = dbus.SystemBus()\n"
        "message = dbus.lowlevel.MethodCallMessage(sys.argv[1], sys.argv[2], None, 'Destroy')\n"
        "message.append(dbus.Dictionary({}, signature='sv'))\n"
        "bus.send_message_with_reply_and_block(message, 10)\n",
        MANAGER_INTERFACE, path,
    )  # fmt: skip
    assert "AccessDenied" in result.stderr
    assert client.state(path) == "running"


def test_nobody_else_can_own_the_name():
    result = as_nobody(
        "busctl", "--system", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "RequestName", "su", MANAGER_INTERFACE, "4",
    )  # fmt: skip
    assert result.returncode != 0
    assert "denied" in result.stderr.lower()


def test_the_policy_allows_nothing_beyond_this_service():
    policy = ElementTree.parse(TESTS.parent / "dbus" / "org.neuronos.VMManager.conf").getroot()
    owners = set()
    for section in policy.iter("policy"):
        for rule in section:
            assert rule.tag == "allow"
            if "own" in rule.attrib:
                assert rule.attrib == {"own": MANAGER_INTERFACE}
                owners.add(section.get("user"))
                continue
            assert rule.get("send_destination") == MANAGER_INTERFACE
            if section.get("context") == "default":
                assert rule.get("max_fds") == "0"
                assert (rule.get("send_interface"), rule.get("send_member")) in PUBLIC or (
                    rule.get("send_interface").startswith("org.freedesktop.DBus.")
                    and rule.get("send_interface") != PROPERTIES
                )
    assert owners == {"root", "neuron-vm"}


def test_each_polkit_action_asks_by_itself():
    policy = ElementTree.parse(TESTS.parent / "polkit" / "org.neuronos.vmmanager.policy").getroot()
    messages = set()
    for action in policy.iter("action"):
        name = action.get("id").removeprefix("org.neuronos.vmmanager.")
        defaults = {item.tag: item.text for item in action.find("defaults")}
        assert defaults["allow_any"] == defaults["allow_inactive"] == "auth_admin"
        if name.endswith(".own"):
            assert defaults["allow_active"] == "yes"
        elif name in ("create", "control.any", "configure.any"):
            assert defaults["allow_active"] == "auth_admin_keep"
        else:
            assert defaults["allow_active"] == "auth_admin"
        owner = action.find("annotate[@key='org.freedesktop.policykit.owner']")
        assert owner.text == "unix-user:neuron-vm"
        messages.add(action.findtext("message"))
    assert len(messages) == 10
    known = run("pkaction").stdout.split()
    assert {action.get("id") for action in policy.iter("action")} <= set(known)


def test_the_service_is_not_root(service):
    status = dict(
        line.split(":\t", 1) for line in open(f"/proc/{service.pid}/status", encoding="ascii").read().splitlines()
    )
    assert "0" not in status["Uid"].split()
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_a_spoofed_signal_is_not_believed(client, vms):
    """Anybody may send signals; the service is asked afterwards whether it believed in this one."""
    name, path = vms.create()
    as_nobody(
        "dbus-send", "--system", "--type=signal", f"--dest={client.owner()}", "/org/freedesktop/DBus",
        "org.freedesktop.DBus.NameOwnerChanged", f"string:{MANAGER_INTERFACE}", f"string:{client.owner()}", "string:",
    )  # fmt: skip
    assert client.state(path) == "shut-off"
    with pytest.raises(BusError):
        client.vm(path, "Pause")
    assert virsh("domstate", name) == "shut off"
