"""GetPermissions says what a caller may do, without a dialog; PermissionsChanged says that this may have changed."""

import concurrent.futures

import pytest

from support import polkit as answers
from support.bus import BUS, ERROR, MANAGER, MANAGER_INTERFACE, STANDARD_ERROR, BusError, vm_path
from support.polkit import ACTION, AUTHORITY, AUTHORITY_INTERFACE, FakePolkit
from support.users import INTERACTIVE, OWNER

KINDS = ("control", "configure", "access", "delete")


def actions_of_vm(form):
    return {f"{ACTION}{kind}.{form}" for kind in KINDS}


ACTIONS_OF_MANAGER = {ACTION + "create", ACTION + "host-resources"}


def test_what_may_be_done_is_what_polkit_says(vms, users, polkit):
    name, uuid = vms.define(owner=OWNER)
    path = vm_path(uuid)
    words = {"yes": answers.YES, "auth": answers.CHALLENGE, "no": answers.NO}
    for form, user in (("own", users.owner()), ("any", users.other())):
        actions = sorted(actions_of_vm(form))
        for shift in range(3):
            wanted = {action: list(words)[(index + shift) % 3] for index, action in enumerate(actions)}
            polkit.forget()
            polkit.decide = lambda check: words[wanted[check.action]]
            assert user.permissions(path) == wanted
            assert {check.action for check in polkit.checks} == set(actions)
            for check in polkit.checks:
                # Nobody is ever asked for a password here.
                assert check.flags == 0
                assert (check.kind, check.caller) == ("system-bus-name", user.name())
                assert (check.details["vm.name"], check.details["vm.uuid"]) == (name, uuid)
                assert (check.details["vm.owner"], check.details["vm.template"]) == (str(OWNER), "linux-basic")


def test_what_may_be_done_with_the_manager(users, polkit):
    user = users.nobody()
    polkit.decide = lambda check: answers.CHALLENGE if check.action == ACTION + "create" else answers.NO
    assert user.permissions(MANAGER) == {ACTION + "create": "auth", ACTION + "host-resources": "no"}
    assert {check.flags for check in polkit.checks} == {0}


def test_even_with_leave_to_ask_nobody_is_asked(vms, users, polkit):
    _, uuid = vms.define()
    polkit.decide = lambda check: answers.CHALLENGE
    user = users.nobody()
    arguments = (MANAGER, MANAGER_INTERFACE, "GetPermissions", "(o)", (vm_path(uuid),), INTERACTIVE)
    assert user.outcome(*arguments).value == {action: "auth" for action in actions_of_vm("any")}
    assert {check.flags for check in polkit.checks} == {0}


def test_root_may_do_everything(client, vms, polkit):
    _, uuid = vms.define(owner=OWNER)
    assert client.manager("GetPermissions", "(o)", MANAGER) == {action: "yes" for action in ACTIONS_OF_MANAGER}
    found = client.manager("GetPermissions", "(o)", vm_path(uuid))
    assert found == {action: "yes" for action in actions_of_vm("any")}
    assert polkit.checks == []


NO_VM = vm_path("01234567-89ab-4def-8123-456789abcdef")


@pytest.mark.parametrize("path", ["/", "/org/neuronos", MANAGER + "/vms", NO_VM])
def test_an_object_that_does_not_exist(client, users, polkit, path):
    for call in (users.nobody().permissions, lambda path: client.manager("GetPermissions", "(o)", path)):
        with pytest.raises(BusError) as caught:
            call(path)
        assert caught.value.name == ERROR + "NotFound"
    assert polkit.checks == []


def test_without_polkit_nothing_may_be_done(vms, users, no_polkit):
    _, uuid = vms.define()
    user = users.other()
    assert user.permissions(vm_path(uuid)) == {action: "no" for action in actions_of_vm("any")}
    assert user.permissions(MANAGER) == {action: "no" for action in ACTIONS_OF_MANAGER}


