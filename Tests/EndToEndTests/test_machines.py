"""The machines that the templates make come up: firmware, TPM, media, and what they share with the host."""

import pathlib
import struct

from support.guest import READY
from support.system import virsh
from support.templates import SMC_KEY, open_core, smc_config_file


def with_serial_port(name):
    """Gives a VM a serial port, to which its firmware writes what it writes on the screen."""
    definition = virsh("dumpxml", name, "--inactive")
    port = "<serial type='pty'><target port='0'/></serial><console type='pty'><target type='serial' port='0'/></console>"
    file = pathlib.Path("/run/tmp/serial.xml")
    file.write_text(definition.replace("</devices>", port + "</devices>"), encoding="utf-8")
    virsh("define", str(file))


def size_of_screen(name):
    """Width and height, from the header of the PNG image that QEMU makes."""
    file = pathlib.Path("/run/tmp/screen.png")
    virsh("screenshot", name, str(file))
    data = file.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def listening_ports():
    tables = [pathlib.Path(f"/proc/net/{name}").read_text(encoding="ascii") for name in ("tcp", "tcp6")]
    return [line for table in tables for line in table.splitlines()[1:] if line.split()[3] == "0A"]


def command_lines():
    lines = []
    for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return lines


def test_an_unsigned_medium_boots_in_linux(client, vms, media):
    name, path = vms.create(memory_mb=512, iso_path=str(media / "ipxe.iso"))
    client.vm(path, "Start")
    vms.console(name).wait("http://ipxe.org")
    assert size_of_screen(name) == (1280, 800)
    assert listening_ports() == []


def test_windows_has_secure_boot_and_a_tpm(client, vms, media):
    name, path = vms.create(
        type="windows", memory_mb=4096, vcpus=2, disk_size_gb=64, iso_path=str(media / "ipxe.iso")
    )
    with_serial_port(name)
    client.vm(path, "Start")
    uuid = client.get(path, "UUID")
    console = vms.console(name)
    console.wait("Security Violation")
    # The disk is tried first: it has nothing to boot from yet.
    assert console.text.index("HARDDISK") < console.text.index("DVD-ROM")
    assert "iPXE" not in console.text
    (swtpm,) = (line for line in command_lines() if line.startswith("/usr/bin/swtpm ") and uuid in line)
    assert "--tpm2" in swtpm
    assert size_of_screen(name) == (1280, 800)
    assert listening_ports() == []


def test_windows_boots_what_is_signed_for_it(client, vms, media):
    """The same machine with Debian's loader, which Microsoft has signed; the drivers' CD is a third drive."""
    name, path = vms.create(
        type="windows", memory_mb=4096, vcpus=2, disk_size_gb=64, iso_path=str(media / "guest.iso"),
        drivers_iso_path=str(media / "ipxe.iso"),
    )  # fmt: skip
    with_serial_port(name)
    client.vm(path, "Start")
    console = vms.console(name)
    console.wait(READY)
    assert "secure_boot=1" in console.text
    assert "disks=vda," in console.text and "networks=eth0,lo," in console.text


def test_macos_starts_from_open_core(client, vms, media):
    name = vms.name()
    image = open_core(name)
    vms.later(image.unlink)
    with smc_config_file():
        path = client.create(
            name, type="macos", memory_mb=4096, vcpus=4, disk_size_gb=64, opencore_path=str(image),
            iso_path=str(media / "guest.iso"),
        )  # fmt: skip
        with_serial_port(name)
        client.vm(path, "Start")
        console = vms.console(name)
        console.wait("http://ipxe.org")
        assert size_of_screen(name)[0] >= 720
        assert listening_ports() == []
        # The key is with QEMU, and nowhere where others look.
        assert SMC_KEY not in client.vm(path, "GetXML") + virsh("dumpxml", name, "--security-info")
        assert not any(SMC_KEY in line for line in command_lines())
        devices = virsh("qemu-monitor-command", name, "--hmp", "info qtree")
        assert f'osk = "{SMC_KEY}"' in devices
        client.vm(path, "Destroy")
    # What is not the VM's own has kept its owner.
    assert (image.owner(), (media / "guest.iso").owner()) == ("libvirt-qemu", "root")
    client.vm(path, "Delete", delete_disks=True)
    assert image.exists()


def test_a_vm_can_have_cpus_and_memory_that_others_see(client, vms):
    name, path = vms.create(
        template="linux-passthrough", cpu_pinning=["0"], emulator_cpus="0", looking_glass_mb=32, screen="none"
    )
    memory = pathlib.Path(f"/dev/shm/looking-glass-{name}")
    vms.later(lambda: memory.unlink(missing_ok=True))
    client.vm(path, "Start")
    assert memory.stat().st_size == 32 << 20
    assert virsh("vcpupin", name).split()[-1] == virsh("emulatorpin", name).split()[-1] == "0"
