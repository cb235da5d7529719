"""What the README says to type works as it is typed."""

import shutil
import subprocess

from support.system import DISKS, MEDIA, TESTS, domains, run, virsh
from support.templates import SMC_CONFIG

README = (TESTS.parent / "README.md").read_text(encoding="utf-8")


def block(heading):
    """The indented lines of a section."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return "\n".join(line[4:] for line in section.splitlines() if line.startswith("    "))


def run_as_typed(script, directory):
    """There is no sudo in here, and no need of it."""
    script = f'set -e\nsudo() {{ "$@"; }}\n{script}\n'
    result = subprocess.run(["bash", "-c", script], cwd=directory, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_a_first_vm(vms, media, tmp_path):
    iso = "debian-12-amd64-netinst.iso"
    shutil.copy(media / "guest.iso", tmp_path / iso)
    vms.later(lambda: vms.remove("web"))
    create, stop = block("A first VM").rsplit("\n", 1)
    assert len(create.splitlines()) == 3
    assert "web" in run_as_typed(create, tmp_path).splitlines()[-1]
    assert stop == "neuron-vm stop web --force"
    run_as_typed(stop, tmp_path)


def test_media_and_disk_images(vms, media, tmp_path, monkeypatch):
    (tmp_path / "Downloads").mkdir()
    shutil.copy(media / "guest.iso", tmp_path / "Downloads" / "Win11.iso")
    image = str(tmp_path / "debian-12-generic-amd64.qcow2")
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(media / "guest.img"), image)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvciB0ZXN0cw alice\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("cloud", "web"):
        vms.later(lambda name=name: vms.remove(name))
    output = run_as_typed(block("Media and disk images"), tmp_path).splitlines()
    assert output[0] == f"imported Win11.iso ({MEDIA}/Win11.iso)" and output[-1].startswith("created web (")
    assert sorted(domains()) == ["cloud", "web"]
    assert {virsh("domstate", name) for name in domains()} == {"running"}


def test_a_mac(vms, media, tmp_path):
    """With stand-ins for what only its owner has. The service cannot read the key's file, and QEMU takes any for one."""
    run("qemu-img", "convert", "-O", "qcow2", str(media / "ipxe.iso"), str(tmp_path / "OpenCore.qcow2"))
    for file in (DISKS / "OpenCore-mac.qcow2", MEDIA / "BaseSystem.img"):
        vms.later(file.unlink)
    shutil.copy(media / "guest.iso", MEDIA / "BaseSystem.img")
    vms.later(SMC_CONFIG.unlink)
    vms.later(lambda: vms.remove("mac"))
    script = block("macOS")
    assert "--type macos" in script
    assert run_as_typed(script, tmp_path).splitlines()[-1].startswith("created mac (")
    assert virsh("domstate", "mac") == "running"
    assert (SMC_CONFIG.owner(), SMC_CONFIG.group(), oct(SMC_CONFIG.stat().st_mode & 0o777)) == (
        "root", "libvirt-qemu", "0o640",
    )  # fmt: skip


def test_calls_from_the_bus(vms, tmp_path):
    vms.later(lambda: vms.remove("db"))
    monitor = "gdbus monitor --system --dest org.neuronos.VMManager"
    script = block("From the bus")
    assert monitor in script
    # It would go on for ever: that it is still there after a second is what is wanted.
    script = script.replace(monitor, f"{{ timeout 1 {monitor} || test $? -eq 124; }}")
    output = run_as_typed(script, tmp_path)
    assert "/org/neuronos/VMManager/vms/" in output
    assert "'State': <'running'>" in output
    assert domains() == []
