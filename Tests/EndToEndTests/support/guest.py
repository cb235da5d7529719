"""Guests: the console of one that speaks, and definitions of VMs that other tools make."""

import os
import select
import time

from .system import virsh

READY = "NEURON-GUEST-READY"
POWERBUTTON = "NEURON-GUEST-POWERBUTTON"


class Console:
    """The first serial port of a running VM."""

    def __init__(self, name):
        self.text = ""
        self.file = os.open(virsh("ttyconsole", name), os.O_RDWR | os.O_NOCTTY)

    def close(self):
        os.close(self.file)

    def write(self, line):
        os.write(self.file, f"{line}\n".encode())

    def wait(self, marker, timeout=90):
        """Reads until a line with the marker has come."""
        deadline = time.monotonic() + timeout
        while marker not in self.text:
            readable, _, _ = select.select([self.file], [], [], max(0.0, deadline - time.monotonic()))
            assert readable, f"no {marker} on the console within {timeout} s, but:\n{self.text}"
            try:
                self.text += os.read(self.file, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"the console ended before {marker}:\n{self.text}") from None


def foreign_xml(name, uuid=None, disk=None):
    """A small VM as another tool would define it: with no UEFI and no medium, so that it starts at once."""
    identity = f"<uuid>{uuid}</uuid>" if uuid else ""
    devices = ""
    if disk:
        driver = "<driver name='qemu' type='qcow2'/>"
        devices = f"<disk type='file'>{driver}<source file='{disk}'/><target dev='vda' bus='virtio'/></disk>"
    return f"""
<domain type='qemu'>
  <name>{name}</name>{identity}
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>{devices}<controller type='usb' model='none'/><memballoon model='none'/></devices>
</domain>
"""
