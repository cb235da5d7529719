"""Very many changes of state at once, made by virsh in libvirt's test driver, whose domains take microseconds for one."""

import pathlib

from .guest import foreign_xml
from .system import run

# The driver is inside libvirtd, where all connections share its domains, and sends the events of a real one. They last as long as
# somebody is connected. The socket is named because libvirt gives other users than root a daemon of their own.
URI = "test+unix:///default?socket=/run/libvirt/libvirt-sock"
SHELL = ("virsh", "--quiet", "--connect", URI)
STEPS = ("start", "suspend", "resume", "destroy")
STATES = ("running", "paused", "running", "shut-off")
# So many VMs go through their steps side by side.
GROUP = 25


def define(count, prefix="storm"):
    """The names of new domains."""
    names = [f"{prefix}{number}" for number in range(count)]
    directory = pathlib.Path("/run/tmp/storm")
    directory.mkdir(exist_ok=True)
    for name in names:
        xml = foreign_xml(name).replace("type='qemu'", "type='test'")
        (directory / name).write_text(xml, encoding="utf-8")
    run(*SHELL, stdin="".join(f"define '{directory / name}'\n" for name in names))
    return names


def commands(names):
    """What to ask virsh for: each domain goes through the steps once, close upon each other."""
    for start in range(0, len(names), GROUP):
        for step in STEPS:
            for name in names[start : start + GROUP]:
                yield name, f"{step} {name}\n"


def in_order(told):
    """Whether these states are shown in the order in which they were there, up to the last. Some, or all, may be left out."""
    rest = iter(STATES)
    return told[-1:] in ([], [STATES[-1]]) and all(any(state == other for other in rest) for state in told)
