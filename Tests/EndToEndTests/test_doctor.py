"""What the host lacks: each thing is taken away in turn, and the rows of CheckHost and `neuron-vm doctor` say so.

Firmware and swtpm libvirt looks for at each question. Which QEMU there is it keeps, so that libvirtd starts anew there.
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import time

import pytest

from support.bus import MANAGER, MANAGER_INTERFACE, Client
from support.system import DISKS, NOBODY, LibvirtCalls, as_nobody, neuron_vm, run, virsh, wait_until

FIRMWARE = pathlib.Path("/usr/share/qemu/firmware")
AWAY = pathlib.Path("/run/tmp/away")
NETWORK = '<network><name>default</name><forward mode="bridge"/><bridge name="br-none"/></network>'
POOL = f"<pool type='dir'><name>default</name><target><path>{DISKS}</path></target></pool>"

LOOK_AGAIN = "look again; 'journalctl -u libvirtd' may say why"
LIBVIRT_FIRST = "see to libvirt first, and look again"
UNKNOWN = ("warn", "not known: libvirt does not say, or not in time", LOOK_AGAIN)
ROOT_ONLY = "only root may do anything"
# What is missing in the sandbox, for want of hardware.
NO_KVM = (
    "warn", "not usable: VMs are emulated, which is many times slower",
    "switch on virtualization (VT-x, AMD-V) in the firmware's setup, load kvm_intel or kvm_amd, and "
    "'sudo systemctl restart libvirtd'; inside a VM, have nested virtualization switched on for it",
)  # fmt: skip
NO_IOMMU = (
    "warn", "not in use: devices of the host cannot be given to VMs",
    "only for the templates with passthrough: switch on VT-d or AMD-Vi in the firmware's setup, and boot Linux with "
    "intel_iommu=on where the CPU is Intel's",
)  # fmt: skip
NO_NETWORK = (
    "warn", "there is no 'default'; new VMs get user networking, into which nobody can connect",
    "install libvirt-daemon-config-network and dnsmasq-base, or define the network with virsh",
)  # fmt: skip
NO_POOL = ("pass", "the storage pool is made with the first disk; its free space is not known before", "")
NO_SECURE_BOOT = "no firmware with Secure Boot: Windows 11 cannot be started"
OVMF = "install the package ovmf"
NO_TPM = ("fail", "no emulator: Windows 11 cannot be started", "install the packages swtpm and swtpm-tools")
ROOM = "make room where libvirt keeps disks; 'virsh pool-info default' shows how much there is"
NO_POLKIT = (
    "fail", f"it is not there: {ROOT_ONLY}", "install the package polkitd, and 'sudo systemctl start polkit'",
)  # fmt: skip


def passes(found):
    return ("pass", found, "")


def usual():
    """Each row of the sandbox as it is: a network, a pool and hardware are missing."""
    versions = dict(line.split(": ", 1) for line in virsh("version").splitlines())
    fields = dict(line.split(":", 1) for line in virsh("nodeinfo").splitlines())
    memory = int(fields["Memory size"].split()[0]) // 1024
    cpus = int(fields["CPU(s)"])
    few = "expect VMs to be slow: the host shares its one CPU with them"
    return {
        "libvirt": passes(f"version {versions['Using library'].split()[-1]} answers"),
        "qemu": passes(versions["Running hypervisor"]),
        "kvm": NO_KVM,
        "q35": passes("QEMU has the machine type of the templates"),
        "uefi": passes("there is firmware with UEFI"),
        "secure-boot": passes("there is firmware with Secure Boot and enrolled keys"),
        "tpm": passes("can be emulated"),
        "network": NO_NETWORK,
        "disks": NO_POOL,
        "memory": (
            passes(f"{memory} MiB") if memory >= 4096 else
            ("warn", f"{memory} MiB", "give VMs little (create --memory); Windows 11 asks for 4096 MiB")
        ),
        "cpus": passes(str(cpus)) if cpus > 1 else ("warn", str(cpus), few),
        "iommu": NO_IOMMU,
        "templates": passes("6, and none was refused"),
        "polkit": passes("it answers"),
    }  # fmt: skip


def without_libvirt(found, advice):
    """Each row while libvirt does not answer."""
    names = ("qemu", "kvm", "q35", "uefi", "secure-boot", "tpm", "network", "disks", "memory", "cpus", "iommu")
    rows = {"libvirt": ("fail", found, advice)}
    rows |= {name: ("warn", "not known", LIBVIRT_FIRST) for name in names}
    return rows | {"templates": passes("6, and none was refused"), "polkit": passes("it answers")}


def told(client):
    """What the service tells: the rows by name, in their order."""
    return {name: tuple(row) for name, *row in client.manager("CheckHost")}


def shown(rows):
    """What the command line makes of rows: its text."""
    width = max(map(len, rows))
    lines = []
    for name, (outcome, found, advice) in rows.items():
        lines.append(f"{outcome}  {name:{width}}  {found}\n" + (f"      -> {advice}\n" if advice else ""))
    return "".join(lines)


def expect(rows):
    """The rows are exactly these: on the bus, for root and nobody, as text, as JSON and as exit code."""
    client = Client()
    found = told(client)
    client.close()
    assert found == rows and list(found) == list(rows)
    rows = {"service": passes("it answers"), **rows}
    code = 1 if any(outcome == "fail" for outcome, _, _ in rows.values()) else 0
    for result in (neuron_vm("doctor", check=False), as_nobody("neuron-vm", "doctor")):
        assert (result.returncode, result.stdout, result.stderr) == (code, shown(rows), "")
    result = neuron_vm("doctor", "--json", check=False)
    keys = ("check", "result", "found", "advice")
    assert (result.returncode, result.stderr) == (code, "")
    assert json.loads(result.stdout) == [dict(zip(keys, (name, *row))) for name, row in rows.items()]


@contextlib.contextmanager
def missing(*paths):
    """These files are somewhere else meanwhile."""
    AWAY.mkdir()
    for path in paths:
        run("mv", str(path), str(AWAY))
    try:
        yield
    finally:
        for path in paths:
            run("mv", str(AWAY / path.name), str(path))
        AWAY.rmdir()


@contextlib.contextmanager
def network(is_active):
    virsh("net-define", "/dev/stdin", stdin=NETWORK)
    if is_active:
        virsh("net-start", "default")
    try:
        yield
    finally:
        if is_active:
            virsh("net-destroy", "default")
        virsh("net-undefine", "default")


@contextlib.contextmanager
def pool(size):
    """The pool for disks on a file system of that size, in KiB, which is not seen to be full before somebody looks."""
    run("mount", "-t", "tmpfs", "-o", "size=200g", "disks", str(DISKS))
    had_one = "default" in virsh("pool-list", "--all", "--name").split()
    if not had_one:
        virsh("pool-define", "/dev/stdin", stdin=POOL)
        virsh("pool-start", "default")
    try:
        run("mount", "-o", f"remount,size={size}k", str(DISKS))
        yield
    finally:
        run("umount", str(DISKS))
        if not had_one:
            virsh("pool-destroy", "default")
            virsh("pool-undefine", "default")


@pytest.fixture(autouse=True)
def no_pool():
    """Other tests leave the service's pool; here it is made anew where it is wanted."""
    if "default" in virsh("pool-list", "--all", "--name").split():
        virsh("pool-destroy", "default", check=False)
        virsh("pool-undefine", "default")


