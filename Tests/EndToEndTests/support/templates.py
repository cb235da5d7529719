"""Values for the templates, and what some of them need of the host."""

import contextlib
import pathlib
import shutil

from .bus import options
from .system import run

SMC_CONFIG = pathlib.Path("/etc/neuron-vm/macos-smc.cfg")
# QEMU says that this is no key, and goes on.
SMC_KEY = "not-a-key-" * 6 + "----"
MEDIA = pathlib.Path("/var/tmp/neuron-test-media")


def smc_config(key=SMC_KEY):
    return f'[device "smc"]\n  driver = "isa-applesmc"\n  osk = "{key}"\n'


@contextlib.contextmanager
def smc_config_file(text=None, mode=0o640, group="libvirt-qemu"):
    """The administrator's file for macOS, for as long as it is wanted."""
    SMC_CONFIG.parent.mkdir(mode=0o755, exist_ok=True)
    SMC_CONFIG.write_text(smc_config() if text is None else text, encoding="ascii")
    shutil.chown(SMC_CONFIG, "root", group)
    SMC_CONFIG.chmod(mode)
    try:
        yield SMC_CONFIG
    finally:
        SMC_CONFIG.unlink()


def open_core(name):
    """An image that stands in for OpenCore's: it boots iPXE, which is as little signed. QEMU's user may write to it."""
    image = MEDIA / f"{name}-opencore.qcow2"
    run("qemu-img", "convert", "-O", "qcow2", str(MEDIA / "ipxe.iso"), str(image))
    shutil.chown(image, "libvirt-qemu")
    return image


def values_for(template, **values):
    """Options for a template: what it must have, and of the host what can be defined anywhere."""
    vcpus = values.get("vcpus", 2)
    if template.startswith("macos"):
        values.setdefault("opencore_path", str(MEDIA / "ipxe.iso"))
        values.setdefault("opencore_format", "iso")
    if template.endswith("passthrough"):
        values |= {"pci_devices": ["0000:41:00.0", "0000:41:00.1", "0000:42:00.0"], "huge_pages": True}
        values |= {"cpu_pinning": ["0"] * vcpus, "emulator_cpus": "0"}
        if not template.startswith("macos"):
            values["looking_glass_mb"] = 64
    return values


def render(client, template, name, **values):
    return client.manager("RenderTemplate", "(ssa{sv})", template, name, options(values))
