"""What it costs as the number of VMs grows, and when nothing happens."""

import time

from support.system import run

from . import speed
from .host import fill, libvirt_dbus, memory, program, service, start_service, switches
from .report import median

MEMORY_BARS = {0: 15, 1_000: 25, 10_000: 80}


def idle(report, seconds):
    """How often the service wakes up while nobody asks and nothing changes."""
    before = switches(service.pid)
    time.sleep(seconds)
    after = switches(service.pid)
    busy = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}
    # Every 5 seconds libvirtd asks each connection whether it is there, and is answered.
    allowed = 4 * (seconds / 5 + 1)
    threads = ", ".join(f"{name}: {count}" for name, count in sorted(busy.items())) or "none"
    report.add(f"wake-ups in {seconds:.0f} s of idleness", "", sum(busy.values()), at_most=allowed,
               note=f"by thread: {threads}; keepalive alone is in the bar")


def memory_row(report, count):
    resident, own = memory(service.pid)
    with program("events", "qemu:///system") as bare:
        least = memory(bare.process.pid)[0]
    report.add(f"memory of the service, {count:,} VMs", "MB", resident, least, at_most=MEMORY_BARS.get(count),
               note=f"RSS after use; {own:.1f} MB of it is its own, the rest is of files that others may share; "
               "peer: a C program that connects to libvirt and waits for its events")


def sizes(report, counts, text, rounds, starts):
    """Starts the service with each number of VMs and uses it."""
    start_times = {}
    for count in counts:
        fill(text, count)
        start_times[count] = median([start_service() for _ in range(starts)])
        report.add(f"start -> name owned, {count:,} VMs", "s", start_times[count],
                   at_most=0.5 if count == 1_000 else None, note="from the process's beginning, good to 10 ms")
        listed = speed.list_time(max(5, rounds))
        after, _, _ = speed.changes(2 * rounds)
        if count == 1_000:
            at_thousand(report, rounds, count)
        run("neuron-vm", "list")
        memory_row(report, count)
        resident, own = memory(service.pid)
        report.scale.append({
            "VMs": count, "start, s": start_times[count], "ListVMs, ms": listed, "event -> signal, ms": median(after),
            "RSS, MB": resident, "own memory, MB": own})
    small, large = min(start_times, key=lambda n: abs(n - 1_000)), max(start_times)
    if large > small:
        report.add(f"start for each VM, {large:,} VMs", "us", start_times[large] / large * 1e6,
                   start_times[small] / small * 1e6, ratio_at_most=1.2, note=f"peer: our own start with {small:,} VMs")


def at_thousand(report, rounds, count):
    """The rows against libvirt-dbus and virsh."""
    with libvirt_dbus() as peer:
        speed.listing(report, rounds, count)
        speed.whole_list(report, max(3, rounds // 4), count)
        speed.one_property(report, rounds)
        speed.told(report, 10 * rounds)
        report.add(f"memory beside libvirt-dbus, {count:,} VMs", "MB", memory(service.pid)[0], memory(peer)[0])