def test_a_host_with_everything():
    """But for hardware, which no sandbox has."""
    with network(True), pool(20 << 20):
        rows = usual() | {"network": passes("'default' is active"), "disks": passes("20 GiB are free")}
        expect(rows)
        assert {row[0] for name, row in rows.items() if name not in ("kvm", "iommu", "memory", "cpus")} == {"pass"}


def test_the_sandbox_as_it_is():
    expect(usual())


def test_a_network_that_is_off():
    with network(False):
        row = (
            "warn", "'default' is not active; a new VM starts it, or gets user networking where that fails",
            "'virsh net-start default' and 'virsh net-autostart default'; dnsmasq-base must be installed",
        )  # fmt: skip
        expect(usual() | {"network": row})
    assert virsh("net-list", "--all", "--name") == ""


def test_firmware_without_keys():
    with missing(*FIRMWARE.glob("40-*")):
        advice = "install Debian's package ovmf, whole and current"
        found = "no firmware with enrolled keys: Windows 11 cannot be started"
        expect(usual() | {"secure-boot": ("fail", found, advice)})


def test_firmware_without_secure_boot():
    with missing(*FIRMWARE.glob("40-*"), *FIRMWARE.glob("50-*")):
        expect(usual() | {"secure-boot": ("fail", NO_SECURE_BOOT, OVMF)})


