"""The library of media: what goes into it, who may see, use and remove it, and the command line for it."""

import os
import pathlib

import pytest

from support import polkit as answers
from support.bus import ERROR, MANAGER, MANAGER_INTERFACE, STANDARD_ERROR, options
from support.files import fails, import_media, opened, qcow2
from support.system import MEDIA, as_nobody, neuron_vm, neuron_vm_json, run, virsh
from support.users import OWNER


def test_a_user_imports_what_only_that_user_can_read(polkit, users, library, vms):
    allowed = {answers.ACTION + "create", answers.ACTION + "delete.any"}
    polkit.decide = lambda check: answers.YES if check.action in allowed else answers.NO
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


@pytest.fixture
def no_library():
    """There is no directory for media, nor what is in it."""
    aside = MEDIA.rename(MEDIA.with_suffix(".aside")) if MEDIA.exists() else None
    virsh("pool-destroy", "neuron-media", check=False)
    virsh("pool-undefine", "neuron-media", check=False)
    yield
    virsh("pool-destroy", "neuron-media", check=False)
    virsh("pool-undefine", "neuron-media", check=False)
    MEDIA.rmdir()
    if aside:
        aside.rename(MEDIA)


def test_a_library_whose_making_was_cut_off_is_made_after_all(client, no_library, file):
    """libvirtd was gone when the pool was defined, and its directory was not there yet."""
    virsh("pool-define-as", "neuron-media", "dir", "--target", str(MEDIA))
    with opened(file(mebibytes=1)) as medium:
        import_media(client, "a.iso", medium)
    assert dict(client.manager("ListMedia")) == {"a.iso": 1 << 20}
    client.manager("RemoveMedia", "(s)", "a.iso")


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
