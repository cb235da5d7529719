"""What is handed over and is no file, what goes wrong while it is copied, and that nothing stays of it."""

import concurrent.futures
import contextlib
import os
import signal
import time

import pytest
from gi.repository import GLib

from support.bus import ERROR, MANAGER, MANAGER_INTERFACE, STANDARD_ERROR, BusError
from support.files import SMALL, call_with_files, fails, import_media, opened
from support.rawbus import RawBus
from support.system import Usage, domains, virsh, wait_for_end, wait_until
from support.wire import Variant


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


# Space


def test_too_large_for_the_library(client, small_library, file):
    place = small_library(10)
    with opened(file(mebibytes=12)) as medium:
        code, message = fails(import_media, client, "a.iso", medium)
    assert code == "NoSpace" and "needs 12 MiB" in message
    assert list(place.iterdir()) == []


def test_the_library_fills_up_meanwhile(client, small_library, file, libvirtd):
    place = small_library(700)
    other = place / "other"
    with opened(file(mebibytes=500)) as medium:
        importing = client_call(client, medium)
        with halfway(libvirtd, place, importing), contextlib.suppress(OSError), open(other, "wb") as filler:
            filler.write(bytes(700 << 20))
        outcome = importing.result(120)
        assert outcome[0] == "NoSpace", outcome
        other.unlink()
        assert list(place.iterdir()) == []
        import_media(client, "a.iso", medium)
    client.manager("RemoveMedia", "(s)", "a.iso")


@contextlib.contextmanager
def halfway(libvirtd, place, importing):
    """While the first bytes of a.iso are there, and libvirtd writes no more of them."""
    file = place / "a.iso"
    wait_until(lambda: file.exists() and file.stat().st_blocks > 0, "bytes of the medium")
    pid = libvirtd.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        assert not importing.done(), "it was too fast"
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


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


def test_reads_and_other_changes_go_on_during_an_import(client, vms, small_library, file, libvirtd):
    place = small_library(700)
    with opened(file(mebibytes=500)) as medium:
        importing = client_call(client, medium)
        with halfway(libvirtd, place, importing):
            start = time.monotonic()
            client.list()
            assert time.monotonic() - start < 1
        assert dict(client.manager("ListMedia")) == {} or importing.done()
        # It has a connection to libvirt of its own: others do not wait for what is sent there.
        name, path = vms.create(start=True)
        client.vm(path, "Destroy")
        assert importing.result(120) is None
    assert dict(client.manager("ListMedia")) == {"a.iso": 500 << 20}
    client.manager("RemoveMedia", "(s)", "a.iso")


@pytest.mark.restarts_service
def test_the_service_ends_during_an_import(client, small_library, file, service, libvirtd):
    place = small_library(700)
    with opened(file(mebibytes=500)) as medium:
        importing = client_call(client, medium)
        with halfway(libvirtd, place, importing):
            pid = service.pid
            os.kill(pid, signal.SIGTERM)
        assert importing.result(60)[0] == "Cancelled"
    wait_for_end(pid)
    assert list(place.iterdir()) == []
    service.start()


def test_libvirtd_dies_during_an_import(client, small_library, file, libvirtd):
    place = small_library(700)
    virsh("pool-autostart", "neuron-media")
    with opened(file(mebibytes=500)) as medium:
        importing = client_call(client, medium)
        with halfway(libvirtd, place, importing):
            libvirtd.kill()
        assert importing.result(60)[0] == "HypervisorUnavailable"
        libvirtd.start()
        wait_until(lambda: not (place / "a.iso").exists(), "end of what was left")


def test_a_file_that_becomes_shorter(client, small_library, file, libvirtd):
    place = small_library(700)
    path = file(mebibytes=500)
    with opened(path) as medium:
        importing = client_call(client, medium)
        with halfway(libvirtd, place, importing):
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
