"""Many creations of one name at the same time: one VM comes of them, whole, and nothing of the others is left."""

import contextlib
import os
import pathlib
import shutil

import pytest

from support.bus import ERROR, options
from support.guest import foreign_xml
from support.invariants import facts
from support.members import NEW_VM
from support.system import DISKS, domains, run, virsh, wait_until
from test_polkit_rules import rule

ROUNDS = int(os.environ.get("NEURON_TEST_ROUNDS", 3))
CALLERS = 50
TAKEN = ERROR + "AlreadyExists"
REFUSED = {ERROR + name for name in ("TemplateInvalid", "HostUnsupported", "Failed")}


@contextlib.contextmanager
def refused_definitions(service):
    """Templates whose definitions are well-formed and valid, but for a machine that QEMU has not."""
    directory = pathlib.Path("/run/tmp/refused-templates")
    shutil.copytree("/usr/share/neuron-vm/templates", directory)
    base = directory / "_base.xml.j2"
    base.write_text(base.read_text(encoding="utf-8").replace("machine='q35'", "machine='none-such'"), encoding="utf-8")
    try:
        service.restart("--template-dir", str(directory))
        yield
    finally:
        service.restart()
        shutil.rmtree(directory)


@pytest.fixture
def callers(users, polkitd):
    """Fifty connections of three users: those that are not root have no more than may wait for polkit."""
    root, owner, other = users.root(), users.owner(), users.other()
    with polkitd.rules(rule("true")):
        yield [(user, n) for user, count in ((root, CALLERS - 8), (owner, 4), (other, 4)) for n in range(count)]


def create_all(callers, name):
    """The outcomes of as many calls that are under way together."""
    calls = [user.send_named("CreateVM", name, connection=number, **NEW_VM) for user, number in callers]
    return [call.result(180) for call in calls]


def remove(client, name):
    client.manager("DeleteVM", "(sa{sv})", name, options({"delete_disks": True}))


def disks():
    return {path: facts(path) for path in DISKS.iterdir()}


def test_one_of_fifty_makes_it(client, vms, callers):
    name = vms.name()
    for _ in range(ROUNDS):
        outcomes = create_all(callers, name)
        assert sorted(outcome.error or "" for outcome in outcomes) == [""] + [TAKEN] * (CALLERS - 1)
        (winner,) = (outcome.value for outcome in outcomes if outcome.error is None)
        row = client.list()[name]
        assert (row[0], row[3]) == (winner, "shut-off")
        assert [path.name for path in DISKS.iterdir()] == [f"{name}-{row[2]}.qcow2"]
        before = disks()
        assert {outcome.error for outcome in create_all(callers, name)} == {TAKEN}
        assert disks() == before and client.list() == {name: row} and domains() == [name]
        remove(client, name)


@pytest.mark.restarts_service
def test_fifty_that_libvirt_refuses_leave_nothing(client, vms, callers, service):
    """Whoever is first fails when the disk is made already; the next may try, or was told that the name is taken."""
    with refused_definitions(service):
        name = vms.name()
        for _ in range(ROUNDS):
            outcomes = create_all(callers, name)
            assert all(outcome.error for outcome in outcomes)
            assert {outcome.error for outcome in outcomes} <= {TAKEN, *REFUSED}
            assert any(outcome.error in REFUSED for outcome in outcomes)
            assert name not in client.list() and domains() == [] and list(DISKS.iterdir()) == []


def test_a_name_that_virsh_takes_among_fifty(client, vms, callers):
    """Either virsh has it, with its definition as it was, or one of the fifty."""
    name = vms.name()
    file = pathlib.Path("/run/tmp/foreign.xml")
    file.write_text(foreign_xml(name), encoding="utf-8")
    by_virsh = 0
    for _ in range(ROUNDS):
        calls = [user.send_named("CreateVM", name, connection=number, **NEW_VM) for user, number in callers]
        is_virshs = run("virsh", "--connect", "qemu:///system", "define", str(file), check=False).returncode == 0
        made = [call.result(180).error for call in calls].count(None)
        assert (made, is_virshs) in {(1, False), (0, True)}
        assert domains() == [name] and len(list(DISKS.iterdir())) == made
        by_virsh += is_virshs
        if is_virshs:
            virsh("undefine", name)
            wait_until(lambda: name not in client.list(), "end of virsh's VM")
        else:
            remove(client, name)
    print(f"virsh was first in {by_virsh} of {ROUNDS} rounds")
