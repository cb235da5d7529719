"""What holds without polkit: the files that say who may call and what is asked, and the service that owns the name."""

import xml.etree.ElementTree as ElementTree

import pytest

from support.bus import (
    JOB_INTERFACE, MANAGER, MANAGER_INTERFACE, OBJECT_MANAGER, PROPERTIES, STANDARD_ERROR, VM_INTERFACE, BusError,
)  # fmt: skip
from support.system import TESTS, as_nobody, run, virsh

INTERFACES = {
    MANAGER_INTERFACE, VM_INTERFACE, JOB_INTERFACE, PROPERTIES, OBJECT_MANAGER,
    "org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Peer",
}  # fmt: skip


def test_nobody_else_can_own_the_name():
    result = as_nobody(
        "busctl", "--system", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "RequestName", "su", MANAGER_INTERFACE, "4",
    )  # fmt: skip
    assert result.returncode != 0
    assert "denied" in result.stderr.lower()


def test_the_policy_allows_nothing_beyond_this_service():
    """Everybody may call what is listed, interface by interface; the service decides about each call."""
    policy = ElementTree.parse(TESTS.parent / "dbus" / "org.neuronos.VMManager.conf").getroot()
    owners, interfaces = set(), set()
    for section in policy.iter("policy"):
        for rule in section:
            assert rule.tag == "allow"
            if "own" in rule.attrib:
                assert rule.attrib == {"own": MANAGER_INTERFACE}
                owners.add(section.get("user"))
                continue
            assert rule.get("send_destination") == MANAGER_INTERFACE
            if section.attrib == {"user": "root"}:
                continue
            assert section.attrib == {"context": "default"}
            # As many descriptors as the method takes: who sends more could have the service run out of them.
            assert set(rule.attrib) - {"send_member"} == {"send_destination", "send_interface", "max_fds"}
            member = rule.get("send_member")
            assert rule.get("max_fds") == {"ImportMedia": "1", "CreateVM": "2", None: "0"}[member]
            interfaces.add(rule.get("send_interface"))
    assert owners == {"root", "neuron-vm"}
    assert interfaces == INTERFACES


def test_the_bus_lets_descriptors_pass_only_to_who_takes_them(client, users):
    user = users.nobody()
    assert user.outcome(MANAGER, MANAGER_INTERFACE, "ListVMs", files=0).error is None
    denied = (STANDARD_ERROR + "AccessDenied", "org.freedesktop.DBus")
    for interface, member, files in (
        (MANAGER_INTERFACE, "ListVMs", 1), (MANAGER_INTERFACE, "RenderTemplate", 1), (MANAGER_INTERFACE, "StartVM", 1),
        (MANAGER_INTERFACE, "ImportMedia", 2), (MANAGER_INTERFACE, "CreateVM", 3), (VM_INTERFACE, "Start", 1),
        (VM_INTERFACE, "CreateVM", 1), (PROPERTIES, "GetAll", 1), (None, "ImportMedia", 1), (None, "CreateVM", 1),
    ):  # fmt: skip
        outcome = user.outcome(MANAGER, interface, member, files=files)
        assert (outcome.error, outcome.sender) == denied, (interface, member, files)
    # With as many as they take the calls pass the bus; it is the service that finds their arguments wrong.
    for member, files in (("ImportMedia", 0), ("ImportMedia", 1), ("CreateVM", 1), ("CreateVM", 2)):
        outcome = user.outcome(MANAGER, MANAGER_INTERFACE, member, files=files)
        assert outcome.error == STANDARD_ERROR + "InvalidArgs" and outcome.sender != denied[1], (member, files)


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
        # Who has answered once would be let through for another VM.
        if name.startswith(("delete", "access", "host-resources")):
            assert not any(value.endswith("_keep") for value in defaults.values())
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
