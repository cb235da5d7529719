"""Fixtures of the end-to-end tests, which run inside Tests/sandbox."""

import contextlib
import itertools
import os
import pathlib
import shutil

import gi
import pytest

gi.require_version("Gio", "2.0")

from support import canary  # noqa: E402 (the version is asked for first)
from support.bus import Client, Recorder  # noqa: E402
from support.guest import Console, foreign_xml  # noqa: E402
from support.polkit import FakePolkit, Polkitd  # noqa: E402
from support.system import (  # noqa: E402
    DISKS, INTENTS, MEDIA, Libvirtd, Service, domains, media_files, run, virsh, wait_until,
)  # fmt: skip
from support.users import FRIENDS, OTHER, OWNER, Users  # noqa: E402

QEMU_IMG = pathlib.Path("/usr/bin/qemu-img")
HELD = pathlib.Path("/run/tmp/qemu-img-is-held")
# What takes long, so that parts of all tests take about as long as each other.
SECONDS = {
    "test_outage": 130, "test_matrix": 90, "test_machines": 55, "test_doctor": 55, "test_torture": 55, "test_disk_images": 45,
    "test_life": 35, "test_unsettled": 30, "test_fuzz": 30, "test_watchdog": 25, "test_import_failures": 25, "test_stop": 20,
    "test_polkit": 20, "test_polkitd_failures": 20,
}  # fmt: skip
TEST_DEFAULTS = {"type": "linux", "memory_mb": 256, "vcpus": 1, "disk_size_gb": 1}


def pytest_configure(config):
    config.addinivalue_line("markers", "restarts_service: the service's process may be another one afterwards")
    if not pathlib.Path("/run/log/neuron-vmd").exists():
        pytest.exit("run me inside the private system: make test-e2e, or Tests/sandbox", returncode=2)


def pytest_collection_modifyitems(config, items):
    """Leaves to others what is not in the part that is wanted, such as 1/2; a file is all in one."""
    part, parts = map(int, os.environ.get("NEURON_TEST_PART", "1/1").split("/"))
    files = {path: SECONDS.get(path.stem, 10) for path in sorted({item.path for item in items})}
    totals, wanted = [0] * parts, set()
    for path in sorted(files, key=files.get, reverse=True):
        least = totals.index(min(totals))
        totals[least] += files[path]
        if least == part - 1:
            wanted.add(path)
    config.hook.pytest_deselected(items=[item for item in items if item.path not in wanted])
    items[:] = [item for item in items if item.path in wanted]


class VMs:
    """Makes VMs with names of their own; takes all back at the end, newest first, with libvirt's tools alone."""

    numbers = itertools.count(1)

    def __init__(self, client):
        self.client = client
        self.undo = []

    def name(self):
        """A name that no other test has; the VM of that name, if there is one at the end, is removed."""
        name = f"vm{next(self.numbers)}"
        self.later(lambda: self.remove(name))
        return name

    def later(self, action):
        self.undo.append(action)

    def create(self, **options):
        """A VM of the service's: its name and path."""
        name = self.name()
        return name, self.client.create(name, **{**TEST_DEFAULTS, **options})

    def define(self, name=None, uuid=None, is_known=True, **details):
        """A VM that virsh has defined: its name and UUID. The service knows it, unless it runs no more, or another way."""
        if name is None:
            name = self.name()
        path = pathlib.Path("/run/tmp/foreign.xml")
        path.write_text(foreign_xml(name, uuid, **details), encoding="utf-8")
        virsh("define", str(path))
        uuid = virsh("domuuid", name)
        if is_known:
            wait_until(lambda: any(row[2] == uuid for row in self.client.manager("ListVMs")), "new VM in the list")
        return name, uuid

    def console(self, name):
        console = Console(name)
        self.later(console.close)
        return console

    @staticmethod
    def remove(name):
        virsh("destroy", name, check=False)
        virsh("undefine", name, "--nvram", "--managed-save", "--snapshots-metadata", check=False)
        for disk in (file for suffix in (".qcow2", ".raw", "-seed.iso") for file in DISKS.glob(f"{name}-*{suffix}")):
            disk.unlink()
        # A medium that was handed over for the VM bears its name.
        MEDIA.joinpath(f"{name}.iso").unlink(missing_ok=True)

    def tear_down(self):
        while self.undo:
            self.undo.pop()()


