"""The unit as it is shipped, under systemd itself: it is started when it is needed, does everything with what it is left, and
is there again after whatever ends it. The VMs run on meanwhile."""

import os
import pathlib
import re
import signal
import time

import pytest

from support.guest import foreign_xml
from support.system import DISKS, UNIT, neuron_vm, neuron_vm_json, qemu_pid, run, stopped, virsh, wait_for_end, wait_until

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvciB0ZXN0cyBvbmx5 alice@home"
# Seconds, instead of the unit's 30.
WATCHDOG = 2


def systemctl(*arguments):
    return run("systemctl", *arguments).stdout.strip()


def shown(prop, unit=UNIT):
    return systemctl("show", "--value", f"--property={prop}", unit)


def pid():
    return int(shown("MainPID"))


def journal(unit=UNIT):
    """What its processes have said, line by line; what systemd says of it is not among them."""
    return run("journalctl", "--no-pager", "--output=cat", f"_SYSTEMD_UNIT={unit}").stdout.splitlines()


def started_anew(after):
    """Waits until systemd has another process ready."""
    wait_until(lambda: shown("ActiveState") == "active" and pid() not in (0, after), "process", timeout=60)


def is_connected():
    name = "org.neuronos.VMManager"
    return "true" in run("busctl", "get-property", name, "/org/neuronos/VMManager", name, "HypervisorConnected").stdout


def state(name):
    return {vm["name"]: vm["state"] for vm in neuron_vm_json("list")}.get(name)


@pytest.fixture
def running(tmp_path):
    """A VM that runs."""
    path = tmp_path / "vm.xml"
    path.write_text(foreign_xml("running"), encoding="utf-8")
    virsh("define", str(path))
    virsh("start", "running")
    qemu = qemu_pid("running")
    wait_until(lambda: state("running") == "running", "event")
    yield "running"
    assert qemu_pid("running") == qemu
    virsh("destroy", "running")
    virsh("undefine", "running")


@pytest.fixture
def watched():
    """The service with a watchdog of less patience."""
    directory = pathlib.Path(f"/run/systemd/system/{UNIT}.d")
    directory.mkdir()
    drop_in = directory / "watchdog.conf"
    drop_in.write_text(f"[Service]\nWatchdogSec={WATCHDOG}\n", encoding="ascii")
    systemctl("daemon-reload")
    systemctl("restart", UNIT)
    yield
    drop_in.unlink()
    directory.rmdir()
    systemctl("daemon-reload")
    systemctl("restart", UNIT)


def test_it_is_enabled_as_the_readme_says():
    systemctl("daemon-reload")
    systemctl("start", "dbus")
    systemctl("reload", "dbus")
    systemctl("enable", "--now", "libvirtd", UNIT)
    assert systemctl("is-enabled", UNIT) == "enabled" and shown("ActiveState") == "active"


def test_whoever_calls_it_has_it_started():
    systemctl("stop", UNIT)
    assert neuron_vm_json("list") == []
    # Its name is there a moment before systemd has read that it is ready.
    wait_until(lambda: shown("ActiveState") == "active", "readiness")
    assert shown("StatusText") == "Serving"
    user = run("stat", "--format=%U", f"/proc/{pid()}").stdout.strip()
    assert user == "neuron-vm"


def test_a_vm_is_made_with_all_that_it_may_have_and_lives(tmp_path):
    """Threads, files, the medium that another program builds: the unit takes too much away for none of it."""
    disk, iso, key = tmp_path / "cloud.qcow2", tmp_path / "cd.iso", tmp_path / "key.pub"
    run("qemu-img", "create", "-q", "-f", "qcow2", str(disk), "64M")
    iso.write_bytes(bytes(1 << 20))
    key.write_text(KEY, encoding="ascii")
    neuron_vm("media", "import", str(iso), "--name", "cd.iso")
    neuron_vm(
        "create", "one", "--type", "linux", "--memory", "1", "--disk-image", str(disk), "--iso", "cd.iso", "--user", "alice",
        "--ssh-key", str(key), "--start",
    )  # fmt: skip
    assert state("one") == "running"
    neuron_vm("pause", "one")
    assert state("one") == "paused"
    neuron_vm("resume", "one")
    neuron_vm("stop", "one", "--force")
    assert state("one") == "shut-off"
    neuron_vm("delete", "one", "--delete-disk", "--yes")
    neuron_vm("media", "remove", "cd.iso")
    assert state("one") is None and list(DISKS.iterdir()) == []


def test_windows_starts_with_its_tpm():
    neuron_vm("create", "win", "--type", "windows", "--memory", "4", "--disk", "64", "--start")
    assert state("win") == "running"
    assert "swtpm" in run("pgrep", "--list-name", "swtpm").stdout
    neuron_vm("stop", "win", "--force")
    neuron_vm("delete", "win", "--delete-disk", "--yes")


def test_a_restart_is_told_and_clean(running):
    before = pid()
    systemctl("restart", UNIT)
    assert pid() != before and shown("Result") == "success"
    assert state(running) == "running"
    systemctl("stop", UNIT)
    assert (shown("ActiveState"), shown("Result"), shown("ExecMainStatus")) == ("inactive", "success", "0")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_what_ends_it_does_not_end_the_vms(running, number):
    before = pid()
    os.kill(before, number)
    started_anew(before)
    assert state(running) == "running"


def test_a_service_that_hangs_is_started_anew(running, watched):
    before = pid()
    # For some times the watchdog's patience it is left alone.
    end = time.monotonic() + 3 * WATCHDOG
    while time.monotonic() < end:
        assert pid() == before
    with stopped(before):
        wait_for_end(before)
        started_anew(before)
    assert state(running) == "running"


def test_it_is_there_again_when_the_bus_is(running):
    before, bus = pid(), int(shown("MainPID", "dbus.service"))
    os.kill(bus, signal.SIGKILL)
    wait_for_end(before)
    started_anew(before)
    assert shown("MainPID", "dbus.service") != str(bus)
    assert state(running) == "running"
    assert any("cannot go on: the connection to the bus is lost" in line for line in journal())


def test_libvirtd_is_started_when_it_is_gone(running):
    """The service itself asks for it: its socket belongs to systemd."""
    systemctl("kill", "--kill-whom=main", "--signal=KILL", "libvirtd.service")
    wait_until(is_connected, "connection")
    assert state(running) == "running"


def test_the_journal_has_what_it_says_and_nothing_else():
    neuron_vm("list")
    lines = journal()
    assert [line for line in lines if line.startswith("neuron-vmd: ")] != []
    others = [line for line in lines if not line.startswith("neuron-vmd: ")]
    limits = pathlib.Path(f"/proc/{pid()}/limits").read_text(encoding="ascii")
    if re.search(r"^Max nice priority +0 ", limits, re.MULTILINE):
        print("systemd may not raise limits here, so that LimitNICE= has no effect, and the runtime complains")
        others = [line for line in others if not re.match("Failed to set thread priority .* errno=13$", line)]
    assert others == []
