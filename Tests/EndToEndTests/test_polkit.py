"""What polkit's answer is good for: one call, one VM, one caller who is still there."""

import pytest
from gi.repository import GLib

from support import polkit as answers
from support.audit import Audit
from support.bus import ERROR, MANAGER, MANAGER_INTERFACE, STANDARD_ERROR, VM_INTERFACE, Bus, options, vm_path
from support.members import NEW_VM
from support.polkit import ACTION
from support.system import domains, virsh
from support.users import INTERACTIVE, NO_REPLY, OWNER

DENIED = STANDARD_ERROR + "AccessDenied"
NO_UUID = "01234567-89ab-4def-8123-456789abcdef"


def hold_dialogs(check):
    """The user is asked, and has not answered."""
    return answers.SILENCE if check.is_interactive else answers.CHALLENGE


def test_the_life_of_ones_own_vm(client, vms, users, polkit):
    polkit.decide = lambda check: answers.YES
    owner, other = users.owner(), users.other()
    name = vms.name()
    path = owner.named("CreateVM", name, **NEW_VM).value
    assert client.get(path, "OwnerUID") == OWNER
    for method in ("Start", "Pause", "Resume", "Destroy"):
        assert owner.vm(path, method).error is None
    assert f"<name>{name}</name>" in other.vm(path, "GetXML").value
    assert owner.named("DeleteVM", name, delete_disks=True).error is None
    assert domains() == []
    asked = [check.action.removeprefix(ACTION) for check in polkit.checks]
    assert asked == ["create", *["control.own"] * 4, "access.any", "delete.own"]
    assert {check.details["vm.owner"] for check in polkit.checks} == {str(OWNER)}
    # The UUID of what is being created is not known when polkit is asked.
    assert [check.details["vm.uuid"] for check in polkit.checks] == ["", *[client_uuid(path)] * 6]


def client_uuid(path):
    return path.rsplit("/", 1)[1].replace("_", "-")


def test_each_call_is_asked_about_anew(vms, users, polkit):
    user = users.other()
    (first, _), (second, uuid) = vms.define(), vms.define()
    polkit.decide = lambda check: answers.YES if check.details["vm.name"] == first else answers.NO
    assert user.named("DeleteVM", first).error is None
    assert user.named("DeleteVM", second).error == DENIED
    assert [check.details["vm.name"] for check in polkit.checks] == [first, second]
    assert [check.details["vm.uuid"] for check in polkit.checks][1] == uuid

    polkit.forget()
    polkit.decide = lambda check: answers.YES if len(polkit.checks) == 0 else answers.NO
    for expected in (None, DENIED, DENIED):
        assert user.vm(vm_path(uuid), "GetXML").error == expected
    assert len(polkit.checks) == 3


def test_what_is_wrong_is_said_without_asking(vms, users, polkit):
    user = users.nobody()
    name, uuid = vms.define()
    path = vm_path(uuid)
    assert user.named("CreateVM", "..", **NEW_VM).error == ERROR + "InvalidArgument"
    assert user.named("CreateVM", vms.name(), unheard_of=1).error == ERROR + "InvalidArgument"
    assert user.named("CreateVM", vms.name(), type="linux", vcpus=0).error == ERROR + "InvalidArgument"
    assert user.named("CreateVM", vms.name(), template="no-such").error == ERROR + "NotFound"
    assert user.named("CreateVM", vms.name(), type="linux", uuid="no-uuid").error == ERROR + "InvalidArgument"
    assert user.named("CreateVM", vms.name(), type="linux", iso_path="../x").error == ERROR + "PathNotAllowed"
    assert user.named("StopVM", name, timeout="soon").error == ERROR + "InvalidArgument"
    assert user.vm(path, "Delete", delete_disks="yes").error == ERROR + "InvalidArgument"
    assert user.vm(vm_path(NO_UUID), "Start").error == STANDARD_ERROR + "UnknownObject"
    assert user.outcome(path, VM_INTERFACE, "Start").error == STANDARD_ERROR + "InvalidArgs"
    assert user.outcome(path, VM_INTERFACE, "Frobnicate").error == STANDARD_ERROR + "UnknownMethod"
    assert polkit.checks == []