@pytest.fixture(scope="session")
def service():
    return Service()


@pytest.fixture(scope="session")
def libvirtd():
    return Libvirtd()


@pytest.fixture(scope="session", autouse=True)
def canaries():
    """Whatever the tests do, files that are none of the service's business stay as they are."""
    before = {path: canary.facts(path) for path in canary.plant()}
    yield
    assert {path: canary.facts(path) for path in before} == before


@pytest.fixture(autouse=True)
def nothing_left_behind(request, service):
    """After each test libvirt has no VM, no disk and no medium, and the service is the process that it was."""
    pid = service.pid
    yield
    assert domains() == []
    assert list(DISKS.iterdir()) == []
    # What libvirt has not answered is looked after once more before it is forgotten.
    wait_until(lambda: list(INTENTS.iterdir()) == [], "end of what was noted")
    assert media_files() == []
    assert service.is_running, "the service has ended"
    with contextlib.closing(Client()) as last:
        wait_until(lambda: last.list() == {}, "end of what the service lists")
    assert service.pid == pid or request.node.get_closest_marker("restarts_service")


@pytest.fixture
def client(nothing_left_behind):
    client = Client()
    yield client
    client.close()


@pytest.fixture
def vms(client):
    scope = VMs(client)
    yield scope
    scope.tear_down()


@pytest.fixture
def recorder(nothing_left_behind):
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture(scope="session")
def accounts():
    """Two people, the first in a group."""
    run("groupadd", "--gid", str(FRIENDS), "vm-friends")
    for name, uid, groups in (("test-owner", OWNER, "vm-friends"), ("test-other", OTHER, "")):
        run("useradd", "--no-create-home", "--uid", str(uid), "--user-group", "--groups", groups, name)


@pytest.fixture
def users(accounts):
    """Makes callers, as users.owner() and so on, that end with the test."""
    scope = Users()
    yield scope
    scope.end()


@pytest.fixture(scope="session")
def polkitd():
    return Polkitd()


@pytest.fixture
def no_polkit(polkitd, nothing_left_behind):
    """While the test runs there is no polkit."""
    with polkitd.away():
        yield polkitd


@pytest.fixture
def polkit(no_polkit):
    """In polkit's place stands one that answers as the test wants it; at first with no."""
    fake = FakePolkit()
    yield fake
    fake.close()


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


@pytest.fixture(scope="session")
def media():
    """The test media, where QEMU's user can read them."""
    source = pathlib.Path(os.environ["NEURON_TEST_MEDIA"])
    target = pathlib.Path("/var/tmp/neuron-test-media")
    target.mkdir(exist_ok=True)
    for file in (*source.glob("*.iso"), *source.glob("*.img")):
        shutil.copy(file, target)
    shutil.copy("/usr/lib/ipxe/ipxe.iso", target)
    return target


@pytest.fixture
def hanging_emulator():
    """A QEMU that answers what it is asked, but hangs when it is to run a VM."""
    path = pathlib.Path("/usr/bin/qemu-hangs")
    script = '#!/bin/bash\n[[ $* != *guest=* ]] || kill -STOP $$\nexec qemu-system-x86_64 "$@"\n'
    path.write_text(script, encoding="ascii")
    path.chmod(0o755)
    yield path
    path.unlink()


@pytest.fixture
def held_qemu_img():
    """libvirt is at the making of a volume until the file is gone."""
    real = QEMU_IMG.with_name("qemu-img.real")
    shutil.copy2(QEMU_IMG, real)
    HELD.touch()
    QEMU_IMG.unlink()
    QEMU_IMG.write_text(
        f'#!/bin/sh\nwhile [ "$1" = create ] && [ -e {HELD} ]; do sleep 0.05; done\nexec {real} "$@"\n', encoding="ascii"
    )
    QEMU_IMG.chmod(0o755)
    yield HELD
    HELD.unlink(missing_ok=True)
    real.rename(QEMU_IMG)
