"""The service is killed, and what it was at is whole or gone when it is there again."""

import os
import signal
import subprocess

import pytest
from gi.repository import Gio, GLib

from support.bus import MANAGER, MANAGER_INTERFACE, Client, options
from support.system import DISKS, INTENTS, domains, media_files, run, wait_for_end, wait_until

NEW_VM = {"type": "linux", "memory_mb": 256, "vcpus": 1, "disk_size_gb": 1}
ROUNDS = int(os.environ.get("NEURON_TEST_ROUNDS", 6))


def begin(client, member, name, **values):
    """Sends a call and does not wait."""
    client.connection.call(
        client.name, MANAGER, MANAGER_INTERFACE, member, GLib.Variant("(sa{sv})", (name, options(values))), None,
        Gio.DBusCallFlags.NO_AUTO_START, 60_000, None, None,
    )  # fmt: skip
    client.connection.flush_sync(None)


def kill(service):
    pid = service.pid
    os.kill(pid, signal.SIGKILL)
    wait_for_end(pid)


def is_clean(client):
    wait_until(lambda: list(INTENTS.iterdir()) == [], "end of the cleaning up")
    wait_until(lambda: "creating" not in {row[3] for row in client.list().values()}, "VM that is as it is")


@pytest.mark.restarts_service
def test_a_creation_cut_off_at_some_moment_is_whole_or_gone(service, vms):
    outcomes = set()
    for number in range(ROUNDS):
        client = Client()
        name = vms.name()
        begin(client, "CreateVM", name, **NEW_VM)
        # The disk is there, or the definition: later with each round.
        wait_until(lambda: list(DISKS.iterdir()), "disk")
        if number % 2:
            wait_until(lambda: name in domains(), "definition")
        kill(service)
        client.close()
        service.start()
        client = Client()
        is_clean(client)
        is_there = name in domains()
        assert (name in client.list()) == is_there
        assert len(list(DISKS.iterdir())) == is_there
        outcomes.add(is_there)
        if is_there:
            client.manager("DeleteVM", "(sa{sv})", name, options({"delete_disks": True}))
        client.close()
    print(f"whole or gone: {outcomes}")


@pytest.mark.restarts_service
def test_a_vm_whose_creation_was_answered_outlives_a_kill(service, vms):
    client = Client()
    name = vms.name()
    client.create(name, **NEW_VM)
    kill(service)
    client.close()
    service.start()
    client = Client()
    assert client.list()[name][3] == "shut-off"
    assert len(list(DISKS.iterdir())) == 1
    client.manager("DeleteVM", "(sa{sv})", name, options({"delete_disks": True}))
    client.close()


@pytest.mark.restarts_service
def test_an_import_that_is_cut_off_leaves_nothing(service, tmp_path):
    file = tmp_path / "large.iso"
    with open(file, "wb") as out:
        out.truncate(1 << 30)
    importing = subprocess.Popen(["neuron-vm", "media", "import", str(file)], stderr=subprocess.PIPE)
    wait_until(lambda: [each for each in media_files() if each.stat().st_blocks > 0], "medium that has begun")
    kill(service)
    importing.communicate(timeout=30)
    assert importing.returncode == 1
    # What is copied is not complete.
    assert list(INTENTS.iterdir()) != []
    service.start()
    wait_until(lambda: list(INTENTS.iterdir()) == [], "end of the cleaning up")
    assert media_files() == []


@pytest.mark.restarts_service
def test_what_was_noted_and_damaged_is_put_aside(service):
    service.stop()
    INTENTS.mkdir(exist_ok=True)
    note = INTENTS / "00000000-0000-4000-8000-000000000001.intent"
    note.write_text("neuron-vm intent 1\ncreate\n", encoding="ascii")
    service.start()
    aside = note.with_name(note.name + ".unreadable")
    assert aside.exists() and not note.exists()
    assert "cannot be read" in open("/run/log/neuron-vmd", encoding="utf-8").read()
    aside.unlink()


def test_a_second_service_touches_nothing(service):
    result = run("/usr/libexec/neuron-vmd", check=False, timeout=30)
    assert result.returncode != 0
    assert "another process uses" in result.stdout + result.stderr
