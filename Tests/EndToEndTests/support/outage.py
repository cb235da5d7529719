"""A libvirtd that is gone or hangs, QEMUs that hang, and calls meanwhile."""

import contextlib
import pathlib
import socket
import threading
import time

from .bus import MANAGER, MANAGER_INTERFACE, BusError, Client
from .system import qemu_pid, stopped


def is_connected(client):
    return client.get(MANAGER, "HypervisorConnected", MANAGER_INTERFACE)


def wait_connected(recorder, value, timeout):
    recorder.wait(
        lambda s: s.path == MANAGER and s.changed.get("HypervisorConnected") is value, timeout, f"connection {value}"
    )


def ending(action, client=None):
    """Name of the error, or None, and seconds of what is done with a client of its own, which is gone afterwards."""
    client = client or Client()
    before = time.monotonic()
    try:
        action(client)
        error = None
    except BusError as caught:
        error = caught.name
    finally:
        client.close()
    return error, time.monotonic() - before


def outcome(path, member, **values):
    return ending(lambda client: client.vm(path, member, **values))


def seconds(action):
    before = time.monotonic()
    action()
    return time.monotonic() - before


def frozen(name):
    """While this is open the QEMU of a VM does nothing."""
    return stopped(qemu_pid(name))


def relay(caller, daemon, calls):
    """Passes so many calls and their answers on; the next call finds the connection closed."""

    def message(source):
        length = source.recv(4, socket.MSG_WAITALL)
        return length + source.recv(int.from_bytes(length, "big") - 4, socket.MSG_WAITALL)

    for _ in range(calls):
        daemon.sendall(message(caller))
        caller.sendall(message(daemon))
    # What is closed with something unread in it is reset.
    caller.recv(1)


@contextlib.contextmanager
def hanging_up(after=0):
    """While this is open, who asks libvirtd for a new connection gets one that is reset, at once or after some calls."""
    path = pathlib.Path("/run/libvirt/libvirt-sock")
    aside = path.rename(path.with_suffix(".aside"))
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind(str(path))
        path.chmod(0o777)
        server.listen()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    with caller, socket.socket(socket.AF_UNIX) as daemon:
                        daemon.connect(str(aside))
                        relay(caller, daemon, after)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
    finally:
        server.close()
        aside.rename(path)
