"""Who keeps polkit waiting keeps nobody else waiting: bounds for each user and for all, and an end with the caller."""

import concurrent.futures
import pwd
import time

from support import polkit as answers
from support.bus import MANAGER, MANAGER_INTERFACE, STANDARD_ERROR, vm_path
from support.users import INTERACTIVE, OTHER

DENIED = STANDARD_ERROR + "AccessDenied"
LIMIT = STANDARD_ERROR + "LimitsExceeded"
PER_USER, IN_ALL = 4, 64
CONNECTIONS, CALLS = 32, 32


def hold_dialogs_of(names):
    """Who is one of them is asked by a dialog that nobody answers; nobody else may do anything."""

    def decide(check):
        if check.caller not in names:
            return answers.NO
        return answers.SILENCE if check.is_interactive else answers.CHALLENGE

    return decide


def dialogs(polkit):
    return [check for check in polkit.checks if check.is_interactive]


def flood(user, path):
    """Calls over many connections at once; those that were refused, and those that are pending."""
    calls = [
        user.send_vm(path, "Start", INTERACTIVE, connection=connection)
        for _ in range(CALLS)
        for connection in range(CONNECTIONS)
    ]
    refused = []
    for call in concurrent.futures.as_completed(calls, timeout=60):
        refused.append(call.result())
        if len(refused) == len(calls) - PER_USER:
            break
    return refused, [call for call in calls if not call.done()]


def test_a_flood_of_dialogs(client, vms, users, polkit):
    _, uuid = vms.define()
    path = vm_path(uuid)
    flooder, other = users.other(), users.nobody()
    names = [flooder.name(connection) for connection in range(CONNECTIONS)]
    polkit.decide = hold_dialogs_of(names)
    assert other.vm(path, "Start").error == DENIED

    refused, pending = flood(flooder, path)
    assert {outcome.error for outcome in refused} == {LIMIT}
    polkit.wait(lambda: len(dialogs(polkit)) == PER_USER)
    assert len(pending) == PER_USER
    assert len({check.cancellation for check in dialogs(polkit)} - {""}) == PER_USER

    # Once more, so that the time of a refusal is not that of a queue of a thousand calls.
    late = flooder.vm(path, "Start", INTERACTIVE)
    assert late.error == LIMIT and late.seconds < 5
    for flags in (0, INTERACTIVE):
        outcome = other.vm(path, "Start", flags)
        assert outcome.error == DENIED and outcome.seconds < 5
    for user in (flooder, other):
        outcome = user.outcome(MANAGER, MANAGER_INTERFACE, "ListVMs")
        assert outcome.error is None and outcome.seconds < 5
    # Root is not asked about, so it does not wait either.
    assert "<name>" in client.vm(path, "GetXML")
    assert len(dialogs(polkit)) == PER_USER
    assert not any(call.done() for call in pending)

    before = time.monotonic()
    identifiers = {check.cancellation for check in dialogs(polkit)}
    flooder.end()
    polkit.wait(lambda: set(polkit.cancelled) == identifiers, timeout=10, what="cancellation")
    assert time.monotonic() - before < 10

    # All four places are free again.
    polkit.forget()
    again = users.other()
    names.append(again.name())
    calls = [again.send_vm(path, "Start", INTERACTIVE) for _ in range(PER_USER)]
    polkit.wait(lambda: len(dialogs(polkit)) == PER_USER)
    assert again.vm(path, "Start", INTERACTIVE).error == LIMIT
    for check in dialogs(polkit):
        check.answer(answers.NO)
    assert [call.result(10).error for call in calls] == [DENIED] * PER_USER
    assert client.state(path) == "shut-off"


def test_a_place_is_free_when_its_call_is_answered(vms, users, polkit):
    _, uuid = vms.define()
    path, user = vm_path(uuid), users.other()
    polkit.decide = hold_dialogs_of([user.name()])
    calls = [user.send_vm(path, "Start", INTERACTIVE) for _ in range(PER_USER)]
    polkit.wait(lambda: len(dialogs(polkit)) == PER_USER)
    for number in range(20):
        held = dialogs(polkit)[number]
        assert user.vm(path, "Start", INTERACTIVE).error == LIMIT
        held.answer(answers.DISMISSED)
        done, _ = concurrent.futures.wait(calls, 10, concurrent.futures.FIRST_COMPLETED)
        assert [call.result().error for call in done] == [DENIED]
        calls = [call for call in calls if call not in done] + [user.send_vm(path, "Start", INTERACTIVE)]
        polkit.wait(lambda: len(dialogs(polkit)) == PER_USER + number + 1)


def test_the_bound_for_all_users(client, vms, users, polkit):
    _, uuid = vms.define()
    path = vm_path(uuid)
    # The users that Debian has anyhow: the bus lets nobody in who has no account.
    accounts = sorted({account.pw_uid for account in pwd.getpwall()} - {0, OTHER})[: IN_ALL // PER_USER]
    crowd = [users.user(uid) for uid in accounts]
    assert len(crowd) * PER_USER == IN_ALL
    polkit.decide = hold_dialogs_of([user.name() for user in crowd])
    for user in crowd:
        for _ in range(PER_USER):
            user.send_vm(path, "Start", INTERACTIVE)
    polkit.wait(lambda: len(dialogs(polkit)) == IN_ALL, timeout=30)
    late = users.other()
    assert late.vm(path, "Start").error == LIMIT
    assert late.outcome(MANAGER, MANAGER_INTERFACE, "ListVMs").error is None
    assert "<name>" in client.vm(path, "GetXML")
    crowd[0].end()
    polkit.wait(lambda: len(polkit.cancelled) == PER_USER, timeout=10, what="cancellation")
    assert late.vm(path, "Start").error == DENIED
