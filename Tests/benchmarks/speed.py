"""How fast it answers, against virsh and libvirt-dbus."""

import contextlib
import pathlib
import time

from support.guest import foreign_xml
from support.system import run, virsh, wait_until

from .host import ECHO, TOOLS, calls, program, seconds_of, start_service, sweeps
from .report import median, percentile

SERVICE = ("org.neuronos.VMManager", "/org/neuronos/VMManager", "org.neuronos.VMManager")
PROPERTIES = "org.freedesktop.DBus.Properties"
VIRSH = ("virsh", "--connect", "qemu:///system")


def alternating(rounds, ours, *peers):
    """Medians of what each of the functions takes in milliseconds, called in turn."""
    times = [[] for _ in (ours, *peers)]
    for _ in range(rounds):
        for measured, function in zip(times, (ours, *peers)):
            value = function()
            measured += value if isinstance(value, list) else [value]
    return [median(values) * 1000 for values in times]


def start_up(report, rounds):
    """The command line where there is nothing to do."""
    ours, peer = alternating(
        rounds, lambda: seconds_of("neuron-vm", "--help"), lambda: seconds_of("virsh", "--help"))
    report.add("neuron-vm --help", "ms", ours, peer, at_most=10, ratio_at_most=0.5, note="peer: virsh --help")
    ours, peer = alternating(
        rounds, lambda: seconds_of("neuron-vm", "list"), lambda: seconds_of(*VIRSH, "list", "--all"))
    report.add("neuron-vm list, 3 VMs", "ms", ours, peer, at_most=10, ratio_at_most=0.5, note="peer: virsh list --all")


def listing(report, rounds, count):
    """The command line where there are many VMs."""
    ours, peer = alternating(
        rounds, lambda: seconds_of("neuron-vm", "list"), lambda: seconds_of(*VIRSH, "list", "--all"))
    report.add(f"neuron-vm list, {count:,} VMs", "ms", ours, peer, ratio_at_most=0.1, note="peer: virsh list --all")


def whole_list(report, rounds, count):
    """Every VM with its state, for a program on the bus."""
    ours, peer = alternating(rounds, lambda: calls(5, *SERVICE, "ListVMs"), lambda: sweeps(1))
    report.add(
        f"all VMs over D-Bus, {count:,} VMs", "ms", ours, peer, ratio_at_most=0.02,
        note="ListVMs; peer: libvirt-dbus ListDomains, and GetAll of each, one after the other")


def list_time(rounds):
    """The median of ListVMs, in ms."""
    return median(calls(rounds, *SERVICE, "ListVMs")) * 1000


def one_property(report, rounds):
    """The least that can be asked, against the least that the bus can do."""
    path = run("busctl", "call", *SERVICE, "GetVM", "s", "vm00001").stdout.split()[1].strip('"')
    peer_path = run("busctl", "call", "org.libvirt", "/org/libvirt/QEMU", "org.libvirt.Connect", "DomainLookupByName",
                    "s", "vm00001").stdout.split()[1].strip('"')
    with program("bus", "echo", ECHO):
        ours, bare, peer = alternating(
            rounds,
            lambda: calls(200, SERVICE[0], path, PROPERTIES, "Get", "s:org.neuronos.VMManager.VM", "s:State"),
            lambda: calls(200, ECHO, "/", PROPERTIES, "Get", "s:org.neuronos.VMManager.VM", "s:State"),
            lambda: calls(200, "org.libvirt", peer_path, PROPERTIES, "Get", "s:org.libvirt.Domain", "s:Name"))
    report.add(
        "one property over D-Bus", "us", ours * 1000, bare * 1000, ratio_at_most=1.3,
        note="Get; peer: a service in C on libdbus that only echoes")
    report.add("the same of libvirt-dbus", "us", ours * 1000, peer * 1000, note="Get; no bar")


