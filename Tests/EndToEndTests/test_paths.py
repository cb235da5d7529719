"""Paths that a caller names: no file changes hands, the service opens none, and a refusal tells nothing of one."""

import contextlib
import os
import pathlib
import socket
import time
import xml.etree.ElementTree as ElementTree

import pytest

from support import canary
from support.bus import ERROR, MANAGER, MANAGER_INTERFACE, STANDARD_ERROR, BusError
from support.rawbus import RawBus
from support.system import DISKS, LibvirtCalls, domains, virsh
from support.wire import Variant

NOBODY = 65534
MEDIA = "/var/lib/libvirt/neuron-media"
RULE = pathlib.Path("/etc/polkit-1/rules.d/00-test-paths.rules")
# Whoever may make VMs, and nothing that belongs to the host.
MAY_CREATE = """
polkit.addRule(function(action, subject) {
    if (action.id == "org.neuronos.vmmanager.create" && subject.user == "nobody")
        return polkit.Result.YES;
});
"""
# No path at all, or one that leads elsewhere than it says.
NO_PATHS = [
    "", "rel ative", "./a", "../a", "~/a", "/", "//", "/.", "/..", "/a/..", "/a/../b", "/a/./b", MEDIA + "/../canary",
    MEDIA + "/../../../etc/shadow", "/etc//../etc/shadow", 'json:{"file.filename":"/etc/shadow"}', "nbd:127.0.0.1:1",
    "nbd://127.0.0.1:1/x", "nbd+unix:///x?socket=/run/x", "http://127.0.0.1:1/x", "https://a/x", "ftp://a/x",
    "ssh://a/x",
    "fat:/etc", "fat:rw:/etc", "fd:3", "file:/etc/shadow", "file:///etc/shadow", "host_device:/dev/sda", "rbd:a/b",
    "iscsi://a/b/0", "gluster://a/b", "null-co://", "blkdebug::/etc/shadow", "quorum:x", "-", "--help", "/a\nb",
    "/a\tb",
    "/a\x1b[2J", "/a\x7f", "/" + "a" * 4095, "a" * 65536,
]  # fmt: skip


@pytest.fixture
def places(tmp_path):
    """Files of each kind outside the directories of media, by what they are."""
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path("/var/tmp/test-paths")
        directory.mkdir()
        stack.callback(lambda: [file.unlink() for file in directory.iterdir()] and directory.rmdir())
        (directory / "readable").write_bytes(b"x" * 4096)
        (directory / "secret").write_bytes(b"x" * 4096)
        (directory / "secret").chmod(0o600)
        (directory / "link").symlink_to("/etc/shadow")
        (directory / "dangling").symlink_to("/nonexistent")
        os.mkfifo(directory / "fifo")
        listener = stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
        listener.bind(str(directory / "socket"))
        yield {
            "absent": "/nonexistent/x.iso", "absent here": str(directory / "absent"), "in a file": "/etc/shadow/x",
            "of root": "/etc/shadow", "canary": "/etc/canary", "readable": str(directory / "readable"),
            "secret": str(directory / "secret"), "directory": "/etc", "closed directory": "/etc/polkit-1/rules.d",
            "link": str(directory / "link"), "dangling": str(directory / "dangling"), "fifo": str(directory / "fifo"),
            "socket": str(directory / "socket"), "endless": "/dev/zero", "memory": "/proc/kcore",
            "self": "/proc/self/mem",
            "descriptor set": "/dev/fdset/1", "beside the media": MEDIA + "-too/x.iso", "the media themselves": MEDIA,
            "more slashes": "/" + MEDIA + "/x.iso", "long": "/" + "a/" * 2000,
        }  # fmt: skip


@pytest.fixture
def nobody(nothing_left_behind):
    """A user who may make VMs, once polkit has read that."""
    RULE.write_text(MAY_CREATE, encoding="ascii")
    raw = RawBus(uid=NOBODY)
    deadline = time.monotonic() + 30
    permissions = {}
    while permissions.get("org.neuronos.vmmanager.create") != "yes":
        assert time.monotonic() < deadline, f"polkit does not know the rule: {permissions}"
        permissions = raw.call(MANAGER, MANAGER_INTERFACE, "GetPermissions", "o", [MANAGER]).arguments[0]
    yield raw
    raw.close()
    RULE.unlink()


