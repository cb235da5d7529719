"""Wrong names, values, states and calls give the documented errors, and change nothing."""

import pytest
from gi.repository import GLib

from support.bus import ERROR, MANAGER, MANAGER_INTERFACE, PROPERTIES, STANDARD_ERROR, VM_INTERFACE, BusError, vm_path
from support.system import domains

NO_UUID = "01234567-89ab-4def-8123-456789abcdef"
NO_VM = vm_path(NO_UUID)


def error_of(function, *arguments, **options):
    with pytest.raises(BusError) as caught:
        function(*arguments, **options)
    assert caught.value.message
    return caught.value.name


@pytest.mark.parametrize("name", ["a", "A", "7z", "a.b_c-d", "x" * 63, "a..b"])
def test_names_that_are_allowed(client, name):
    assert f"<name>{name}</name>" in client.manager("RenderTemplate", "(ssa{sv})", "linux-basic", name, {})


BAD_OPTIONS = [
    ({"unheard-of": 1}, "InvalidArgument"),
    ({"disk_path": "/etc/shadow"}, "InvalidArgument"),
    ({"type": "beos"}, "InvalidArgument"),
    ({"type": True}, "InvalidArgument"),
    ({"template": "no-such"}, "NotFound"),
    ({"template": "../linux-basic"}, "NotFound"),
    ({"template": "/etc/passwd"}, "NotFound"),
    ({"type": "windows", "template": "linux-basic"}, "InvalidArgument"),
    ({"memory_mb": 0}, "InvalidArgument"),
    ({"memory_mb": 2**53 + 1}, "InvalidArgument"),
    ({"memory_mb": 2**64 - 1}, "InvalidArgument"),
    ({"memory_mb": "1024"}, "InvalidArgument"),
    ({"memory_mb": GLib.Variant("x", -1)}, "InvalidArgument"),
    ({"memory_mb": GLib.Variant("d", 1024.0)}, "InvalidArgument"),
    ({"vcpus": 0}, "InvalidArgument"),
    ({"vcpus": 1_000_000}, "InvalidArgument"),
    ({"vcpus": 2**32 - 1}, "InvalidArgument"),
    ({"disk_size_gb": 0}, "InvalidArgument"),
    ({"disk_size_gb": 2**34}, "InvalidArgument"),
    ({"disk_size_gb": 2**64 - 1}, "InvalidArgument"),
    ({"iso_path": "no-such.iso"}, "NotFound"),
    ({"iso_path": "no such.iso"}, "PathNotAllowed"),
    ({"iso_path": "/a/../etc/shadow"}, "PathNotAllowed"),
    ({"iso_path": "/a\nb"}, "PathNotAllowed"),
    ({"iso_path": "json:{}"}, "PathNotAllowed"),
    ({"uuid": "not-a-uuid"}, "InvalidArgument"),
    ({"start": "yes"}, "InvalidArgument"),
    ({"parameters": {"unheard-of": 1}}, "InvalidArgument"),
    ({"memory_mb": 256, "parameters": {"memory_mb": 512}}, "InvalidArgument"),
]


@pytest.mark.parametrize("values, code", BAD_OPTIONS, ids=[f"{i}" for i in range(len(BAD_OPTIONS))])
def test_options_of_create_that_are_not_allowed(client, vms, values, code):
    base = {} if "template" in values else {"type": "linux"}
    assert error_of(client.create, vms.name(), **{**base, **values}) == ERROR + code
    assert domains() == []


def test_what_does_not_exist_is_not_found(client):
    assert error_of(client.manager, "GetVM", "(s)", "no-such") == ERROR + "NotFound"
    assert error_of(client.manager, "GetVMByUUID", "(s)", NO_UUID) == ERROR + "NotFound"
    for method in ("StartVM", "StopVM", "DestroyVM", "PauseVM", "ResumeVM", "RebootVM", "ResetVM", "DeleteVM"):
        assert error_of(client.manager, method, "(sa{sv})", "no-such", {}) == ERROR + "NotFound", method
    assert error_of(client.manager, "RenderTemplate", "(ssa{sv})", "no-such", "a", {}) == ERROR + "NotFound"


def test_a_name_or_uuid_that_is_taken(client, vms):
    name, path = vms.create()
    assert error_of(client.create, name, type="linux") == ERROR + "AlreadyExists"
    uuid = client.get(path, "UUID")
    assert error_of(client.create, vms.name(), type="linux", uuid=uuid) == ERROR + "AlreadyExists"
    foreign, _ = vms.define()
    assert error_of(client.create, foreign, type="linux") == ERROR + "AlreadyExists"


