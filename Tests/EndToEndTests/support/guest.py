"""Guests: the console of one that speaks, and definitions of VMs that other tools make."""

import os
import select
import threading
from xml.sax.saxutils import escape

from .system import virsh

READY = "NEURON-GUEST-READY"
POWERBUTTON = "NEURON-GUEST-POWERBUTTON"


class Console:
    """The first serial port of a running VM, read all the time: what nobody has read when it goes off is lost with it."""

    def __init__(self, name):
        self.text = ""
        self.changed = threading.Condition()
        self.ended = False
        self.file = os.open(virsh("ttyconsole", name), os.O_RDWR | os.O_NOCTTY)
        self.stop, self.stopped = os.pipe()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while True:
            readable, _, _ = select.select([self.file, self.stop], [], [])
            try:
                data = b"" if self.stop in readable else os.read(self.file, 65536)
            except OSError:
                data = b""
            with self.changed:
                self.text += data.decode(errors="replace")
                self.ended = not data
                self.changed.notify_all()
            if not data:
                return

    def close(self):
        os.close(self.stopped)
        self.reader.join()
        os.close(self.file)
        os.close(self.stop)

    def write(self, line):
        os.write(self.file, f"{line}\n".encode())

    def wait(self, marker, timeout=600):
        """Waits until the marker has come."""
        with self.changed:
            self.changed.wait_for(lambda: marker in self.text or self.ended, timeout)
            end = "the console ended" if self.ended else f"{timeout} s are over"
            assert marker in self.text, f"no {marker} when {end}, but:\n{self.text}"


def foreign_xml(name, uuid=None, disk=None, vcpus=1, memory_mb=64, owner=None, more=""):
    """A small VM as another tool would define it: with no UEFI and no medium, so that it starts at once.

    With an owner it carries the service's own mark, as if it had been made for that user. `more` is XML that follows the
    name.
    """
    identity = f"<uuid>{uuid}</uuid>" if uuid else ""
    if owner is not None:
        noted = f"<n:template>linux-basic</n:template><n:owner-uid>{owner}</n:owner-uid>"
        identity += f"<metadata><n:vm xmlns:n='https://neuronos.org/libvirt/1'>{noted}</n:vm></metadata>"
    devices = ""
    if disk:
        driver = "<driver name='qemu' type='qcow2'/>"
        devices = f"<disk type='file'>{driver}<source file='{disk}'/><target dev='vda' bus='virtio'/></disk>"
    return f"""
<domain type='qemu'>
  <name>{escape(name)}</name>{identity}{more}
  <memory unit='MiB'>{memory_mb}</memory>
  <vcpu>{vcpus}</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>{devices}<controller type='usb' model='none'/><memballoon model='none'/></devices>
</domain>
"""