def test_a_name_that_nobody_has(users, polkit):
    """It is said before anybody is asked for anything."""
    user = users.nobody()
    for decide in (lambda check: answers.NO, hold_dialogs, lambda check: answers.YES):
        polkit.decide = decide
        for method in ("StartVM", "DeleteVM"):
            outcome = user.named(method, "no-such", INTERACTIVE)
            assert outcome.error == ERROR + "NotFound" and outcome.seconds < 5
    assert not polkit.checks


@pytest.mark.parametrize("method", ["DeleteVM", "StartVM"])
def test_a_vm_of_the_same_name_is_another_one(client, vms, users, polkit, recorder, method):
    """While the user is asked about a VM, it goes, and another comes with its name."""
    name, uuid = vms.define()
    polkit.decide = hold_dialogs
    call = users.other().send_named(method, name, INTERACTIVE)
    check = polkit.wait_for_check(lambda check: check.is_interactive)
    assert (check.details["vm.name"], check.details["vm.uuid"]) == (name, uuid)

    virsh("undefine", name)
    recorder.wait(lambda s: s.member == "VMRemoved" and s.arguments[1] == uuid)
    _, other_uuid = vms.define(name)
    recorder.wait(lambda s: s.member == "VMAdded" and s.arguments[1] == other_uuid)
    with Audit():
        check.answer(answers.YES)
        assert call.result(30).error == ERROR + "NotFound"
    assert client.state(vm_path(other_uuid)) == "shut-off"


def test_a_vm_that_was_renamed_is_the_one_that_was_shown(client, vms, users, polkit, recorder):
    name, uuid = vms.define()
    polkit.decide = hold_dialogs
    call = users.other().send_named("StartVM", name, INTERACTIVE)
    check = polkit.wait_for_check(lambda check: check.is_interactive)
    new_name = vms.name()
    virsh("domrename", name, new_name)
    recorder.wait(lambda s: s.path == vm_path(uuid) and s.changed.get("Name") == new_name)
    _, other_uuid = vms.define(name)
    recorder.wait(lambda s: s.member == "VMAdded" and s.arguments[1] == other_uuid)
    check.answer(answers.YES)
    assert call.result(60).error is None
    assert client.state(vm_path(uuid)) == "running"
    assert client.state(vm_path(other_uuid)) == "shut-off"


@pytest.mark.parametrize("flags", [0, INTERACTIVE])
def test_nothing_is_done_for_a_caller_who_has_gone(client, vms, users, polkit, flags):
    """polkit says yes a moment after the caller has left the bus, with the dialog open or without one."""
    (name, uuid), new = vms.define(), vms.name()
    polkit.decide = hold_dialogs if flags else (lambda check: answers.SILENCE)
    user, bus = users.other(), Bus()
    with Audit():
        caller = user.name()
        calls = [
            user.send_named("CreateVM", new, flags, **NEW_VM),
            user.send_vm(vm_path(uuid), "Start", flags),
            user.send_named("DeleteVM", name, flags),
        ]

        def held():
            return [check for check in polkit.of(caller) if check.is_interactive == bool(flags)]

        polkit.wait(lambda: len(held()) == 3)
        user.disconnect()
        bus.wait_for_owner(caller, False)
        if flags:
            identifiers = {check.cancellation for check in held()}
            assert len(identifiers) == 3 and "" not in identifiers
            polkit.wait(lambda: set(polkit.cancelled) == identifiers, timeout=10, what="cancellation")
        for check in held():
            check.answer(answers.YES)
        # What was answered before this has been dealt with when this has been.
        polkit.decide = lambda check: answers.NO
        assert user.named("StartVM", name).error == DENIED
    assert all(call.result(30).error.startswith("g-") for call in calls), "a reply without a connection"
    assert client.list().keys() == {name}
    bus.close()


ODD_ANSWERS = {
    "authorized by text": answers.NONSENSE,
    "not in a structure": GLib.Variant("(bba{ss})", (True, False, {})),
    "numbers": GLib.Variant("((uua{ss}))", ((1, 0, {}),)),
    "other details": GLib.Variant("((bba{sv}))", ((True, False, {}),)),
    "one more": GLib.Variant("((bba{ss})s)", ((True, False, {}), "x")),
    "nothing": GLib.Variant("()", ()),
    "error of the service": ERROR + "NotFound",
    "error of the bus": STANDARD_ERROR + "NoReply",
    "cancelled": "org.freedesktop.PolicyKit1.Error.Cancelled",
    "dismissed, with another chance": (False, True, {"polkit.dismissed": "true"}),
}


