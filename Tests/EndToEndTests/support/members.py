"""Every member that the service has, who may call it, and calls of it that would change something, or would not.

What introspection names and these tables do not is a fault: a new member must say here who may call it.
"""

import itertools
from typing import NamedTuple

from gi.repository import GLib

from .bus import (
    ERROR, JOB_INTERFACE, MANAGER, MANAGER_INTERFACE, OBJECT_MANAGER, PROPERTIES, STANDARD_ERROR, VM_INTERFACE, options,
)  # fmt: skip

INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
PEER = "org.freedesktop.DBus.Peer"
NUMBERS = itertools.count(1)


class Change(NamedTuple):
    """What polkit is asked about: the action, and a state in which the method has an effect, one in which it fails."""

    action: str
    effective: str
    refused: str | None
    options: dict = {}
    before: tuple = ()


VM_METHODS = {
    "Start": Change("control", "shut-off", "running"),
    "Stop": Change("control", "running", "shut-off", {"timeout": 1, "force": True}),
    "Destroy": Change("control", "running", "shut-off"),
    "Pause": Change("control", "running", "shut-off"),
    "Resume": Change("control", "paused", "shut-off"),
    "Reboot": Change("control", "running", "shut-off"),
    "Reset": Change("control", "running", "shut-off"),
    "Delete": Change("delete", "shut-off", "running", {"delete_disks": True}),
    "SetAutostart": Change("control", "shut-off", None, before=("b", True, False)),
    "GetXML": Change("access", "shut-off", None),
}
BY_NAME = {f"{method}VM": method for method in VM_METHODS if method not in ("SetAutostart", "GetXML")}
NEW_VM = {"type": "linux", "memory_mb": 256, "vcpus": 1, "disk_size_gb": 1}

PUBLIC = {
    (INTROSPECTABLE, "Introspect"): ("()", lambda stage, path: ()),
    (PEER, "Ping"): ("()", lambda stage, path: ()),
    (PEER, "GetMachineId"): ("()", lambda stage, path: ()),
    (OBJECT_MANAGER, "GetManagedObjects"): ("()", lambda stage, path: ()),
    (PROPERTIES, "GetAll"): ("(s)", lambda stage, path: (own_interface(path),)),
    (MANAGER_INTERFACE, "ListVMs"): ("()", lambda stage, path: ()),
    (MANAGER_INTERFACE, "GetVM"): ("(s)", lambda stage, path: (stage["running"].name,)),
    (MANAGER_INTERFACE, "GetVMByUUID"): ("(s)", lambda stage, path: (stage["running"].uuid,)),
    (MANAGER_INTERFACE, "ListTemplates"): ("()", lambda stage, path: ()),
    (MANAGER_INTERFACE, "ListMedia"): ("()", lambda stage, path: ()),
    (MANAGER_INTERFACE, "GetPermissions"): ("(o)", lambda stage, path: (stage["running"].path,)),
    (MANAGER_INTERFACE, "CheckHost"): ("()", lambda stage, path: ()),
}
READ_ONLY_PROPERTIES = {
    (MANAGER_INTERFACE, name): signature
    for name, signature in {
        "Version": "s", "HypervisorURI": "s", "HypervisorVersion": "s", "HypervisorConnected": "b", "Features": "as",
    }.items()
} | {
    (VM_INTERFACE, name): signature
    for name, signature in {
        "Name": "s", "UUID": "s", "State": "s", "StateReason": "s", "MemoryMB": "t", "VCPUs": "u", "Autostart": "b",
        "Persistent": "b", "Template": "s", "OSType": "s", "OwnerUID": "u", "CreatedAt": "t", "HasSavedState": "b",
        "Job": "o",
    }.items()
} | {
    (JOB_INTERFACE, name): signature
    for name, signature in {
        "Operation": "s", "Target": "s", "Progress": "d", "ProgressValid": "b", "StartTime": "t", "StartedByUID": "u",
        "Objects": "ao", "Cancelable": "b",
    }.items()
}  # fmt: skip
EXAMPLES = {"s": "x", "b": True, "t": 1, "u": 1, "o": "/", "as": ["x"], "d": 0.5, "ao": ["/"]}


def own_interface(path):
    if path.startswith(MANAGER + "/jobs/"):
        return JOB_INTERFACE
    return MANAGER_INTERFACE if path == MANAGER else VM_INTERFACE


class VM(NamedTuple):
    name: str
    path: str
    uuid: str
    owner: int


class Call(NamedTuple):
    """A call, what comes of it when nobody objects, and what polkit is asked; nothing is asked about a public one."""

    path: str
    interface: str
    member: str
    signature: str
    arguments: tuple
    error: str | None = None
    action: str | None = None
    details: dict = {}
    files: int = 0

    def __str__(self):
        return f"{self.interface}.{self.member}{self.arguments} at {self.path}"


