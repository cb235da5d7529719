"""Whether anything has changed: libvirt's view of its VMs, what it tells of them, and the files of both."""

import difflib
import hashlib
import pathlib
import stat

from .guest import foreign_xml
from .stream import Stream
from .system import domains, virsh

KEPT = [pathlib.Path(path) for path in ("/etc/libvirt", "/var/lib/libvirt", "/var/lib/neuron-vm")]
# A service that hands on whatever path it is told would leave its traces here.
CANARIES = [pathlib.Path(path) for path in ("/etc/canary.iso", "/var/lib/canary.iso", "/run/tmp/canary.iso")]
MARKER = "audit-"


def fingerprint(path):
    """Owner, mode and content of a file; of a directory also whether something in it came or went."""
    status = path.lstat()
    content = status.st_mtime_ns
    if stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    return status.st_uid, status.st_gid, oct(status.st_mode), status.st_ino, content


def files():
    found = list(CANARIES)
    for directory in KEPT:
        found += [directory, *directory.rglob("*")]
    return {str(path): fingerprint(path) for path in found}


def libvirts_view():
    """All that virsh says about each VM, but for the processor time that a guest uses."""
    commands = ["pool-list --all", "net-list --all"]
    for name in domains():
        commands += [f"{verb} {name}" for verb in ("dominfo", "domstate --reason", "dumpxml", "dumpxml --inactive")]
    return [line for line in virsh("; ".join(commands)).splitlines() if not line.startswith("CPU time:")]


class Audit:
    """Stands around calls that must change nothing, and fails at the end when something has changed."""

    def __enter__(self):
        for canary in CANARIES:
            canary.write_text("root's own\n", encoding="utf-8")
            canary.chmod(0o600)
        self.events = Stream("virsh", "--connect", "qemu:///system", "event", "--all", "--loop")
        try:
            self._mark("begin", within=0.2, attempts=100)
        except BaseException:
            self._end()
            raise
        self.files, self.view = files(), libvirts_view()
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self._compare()
        finally:
            self._end()

    def _end(self):
        self.events.close()
        for canary in CANARIES:
            canary.unlink()

    def _mark(self, what, within, attempts=1):
        """Returns when libvirt has told of a VM that comes and goes for this; virsh does not say when it listens."""
        name = MARKER + what
        for _ in range(attempts):
            virsh("define", "/dev/stdin", stdin=foreign_xml(name))
            virsh("undefine", name)
            if self.events.has_printed(name, within):
                return
        raise AssertionError(f"libvirt told nothing of {name}, but:\n{self.events.text}")

    def _compare(self):
        view, now = libvirts_view(), files()
        difference = "\n".join(difflib.unified_diff(self.view, view, "before", "after", n=0, lineterm=""))
        assert not difference, f"libvirt says otherwise than before:\n{difference}"
        for path in sorted(self.files.keys() | now.keys()):
            assert self.files.get(path) == now.get(path), f"{path}: {self.files.get(path)} became {now.get(path)}"
        # Even a reset, which leaves no trace, is told of.
        self._mark("end", within=30)
        told = [line for line in self.events.text.splitlines() if "event '" in line and MARKER not in line]
        assert not told, f"libvirt has told of {told}"