WRONG_STATES = {
    "shut-off": ["Stop", "Destroy", "Pause", "Resume", "Reboot", "Reset"],
    "running": ["Start", "Resume", "Delete"],
    "paused": ["Start", "Stop", "Pause", "Reboot", "Delete"],
}


def test_states_that_do_not_allow_the_operation(client, vms):
    name, path = vms.create()
    for state, step in (("shut-off", None), ("running", "Start"), ("paused", "Pause")):
        if step:
            client.vm(path, step)
        for method in WRONG_STATES[state]:
            with pytest.raises(BusError) as caught:
                client.vm(path, method)
            assert caught.value.name == ERROR + "InvalidState", (state, method)
            assert name in caught.value.message and state in caught.value.message
            assert client.state(path) == state


def test_options_that_a_method_does_not_have(client, vms):
    _, path = vms.create()
    for method in ("Start", "Stop", "Destroy", "Pause", "Resume", "Reboot", "Reset", "Delete", "GetXML"):
        assert error_of(client.vm, path, method, unheard_of=1) == ERROR + "InvalidArgument", method
    assert error_of(client.vm, path, "Stop", timeout="soon") == ERROR + "InvalidArgument"
    assert error_of(client.vm, path, "Stop", force="yes") == ERROR + "InvalidArgument"
    assert error_of(client.vm, path, "Delete", delete_disks="yes") == ERROR + "InvalidArgument"
    assert client.state(path) == "shut-off"


def test_calls_that_do_not_exist(client, vms):
    _, path = vms.create()
    call, get = client.call, ("(ss)", (VM_INTERFACE, "State"))
    assert error_of(call, MANAGER, MANAGER_INTERFACE, "Frobnicate") == STANDARD_ERROR + "UnknownMethod"
    assert error_of(call, path, VM_INTERFACE, "Frobnicate") == STANDARD_ERROR + "UnknownMethod"
    assert error_of(call, MANAGER, "org.example.Nothing", "Start") == STANDARD_ERROR + "UnknownInterface"
    assert error_of(call, path, MANAGER_INTERFACE, "ListVMs") == STANDARD_ERROR + "UnknownInterface"
    assert error_of(call, NO_VM, VM_INTERFACE, "Start", "(a{sv})", ({},)) == STANDARD_ERROR + "UnknownObject"
    assert error_of(call, NO_VM, PROPERTIES, "Get", *get) == STANDARD_ERROR + "UnknownObject"
    assert error_of(call, "/org/example", MANAGER_INTERFACE, "ListVMs") == STANDARD_ERROR + "UnknownObject"
    assert error_of(client.get, path, "Frobnicity") == STANDARD_ERROR + "UnknownProperty"
    assert error_of(client.get, path, "State", "org.example.Nothing") == STANDARD_ERROR + "UnknownInterface"
    assert error_of(client.get_all, path, "org.example.Nothing") == STANDARD_ERROR + "UnknownInterface"
    state = (VM_INTERFACE, "State", GLib.Variant("s", "running"))
    assert error_of(call, path, PROPERTIES, "Set", "(ssv)", state) == STANDARD_ERROR + "PropertyReadOnly"
    nothing = (VM_INTERFACE, "Frobnicity", GLib.Variant("s", "x"))
    assert error_of(call, path, PROPERTIES, "Set", "(ssv)", nothing) == STANDARD_ERROR + "UnknownProperty"


WRONG_SIGNATURES = [
    (MANAGER, "ListVMs", "(s)", ("x",)),
    (MANAGER, "GetVM", "()", ()),
    (MANAGER, "GetVM", "(ss)", ("x", "y")),
    (MANAGER, "GetVM", "(u)", (1,)),
    (MANAGER, "CreateVM", "(s)", ("x",)),
    (MANAGER, "CreateVM", "(sa{ss})", ("x", {})),
    (MANAGER, "StartVM", "(s)", ("x",)),
    (None, "Start", "()", ()),
    (None, "SetAutostart", "(a{sv})", ({},)),
    (None, "SetAutostart", "(sa{sv})", ("x", {})),
]


@pytest.mark.parametrize("path, method, signature, arguments", WRONG_SIGNATURES)
def test_calls_with_the_wrong_signature(client, vms, path, method, signature, arguments):
    if path is None:
        _, path = vms.create()
    interface = MANAGER_INTERFACE if path == MANAGER else VM_INTERFACE
    assert error_of(client.call, path, interface, method, signature, arguments) == STANDARD_ERROR + "InvalidArgs"