def test_no_firmware():
    with missing(*FIRMWARE.glob("*.json")):
        rows = {"uefi": ("fail", "there is no firmware with UEFI", OVMF), "secure-boot": ("fail", NO_SECURE_BOOT, OVMF)}
        expect(usual() | rows)


@pytest.mark.parametrize("program", ["swtpm", "swtpm_setup", "swtpm_ioctl"])
def test_no_tpm(program):
    with missing(pathlib.Path("/usr/bin") / program):
        expect(usual() | {"tpm": NO_TPM})


@pytest.mark.parametrize(
    ("kibibytes", "row"),
    [
        (10 << 20, passes("10 GiB are free")), ((10 << 20) - 4, ("warn", "9 GiB are free", ROOM)),
        (1 << 20, ("warn", "1 GiB are free", ROOM)), ((1 << 20) - 4, ("fail", "1023 MiB are free", ROOM)),
        (64, ("fail", "0 MiB are free", ROOM)),
    ],
)  # fmt: skip
def test_room_for_disks(kibibytes, row):
    with pool(kibibytes):
        expect(usual() | {"disks": row})


def test_a_pool_that_is_off():
    virsh("pool-define", "/dev/stdin", stdin=POOL)
    found = "the storage pool is started with the next disk; its free space is not known before"
    expect(usual() | {"disks": passes(found)})
    assert "inactive" in virsh("pool-list", "--all")


def connected(client):
    return client.get(MANAGER, "HypervisorConnected", MANAGER_INTERFACE)


def test_libvirtd_is_not_there(client, libvirtd):
    expected = usual()
    libvirtd.kill()
    try:
        wait_until(lambda: not connected(client), "loss of the connection")
        advice = "'sudo systemctl enable --now libvirtd'; 'systemctl status libvirtd' says why it ended. The service "
        advice += "connects by itself, also to one that is started later"
        expect(without_libvirt("there is no connection to it", advice))
    finally:
        libvirtd.start()
    wait_until(lambda: connected(client), "connection", 60)
    # What QEMU can do libvirt finds out at the first question, which may take longer than a check has.
    virsh("domcapabilities", "--machine", "q35")
    expect(expected)


