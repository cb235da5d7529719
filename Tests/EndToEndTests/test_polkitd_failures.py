"""The real polkitd, killed, stopped and started again in the middle of a call; and callers who die in the middle."""

import concurrent.futures
import os
import pathlib
import sys
import time

import pytest
from gi.repository import Gio, GLib

from support.audit import Audit
from support.bus import BUS, MANAGER, MANAGER_INTERFACE, NAME, STANDARD_ERROR, options, vm_path
from support.members import INTROSPECTABLE, NEW_VM
from support.polkit import ACTION, AUTHORITY_INTERFACE
from support.stream import Stream
from support.system import run, wait_until
from support.users import INTERACTIVE, NOBODY

DENIED = STANDARD_ERROR + "AccessDenied"
LIMIT = STANDARD_ERROR + "LimitsExceeded"
ASK = STANDARD_ERROR + "InteractiveAuthorizationRequired"
YES = f'polkit.addRule(function(a, s) {{ if (a.id.indexOf("{ACTION}") == 0) return "yes"; }});\n'
ROUNDS = int(os.environ.get("NEURON_TEST_ROUNDS", "200"))
VANISH = pathlib.Path(__file__).with_name("support") / "vanish.py"


def pending_starts(user, path):
    """Four calls that wait for polkit: when a fifth is refused, they have got there."""
    calls = [user.send_vm(path, "Start") for _ in range(5)]
    done, pending = concurrent.futures.wait(calls, 10, concurrent.futures.FIRST_COMPLETED)
    assert [call.result().error for call in done] == [LIMIT]
    return list(pending)


def reads_are_quick(user, path):
    for at, interface, member in ((MANAGER, MANAGER_INTERFACE, "ListVMs"), (path, INTROSPECTABLE, "Introspect")):
        outcome = user.outcome(at, interface, member)
        assert outcome.error is None and outcome.seconds < 5


def test_polkitd_is_killed_in_the_middle_of_a_call(client, vms, users, polkitd):
    _, uuid = vms.define()
    path, user = vm_path(uuid), users.nobody()
    with Audit():
        with polkitd.suspended():
            calls = pending_starts(user, path)
            before = time.monotonic()
            with polkitd.away():
                assert [call.result(30).error for call in calls] == [DENIED] * 4
                assert time.monotonic() - before < 5
                for flags in (0, INTERACTIVE):
                    outcome = user.vm(path, "Start", flags)
                    assert outcome.error == DENIED and outcome.seconds < 5
                reads_are_quick(user, path)
        # Another one is asked as if nothing had been.
        assert user.vm(path, "Start").error == ASK
    with polkitd.rules(YES):
        assert user.vm(path, "Start").error is None
    assert client.state(path) == "running"


def test_polkitd_does_not_answer(client, vms, users, polkitd):
    _, uuid = vms.define()
    path, user = vm_path(uuid), users.nobody()
    with Audit():
        with polkitd.suspended():
            calls = pending_starts(user, path)
            reads_are_quick(user, path)
            # Root's calls do not go through polkit.
            assert "<domain" in client.vm(path, "GetXML")
            assert set(user.permissions(path).values()) == {"no"}
            outcomes = [call.result(60) for call in calls]
        assert [outcome.error for outcome in outcomes] == [DENIED] * 4
        # Ten seconds are what is documented.
        assert all(9 < outcome.seconds < 25 for outcome in outcomes), outcomes
        # Now it answers the old questions, which nobody asks any more; new ones work.
        assert user.vm(path, "Start").error == ASK
    with polkitd.rules(YES):
        assert user.vm(path, "Start").error is None


def test_polkitd_is_started_again_in_the_middle_of_a_call(client, vms, users, polkitd):
    _, uuid = vms.define()
    path, user = vm_path(uuid), users.nobody()
    with polkitd.rules(YES):
        with polkitd.suspended():
            calls = pending_starts(user, path)
            with polkitd.away():
                pass
            # The new one was never asked, and it would say yes.
            assert [call.result(30).error for call in calls] == [DENIED] * 4
        assert client.state(path) == "shut-off"
        assert user.vm(path, "Start").error is None