def test_an_answer_that_is_none_is_a_no(users, polkit):
    for answer in (answers.FAILURE, answers.NONSENSE):
        polkit.decide = lambda check: answer
        assert users.other().permissions(MANAGER) == {action: "no" for action in ACTIONS_OF_MANAGER}


def test_open_dialogs_do_not_keep_it_waiting(vms, users, polkit):
    _, uuid = vms.define()
    user = users.other()
    polkit.decide = lambda check: answers.SILENCE if check.is_interactive else answers.CHALLENGE
    for _ in range(4):
        user.send_vm(vm_path(uuid), "Start", INTERACTIVE)
    polkit.wait(lambda: len([check for check in polkit.checks if check.is_interactive]) == 4)
    assert user.permissions(vm_path(uuid)) == {action: "auth" for action in actions_of_vm("any")}


def test_one_at_a_time_and_a_line_of_32(users, polkit):
    polkit.decide = lambda check: answers.SILENCE
    user, other = users.other(), users.nobody()
    for one in (user, other):
        one.name()
    arguments = (MANAGER, MANAGER_INTERFACE, "GetPermissions", "(o)", (MANAGER,))
    calls = [user.send(*arguments, timeout=120) for _ in range(1 + 32 + 7)]
    refused = []
    for call in concurrent.futures.as_completed(calls, timeout=60):
        refused.append(call)
        if len(refused) == 7:
            break
    assert {call.result().error for call in refused} == {STANDARD_ERROR + "LimitsExceeded"}
    # The one that runs is the only one that polkit has been asked about.
    assert len(polkit.of(user.name())) <= len(ACTIONS_OF_MANAGER)
    held = polkit.checks[:]
    polkit.decide = lambda check: answers.YES
    assert other.permissions(MANAGER) == {action: "yes" for action in ACTIONS_OF_MANAGER}
    for check in held:
        check.answer(answers.NO)
    outcomes = [call.result(30) for call in calls if call not in refused]
    assert all(outcome.error is None for outcome in outcomes)
    assert outcomes[-1].value == {action: "yes" for action in ACTIONS_OF_MANAGER}


def changes(recorder):
    return [signal for signal in recorder.signals if signal.member == "PermissionsChanged"]


def test_a_change_of_polkits_mind_is_announced(users, polkit, recorder):
    polkit.say_changed()
    signal = recorder.wait(lambda s: s.member == "PermissionsChanged")
    assert (signal.path, signal.interface, signal.arguments) == (MANAGER, MANAGER_INTERFACE, ())


def test_a_change_of_the_real_ones_rules_is_announced(users, polkitd, recorder):
    user = users.nobody()
    assert set(user.permissions(MANAGER).values()) == {"auth"}
    with polkitd.rules(f'polkit.addRule(function(a, s) {{ if (a.id == "{ACTION}create") return "yes"; }});'):
        recorder.wait(lambda s: s.member == "PermissionsChanged")
        assert user.permissions(MANAGER) == {ACTION + "create": "yes", ACTION + "host-resources": "auth"}


def test_another_polkitd_is_announced(no_polkit, recorder):
    fake = FakePolkit()
    try:
        recorder.wait(lambda s: s.member == "PermissionsChanged")
    finally:
        fake.close()


def test_a_change_that_somebody_else_tells_of_is_not_believed(client, users, polkit, recorder):
    """Anybody may send such a signal, to all or to the service alone."""
    user = users.nobody()
    polkit.say_changed()
    recorder.wait(lambda s: s.member == "PermissionsChanged")
    recorder.catch_up()
    before = len(changes(recorder))
    for destination in (None, client.owner()):
        user.signal(AUTHORITY, AUTHORITY_INTERFACE, "Changed", destination)
    user.outcome("/", BUS, "GetId", destination=BUS)
    # What came before polkit's own signal would have been announced before it.
    polkit.say_changed()
    recorder.wait_for(lambda: len(changes(recorder)) > before, what="PermissionsChanged")
    recorder.catch_up()
    assert len(changes(recorder)) == before + 1