@pytest.mark.parametrize("flags", [0, INTERACTIVE])
def test_what_is_no_yes_is_a_no(vms, users, polkit, flags):
    name, uuid = vms.define()
    user = users.other()
    with Audit():
        for what, answer in ODD_ANSWERS.items():
            if flags:
                polkit.decide = lambda check: answer if check.is_interactive else answers.CHALLENGE
            else:
                polkit.decide = lambda check: answer
            assert user.vm(vm_path(uuid), "Start", flags).error == DENIED, what
            assert user.named("DeleteVM", name, flags).error == DENIED, what


def test_an_answer_that_comes_too_late(client, vms, users, polkit):
    name, uuid = vms.define()
    polkit.decide = lambda check: answers.SILENCE
    user = users.other()
    with Audit():
        outcome = user.vm(vm_path(uuid), "Start")
        assert outcome.error == DENIED
        assert 8 < outcome.seconds < 25
        polkit.checks[0].answer(answers.YES)
        polkit.decide = lambda check: answers.NO
        assert user.named("DeleteVM", name).error == DENIED
    assert client.state(vm_path(uuid)) == "shut-off"


def test_who_wants_no_reply_is_asked_about_as_well(client, vms, users, polkit, recorder):
    name, uuid = vms.define()
    path, new, user = vm_path(uuid), vms.name(), users.other()
    for flags in (NO_REPLY, NO_REPLY | INTERACTIVE):
        polkit.forget()
        with Audit():
            user.vm(path, "Start", flags)
            user.named("DeleteVM", name, flags)
            user.named("CreateVM", new, flags, **NEW_VM)
            polkit.wait(lambda: len(polkit.of(user.name())) == 3)
            assert user.vm(path, "Start").error == DENIED
    polkit.decide = lambda check: answers.YES
    user.vm(path, "Start", NO_REPLY)
    recorder.wait_state(path, "running")
    client.vm(path, "Destroy")


def test_a_call_without_an_interface_is_no_way_round(client, vms, users, polkit):
    """The bus refuses it: its policy lists interfaces."""
    _, uuid = vms.define()
    polkit.decide = lambda check: answers.YES
    for member, signature, arguments in (("Start", "(a{sv})", ({},)), ("GetXML", "(a{sv})", ({},))):
        outcome = users.owner().outcome(vm_path(uuid), None, member, signature, arguments)
        assert (outcome.error, outcome.sender) == (DENIED, "org.freedesktop.DBus")
    assert users.owner().outcome(MANAGER, None, "CreateVM", "(sa{sv})", (vms.name(), options(NEW_VM))).error == DENIED
    assert polkit.checks == []
    assert client.state(vm_path(uuid)) == "shut-off"


RESOURCES = [
    ({"iso_path": "/etc/canary.iso"}, True),
    ({"iso_path": "/var/lib/libvirt/neuron-media-of-others/x.iso"}, True),
    ({"iso_path": "/var/lib/libvirt/images/x.iso"}, True),
    ({"iso_path": "/dev/cdrom"}, True),
    ({"uuid": NO_UUID}, True),
    ({"iso_path": "/var/lib/libvirt/neuron-media/x.iso"}, False),
    ({"iso_path": "/usr/share/neuron-vm/media/x.iso"}, False),
    ({}, False),
]


@pytest.mark.parametrize("values, is_hosts", RESOURCES, ids=[str(index) for index in range(len(RESOURCES))])
def test_what_belongs_to_the_host_needs_more(vms, users, polkit, values, is_hosts):
    user, name = users.other(), vms.name()
    wanted = {"create", "host-resources"} if is_hosts else {"create"}

    def render():
        arguments = ("linux-basic", name, options({"memory_mb": 256, **values}))
        return user.outcome(MANAGER, MANAGER_INTERFACE, "RenderTemplate", "(ssa{sv})", arguments)

    polkit.decide = lambda check: answers.YES
    outcome = render()
    assert outcome.error is None, outcome
    assert {check.action.removeprefix(ACTION) for check in polkit.checks} == wanted
    for check in polkit.checks:
        assert check.details["vm.name"] == name
        assert check.details["vm.uuid"] == values.get("uuid", "")
    # Each of the two is enough to be refused.
    for refused in wanted:
        polkit.decide = lambda check: answers.NO if check.action == ACTION + refused else answers.YES
        with Audit():
            assert render().error == DENIED
            assert user.named("CreateVM", name, **NEW_VM, **values).error == DENIED
