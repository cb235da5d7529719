"""What holds after every fault: the promises of the README about what is never lost and never left behind."""

import hashlib
import os
import pathlib
import re

from . import canary
from .guest import foreign_xml
from .system import DISKS, INTENTS, run, virsh

NVRAM = pathlib.Path("/var/lib/libvirt/qemu/nvram")
STATE = INTENTS.parent


class Broken(AssertionError):
    """A promise that was not kept."""


def uuids():
    return set(virsh("list", "--all", "--uuid").split())


def definition(uuid):
    return virsh("dumpxml", "--inactive", uuid)


def files_of(xml):
    return re.findall(r"<source file='([^']+)'", xml)


def facts(path):
    """Which file it is, whose, and what is in it."""
    status = os.lstat(path)
    return status.st_ino, status.st_uid, status.st_mode, hashlib.sha256(path.read_bytes()).hexdigest()


class Bystanders:
    """A VM of virsh's and one of another user, each with a disk in the pool, and the canaries: nothing happens to them."""

    def __init__(self):
        self.names = ["bystander", "theirs"]
        self.disks = [DISKS / f"{name}.qcow2" for name in self.names]
        for name, disk, owner in zip(self.names, self.disks, (None, 50002)):
            run("qemu-img", "create", "-q", "-f", "qcow2", str(disk), "1M")
            file = pathlib.Path("/run/tmp/bystander.xml")
            file.write_text(foreign_xml(name, disk=disk, owner=owner), encoding="utf-8")
            virsh("define", str(file))
        # The pool is told of files that came by another way.
        virsh("pool-refresh", "default", check=False)
        self.uuids = {virsh("domuuid", name) for name in self.names}
        planted = [path for path in canary.paths() if path.exists()]
        self.planted = [] if planted else canary.plant()
        self.canaries = {path: canary.facts(path) for path in planted or self.planted}
        self.before = self._now()

    def _now(self):
        return (
            [facts(disk) for disk in self.disks], [definition(name) for name in self.names],
            {path: canary.facts(path) for path in self.canaries},
        )  # fmt: skip

    def check(self):
        if self._now() != self.before:
            raise Broken("what was none of its business has changed")

    def remove(self):
        for name, disk in zip(self.names, self.disks):
            virsh("undefine", name)
            disk.unlink()
        for path in self.planted:
            path.unlink()


def check(client, bystanders):
    """All of them but what was promised to a caller, which only the caller knows."""
    ours = uuids() - bystanders.uuids
    listed = {row[2]: row for row in client.list().values()}
    expect(set(listed) == ours | bystanders.uuids, f"the list is not libvirt's: {listed}, {ours}")
    owners = {}
    for uuid in ours | bystanders.uuids:
        for file in files_of(definition(uuid)):
            owners.setdefault(file, []).append(uuid)
    pool = {str(path) for path in DISKS.iterdir()}
    expect(pool == set(owners), f"files and definitions do not fit: {pool}, {owners}")
    expect(all(len(uuids) == 1 for uuids in owners.values()), f"a disk of two VMs: {owners}")
    expect(set(sum(owners.values(), [])) == ours | bystanders.uuids, f"a VM without its disk: {owners}")
    left = [path for path in STATE.rglob("*") if path not in (INTENTS, STATE / "scratch")]
    expect(not left, f"left in the state directory: {left}")
    names = {row[1] for row in listed.values()}
    nvram = [path.name for path in NVRAM.glob("*")] if NVRAM.exists() else []
    expect(all(name.removesuffix("_VARS.fd") in names for name in nvram), f"left in {NVRAM}: {nvram}")
    bystanders.check()


def expect(holds, what):
    if not holds:
        raise Broken(what)