def test_a_wait_is_no_failure(client, vms, users, polkitd):
    _, uuid = vms.define()
    path, user = vm_path(uuid), users.nobody()
    with polkitd.rules(YES):
        with polkitd.suspended():
            calls = pending_starts(user, path)
        assert [call.result(60).error for call in calls].count(None) == 1
    assert client.state(path) == "running"


def messages(*calls):
    """What a client says to the bus: its Hello, and calls of the manager."""
    hello = Gio.DBusMessage.new_method_call(BUS, "/org/freedesktop/DBus", BUS, "Hello")
    said = [hello]
    for member, name, values in calls:
        said.append(Gio.DBusMessage.new_method_call(NAME, MANAGER, MANAGER_INTERFACE, member))
        said[-1].set_body(GLib.Variant("(sa{sv})", (name, options(values))))
        said[-1].set_flags(Gio.DBusMessageFlags.ALLOW_INTERACTIVE_AUTHORIZATION)
    for serial, message in enumerate(said, 1):
        message.set_serial(serial)
    return b"".join(bytes(message.to_blob(Gio.DBusCapabilityFlags.NONE)) for message in said)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def die(uid, rounds, at_a_time, seed, file, longest=0.02):
    """Callers who send what is in the file and die within so many seconds. Returns when all have."""
    command = [sys.executable, str(VANISH), str(uid), str(rounds), str(at_a_time), str(longest), str(seed), str(file)]
    assert run(*command, timeout=600).stdout.strip() == str(rounds)


@pytest.fixture
def last_words(vms):
    """A VM, and a file with calls that make another one, start it, and delete it."""
    name, uuid = vms.define()
    file = pathlib.Path("/run/tmp/last-words")
    file.write_bytes(messages(("CreateVM", vms.name(), NEW_VM), ("StartVM", name, {}), ("DeleteVM", name, {})))
    yield name, vm_path(uuid), file
    file.unlink()


def test_callers_who_die_in_the_middle(client, last_words, users, service, polkitd):
    """polkit is asked about callers who are gone, or go while it looks; whatever it says, nothing comes of it."""
    name, path, file = last_words
    user = users.other()
    with Audit():
        before = descriptors(service.pid)
        monitor = Stream("dbus-monitor", "--system", f"interface='{AUTHORITY_INTERFACE}',member='CheckAuthorization'")
        monitor.wait("NameLost")
        # Some as long as it takes until polkit has answered, however slow that is here.
        die(NOBODY, ROUNDS, 2, 1, file, max(0.02, 4 * user.vm(path, "GetXML").seconds))
        # polkit answers in order, so this is answered when it has dealt with them all.
        assert user.vm(path, "GetXML").error == ASK
        monitor.wait(f'"{ACTION}access.any"')
        monitor.close()
        # Who dies before polkit is asked shows nothing; many have lived longer.
        asked = monitor.text.count("member=CheckAuthorization")
        assert asked > ROUNDS // 4, f"only {asked} checks for {ROUNDS} callers"
        wait_until(lambda: client.list() and descriptors(service.pid) <= before + 2, "closed descriptors")
    # No place is lost: there are four for the user who has died so often.
    last = users.nobody()
    with polkitd.suspended():
        calls = pending_starts(last, path)
    assert [call.result(60).error for call in calls] == [ASK] * 4
    assert client.list().keys() == {name}


def test_callers_who_die_before_a_yes(client, last_words, users, polkitd):
    """A rule looks for so long that each caller is gone when it says yes."""
    name, path, file = last_words
    slow = YES.replace("return", '{ polkit.spawn(["/bin/sleep", "0.1"]); return').replace("; });", "; } });")
    user = users.other()
    with polkitd.rules(slow), Audit():
        for number in range(ROUNDS // 10):
            die(NOBODY, 1, 1, number, file)
            # In line behind it.
            assert user.vm(path, "GetXML").error is None
    assert client.list().keys() == {name}
