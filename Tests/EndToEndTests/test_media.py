"""The library of media, and VMs that are made from files which the caller alone can read."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import time

import pytest
from gi.repository import GLib

from support import polkit as answers
from support.bus import ERROR, MANAGER, MANAGER_INTERFACE, STANDARD_ERROR, BusError, options
from support.files import REFUSED, call_with_files, converted, create_from, import_media, opened, qcow2
from support.guest import READY
from support.rawbus import RawBus
from support.system import (
    DISKS, MEDIA, Usage, as_nobody, domains, media_files, neuron_vm, neuron_vm_json, run, virsh, wait_until,
)  # fmt: skip
from support.users import OWNER
from support.wire import Variant

SMALL = options({"type": "linux", "memory_mb": 256, "vcpus": 1})
BOOTS = options({"type": "linux", "memory_mb": 1024, "vcpus": 1, "start": True})


@pytest.fixture
def library(client, vms):
    """Takes back every medium at the end, after the VMs that have them."""
    vms.undo.insert(0, lambda: [file.unlink() for file in media_files()])
    return lambda: {name: size for name, size in client.manager("ListMedia") if name != "canary"}


@pytest.fixture
def small_library(client, vms):
    """A library on a file system of its own: a function that gives it a size in MiB."""
    place = pathlib.Path("/run/small-library")
    place.mkdir()
    virsh("pool-destroy", "neuron-media", check=False)
    virsh("pool-undefine", "neuron-media", check=False)

    def mount(mebibytes):
        run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}M", "library", str(place))
        virsh("pool-define-as", "neuron-media", "dir", "--target", str(place))
        virsh("pool-start", "neuron-media")
        return place

    yield mount
    virsh("pool-destroy", "neuron-media", check=False)
    virsh("pool-undefine", "neuron-media", check=False)
    run("umount", "--lazy", str(place), check=False)
    place.rmdir()


@pytest.fixture
def file(tmp_path):
    """Makes a file of random bytes of so many MiB."""

    def make(name="medium.iso", mebibytes=3):
        path = tmp_path / name
        with open(path, "wb") as output:
            for _ in range(mebibytes):
                output.write(os.urandom(1 << 20))
        return path

    return make


def fails(call, *arguments, **keywords):
    """The code and the text of the error."""
    with pytest.raises(BusError) as caught:
        call(*arguments, **keywords)
    assert caught.value.name.startswith(ERROR), caught.value.name
    return caught.value.name.removeprefix(ERROR), caught.value.message


def test_a_user_imports_what_only_that_user_can_read(polkit, users, library, vms):
    polkit.decide = lambda check: answers.YES if check.action == answers.ACTION + "create" else answers.NO
    directory = pathlib.Path("/run/tmp/private")
    directory.mkdir(mode=0o700)
    vms.later(directory.rmdir)
    source = directory / "mine.iso"
    source.write_bytes(os.urandom(5 << 20))
    vms.later(source.unlink)
    for path in (source, directory):
        os.chown(path, OWNER, OWNER)
    source.chmod(0o600)
    owner, other = users.owner(), users.other()
    arguments = ("mine.iso", 0, {})
    path = owner.call(MANAGER, MANAGER_INTERFACE, "ImportMedia", "(sha{sv})", arguments, paths=[source])
    assert path == str(MEDIA / "mine.iso")
    assert (MEDIA / "mine.iso").read_bytes() == source.read_bytes()
    status = (MEDIA / "mine.iso").stat()
    assert (status.st_uid, status.st_gid, oct(status.st_mode)) == (0, 0, "0o100644")
    assert library() == {"mine.iso": 5 << 20}
    # What it is called everybody may know, and who makes VMs may have it.
    assert ["mine.iso", 5 << 20] in other.call(MANAGER, MANAGER_INTERFACE, "ListMedia")
    name = vms.name()
    made = options({"type": "linux", "memory_mb": 256, "vcpus": 1, "disk_size_gb": 1, "iso_path": "mine.iso"})
    vm = other.call(MANAGER, MANAGER_INTERFACE, "CreateVM", "(sa{sv})", (name, made))
    assert f"'{path}'" in virsh("dumpxml", name)

    def remove():
        return owner.outcome(MANAGER, MANAGER_INTERFACE, "RemoveMedia", "(s)", ("mine.iso",))

    refused = remove()
    assert refused.error == ERROR + "Busy"
    assert refused.message == f"cannot remove 'mine.iso': the VM '{name}' has it"
    assert (MEDIA / "mine.iso").exists()
    virsh("undefine", vm.rsplit("/", 1)[1].replace("_", "-"), "--nvram")
    assert remove().error is None
    assert library() == {} and not (MEDIA / "mine.iso").exists()
    assert remove().error == ERROR + "NotFound"
    # Who may not make VMs may not import.
    polkit.decide = lambda check: answers.NO
    outcome = owner.outcome(MANAGER, MANAGER_INTERFACE, "ImportMedia", "(sha{sv})", arguments, paths=[source])
    assert outcome.error == STANDARD_ERROR + "AccessDenied"
    assert library() == {}


def test_a_name_is_taken_once(client, library, file):
    with opened(file()) as medium, opened(file("other", 1)) as other:
        import_media(client, "a.iso", medium)
        code, message = fails(import_media, client, "a.iso", other)
        assert code == "AlreadyExists" and message.endswith("cannot import 'a.iso': there is a medium of that name")
        # The bytes are read from the beginning, wherever the descriptor stands.
        os.lseek(medium, 1 << 20, os.SEEK_SET)
        import_media(client, "b.iso", medium)
    assert library() == {"a.iso": 3 << 20, "b.iso": 3 << 20}
    assert (MEDIA / "a.iso").read_bytes() == (MEDIA / "b.iso").read_bytes()


def test_what_root_puts_into_the_library_is_in_it(client, library, file, vms):
    """As it was done before there was anything to import with."""
    run("install", "-m", "644", str(file()), str(MEDIA / "by-hand.iso"))
    name, _ = vms.create(iso_path="by-hand.iso")
    assert str(MEDIA / "by-hand.iso") in virsh("dumpxml", name)
    assert library() == {"by-hand.iso": 3 << 20}
    (MEDIA / "directory").mkdir()
    assert library() == {"by-hand.iso": 3 << 20}
    (MEDIA / "directory").rmdir()
    assert fails(client.manager, "RemoveMedia", "(s)", "by-hand.iso")[0] == "Busy"


@pytest.mark.parametrize("option", ["file", "iso", "disk_image"])
def test_what_is_no_file_to_read_is_refused_at_once(client, vms, library, service, tmp_path, file, option):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "empty").touch()
    regular = file()
    reading, writing = os.pipe()
    memory = os.memfd_create("medium")
    os.write(memory, b"x" * 4096)
    removed = os.open(file("removed"), os.O_RDONLY)
    (tmp_path / "removed").unlink()
    kinds = {
        "pipe": reading, "memory": memory, "removed": removed, "fifo": os.open(fifo, os.O_RDWR),
        "directory": os.open("/etc", os.O_RDONLY), "directory's name": os.open("/etc", os.O_PATH),
        "name": os.open(regular, os.O_PATH), "write-only": os.open(regular, os.O_WRONLY),
        "zeros": os.open("/dev/zero", os.O_RDONLY), "empty": os.open(tmp_path / "empty", os.O_RDONLY),
        "proc": os.open("/proc/self/status", os.O_RDONLY), "socket": os.open("/dev/null", os.O_RDWR),
    }  # fmt: skip
    before = Usage(service.pid).now()
    for kind, descriptor in kinds.items():
        start = time.monotonic()
        if option == "file":
            code, message = fails(import_media, client, "x.iso", descriptor)
        else:
            handed = {**SMALL, option: GLib.Variant("h", 0)}
            code, message = fails(
                call_with_files, client, "CreateVM", "(sa{sv})", (vms.name(), handed), [descriptor]
            )
        assert time.monotonic() - start < 2, kind
        assert code == "InvalidArgument", (kind, message)
        assert "must be a regular file that is open for reading" in message, kind
    for descriptor in (*kinds.values(), writing):
        os.close(descriptor)
    assert library() == {} and domains() == []
    Usage(service.pid).wait_for(before)


# Disk images


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


# Space


def test_too_large_for_the_library(client, small_library, file):
    place = small_library(10)
    with opened(file(mebibytes=12)) as medium:
        code, message = fails(import_media, client, "a.iso", medium)
    assert code == "NoSpace" and "needs 12 MiB" in message
    assert list(place.iterdir()) == []


def test_the_library_fills_up_meanwhile(client, small_library, file):
    place = small_library(300)
    other = place / "other"

    with opened(file(mebibytes=200)) as medium:
        importing = client_call(client, medium)
        begun(place)
        with contextlib.suppress(OSError), open(other, "wb") as filler:
            filler.write(bytes(300 << 20))
        outcome = importing.result(120)
    assert outcome[0] == "NoSpace", outcome
    other.unlink()
    assert list(place.iterdir()) == []
    with opened(file(mebibytes=200)) as medium:
        import_media(client, "a.iso", medium)
    client.manager("RemoveMedia", "(s)", "a.iso")


def client_call(client, descriptor, name="a.iso"):
    """Begins an import; a future with the code and text of its error, or nothing."""
    pool = concurrent.futures.ThreadPoolExecutor(1)

    def run_it():
        try:
            import_media(client, name, descriptor)
        except BusError as error:
            return error.name.removeprefix(ERROR), error.message
        return None

    future = pool.submit(run_it)
    pool.shutdown(wait=False)
    return future


# What comes in between


def begun(place, name="a.iso"):
    file = place / name
    wait_until(lambda: file.exists() and file.stat().st_blocks > 0, "bytes of the medium")


def test_reads_and_other_changes_go_on_during_an_import(client, vms, small_library, file):
    place = small_library(700)
    name, path = vms.create()
    with opened(file(mebibytes=500)) as medium:
        importing = client_call(client, medium)
        begun(place)
        assert dict(client.manager("ListMedia")) == {}
        slowest = 0
        while not importing.done():
            start = time.monotonic()
            client.list()
            slowest = max(slowest, time.monotonic() - start)
        assert importing.result() is None
    assert slowest < 1
    assert dict(client.manager("ListMedia")) == {"a.iso": 500 << 20}
    client.manager("RemoveMedia", "(s)", "a.iso")


@pytest.mark.restarts_service
def test_the_service_ends_during_an_import(client, small_library, file, service):
    place = small_library(700)
    with opened(file(mebibytes=500)) as medium:
        importing = client_call(client, medium)
        begun(place)
        service.stop()
        assert importing.result(60)[0] == "Cancelled"
    assert list(place.iterdir()) == []
    service.start()


def test_libvirtd_dies_during_an_import(client, small_library, file, libvirtd):
    place = small_library(700)
    virsh("pool-autostart", "neuron-media")
    with opened(file(mebibytes=500)) as medium:
        importing = client_call(client, medium)
        begun(place)
        libvirtd.kill()
        assert importing.result(60)[0] == "HypervisorUnavailable"
        libvirtd.start()
        wait_until(lambda: not (place / "a.iso").exists(), "end of what was left")


def test_a_file_that_becomes_shorter(client, small_library, file):
    place = small_library(700)
    path = file(mebibytes=500)
    with opened(path) as medium:
        importing = client_call(client, medium)
        begun(place)
        os.truncate(path, 1 << 20)
        outcome = importing.result(60)
    assert outcome[0] == "InvalidArgument" and "shorter" in outcome[1]
    assert list(place.iterdir()) == []


# Descriptors


def test_descriptors_do_not_stay(client, vms, service, file, library):
    """Whatever comes of the calls: done, refused for who calls, for a value, or for where the descriptor stands."""
    nobody = RawBus(65534)
    root = RawBus()
    with opened(file(mebibytes=1)) as medium:
        calls = [
            (root, "ImportMedia", "sha{sv}", ["..", 0, {}]), (nobody, "ImportMedia", "sha{sv}", ["a", 0, {}]),
            (root, "ImportMedia", "sha{sv}", ["a", 0, {"x": Variant("h", 0)}]),
            (root, "ImportMedia", "sha{sv}", ["a", 7, {}]), (root, "ImportMedia", "sha{sv}", ["a", 2**32 - 1, {}]),
            (root, "ImportMedia", "s", ["a"]), (nobody, "CreateVM", "sa{sv}", ["a", {"iso": Variant("h", 0)}]),
            (root, "CreateVM", "sa{sv}", ["a", {"start": Variant("h", 0)}]),
            (root, "CreateVM", "sa{sv}", ["a", {"x": Variant("ah", [0] * 17)}]),
            (root, "CreateVM", "sa{sv}", ["a", {"x": Variant("ah", [0] * 4000)}]),
            (root, "CreateVM", "sa{sv}", ["a", {"parameters": Variant("a{sv}", {"iso": Variant("h", 0)})}]),
            (root, "RenderTemplate", "ssa{sv}", ["linux-basic", "a", {"iso": Variant("h", 0)}]),
            (root, "ListVMs", "", []), (root, "StartVM", "sa{sv}", ["a", {"x": Variant("h", 0)}]),
        ]  # fmt: skip

        def all_calls(times):
            errors = {}
            for _ in range(times):
                for number, (bus, member, signature, arguments) in enumerate(calls):
                    then = lambda reply, n=number: errors.setdefault(n, set()).add(reply.error)  # noqa: E731
                    bus.send_call(
                        MANAGER, MANAGER_INTERFACE, member, signature, arguments, fds=(medium,), then=then
                    )
                for bus in (root, nobody):
                    bus.settle()
            return errors

        all_calls(5)
        before = Usage(service.pid).now()
        errors = all_calls(100)
        Usage(service.pid).wait_for(before)
    assert errors.pop(12) == {None}
    assert all(None not in found for found in errors.values()), errors
    assert errors[9] == {STANDARD_ERROR + "LimitsExceeded"}
    assert library() == {} and domains() == []
    root.close()
    nobody.close()


# The command line


def test_the_command_line_imports_lists_and_removes(library, file, tmp_path, monkeypatch):
    path = file("Debian 12 (netinst).iso")
    imported = neuron_vm("media", "import", str(path)).stdout
    assert imported == f"imported Debian-12--netinst-.iso ({MEDIA}/Debian-12--netinst-.iso)\n"
    monkeypatch.chdir(tmp_path)
    neuron_vm("media", "import", path.name, "--name", "debian.iso")
    monkeypatch.setenv("HOME", str(tmp_path))
    neuron_vm("media", "import", f"~/{path.name}", "--name", "home.iso")
    assert [medium for medium in neuron_vm_json("media", "list") if medium["name"] != "canary"] == [
        {"name": name, "size_bytes": 3 << 20} for name in ("Debian-12--netinst-.iso", "debian.iso", "home.iso")
    ]
    assert as_nobody("neuron-vm", "media", "list").stdout.splitlines()[1].split() == [
        "Debian-12--netinst-.iso", "3.0", "MiB",
    ]  # fmt: skip
    result = neuron_vm("media", "remove", "debian.iso", "no-such.iso", "home.iso", check=False)
    assert result.returncode == 1
    assert result.stderr == "neuron-vm: cannot remove 'no-such.iso': there is no medium of that name\n"
    assert list(library()) == ["Debian-12--netinst-.iso"]


@pytest.mark.parametrize("path, reason", [
    ("/no/such.iso", "No such file or directory"), ("no-such.iso", "No such file or directory"),
    ("/etc", "it is not a regular file"), ("/dev/zero", "it is not a regular file"), ("", "No such file or directory"),
    ("~/no-such.iso", "No such file or directory"), ("/etc/passwd/x", "Not a directory"),
])  # fmt: skip
def test_the_command_line_says_why_a_file_is_none(path, reason):
    for arguments in (["media", "import", path], ["create", "a", "--type", "linux", "--disk-image", path]):
        result = neuron_vm(*arguments, check=False)
        assert result.returncode == 1 and result.stdout == ""
        assert result.stderr.count("\n") == 1 and result.stderr.endswith(f"'{path}': {reason}\n")


def test_the_command_line_says_that_a_file_cannot_be_read():
    result = as_nobody("neuron-vm", "media", "import", "/etc/shadow")
    assert (result.returncode, result.stderr) == (1, "neuron-vm: cannot import '/etc/shadow': Permission denied\n")


def test_the_command_line_makes_vms_from_files(vms, library, file, media, tmp_path):
    name = vms.name()
    qcow2(tmp_path / "disk.qcow2", size="1G")
    neuron_vm(
        "create", name, "--type", "linux", "--memory", "1", "--cpus", "1", "--iso", str(file()), "--disk-image",
        str(tmp_path / "disk.qcow2"), "--disk", "2",
    )  # fmt: skip
    assert library() == {f"{name}.iso": 3 << 20}
    again = vms.name()
    neuron_vm("create", again, "--type", "linux", "--memory", "1", "--cpus", "1", "--disk", "1", "--iso", f"{name}.iso")
    third = vms.name()
    path = str(MEDIA / f"{name}.iso")
    neuron_vm("create", third, "--type", "linux", "--memory", "1", "--cpus", "1", "--disk", "1", "--iso", path)
    # All three have the one medium.
    assert library() == {f"{name}.iso": 3 << 20}
    for vm in (name, again, third):
        assert f"'{path}'" in virsh("dumpxml", vm)
    result = neuron_vm("create", "x", "--type", "linux", "--iso", "no-such.iso", check=False)
    assert result.returncode == 1 and "no such medium in the library" in result.stderr
