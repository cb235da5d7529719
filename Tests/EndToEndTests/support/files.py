"""Files that are handed over with a call, and disk images that are not what they should be."""

import contextlib
import os
import struct

from gi.repository import Gio, GLib

from .bus import ERROR, MANAGER, MANAGER_INTERFACE, BusError, options, raise_bus_error
from .system import run

# What a VM is to have that only shows that it can be made.
SMALL = options({"type": "linux", "memory_mb": 256, "vcpus": 1})


def call_with_files(client, member, signature, arguments, descriptors, timeout=120):
    """A method of the manager, with descriptors; the reply's value. Raises BusError."""
    files = Gio.UnixFDList.new()
    for descriptor in descriptors:
        files.append(descriptor)
    try:
        reply, _ = client.connection.call_with_unix_fd_list_sync(
            client.name, MANAGER, MANAGER_INTERFACE, member, GLib.Variant(signature, arguments), None,
            Gio.DBusCallFlags.NO_AUTO_START, timeout * 1000, files, None,
        )  # fmt: skip
    except GLib.Error as error:
        raise_bus_error(error)
    values = reply.unpack()
    return values[0] if values else None


def fails(call, *arguments, **keywords):
    """The code and the text of the error that a call ends with."""
    try:
        call(*arguments, **keywords)
    except BusError as error:
        assert error.name.startswith(ERROR), error.name
        return error.name.removeprefix(ERROR), error.message
    raise AssertionError("it has not failed")


def import_media(client, name, descriptor, timeout=120):
    return call_with_files(client, "ImportMedia", "(sha{sv})", (name, 0, {}), [descriptor], timeout)


def create_from(client, name, options, **files):
    """A VM that is made from files, by option."""
    with contextlib.ExitStack() as stack:
        descriptors = [stack.enter_context(open(path, "rb")).fileno() for path in files.values()]
        handles = {option: GLib.Variant("h", index) for index, option in enumerate(files)}
        return call_with_files(client, "CreateVM", "(sa{sv})", (name, {**options, **handles}), descriptors)


@contextlib.contextmanager
def opened(path, flags=os.O_RDONLY):
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def qcow2(path, *arguments, size="64M"):
    """An empty image as qemu-img makes it."""
    run("qemu-img", "create", "-q", "-f", "qcow2", *arguments, str(path), size)
    return path


def patched(path, *changes):
    """A sound image with bytes changed: of (offset, format of struct, value)."""
    qcow2(path)
    with open(path, "r+b") as image:
        for offset, layout, value in changes:
            image.seek(offset)
            image.write(struct.pack(layout, value))
    return path


def converted(path, image_format, *options):
    """A small disk with something on it, in that format."""
    raw = path.with_suffix(".source")
    raw.write_bytes(b"disk" * (1 << 18))
    run("qemu-img", "convert", "-f", "raw", "-O", image_format, *options, str(raw), str(path))
    return path


def with_snapshot(path):
    qcow2(path)
    run("qemu-img", "snapshot", "-c", "before", str(path))
    return path


def luks(path):
    """The beginning of one; qemu-img would measure for a while how fast this machine is."""
    path.write_bytes(b"LUKS\xba\xbe\x00\x01" + bytes(1 << 20))
    return path


def backed(path, backing, *options):
    """An image that reads what it does not have from elsewhere; qemu-img does not look there."""
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", backing, *options, str(path), "64M")
    return path


# Images that must not become disks, by what they are: how each is made at a path, and a word of the reason.
REFUSED = {
    "backing file": (lambda p: backed(p, "/etc/shadow"), "backing file"),
    "relative backing file": (lambda p: backed(p, "../../../etc/shadow"), "backing file"),
    "backing file as JSON": (
        lambda p: backed(p, 'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/shadow"}}'),
        "backing file",
    ),
    "backing server": (lambda p: backed(p, "nbd://127.0.0.1:1/x"), "backing file"),
    "backing file of version 2": (lambda p: backed(p, "/etc/shadow", "-o", "compat=0.10"), "backing file"),
    "data file": (
        lambda p: qcow2(p, "-o", f"data_file={p}.data,data_file_raw=on"), "another file"
    ),
    "8 EiB": (lambda p: patched(p, (24, ">Q", 1 << 63)), "larger"),
    "65 TiB": (lambda p: patched(p, (24, ">Q", 65 << 40)), "larger"),
    "no size": (lambda p: patched(p, (24, ">Q", 0)), "empty"),
    "dirty": (lambda p: patched(p, (72, ">Q", 1)), "qemu-img check"),
    "corrupt": (lambda p: patched(p, (72, ">Q", 2)), "qemu-img check"),
    "unknown feature": (lambda p: patched(p, (72, ">Q", 1 << 40)), "not known"),
    "old encryption": (lambda p: patched(p, (32, ">I", 1)), "encrypted"),
    "huge header": (lambda p: patched(p, (100, ">I", 2**32 - 8)), "header"),
    "encryption": (lambda p: patched(p, (32, ">I", 2)), "encrypted"),
    "LUKS": (luks, "encrypted"),
    "snapshot": (with_snapshot, "snapshots"),
    "VMDK": (lambda p: converted(p, "vmdk"), "VMDK"),
    "flat VMDK": (lambda p: converted(p, "vmdk", "-o", "subformat=monolithicFlat"), "VMDK"),
    "VDI": (lambda p: converted(p, "vdi"), "VDI"),
    "VHD": (lambda p: converted(p, "vpc"), "VHD"),
    "fixed VHD": (lambda p: converted(p, "vpc", "-o", "subformat=fixed"), "VHD"),
    "VHDX": (lambda p: converted(p, "vhdx"), "VHDX"),
    "QED": (lambda p: converted(p, "qed"), "QED"),
    "qcow": (lambda p: converted(p, "qcow"), "qcow"),
    "Parallels": (lambda p: converted(p, "parallels"), "Parallels"),
}
