"""VMs that libvirt cannot have just now: what happens to them meanwhile is known later, and nobody else waits for them."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

from support.bus import VM_INTERFACE, vm_path
from support.outage import ending, frozen, outcome, seconds, wait_connected
from support.system import qemu_pid, stopped, virsh, wait_until

NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
MONITOR = pathlib.Path("/run/tmp/second-monitor")


def with_second_monitor(name):
    """Gives a VM's QEMU a monitor that libvirt does not listen to."""
    arguments = f"<q:arg value='-qmp'/><q:arg value='unix:{MONITOR},server=on,wait=off'/>"
    more = f"<q:commandline xmlns:q='{NAMESPACE}'>{arguments}</q:commandline></domain>"
    virsh("define", "/dev/stdin", stdin=virsh("dumpxml", name).replace("</domain>", more))


def order(command):
    """Has the QEMU do something behind libvirt's back."""
    with socket.socket(socket.AF_UNIX) as monitor, monitor.makefile("r", encoding="utf-8") as replies:
        monitor.connect(str(MONITOR))
        replies.readline()
        for one in ("qmp_capabilities", command):
            monitor.sendall(json.dumps({"execute": one}).encode())
            while "return" not in json.loads(replies.readline()):
                pass


def test_what_a_qemu_did_while_nobody_listened_is_known_when_it_answers(client, vms, recorder, libvirtd):
    """libvirt takes it up again after it has said that it is there, and sends no event of what it finds then."""
    name, uuid = vms.define()
    with_second_monitor(name)
    path = vm_path(uuid)
    client.vm(path, "Start")
    libvirtd.kill()
    try:
        wait_connected(recorder, False, timeout=5)
        order("stop")
    finally:
        with frozen(name):
            libvirtd.start()
            wait_connected(recorder, True, timeout=20)
            assert client.state(path) == "running"
    wait_until(lambda: virsh("domstate", name) == "paused", "libvirt's own knowledge")
    recorder.wait_state(path, "paused", timeout=10)
    assert client.state(path) == "paused"


def test_a_qemu_that_ends_while_libvirt_takes_it_up_is_off(client, vms, recorder, libvirtd):
    name, uuid = vms.define()
    path = vm_path(uuid)
    client.vm(path, "Start")
    libvirtd.kill()
    try:
        wait_connected(recorder, False, timeout=5)
    finally:
        pid = qemu_pid(name)
        with stopped(pid):
            libvirtd.start()
            wait_connected(recorder, True, timeout=20)
            assert client.state(path) == "running"
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: virsh("domstate", name) == "shut off", "libvirt's own knowledge")
    recorder.wait_state(path, "shut-off", timeout=10)


@contextlib.contextmanager
def waits_for(name):
    """While this is open something of another tool's waits for the VM's QEMU, which hangs."""
    with frozen(name):
        tool = subprocess.Popen(
            ["virsh", "--connect", "qemu:///system", "suspend", name], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(lambda: "ok" not in virsh("domcontrol", name), "job")
        yield
    tool.wait(timeout=60)


def others_go_on(client, path):
    """Another VM can be paused and resumed all the time."""
    end = time.monotonic() + 8
    while time.monotonic() < end:
        for member in ("Pause", "Resume"):
            assert seconds(lambda member=member: client.vm(path, member)) < 5


def test_a_setting_of_a_vm_that_hangs_holds_up_nobody(client, vms):
    (hung, hung_uuid), (_, other) = vms.define(), vms.define()
    for uuid in (hung_uuid, other):
        client.vm(vm_path(uuid), "Start")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with waits_for(hung):
            call = pool.submit(
                ending, lambda own: own.call(vm_path(hung_uuid), VM_INTERFACE, "SetAutostart", "(ba{sv})", (True, {}))
            )
            others_go_on(client, vm_path(other))
            assert not call.done()
        assert call.result(timeout=60)[0] is None
    assert client.get(vm_path(hung_uuid), "Autostart") is True


def test_the_deletion_of_a_vm_whose_start_hangs_holds_up_nobody(client, vms, hanging_emulator):
    (hung, hung_uuid), (_, other) = vms.define(), vms.define()
    client.vm(vm_path(other), "Start")
    virsh("define", "/dev/stdin", stdin=virsh("dumpxml", hung).replace("/usr/bin/qemu-system-x86_64", str(hanging_emulator)))
    tool = subprocess.Popen(["virsh", "--connect", "qemu:///system", "start", hung], stdin=subprocess.DEVNULL)
    wait_until(lambda: virsh("domstate", hung) != "shut off", "process")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(outcome, vm_path(hung_uuid), "Delete")
        others_go_on(client, vm_path(other))
        # Unless libvirt has given the start up by itself.
        virsh("destroy", hung, check=False)
        call.result(timeout=60)
    tool.wait(timeout=60)