def create(raw, name, path, option="iso_path", **more):
    options = {
        "type": Variant("s", "windows" if option == "drivers_iso_path" else "linux"), option: Variant("s", path),
        **{key: Variant("b", value) for key, value in more.items()},
    }  # fmt: skip
    start = time.monotonic()
    reply = raw.call(MANAGER, MANAGER_INTERFACE, "CreateVM", "sa{sv}", [name, options])
    return reply, time.monotonic() - start


@pytest.mark.parametrize("option", ["iso_path", "drivers_iso_path"])
def test_what_is_no_plain_path_is_refused_to_everybody(nobody, option):
    root = RawBus()
    with LibvirtCalls() as calls:
        for raw in (root, nobody):
            for path in NO_PATHS:
                reply, _ = create(raw, "none", path, option)
                assert reply.error == ERROR + "PathNotAllowed", path
                assert reply.text.isprintable() and "shadow" not in reply.text
        assert calls.count == 0
    root.close()


def test_a_refusal_says_nothing_about_the_file(nobody, places):
    """Who may not name files of the host learns nothing of them either: neither from the words nor from the time."""
    replies = {}
    with LibvirtCalls() as calls:
        for kind, path in places.items():
            reply, seconds = create(nobody, "none", path)
            replies[kind] = (reply.error, reply.flags, reply.body)
            assert seconds < 2, kind
        assert calls.count == 0
    assert len(set(replies.values())) == 1, replies
    assert replies["absent"][0] == STANDARD_ERROR + "InteractiveAuthorizationRequired"
    # Neither does what is only rendered.
    options = {"iso_path": Variant("s", "/etc/shadow")}
    rendered = nobody.call(MANAGER, MANAGER_INTERFACE, "RenderTemplate", "ssa{sv}", ["linux-basic", "none", options])
    assert rendered.error == replies["absent"][0]


def test_a_medium_of_the_library_is_for_everybody_who_makes_vms(client, vms, nobody):
    for path in (MEDIA + "/x.iso", MEDIA + "/canary", "/usr/share/neuron-vm/media/a/x.iso"):
        name = vms.name()
        reply, _ = create(nobody, name, path)
        assert reply.error is None, reply.text
        assert source(client.vm(reply.arguments[0], "GetXML"), path) is not None
        client.vm(reply.arguments[0], "Delete", delete_disks=True)


def source(xml, path):
    """The drive with that source, if it is one that nobody writes to, that is read as it is and never given away."""
    for disk in ElementTree.fromstring(xml).iter("disk"):
        if disk.find("source") is not None and disk.find("source").get("file") == path:
            label = disk.find("source/seclabel")
            assert (label.get("model"), label.get("relabel")) == ("dac", "no")
            assert disk.find("readonly") is not None and disk.find("driver").get("type") == "raw"
            return disk
    return None


def test_root_may_name_any_file_and_the_service_does_not_open_it(client, vms, places):
    raw = RawBus()
    for kind, path in places.items():
        name = vms.name()
        reply, seconds = create(raw, name, path)
        assert reply.error is None, (kind, reply.text)
        assert seconds < 2, kind
        # In one spelling: what two spellings name would be two files to whoever looks for its users.
        plain = "/" + "/".join(part for part in path.split("/") if part)
        assert source(client.vm(reply.arguments[0], "GetXML"), plain) is not None, kind
        client.vm(reply.arguments[0], "Delete", delete_disks=True)
    raw.close()


@pytest.mark.parametrize("kind", ["secret", "canary", "of root", "link", "directory"])
def test_a_file_that_qemu_may_not_read_does_not_become_its(client, vms, places, kind):
    path = pathlib.Path(places[kind])
    before = canary.facts(path) if path.is_file() else os.stat(path)
    name = vms.name()
    with pytest.raises(BusError) as caught:
        client.create(name, type="linux", memory_mb=256, vcpus=1, disk_size_gb=1, iso_path=str(path), start=True)
    assert name in caught.value.message
    assert "the secret of" not in caught.value.message
    assert (canary.facts(path) if path.is_file() else os.stat(path)) == before
    assert domains() == [] and list(DISKS.iterdir()) == []


def test_a_medium_keeps_its_owner_while_it_is_used(client, vms, media):
    path = media / "guest.iso"
    before = canary.facts(path)
    name, vm = vms.create(iso_path=str(path), start=True)
    assert virsh("domstate", name) == "running"
    assert canary.facts(path) == before
    client.vm(vm, "Destroy")
    assert canary.facts(path) == before
