"""The real polkitd: its defaults, an administrator's rules, and what a user is shown."""

import pytest

from support.agent import Agent
from support.bus import MANAGER, MANAGER_INTERFACE, STANDARD_ERROR, vm_path
from support.members import NEW_VM
from support.polkit import ACTION
from support.system import domains
from support.users import INTERACTIVE, OWNER

DENIED = STANDARD_ERROR + "AccessDenied"
ASK = STANDARD_ERROR + "InteractiveAuthorizationRequired"


def rule(condition, answer="polkit.Result.YES"):
    """Allows our actions where the condition, in JavaScript, holds; denies the rest."""
    ours = f'action.id.indexOf("{ACTION}") == 0'
    return (
        "polkit.addRule(function(action, subject) {"
        f" if ({ours}) return ({condition}) ? {answer} : polkit.Result.NO; }});\n"
    )


@pytest.fixture
def agent(polkitd):
    """An agent for a user's process; an administrator, whose password is asked for, is root."""
    agents = []
    admin = 'polkit.addAdminRule(function() { return ["unix-user:0"]; });\n'

    def start(user):
        agents.append(Agent(user.process.pid))
        return agents[-1]

    with polkitd.rules(admin):
        yield start
        for agent in agents:
            agent.close()


@pytest.mark.parametrize("flags", [0, INTERACTIVE])
def test_what_is_shipped_asks_for_a_password(client, vms, users, flags):
    """Nobody here has a session, so it asks for everything; there is nobody to show a dialog."""
    (own, own_uuid), (name, uuid) = vms.define(owner=OWNER), vms.define()
    owner, nobody = users.owner(), users.nobody()
    for user, path in ((owner, vm_path(own_uuid)), (owner, vm_path(uuid)), (nobody, vm_path(own_uuid))):
        for method in ("Start", "Delete", "GetXML"):
            assert user.vm(path, method, flags).error == ASK, method
    assert nobody.named("CreateVM", vms.name(), flags, **NEW_VM).error == ASK
    assert nobody.named("DeleteVM", name, flags).error == ASK
    assert set(nobody.permissions(vm_path(own_uuid)).values()) == {"auth"}
    assert {client.state(vm_path(own_uuid)), client.state(vm_path(uuid))} == {"shut-off"}
    assert sorted(domains()) == sorted([own, name])


def test_a_rule_for_one_vm(client, vms, users, polkitd):
    (mine, uuid), (_, other_uuid) = vms.define(), vms.define()
    user = users.nobody()
    is_mine = f'action.lookup("vm.name") == "{mine}" && action.lookup("vm.uuid") == "{uuid}"'
    with polkitd.rules(rule(is_mine)):
        assert user.vm(vm_path(uuid), "Start").error is None
        assert user.named("DestroyVM", mine).error is None
        assert user.vm(vm_path(other_uuid), "Start").error == DENIED
        assert user.vm(vm_path(other_uuid), "Start", INTERACTIVE).error == DENIED
        assert set(user.permissions(vm_path(uuid)).values()) == {"yes"}
        assert set(user.permissions(vm_path(other_uuid)).values()) == {"no"}
    assert client.state(vm_path(uuid)) == client.state(vm_path(other_uuid)) == "shut-off"


def test_a_rule_for_a_group(client, vms, users, polkitd):
    _, uuid = vms.define()
    member, stranger = users.owner(), users.other()
    with polkitd.rules(rule('subject.isInGroup("vm-friends")')):
        assert "<domain" in member.vm(vm_path(uuid), "GetXML").value
        assert stranger.vm(vm_path(uuid), "GetXML").error == DENIED
        assert stranger.named("CreateVM", vms.name(), **NEW_VM).error == DENIED
        path = member.named("CreateVM", vms.name(), **NEW_VM).value
    assert client.get(path, "OwnerUID") == OWNER


def test_a_rule_for_ones_own(client, vms, users, polkitd):
    _, uuid = vms.define(owner=OWNER)
    path = vm_path(uuid)
    owner, other = users.owner(), users.other()
    with polkitd.rules(rule(r"/\.own$/.test(action.id)")):
        assert owner.vm(path, "Start").error is None
        assert other.vm(path, "Destroy").error == DENIED
        assert owner.vm(path, "Destroy").error is None
        assert other.vm(path, "Delete").error == DENIED
    with polkitd.rules(rule(f'action.lookup("vm.owner") == "{OWNER}"')):
        assert other.vm(path, "GetXML").error is None
        assert owner.named("CreateVM", vms.name(), **NEW_VM).error is None
        assert other.named("CreateVM", vms.name(), **NEW_VM).error == DENIED