def test_libvirtd_hangs(client, libvirtd):
    expected = usual()
    os.kill(libvirtd.pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        rows = told(client)
        assert time.monotonic() - start < 9
        advice = "'sudo systemctl restart libvirtd'; VMs run on meanwhile"
        assert rows == without_libvirt("it does not answer", advice)
    finally:
        os.kill(libvirtd.pid, signal.SIGCONT)
    # The connection may have been given up.
    wait_until(lambda: connected(client) and told(client) == expected, "answer of libvirt", 60)


def test_no_qemu(client, libvirtd):
    """The service connects all the same, and says what is missing. libvirtd starts anew, for it knows QEMU by heart."""
    expected = usual()
    programs = list(pathlib.Path("/usr/bin").glob("qemu-system-*"))
    with missing(*programs):
        libvirtd.kill()
        wait_until(lambda: not connected(client), "loss of the connection")
        libvirtd.start()
        wait_until(lambda: connected(client), "connection", 60)
        row = ("fail", "libvirt finds no QEMU", "install qemu-system-x86, and 'sudo systemctl restart libvirtd'")
        q35 = ("fail", "QEMU lacks the machine type of the templates", "install Debian's qemu-system-x86")
        unknown = {name: UNKNOWN for name in ("uefi", "secure-boot", "tpm")}
        expect(expected | {"qemu": row, "q35": q35} | unknown)
    libvirtd.kill()
    wait_until(lambda: not connected(client), "loss of the connection")
    libvirtd.start()
    wait_until(lambda: connected(client), "connection", 60)
    virsh("domcapabilities", "--machine", "q35")
    virsh("capabilities")
    expect(expected)


def test_polkit_is_not_there(no_polkit):
    expect(usual() | {"polkit": NO_POLKIT})


def test_polkit_hangs(client, polkitd):
    expected = usual()
    with polkitd.suspended():
        start = time.monotonic()
        rows = told(client)
        assert time.monotonic() - start < 9
        advice = "'sudo systemctl restart polkit'"
        assert rows == expected | {"polkit": ("fail", f"it does not answer: {ROOT_ONLY}", advice)}
    expect(expected)


@pytest.mark.restarts_service
def test_a_template_that_was_refused(service):
    directory = pathlib.Path("/etc/neuron-vm/templates")
    directory.mkdir(parents=True)
    secret = "{# summary: a secret #}<domain/>"
    (directory / "mine.xml.j2").write_text(secret, encoding="utf-8")
    (directory / "loose.xml.j2").write_text(secret, encoding="utf-8")
    (directory / "loose.xml.j2").chmod(0o666)
    service.restart()
    try:
        advice = "'journalctl -u neuron-vmd' says why; then 'sudo systemctl restart neuron-vmd'"
        expect(usual() | {"templates": ("warn", "6; refused: loose, mine", advice)})
    finally:
        run("rm", "-r", str(directory))
        service.restart()


@pytest.mark.restarts_service
def test_the_service_is_not_there(service):
    service.stop()
    try:
        for command in ([], NOBODY):
            result = run(*command, "neuron-vm", "doctor", check=False)
            assert (result.returncode, result.stderr) == (1, "")
            line, advice = result.stdout.splitlines()
            assert line.startswith("fail  service  the service org.neuronos.VMManager is not running (")
            start = "'sudo systemctl enable --now libvirtd neuron-vmd'; 'journalctl -u neuron-vmd' says why it ended"
            assert advice == f"      -> {start}"
    finally:
        service.start()


def test_there_is_no_bus():
    environment = ("env", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent")
    result = run(*environment, "neuron-vm", "doctor", check=False)
    assert (result.returncode, result.stderr) == (1, "")
    line, advice = result.stdout.splitlines()
    assert line.startswith("fail  service  cannot reach the message bus: ")
    assert advice == "      -> 'sudo systemctl start dbus'"


def test_many_at_a_time_are_one_for_libvirt(client, users):
    told(client)
    with LibvirtCalls() as calls:
        told(client)
        one = calls.count
    callers = (users.root(), users.nobody())
    with LibvirtCalls() as calls:
        with concurrent.futures.ThreadPoolExecutor(80) as threads:
            # Each has a connection of its own.
            futures = [
                threads.submit(callers[number % 2].outcome, MANAGER, MANAGER_INTERFACE, "CheckHost", connection=number)
                for number in range(80)
            ]
            outcomes = [future.result() for future in futures]
        assert all(outcome.error is None for outcome in outcomes)
        # They do not all come within one, but nearly.
        assert 0 < one <= calls.count <= 6 * one
