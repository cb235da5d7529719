"""Passwords on a terminal: polkit's own agent asks for them, with real PAM behind it."""

import shutil
import subprocess

import pytest

from support.system import TESTS, domains, run
from support.terminal import Terminal

PASSWORD = "correct horse"
RULES = "/etc/polkit-1/rules.d/50-neuron-vm.rules"


@pytest.fixture(scope="module")
def alice():
    """A user, and a password for root, who is the administrator here."""
    run("useradd", "--no-create-home", "alice")
    subprocess.run(["chpasswd"], input=f"root:{PASSWORD}\n", text=True, check=True)
    return "alice"


@pytest.fixture
def terminal(alice):
    terminals = []

    def start(*command):
        terminals.append(Terminal(alice, *command))
        return terminals[-1]

    yield start
    for each in terminals:
        each.close()


def test_the_password_is_asked_for_and_the_vm_is_named(client, vms, terminal):
    name, path = vms.create(start=True)
    screen = terminal("neuron-vm", "pause", name)
    screen.wait("Password: ")
    assert f"the virtual machine {name}, which is not yours" in screen.text
    assert "AUTHENTICATING FOR org.neuronos.vmmanager.control.any" in screen.text
    assert client.state(path) == "running"
    screen.type_password(PASSWORD)
    assert screen.end() == 0, screen.text
    assert client.state(path) == "paused"


def test_what_alice_makes_is_hers(client, vms, terminal):
    name = vms.name()
    screen = terminal("neuron-vm", "create", name, "--type", "linux", "--memory", "256M", "--cpus", "1", "--disk", "1")
    screen.wait("Password: ")
    assert f"to create the virtual machine {name}" in screen.text
    screen.type_password(PASSWORD)
    assert screen.end() == 0, screen.text
    assert client.get(client.manager("GetVM", "(s)", name), "OwnerUID") == int(run("id", "-u", "alice").stdout)
    # Hers, but there is no session: an administrator is asked for, in the words for one's own VM.
    screen = terminal("neuron-vm", "delete", name, "--delete-disk", "--yes")
    screen.wait("Password: ")
    assert f"to delete your virtual machine {name}" in screen.text
    screen.type_password(PASSWORD)
    assert screen.end() == 0, screen.text


def test_a_wrong_password_changes_nothing(client, vms, terminal):
    name, path = vms.create()
    screen = terminal("neuron-vm", "start", name)
    screen.wait("Password: ")
    screen.type_password("wrong")
    assert screen.end() == 1, screen.text
    assert "neuron-vm: access denied: StartVM needs org.neuronos.vmmanager.control.any" in screen.text
    assert "nobody has authenticated for it" in screen.text
    assert client.state(path) == "shut-off"


def test_nobody_is_asked_who_forbids_it_or_has_no_terminal(client, vms, terminal):
    name, path = vms.create()
    screen = terminal("neuron-vm", "start", name, "--no-ask-password")
    assert screen.end() == 1
    assert "Password" not in screen.text
    assert "neuron-vm: not authorized: StartVM needs org.neuronos.vmmanager.control.any" in screen.text
    result = run("setpriv", "--reuid=alice", "--regid=alice", "--init-groups", "neuron-vm", "start", name, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert "neuron-vm: not authorized: StartVM needs" in result.stderr
    assert "there is no agent that could ask" in result.stderr
    assert client.state(path) == "shut-off"


def test_several_are_asked_for_one_after_the_other(client, vms, terminal):
    made = [vms.create(start=True) for _ in range(6)]
    screen = terminal("neuron-vm", "pause", *(name for name, _ in made))
    for _ in made:
        screen.wait("Password: ")
        screen.text = ""
        screen.type_password(PASSWORD)
    assert screen.end() == 0, screen.text
    assert {client.state(path) for _, path in made} == {"paused"}


def test_the_sample_rule_lets_a_group_in(vms, alice, recorder):
    """As it is shipped: to one's own VMs, and to no other."""
    run("groupadd", "--force", "vm-users")
    run("usermod", "--append", "--groups", "vm-users", alice)
    shutil.copy(TESTS.parent / "polkit" / "neuron-vm.rules.example", RULES)
    recorder.wait(lambda signal: signal.member == "PermissionsChanged", what="PermissionsChanged")
    vms.later(lambda: run("rm", RULES))
    vms.later(lambda: run("gpasswd", "--delete", alice, "vm-users"))
    foreign, _ = vms.create()
    name = vms.name()
    as_alice = ["setpriv", "--reuid=alice", "--regid=alice", "--init-groups", "neuron-vm"]

    def alice_can(*words):
        return run(*as_alice, *words, check=False).returncode == 0

    assert alice_can("create", name, "--type", "linux", "--memory", "256M", "--disk", "1")
    assert alice_can("start", name)
    assert alice_can("xml", name)
    assert not alice_can("start", foreign)
    assert not alice_can("delete", foreign)
    assert alice_can("stop", name, "--force")
    assert alice_can("delete", name, "--delete-disk")
    assert domains() == [foreign]
