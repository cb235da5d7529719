"""Thousands of random calls, destructive ones included, while VMs live and die: the service goes on as before."""

import collections
import os
import re
import secrets
import time

import pytest

from support import contract, wire
from support.bus import ERROR, MANAGER, MANAGER_INTERFACE, STANDARD_ERROR, vm_path
from support.fuzz import Call, Generator, fields
from support.rawbus import RawBus
from support.system import DISKS, Usage, domains, media_files, virsh, wait_until
from support.wire import Variant

# `make fuzz` makes many more; a seed that failed is said then.
CALLS = int(os.environ.get("FUZZ_CALLS", 4000))
SEED = int(os.environ.get("FUZZ_SEED") or secrets.randbits(32))
CALLS_PER_STEP = 40
CALLS_PER_HUGE = 250
MOST_OTHERS = 2

OWN_ERRORS = {
    ERROR + code
    for code in (
        "InvalidArgument", "NotFound", "AlreadyExists", "InvalidState", "Busy", "PathNotAllowed", "NoSpace",
        "HostUnsupported", "TemplateInvalid", "Timeout", "Cancelled", "Failed",
    )
}  # fmt: skip
STANDARD_ERRORS = {
    STANDARD_ERROR + code
    for code in (
        "UnknownMethod", "UnknownInterface", "UnknownObject", "UnknownProperty", "PropertyReadOnly", "InvalidArgs",
        "LimitsExceeded",
    )
}  # fmt: skip
SMALL = {
    "type": Variant("s", "linux"), "memory_mb": Variant("t", 256), "vcpus": Variant("u", 1),
    "disk_size_gb": Variant("t", 1),
}  # fmt: skip
FORCE = {"timeout": Variant("u", 0), "force": Variant("b", True)}
# What is done to a VM of the test's own, with what it needs to be said; often enough in an order that does something.
STEPS = [
    ("StartVM", {}), ("PauseVM", {}), ("ResumeVM", {}), ("ResetVM", {}), ("RebootVM", {}), ("PauseVM", {}),
    ("ResumeVM", {}), ("StopVM", FORCE), ("StartVM", {}), ("DestroyVM", {}),
    ("DeleteVM", {"delete_disks": Variant("b", True)}),
]  # fmt: skip


class Fuzz:
    def __init__(self, raw, generator):
        self.raw, self.generator = raw, generator
        self.outcomes = collections.Counter()
        self.successes = collections.Counter()
        self.silent = 0
        self.unexpected = []
        self.number = 0
        self.step = {}
        # Names and paths of VMs that were to be removed without their disks.
        self.kept = set()

    def run(self, calls):
        for number in range(calls):
            if number % CALLS_PER_STEP == 0:
                self.live()
            if number % CALLS_PER_HUGE == CALLS_PER_HUGE - 1:
                # By itself: the bus, too, has a limit for what it holds for one client.
                self.raw.settle()
                self.send(self.generator.huge())
                # Also the VMs that were made without a reply are found and ended.
                self.send(Call(MANAGER, MANAGER_INTERFACE, "ListVMs"))
                self.raw.settle()
            else:
                self.send(self.generator.call())
        self.raw.settle()

    def live(self):
        """One step in the life of a few small VMs; and the end of others, so that they do not become too many."""
        others = [name for name in self.generator.vms if name not in self.step]
        for name in others[:-MOST_OTHERS]:
            self.end(name)
        if len(self.step) < 3:
            self.number += 1
            name = f"own{self.number}"
            self.step[name] = 0
            self.send(Call(MANAGER, MANAGER_INTERFACE, "CreateVM", "sa{sv}", (name, SMALL)))
            return
        name = self.generator.random.choice(list(self.step))
        method, options = STEPS[self.step[name]]
        self.step[name] += 1
        if self.step[name] == len(STEPS):
            del self.step[name]
        self.send(Call(MANAGER, MANAGER_INTERFACE, method, "sa{sv}", (name, options)))

    def end(self, name):
        """Deleting waits for what is being done to the VM, destroying does not."""
        for method, options in (("DestroyVM", {}), ("DeleteVM", {"delete_disks": Variant("b", True)})):
            self.send(Call(MANAGER, MANAGER_INTERFACE, method, "sa{sv}", (name, options)))

    def send(self, call):
        if call.member in ("Delete", "DeleteVM") and ("delete_disks", Variant("b", True)) not in self.options(call):
            self.kept.add(self.target(call))
        silent = bool(call.flags & wire.NO_REPLY_EXPECTED)
        self.silent += silent
        body = wire.encode(call.signature, call.arguments)
        then = None if silent else lambda reply: self.look(call, reply)
        self.raw.post(fields(call), body, call.flags, call.fds, then=then)

    @staticmethod
    def target(call):
        """The name or path of the VM that a call is about."""
        return str(call.arguments[0]) if call.member == "DeleteVM" and call.arguments else call.path

    @staticmethod
    def options(call):
        last = call.arguments[-1] if call.arguments else {}
        return list(last.items()) if isinstance(last, dict) else last if isinstance(last, list) else []

    def look(self, call, reply):
        self.outcomes[reply.error] += 1
        if reply.error is None:
            self.successes[call.member] += 1
            self.note(call, reply)
        elif reply.error not in OWN_ERRORS | STANDARD_ERRORS or not reply.text or len(reply.text) > 4096:
            self.unexpected.append(f"{reply.error} {reply.text[:200]!r} for {str(call)[:500]}")

    def note(self, call, reply):
        """Which VMs there are, so that the calls to come find them."""
        if call.member == "ListVMs":
            self.generator.vms = {name: path for path, name, *_ in reply.arguments[0]}
        if call.member == "CreateVM":
            self.generator.vms[call.arguments[0]] = reply.arguments[0]
        if call.member in ("Delete", "DeleteVM"):
            gone, vms = self.target(call), self.generator.vms
            self.generator.vms = {name: path for name, path in vms.items() if gone not in (name, path)}

    def remove_all(self, client):
        """Removes every VM that is there, and those that calls without a reply are still making."""
        for number in range(100):
            names = client.list()
            if number >= 5 and not names:
                break
            for name in names:
                self.end(name)
            self.raw.settle()
            # A call that takes the same way as those that make something, and takes longer.
            client.manager("RenderTemplate", "(ssa{sv})", "linux-basic", "settled", {})


