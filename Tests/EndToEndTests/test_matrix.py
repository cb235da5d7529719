"""Every member x every kind of caller x whatever polkit may say, with and without leave to ask the user.

The members are those that introspection names, so that none can be forgotten; what comes of each call is written down
here and in support.members.
"""

import collections
import concurrent.futures
import xml.etree.ElementTree as ElementTree

import pytest

from support import polkit as answers
from support.audit import Audit
from support.bus import JOB_INTERFACE, MANAGER, PROPERTIES, STANDARD_ERROR, VM_INTERFACE, BusError, vm_path
from support.members import (
    BY_NAME, INTROSPECTABLE, PUBLIC, READ_ONLY_PROPERTIES, VM, VM_METHODS, call_of_method, calls_of_property,
)  # fmt: skip
from support.system import virsh
from support.users import INTERACTIVE, OWNER

DENIED = STANDARD_ERROR + "AccessDenied"
ASK = STANDARD_ERROR + "InteractiveAuthorizationRequired"
# Seconds, for what is public and not answered from memory.
LIMITS = {"CheckHost": 9}
LIMIT = 5


class Column:
    """What polkit does: its answer to the first check, and to the one in which it may ask the user."""

    def __init__(self, first, second=None, errors=(DENIED, DENIED), within=5):
        self.first, self.second = first, second
        self.errors = errors
        self.within = within

    def decide(self, check):
        return self.second if check.is_interactive else self.first

    def is_asked_again(self, flags):
        return flags & INTERACTIVE and self.first == answers.CHALLENGE


COLUMNS = {
    "yes": Column(answers.YES, errors=None),
    "no": Column(answers.NO),
    "challenge": Column(answers.CHALLENGE, answers.CHALLENGE, (ASK, ASK)),
    "dismissed": Column(answers.CHALLENGE, answers.DISMISSED, (ASK, DENIED)),
    "dialog-yes": Column(answers.CHALLENGE, answers.YES, (ASK, None)),
    "failure": Column(answers.FAILURE),
    "nonsense": Column(answers.NONSENSE),
    "absent": Column(None),
    "hung": Column(answers.SILENCE, within=30),
}


def members(client, path):
    """Every method and property that introspection names, with the types of what goes in."""
    for interface in ElementTree.fromstring(client.call(path, INTROSPECTABLE, "Introspect")).iter("interface"):
        for method in interface.iter("method"):
            types = [arg.get("type") for arg in method.iter("arg") if arg.get("direction", "in") == "in"]
            yield interface.get("name"), method.get("name"), f"({''.join(types)})"
        for item in interface.iter("property"):
            yield interface.get("name"), item.get("name"), None


def calls(client, stage, uid, harmless):
    """A call of each member. Methods of VMs go to the VM that fits, whichever they were found at."""
    seen = set()
    for path in (MANAGER, stage["running"].path, stage["job"][1]):
        for interface, member, signature in members(client, path):
            if signature is None:
                yield from calls_of_property(path, interface, member)
                seen.add((interface, member))
            elif interface == PROPERTIES and member in ("Get", "Set"):
                continue
            else:
                call = call_of_method(path, interface, member, stage, uid, harmless)
                assert call.signature == signature, f"{interface}.{member} has changed"
                yield call
                seen.add((interface, member))
    missing = set(PUBLIC) | set(READ_ONLY_PROPERTIES) | {(VM_INTERFACE, method) for method in VM_METHODS}
    missing.add((JOB_INTERFACE, "Cancel"))
    assert missing <= seen and set(BY_NAME) <= {member for _, member in seen}, "introspection does not name all"


