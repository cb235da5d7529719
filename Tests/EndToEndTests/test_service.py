"""The service as a process: ready when it says so, one of a kind, gone when told, and there again when libvirt is."""

import os
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

from support.bus import ERROR, MANAGER, MANAGER_INTERFACE, STANDARD_ERROR, BusError, Client, Recorder
from support.system import DISKS, domains, neuron_vm, run, virsh

COMMAND = ["setpriv", "--reuid=neuron-vm", "--regid=neuron-vm", "--init-groups", "/usr/libexec/neuron-vmd"]


def start_by_hand(notify_socket, *arguments):
    environment = {**os.environ, "NOTIFY_SOCKET": notify_socket}
    with open("/run/log/neuron-vmd", "ab") as log:
        command = [*COMMAND, *arguments]
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def test_a_second_one_does_not_start(client, service):
    result = subprocess.run(COMMAND, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    assert result.returncode not in (0, -signal.SIGTERM)
    assert result.stderr.strip()
    assert service.is_running
    assert client.list() == {}


@pytest.mark.restarts_service
def test_it_is_ready_when_the_name_is_owned_and_every_vm_listed(service, vms):
    name, _ = vms.define()
    service.stop()
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = f"{directory}/notify"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(path)
        os.chmod(path, 0o777)
        listener.settimeout(60)
        process = start_by_hand(path)
        try:
            while "READY=1" not in listener.recv(4096).decode().splitlines():
                pass
            client = Client()
            assert name in client.list()
            client.close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
            process.wait()
            listener.close()
            service.start()


@pytest.mark.restarts_service
def test_vms_run_on_without_it(service, vms):
    name, path = vms.create(start=True)
    service.stop()
    assert virsh("domstate", name) == "running"
    service.start()
    client = Client()
    assert client.state(path) == "running"
    properties = client.get_all(path)
    assert (properties["Template"], properties["OwnerUID"]) == ("linux-basic", 0)
    client.close()


@pytest.mark.restarts_service
def test_what_it_makes_is_whole_when_it_ends(service, vms):
    """Whoever asked for a VM has a reply, and the VM is there exactly if that was a success."""
    outcomes = {}
    names = [vms.name() for _ in range(12)]

    def create(name):
        client = Client()
        try:
            outcomes[name] = client.create(name, type="linux", memory_mb=256, vcpus=1, disk_size_gb=1)
        except BusError as error:
            outcomes[name] = error.name
        client.close()

    for index in range(0, len(names), 3):
        threads = [threading.Thread(target=create, args=(name,)) for name in names[index : index + 3]]
        for thread in threads:
            thread.start()
        service.stop()
        for thread in threads:
            thread.join()
        service.start()
    made = {name for name, outcome in outcomes.items() if outcome.startswith("/")}
    refused = {STANDARD_ERROR + "ServiceUnknown", STANDARD_ERROR + "NameHasNoOwner", ERROR + "Cancelled"}
    assert {outcomes[name] for name in names if name not in made} <= refused
    assert set(domains()) == made
    assert {disk.name.split("-")[0] for disk in DISKS.iterdir()} == made


@pytest.mark.restarts_service
def test_the_command_line_says_that_it_is_not_there(service):
    service.stop()
    try:
        result = neuron_vm("list", check=False)
        assert result.returncode == 1
        assert result.stderr.strip()
        assert result.stdout == ""
    finally:
        service.start()


def test_it_survives_a_restart_of_libvirtd(client, vms, recorder, libvirtd):
    name, path = vms.create()
    libvirtd.kill()

    def connected(value):
        return lambda s: s.path == MANAGER and s.changed.get("HypervisorConnected") is value

    try:
        recorder.wait(connected(False))
        assert client.get(MANAGER, "HypervisorConnected", MANAGER_INTERFACE) is False
        assert client.list()[name][0] == path
        with pytest.raises(BusError) as caught:
            client.vm(path, "Start")
        assert caught.value.name == ERROR + "HypervisorUnavailable"
    finally:
        libvirtd.start()
    recorder.wait(connected(True), timeout=60)
    client.vm(path, "Start")
    assert client.state(path) == "running"
    # Events come again as well.
    virsh("destroy", name)
    recorder.wait_for(lambda: [new for new, _ in recorder.states(path)][-1:] == ["shut-off"], what="change to shut-off")


def test_what_changed_while_libvirtd_was_away_is_announced(client, vms, libvirtd):
    name, path = vms.create(start=True)
    recorder = Recorder()
    libvirtd.kill()
    # The guest ends while nobody watches it.
    run("bash", "-c", f"kill -KILL $(cat /run/libvirt/qemu/{name}.pid)")
    libvirtd.start()
    try:
        recorder.wait_state(path, "shut-off", timeout=60)
        assert client.state(path) == "shut-off"
    finally:
        recorder.close()


@pytest.mark.restarts_service
def test_another_hypervisor_and_other_templates_can_be_named(service):
    service.restart("--uri", "test:///default", "--log-level", "debug")
    try:
        client = Client()
        assert client.get(MANAGER, "HypervisorURI", MANAGER_INTERFACE) == "test:///default"
        assert list(client.list()) == ["test"]
        client.close()
    finally:
        service.restart()


def test_the_log_is_in_the_journals_form(client):
    with pytest.raises(BusError):
        client.manager("GetVM", "(s)", "no-such")
    with open("/run/log/neuron-vmd", encoding="utf-8") as log:
        lines = [line for line in log if line.strip()]
    assert all(line.startswith("<") and line[2] == ">" and line[1] in "01234567" for line in lines), lines


def test_its_options_are_few_and_wrong_ones_are_refused():
    program = "/usr/libexec/neuron-vmd"
    assert "--template-dir" in run(program, "--help").stdout
    assert run(program, "--version").stdout == run("neuron-vm", "--version").stdout
    for words in (["--nothing"], ["--uri"], ["--log-level", "loud"], ["--log-level=loud"], ["qemu:///system"]):
        result = run(program, *words, check=False)
        assert result.returncode == 64 and result.stderr.count("\n") == 1, result


@pytest.mark.restarts_service
def test_an_option_may_carry_its_value(service):
    service.restart("--uri=test:///default", "--log-level", "debug")
    try:
        assert "test" in neuron_vm("list", "--quiet").stdout.split()
    finally:
        service.restart()
