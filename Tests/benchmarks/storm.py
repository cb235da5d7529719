"""Very many changes at once: what a subscriber hears of each VM must be in order and end with the last state."""

import contextlib
import time
from collections import defaultdict

from support import storm
from support.system import run

from .host import memory, program, service, start_service
from .report import percentile

SHELLS = 4
# libvirt's event of a domain that has stopped (VIR_DOMAIN_EVENT_STOPPED).
STOPPED = "5"


def run_storm(report, rate, seconds):
    """Changes of state at a rate; each VM has one shell, so that its changes have an order."""
    start_service("--uri", storm.URI)
    with contextlib.ExitStack() as stack:
        events = stack.enter_context(program("events", storm.URI))
        names = storm.define(rate * seconds // len(storm.STEPS))
        events.wait(len(names))
        wait_until_listed(len(names))
        signals = stack.enter_context(
            program("bus", "listen", "org.neuronos.VMManager", "org.neuronos.VMManager", "VMStateChanged"))
        shells = [stack.enter_context(program(*storm.SHELL, is_tool=False)) for _ in range(SHELLS)]
        before = memory(service.pid)[0]
        peak = drive(names, shells, rate, (events, signals))
        for listener in (events, signals):
            listener.wait_for_silence(2)
        tell(report, events.lines[len(names):], signals.lines, before, max(peak, memory(service.pid)[0]))


def wait_until_listed(count):
    """Until the service shows that many, and the driver's own one."""
    deadline = time.monotonic() + 60
    while len(run("neuron-vm", "list", "--quiet").stdout.split()) < count + 1:
        assert time.monotonic() < deadline, "the service does not show every VM"


def drive(names, shells, rate, listeners):
    """Asks for each change when its time has come. Gives the most memory that was taken meanwhile, in MB."""
    commands = list(storm.commands(names))
    shell_of = {name: shells[number % len(shells)] for number, name in enumerate(names)}
    peak, count, start = 0, 0, time.monotonic()
    while count < len(commands):
        due = int((time.monotonic() - start) * rate) + 1
        for name, line in commands[count:due]:
            shell_of[name].process.stdin.write(line.encode())
        count = due
        for shell in shells:
            shell.process.stdin.flush()
            shell.read(0)
        for listener in listeners:
            listener.read(0.002)
        peak = max(peak, memory(service.pid)[0])
    return peak


def tell(report, events, signals, before, peak):
    told, last = defaultdict(list), {}
    for line in signals:
        time_, _, _, vm, new, *_ = line.split("\t")
        told[vm].append(new)
        last[vm] = int(time_)
    times, ends = [], {}
    for line in events:
        time_, vm, event = line.split("\t")
        times.append(int(time_))
        if event == STOPPED:
            ends[vm] = int(time_)
    rate = (len(times) - 1) / (max(times) - min(times)) * 1e9
    wrong = [vm for vm in ends if not storm.in_order(told[vm])]
    report.add(
        "storm: VMs told of out of order", "", len(wrong), at_most=0,
        note=f"{len(times):,} changes of {len(ends):,} VMs, {rate:,.0f} a second, in the test driver inside libvirtd; "
        f"{len(signals):,} signals: states that were over before they could be read are left out")
    late = [(last[vm] - end) / 1e6 for vm, end in ends.items() if vm in last]
    report.add("storm: last event -> last signal of a VM, p99", "ms", percentile(late, 99), note="no bar")
    report.add("storm: memory at its most", "MB", peak, before, ratio_at_most=1.25, note="peer: itself before")
