"""Files that nothing may touch, and what is known of them."""

import hashlib
import os
import pathlib

PLACES = [
    "/etc", "/etc/neuron-vm", "/etc/libvirt", "/usr/local", "/usr/share/neuron-vm/media", "/var/lib",
    "/var/lib/libvirt/neuron-media", "/var/log", "/var/tmp", "/run",
]  # fmt: skip


def paths():
    return [pathlib.Path(place, "canary") for place in PLACES]


def plant():
    """A file for root alone in each place."""
    for path in paths():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"the secret of {path.parent}\n" * 100, encoding="ascii")
        path.chmod(0o600)
    return paths()


def facts(path):
    """Owner, mode, content, labels, and the time of the last change of any of them."""
    status = os.lstat(path)
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    labels = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return status.st_uid, status.st_gid, status.st_mode, status.st_nlink, status.st_ctime_ns, content, labels