def creation(report, rounds):
    """A VM with its disk, against the same disk and definition through virsh."""
    numbers = iter(range(rounds))
    xml = pathlib.Path(TOOLS / "created.xml")
    disk = ("default", "peer-system.qcow2", "20G", "--format", "qcow2")

    def ours():
        name = f"created{next(numbers)}"
        took = seconds_of("busctl", "call", *SERVICE, "CreateVM", "sa{sv}", name, "1", "type", "s", "linux")
        xml.write_text(virsh("dumpxml", name).replace(name, "peer"), encoding="utf-8")
        run("neuron-vm", "delete", name, "--delete-disk", "--yes")
        return took

    def peer():
        took = seconds_of(*VIRSH, f"vol-create-as {' '.join(disk)}; define {xml}")
        virsh("undefine", "peer", "--nvram")
        virsh("vol-delete", "--pool", *disk[:2])
        return took

    ours, peer = alternating(rounds, ours, peer)
    report.add(
        "CreateVM: disk and definition", "ms", ours, peer, ratio_at_most=1.2,
        note="busctl call CreateVM; peer: one virsh with vol-create-as and define of the same XML")


def told(report, rounds):
    """A guest is paused and resumed by virsh: when a subscriber knows."""
    after, ours, peer = changes(rounds // 2, with_peer=True)
    # libvirtd tells its clients one after the other; so each is the older one in half of the rounds.
    start_service()
    for values, more in zip((after, ours, peer), changes(rounds // 2, with_peer=True)):
        values += more
    report.add(
        "change by virsh -> signal", "ms", median(ours), median(peer), ratio_at_most=1,
        note="pause and resume of a guest, from the command to a subscriber of PropertiesChanged; peer: libvirt-dbus's "
        "DomainEvent")
    report.add(
        "libvirt's own event -> signal, p99", "ms", percentile(after, 99), at_most=5,
        note=f"median {median(after):.2f} ms; from when a C program with libvirt's callback has the same event")


def changes(rounds, with_peer=False):
    """Milliseconds from libvirt's own event to our signal, and from the command to our signal and to the peer's."""
    after, ours, peers = [], [], []
    with contextlib.ExitStack() as stack:
        stack.enter_context(guest("runner"))
        # What is told of its start must not be taken for the first change.
        wait_until(lambda: "running" in run("neuron-vm", "info", "runner").stdout, "guest that runs")
        listeners = [
            stack.enter_context(program("events", "qemu:///system")),
            stack.enter_context(program("bus", "listen", SERVICE[0], PROPERTIES, "PropertiesChanged")),
        ]
        if with_peer:
            listeners.append(
                stack.enter_context(program("bus", "listen", "org.libvirt", "org.libvirt.Connect", "DomainEvent")))
        shell = stack.enter_context(program(*VIRSH, "--quiet", is_tool=False))
        for number in range(1, rounds + 1):
            verb, state, code = ("suspend", "paused", "3") if number % 2 else ("resume", "running", "4")
            start = time.monotonic_ns()
            shell.process.stdin.write(f"{verb} runner\n".encode())
            shell.process.stdin.flush()
            for listener in listeners:
                listener.wait(number)
            # The code of libvirt's event is third; the properties of our signal, and the peer's code, are fourth.
            told = [listener.lines[-1].split("\t") for listener in listeners]
            expected = zip(told, [(2, code), (3, f"State={state} "), (3, code)])
            assert all(word in fields[place] for fields, (place, word) in expected), told
            event, signal, *other = (int(fields[0]) for fields in told)
            after.append((signal - event) / 1e6)
            ours.append((signal - start) / 1e6)
            peers += [(moment - start) / 1e6 for moment in other]
    return after, ours, peers


@contextlib.contextmanager
def guest(name):
    """A guest that runs and does nothing: it has no medium."""
    file = TOOLS / f"{name}.xml"
    file.write_text(foreign_xml(name), encoding="utf-8")
    virsh("define", str(file))
    virsh("start", name)
    try:
        yield
    finally:
        virsh("destroy", name)
        virsh("undefine", name)
