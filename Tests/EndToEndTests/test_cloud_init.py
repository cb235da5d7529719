"""A Linux guest that is ready to use: a cloud image with a medium on which cloud-init finds its user and keys."""

import base64
import json
import re
import subprocess

import pytest

from support.bus import BusError
from support.guest import READY
from support.system import DISKS, neuron_vm, run, virsh

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZvciB0ZXN0cyBvbmx5 alice@home"
CLOUD_CONFIG = "#cloud-config\npackages: [htop]\n"


def seed_files(console):
    """What the guest has found on its medium, by name."""
    found = re.findall(r"NEURON-GUEST-SEED (\S+) (\S+)", console.text)
    return {name: base64.b64decode(data).decode() for name, data in found}


def test_a_cloud_image_is_ready_to_use(vms, media, tmp_path):
    keys = tmp_path / "id.pub"
    keys.write_text(f"# mine\n{KEY}\n\n", encoding="ascii")
    own = tmp_path / "user-data"
    own.write_text(CLOUD_CONFIG, encoding="ascii")
    name = vms.name()
    neuron_vm(
        "create", name, "--type", "linux", "--memory", "1", "--cpus", "1", "--disk-image", str(media / "guest.img"),
        "--user", "alice", "--ssh-key", str(keys), "--cloud-init", str(own), "--start",
    )  # fmt: skip
    console = vms.console(name)
    console.wait(READY)
    files = seed_files(console)
    assert set(files) == {"meta-data", "user-data", "vendor-data"}
    assert files["user-data"] == CLOUD_CONFIG
    (user,) = json.loads(files["vendor-data"].removeprefix("#cloud-config\n"))["users"]
    assert (user["name"], user["ssh_authorized_keys"]) == ("alice", [KEY])
    identity = json.loads(files["meta-data"])
    assert identity == {"instance-id": virsh("domuuid", name), "local-hostname": name}
    # The medium is the VM's own: nobody else may read it, and it goes also when the disk is kept.
    (seed,) = DISKS.glob("*-seed.iso")
    assert seed.stat().st_mode & 0o077 == 0
    neuron_vm("stop", name, "--force")
    kept = neuron_vm("delete", name).stdout
    assert "seed" not in kept and not seed.exists()
    (disk,) = DISKS.iterdir()
    assert f"kept {disk}" in kept
    disk.unlink()


def test_the_seed_is_what_its_readers_expect(client, vms, tmp_path):
    name = vms.name()
    client.create(name, type="linux", memory_mb=256, vcpus=1, disk_size_gb=1, user="bob", ssh_keys=[KEY])
    (seed,) = DISKS.glob("*-seed.iso")
    assert "LABEL=\"CIDATA\"" in run("blkid", "-p", str(seed)).stdout
    target = tmp_path / "seed"
    run("xorriso", "-osirrox", "on", "-indev", str(seed), "-extract", "/", str(target))
    assert {file.name for file in target.iterdir()} == {"meta-data", "user-data"}
    assert "seed_path" not in json.dumps([row[3] for row in client.manager("ListTemplates")], default=str)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"user": "Alice", "ssh_keys": [KEY]}, "user must be"),
        ({"user": "alice"}, "user needs ssh_keys"),
        ({"ssh_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "ssh_keys must be"),
        ({"cloud_init": "packages: [x]"}, "cloud_init must be"),
        ({"ssh_keys": [KEY], "type": "windows"}, "does not know cloud-init"),
    ],
)
def test_what_could_not_work_is_refused(client, vms, values, words):
    with pytest.raises(BusError) as caught:
        client.create(vms.name(), **{"type": "linux", **values})
    assert caught.value.name.endswith(".InvalidArgument") and words in caught.value.message


def test_without_xorriso_it_says_so_and_nothing_is_left(client, vms):
    run("mount", "--bind", "/dev/null", "/usr/bin/xorriso")
    try:
        with pytest.raises(BusError) as caught:
            client.create(vms.name(), type="linux", memory_mb=256, vcpus=1, disk_size_gb=1, ssh_keys=[KEY])
    finally:
        run("umount", "/usr/bin/xorriso")
    assert "cloud-init" in caught.value.message
    assert list(DISKS.iterdir()) == []


def test_the_command_line_says_what_is_wrong_with_the_files(vms, tmp_path):
    private = tmp_path / "id"
    private.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n", encoding="ascii")
    empty = tmp_path / "none.pub"
    empty.write_text("# nothing\n", encoding="ascii")
    for arguments, words in [
        (("--user", "a"), "--user needs --ssh-key"),
        (("--ssh-key", str(private)), "it is a private one"),
        (("--ssh-key", str(empty)), "there is none in it"),
        (("--ssh-key", str(tmp_path / "absent")), "No such file"),
        (("--cloud-init", str(tmp_path)), "not a regular file"),
    ]:
        result = subprocess.run(
            ["neuron-vm", "create", vms.name(), "--type", "linux", *arguments], capture_output=True, text=True, check=False
        )
        assert result.returncode in (1, 64) and words in result.stderr, result.stderr