@pytest.fixture
def fuzz(client, vms, service):
    _, path = vms.create()
    generator = Generator(SEED, contract.methods(client, path), contract.parameters(client))
    raw = RawBus()
    # Whatever the outcome, nothing is left behind for the next test.
    vms.later(lambda: [disk.unlink() for disk in (*DISKS.iterdir(), *media_files())])
    vms.later(lambda: [vms.remove(name) for name in domains()])
    vms.later(generator.close)
    vms.later(raw.close)
    print(f"FUZZ_SEED={SEED} FUZZ_CALLS={CALLS}")
    yield Fuzz(raw, generator)


def libvirts_view():
    """Name and UUID of each VM."""
    return {(name, virsh("domuuid", name, check=False)) for name in domains()}


def test_random_calls(client, fuzz, service):
    usage = Usage(service.pid)
    # What is made once and kept (threads, buffers, caches) is made here.
    fuzz.run(CALLS_PER_HUGE * 4)
    fuzz.remove_all(client)
    before = usage.now()
    fuzz.generator.vms, fuzz.step = {}, {}

    start = time.monotonic()
    fuzz.run(CALLS)
    seconds = time.monotonic() - start
    # What was called without a reply may be under way.
    wait_until(lambda: {(name, row[2]) for name, row in client.list().items()} == libvirts_view(), "agreement with libvirt")
    fuzz.remove_all(client)
    print(f"{CALLS} calls in {seconds:.1f} s, {fuzz.silent} of all without a reply")
    print("replies:", dict(fuzz.outcomes.most_common()))
    print("done:", dict(fuzz.successes.most_common()))
    assert not fuzz.unexpected, "\n".join(fuzz.unexpected[:20])

    assert client.list() == {} and domains() == []
    left = [disk.name for disk in DISKS.iterdir()]
    print("disks that were kept as asked:", len(left))
    for name in left:
        vm, uuid = re.fullmatch("(.*)-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\\.(?:qcow2|raw)", name).groups()
        assert {vm, vm_path(uuid)} & fuzz.kept, name
    assert set(fuzz.raw.replies.values()) == {1}
    # The destructive ones did what they do.
    for verb in ("Create", "Start", "Pause", "Resume", "Reset", "Destroy", "Delete"):
        assert fuzz.successes[verb + "VM"], f"no {verb}VM has succeeded"
    print("descriptors, threads, kB:", before, "before,", usage.wait_for(before), "after")
