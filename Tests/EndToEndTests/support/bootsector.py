"""Guests of a few bytes: boot sectors that wait for a byte on the serial port, and then do one thing."""

import pathlib
import subprocess

from .system import DISKS, virsh

# mov dx, 0x3fd; in al, dx; test al, 1; jz back: until something has come. Then mov dx, 0x3f8; mov al, "A"; out dx, al.
WAIT = bytes.fromhex("ba fd 03 ec a8 01 74 f8 ba f8 03 b0 41 ee")
ACTS = "A"
HALT = bytes.fromhex("f4 eb fd")
# mov dx, 0x604; mov ax, 0x2000; out dx, ax: the register PM1a of the machine "pc", and its sleep state S5.
POWER_OFF = WAIT + bytes.fromhex("ba 04 06 b8 00 20 ef") + HALT
# mov dx, 0x505; mov al, 1; out dx, al: what a kernel with pvpanic does when it panics.
PANIC = WAIT + bytes.fromhex("ba 05 05 b0 01 ee") + HALT
# xor ax, ax; mov ds, ax; then 64 sectors of the first disk again and again, each time behind those before (int 0x13, 0x43).
FILL_DISK = (
    bytes.fromhex("31 c0 8e d8")
    + WAIT
    + bytes.fromhex("be 26 7c b8 00 43 b2 80 cd 13 66 83 06 2e 7c 40 eb ee")
    # At 0x7c24: room up to the packet at 0x7c26, which says how many sectors, from where in memory, to where on the disk.
    + bytes(2)
    + bytes.fromhex("10 00 40 00 00 00 00 10 00 08 00 00 00 00 00 00")
)


def disk(code, path, size="1G"):
    """An image with a boot sector, which takes its room only when it is written to."""
    sector = pathlib.Path("/run/tmp/sector")
    sector.write_bytes(code.ljust(510, b"\0") + b"\x55\xaa")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(sector), str(path)], check=True)
    subprocess.run(["qemu-img", "resize", "-q", str(path), size], check=True)
    return path


def define(vms, code, on_crash="destroy", directory=DISKS):
    """A VM with such a guest: its name and UUID."""
    name = vms.name()
    image = disk(code, directory / f"{name}-boot.qcow2")
    xml = pathlib.Path("/run/tmp/boot.xml")
    xml.write_text(
        f"""
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <on_crash>{on_crash}</on_crash>
  <devices>
    <disk type='file'>
      <driver name='qemu' type='qcow2'/><source file='{image}'/><target dev='vda' bus='virtio'/>
    </disk>
    <controller type='usb' model='none'/>
    <serial type='pty'/>
    <panic model='isa'/>
    <memballoon model='none'/>
  </devices>
</domain>
""",
        encoding="utf-8",
    )
    virsh("define", str(xml))
    return name, virsh("domuuid", name)