def test_a_rule_for_a_template(vms, users, polkitd):
    user = users.nobody()
    with polkitd.rules(rule('action.lookup("vm.template") == "linux-basic"')):
        for template, error in (("linux-basic", None), ("windows11-basic", DENIED)):
            arguments = (template, vms.name(), {})
            outcome = user.outcome(MANAGER, MANAGER_INTERFACE, "RenderTemplate", "(ssa{sv})", arguments)
            assert outcome.error == error


def test_a_dialog_that_is_dismissed(client, vms, users, agent):
    name, uuid = vms.define(owner=OWNER)
    path, user = vm_path(uuid), users.other()
    dialogs = agent(user)
    assert user.vm(path, "Delete").error == ASK
    assert dialogs.prompts == []
    assert user.vm(path, "Delete", INTERACTIVE).error == DENIED
    (prompt,) = dialogs.prompts
    assert prompt.action == ACTION + "delete.any"
    assert prompt.message == f"Authentication is required to delete the virtual machine {name}, which is not yours"
    assert name in client.list()


def test_each_action_says_what_it_is_about(vms, users, agent):
    name, uuid = vms.define(owner=OWNER)
    path, owner, other = vm_path(uuid), users.owner(), users.other()
    new = vms.name()
    seen = {}
    for user, form in ((owner, "own"), (other, "any")):
        dialogs = agent(user)
        for member, kind in (("Start", "control"), ("GetXML", "access"), ("Delete", "delete")):
            assert user.vm(path, member, INTERACTIVE).error == DENIED
            assert dialogs.prompts[-1].action == f"{ACTION}{kind}.{form}"
            assert name in dialogs.prompts[-1].message
        assert user.named("CreateVM", new, INTERACTIVE, **NEW_VM).error == DENIED
        assert dialogs.prompts[-1].action == ACTION + "create"
        assert new in dialogs.prompts[-1].message
        seen |= {prompt.action: prompt.message for prompt in dialogs.prompts}
    assert len(set(seen.values())) == len(seen) == 7
    assert not any("$(" in message for message in seen.values())


def test_what_is_asked_about_media_says_which(users, agent):
    user = users.other()
    dialogs = agent(user)
    for member, signature, arguments in (
        ("ImportMedia", "(sha{sv})", ("debian.iso", 0, {})), ("RemoveMedia", "(s)", ("debian.iso",)),
    ):  # fmt: skip
        files = 1 if member == "ImportMedia" else 0
        outcome = user.outcome(MANAGER, MANAGER_INTERFACE, member, signature, arguments, INTERACTIVE, files=files)
        assert outcome.error == DENIED
    words = "Authentication is required to {} the medium debian.iso"
    assert dialogs.prompts == [
        (ACTION + "create", words.format("import")), (ACTION + "delete.any", words.format("remove")),
    ]  # fmt: skip


def test_who_has_the_password_may(client, vms, users, agent):
    """And is asked for it again: for another VM, and for the same one."""
    (first, first_uuid), (second, second_uuid) = vms.define(), vms.define()
    user = users.other()
    dialogs = agent(user)
    dialogs.user = "consents"
    assert user.vm(vm_path(first_uuid), "Start", INTERACTIVE).error is None
    assert client.state(vm_path(first_uuid)) == "running"
    assert "<domain" in user.vm(vm_path(first_uuid), "GetXML", INTERACTIVE).value
    assert "<domain" in user.vm(vm_path(first_uuid), "GetXML", INTERACTIVE).value
    assert user.named("DeleteVM", second, INTERACTIVE).error is None
    dialogs.user = "dismisses"
    client.vm(vm_path(first_uuid), "Destroy")
    assert user.named("DeleteVM", first, INTERACTIVE).error == DENIED
    asked = [prompt.action.removeprefix(ACTION) for prompt in dialogs.prompts]
    assert asked == ["control.any", "access.any", "access.any", "delete.any", "delete.any"]
    assert domains() == [first]
    assert second_uuid not in {row[2] for row in client.list().values()}


def test_a_dialog_closes_when_nobody_waits_for_it(client, vms, users, agent):
    name, uuid = vms.define()
    user = users.other()
    dialogs = agent(user)
    dialogs.user = "lets it be"
    user.send_vm(vm_path(uuid), "Delete", INTERACTIVE)
    assert dialogs.shown.wait(10)
    assert not dialogs.closed.is_set()
    user.disconnect()
    assert dialogs.closed.wait(10)
    assert name in client.list()