class Row:
    """A caller with a connection of its own for each of the two flags, and what came of its calls."""

    def __init__(self, user, flags, column, found):
        self.user, self.flags, self.column = user, flags, column
        self.connection = flags
        self.name = user.name(self.connection)
        self.calls = found
        self.faults = []

    def denial(self):
        """The error of each call that polkit is asked about; None where it is allowed."""
        if self.user.uid == 0 or self.column.errors is None:
            return None
        return self.column.errors[1 if self.flags & INTERACTIVE else 0]

    def make(self, call):
        asks = call.action is not None
        # GetPermissions asks polkit much by itself: from another connection, to be told from the rest.
        connection = self.connection if asks else self.connection + 1
        arguments = (call.path, call.interface, call.member, call.signature, call.arguments)
        outcome = self.user.outcome(*arguments, self.flags, connection, files=call.files)
        denial = self.denial() if asks else None
        limit = self.column.within if asks or call.member == "GetPermissions" else LIMITS.get(call.member, LIMIT)
        if outcome.error != (denial or call.error):
            self.faults.append(
                f"uid {self.user.uid} flags {self.flags} {call}: expected {denial or call.error}, got {outcome}"
            )
        elif outcome.seconds > limit:
            self.faults.append(f"uid {self.user.uid} flags {self.flags} {call}: took {outcome.seconds:.2f} s")

    def wanted_checks(self):
        """Each check that polkit must have seen of this connection, by how often."""
        wanted = collections.Counter()
        for call in self.calls:
            if call.action is not None and self.user.uid != 0:
                key = ("system-bus-name", answers.ACTION + call.action, frozenset(call.details.items()))
                wanted[(*key, 0)] += 1
                if self.column.is_asked_again(self.flags):
                    wanted[(*key, 1)] += 1
        return wanted

    def compare_checks(self, polkit):
        seen = collections.Counter(
            (check.kind, check.action, frozenset(check.details.items()), check.flags)
            for check in polkit.of(self.name)
        )
        wanted = self.wanted_checks()
        if seen != wanted:
            difference = f"missing {wanted - seen}, too many {seen - wanted}"
            self.faults.append(f"uid {self.user.uid} flags {self.flags}: checks {difference}")


def run_rows(rows):
    """Four calls of each user that ask polkit are under way at a time; what is public goes beside them."""
    lanes = []
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for user in {row.user for row in rows}:
            asking = [(row, call) for row in rows if row.user is user for call in row.calls if call.action]
            public = [(row, call) for row in rows if row.user is user for call in row.calls if not call.action]
            for lane in (*(asking[number::4] for number in range(4)), public):
                lanes.append(pool.submit(lambda lane=lane: [row.make(call) for row, call in lane]))
        for lane in lanes:
            lane.result()


def job_of(client, vm):
    return next(
        (vm, path)
        for path, interfaces in client.managed_objects().items()
        if vm.path in interfaces.get(JOB_INTERFACE, {}).get("Objects", ())
    )


@pytest.fixture
def stage(vms, client):
    """A VM in each state that matters, all of the owner's; jobs of root's, one that goes on; and a name that is free."""
    found = {"new": vms.name()}
    for state in ("shut-off", "running", "paused", "stopping"):
        name, uuid = vms.define(owner=OWNER)
        found[state] = VM(name, vm_path(uuid), uuid, OWNER)
        if state != "shut-off":
            virsh("start", name)
        if state == "paused":
            virsh("suspend", name)
    # There is no guest in it that would listen.
    client.vm(found["stopping"].path, "Stop", timeout=600, background=True)
    found["job"] = job_of(client, found["stopping"])
    with pytest.raises(BusError):
        client.vm(found["running"].path, "Start")
    found["ended job"] = job_of(client, found["running"])
    return found


@pytest.mark.parametrize("name", COLUMNS)
def test_each_member_for_each_caller(name, request, client, stage, users):
    column = COLUMNS[name]
    polkit = None
    if name == "absent":
        request.getfixturevalue("no_polkit")
    else:
        polkit = request.getfixturevalue("polkit")
        polkit.decide = column.decide
    rows = []
    for user in (users.root(), users.owner(), users.other(), users.nobody()):
        # The check that polkit leaves unanswered is the same with both, and each takes ten seconds.
        for flags in (0,) if name == "hung" else (0, INTERACTIVE):
            row = Row(user, flags, column, [])
            row.calls = list(calls(client, stage, user.uid, harmless=row.denial() is None))
            rows.append(row)
    with Audit():
        run_rows(rows)
    for row in rows:
        if polkit:
            row.compare_checks(polkit)
    faults = [fault for row in rows for fault in row.faults]
    assert not faults, f"{len(faults)} calls went wrong, such as\n" + "\n".join(faults[:20])