def of_vm(method, vm, uid):
    """The action for a VM, in the form that fits the caller, and the details that go with it."""
    action = f"{VM_METHODS[method].action}.{'own' if vm.owner == uid else 'any'}"
    return action, {"vm.name": vm.name, "vm.uuid": vm.uuid, "vm.owner": str(vm.owner), "vm.template": "linux-basic"}


def change_of_vm(interface, member, stage, uid, harmless):
    """A call of one of a VM's methods, at its object or by its name."""
    method = BY_NAME.get(member, member)
    change = VM_METHODS[method]
    vm = stage[(change.refused or change.effective) if harmless else change.effective]
    error = ERROR + "InvalidState" if harmless and change.refused else None
    signature, *values = change.before or ("",)
    values = (values[harmless],) if values else ()
    if interface == MANAGER_INTERFACE:
        signature, values = "s", (vm.name,)
    arguments = (*values, options(change.options))
    path = MANAGER if interface == MANAGER_INTERFACE else vm.path
    return Call(path, interface, member, f"({signature}a{{sv}})", arguments, error, *of_vm(method, vm, uid))


def creation(member, stage, uid, harmless):
    """A call of CreateVM or RenderTemplate. The name is taken if nothing may come of it."""
    taken = harmless and member == "CreateVM"
    name = stage["shut-off"].name if taken else stage["new"]
    details = {"vm.name": name, "vm.uuid": "", "vm.owner": str(uid), "vm.template": "linux-basic"}
    arguments, signature = (name, options(NEW_VM)), "(sa{sv})"
    if member == "RenderTemplate":
        arguments, signature = ("linux-basic", name, options({"memory_mb": 256})), "(ssa{sv})"
    error = ERROR + "AlreadyExists" if taken else None
    return Call(MANAGER, MANAGER_INTERFACE, member, signature, arguments, error, "create", details)


def cancelling(stage, harmless):
    """A call of Cancel: of root's job that waits for a guest, or of one that has ended."""
    vm, path = stage["ended job" if harmless else "job"]
    error = ERROR + "InvalidState" if harmless else None
    details = {"vm.name": vm.name, "vm.uuid": vm.uuid, "vm.owner": "0", "vm.template": "linux-basic"}
    return Call(path, JOB_INTERFACE, "Cancel", "()", (), error, "control.any", details)


def medium(member):
    """A call of ImportMedia or RemoveMedia: what is handed over is no file, and there is no such medium."""
    # One that is just being removed, or imported, is another error.
    name = f"no-such-{next(NUMBERS)}.iso"
    verb, action = ("remove", "delete.any") if member == "RemoveMedia" else ("import", "create")
    details = {
        "vm.name": "", "vm.uuid": "", "vm.owner": "", "vm.template": "", "media.name": name,
        "polkit.message": f"Authentication is required to {verb} the medium $(media.name)",
    }  # fmt: skip
    if member == "RemoveMedia":
        return Call(MANAGER, MANAGER_INTERFACE, member, "(s)", (name,), ERROR + "NotFound", action, details)
    error = ERROR + "InvalidArgument"
    return Call(
        MANAGER, MANAGER_INTERFACE, member, "(sha{sv})", (name, 0, options({})), error, action, details, files=1
    )


def call_of_method(path, interface, member, stage, uid, harmless):
    """A call of a method that introspection has named.

    KeyError where the tables do not know it.
    """
    if (interface, member) in PUBLIC:
        signature, arguments = PUBLIC[interface, member]
        return Call(path, interface, member, signature, arguments(stage, path))
    if (interface, member) in ((MANAGER_INTERFACE, "CreateVM"), (MANAGER_INTERFACE, "RenderTemplate")):
        return creation(member, stage, uid, harmless)
    if (interface, member) == (JOB_INTERFACE, "Cancel"):
        return cancelling(stage, harmless)
    if interface == MANAGER_INTERFACE and member in ("ImportMedia", "RemoveMedia"):
        return medium(member)
    known = {MANAGER_INTERFACE: BY_NAME, VM_INTERFACE: VM_METHODS}.get(interface, {})
    if member not in known:
        raise KeyError(f"{interface}.{member}")
    return change_of_vm(interface, member, stage, uid, harmless)


def calls_of_property(path, interface, name):
    """A property is read by everybody and set by nobody."""
    signature = READ_ONLY_PROPERTIES[interface, name]
    value = GLib.Variant(signature, EXAMPLES[signature])
    yield Call(path, PROPERTIES, "Get", "(ss)", (interface, name))
    yield Call(path, PROPERTIES, "Set", "(ssv)", (interface, name, value), STANDARD_ERROR + "PropertyReadOnly")
