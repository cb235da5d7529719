"""VMs that are made from disk images, and images that must not become a disk."""

import json
import os
import time

import pytest

from support.bus import BusError, options
from support.files import REFUSED, SMALL, converted, create_from, fails, qcow2
from support.guest import READY
from support.system import DISKS, MEDIA, domains, run, virsh

BOOTS = options({"type": "linux", "memory_mb": 1024, "vcpus": 1, "start": True})


@pytest.mark.parametrize("image_format", ["raw", "qcow2", "qcow2 of version 2", "compressed"])
def test_a_disk_image_boots(client, vms, media, tmp_path, image_format):
    image = media / "guest.img"
    choices = {"qcow2": [], "qcow2 of version 2": ["-o", "compat=0.10"],
               "compressed": ["-c", "-o", "compression_type=zstd"]}  # fmt: skip
    if image_format in choices:
        image = tmp_path / "guest.qcow2"
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *choices[image_format], str(media / "guest.img"),
            str(image))  # fmt: skip
    name = vms.name()
    path = create_from(client, name, BOOTS, disk_image=image)
    vms.console(name).wait(READY)
    client.vm(path, "Destroy")
    (disk,) = DISKS.iterdir()
    suffix = "raw" if image_format == "raw" else "qcow2"
    assert disk.name == f"{name}-{client.get(path, 'UUID')}.{suffix}"
    facts = json.loads(run("qemu-img", "info", "-f", suffix, "--output=json", str(disk)).stdout)
    assert facts["virtual-size"] == 64 << 20
    client.vm(path, "Delete", delete_disks=True)
    assert list(DISKS.iterdir()) == []


@pytest.mark.parametrize("image_format", ["raw", "qcow2"])
def test_a_disk_image_grows(client, vms, tmp_path, image_format):
    image = converted(tmp_path / "image", image_format)
    name = vms.name()
    create_from(client, name, {**SMALL, **options({"disk_size_gb": 3})}, disk_image=image)
    (disk,) = DISKS.iterdir()
    facts = json.loads(run("qemu-img", "info", "-f", image_format, "--output=json", str(disk)).stdout)
    assert facts["virtual-size"] == 3 << 30
    # What was in it is where it was, and the rest is zeros; qemu-img says "identical" of a longer one only if it is.
    compared = run("qemu-img", "compare", "-f", image_format, "-F", image_format, str(image), str(disk))
    assert "identical" in compared.stdout
    if image_format == "qcow2":
        run("qemu-img", "check", str(disk))


def test_a_disk_image_larger_than_the_disk_is_refused(client, vms, tmp_path):
    image = qcow2(tmp_path / "image", size="3G")
    handed = {**SMALL, **options({"disk_size_gb": 2})}
    code, message = fails(create_from, client, vms.name(), handed, disk_image=image)
    assert code == "InvalidArgument" and "give at least 3" in message
    assert domains() == [] and list(DISKS.iterdir()) == []


@pytest.mark.parametrize("kind", REFUSED)
def test_disk_images_that_are_refused(client, vms, tmp_path, kind):
    make, word = REFUSED[kind]
    image = make(tmp_path / "image")
    start = time.monotonic()
    code, message = fails(create_from, client, vms.name(), SMALL, disk_image=image)
    assert time.monotonic() - start < 2
    assert code == "InvalidArgument"
    assert word in message and message.isprintable(), message
    assert domains() == [] and list(DISKS.iterdir()) == [] and client.list() == {}


def test_an_iso_is_no_disk(client, vms, media):
    code, message = fails(create_from, client, vms.name(), SMALL, disk_image=media / "guest.iso")
    assert code == "InvalidArgument" and "--iso" in message


def test_a_medium_and_a_disk_at_once(client, vms, library, tmp_path, file):
    image = converted(tmp_path / "image", "qcow2")
    (MEDIA / "taken.iso").write_bytes(b"x")
    name = vms.name()
    os.rename(MEDIA / "taken.iso", MEDIA / f"{name}.iso")
    path = create_from(client, name, SMALL, iso=file(), disk_image=image)
    assert library() == {f"{name}.iso": 1, f"{name}-2.iso": 3 << 20}
    assert f"'{MEDIA}/{name}-2.iso'" in virsh("dumpxml", name)
    client.vm(path, "Delete", delete_disks=True)
    # It is nobody's own, and stays.
    assert f"{name}-2.iso" in library()
    client.manager("RemoveMedia", "(s)", f"{name}-2.iso")


def test_what_goes_wrong_later_takes_the_medium_back(client, vms, library, tmp_path, file):
    bad = REFUSED["snapshot"][0](tmp_path / "image")
    assert fails(create_from, client, vms.name(), SMALL, iso=file(), disk_image=bad)[0] == "InvalidArgument"
    # The start of a VM fails whose other medium is not there.
    handed = {**SMALL, **options({"type": "windows", "drivers_iso_path": "/nonexistent.iso", "memory_mb": 4096})}
    unbootable = {**handed, **options({"start": True, "mac_address": "52:54:00:00:00:01", "network": "no-such"})}
    with pytest.raises(BusError):
        create_from(client, vms.name(), unbootable, iso=file())
    assert library() == {} and domains() == [] and list(DISKS.iterdir()) == []


