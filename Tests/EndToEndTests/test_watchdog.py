"""What the service manager is told, and what it does: readiness, signs of life, the end when the bus is gone."""

import contextlib
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time

import pytest

from support.bus import Bus, Client
from support.system import UNIT, virsh

COMMAND = ["setpriv", "--reuid=neuron-vm", "--regid=neuron-vm", "--init-groups", "/usr/libexec/neuron-vmd"]
# Seconds that the test's service manager would wait for a sign of life.
LIMIT = 3


class Manager:
    """A service manager: starts the service, and reads what it says."""

    def __init__(self, **environment):
        self.path = f"/run/tmp/notify-{os.getpid()}-{time.monotonic_ns()}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.log = pathlib.Path(self.path + ".log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                COMMAND,
                env={**os.environ, "NOTIFY_SOCKET": self.path, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def next(self, within):
        """The next message, or None when the time in seconds is up."""
        readable, _, _ = select.select([self.socket], [], [], max(0.0, within))
        return self.socket.recv(4096).decode() if readable else None

    def wait(self, line, timeout=30):
        """The seconds until a message with that line comes; what comes before it is dropped."""
        start = time.monotonic()
        while (left := start + timeout - time.monotonic()) > 0:
            if line in (self.next(left) or "").splitlines():
                return time.monotonic() - start
        raise AssertionError(f"no {line} within {timeout} s")

    def drain(self):
        while self.next(0) is not None:
            pass

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.socket.close()
        os.unlink(self.path)


@pytest.fixture
def manager(service):
    """Starts services of the test's own in place of the usual one."""
    service.stop()
    managers = []

    def start(**environment):
        managers.append(Manager(**environment))
        return managers[-1]

    yield start
    for one in managers:
        one.close()
    service.start()


@pytest.mark.restarts_service
def test_signs_of_life_come_in_time_and_only_from_a_loop_that_runs(manager):
    watched = manager(WATCHDOG_USEC=str(LIMIT * 1_000_000))
    watched.wait("READY=1")
    for _ in range(4):
        assert watched.wait("WATCHDOG=1") < LIMIT
    watched.process.send_signal(signal.SIGSTOP)
    watched.drain()
    assert watched.next(LIMIT) is None
    watched.process.send_signal(signal.SIGCONT)
    assert watched.wait("WATCHDOG=1") < LIMIT


@pytest.mark.restarts_service
def test_who_is_not_watched_says_nothing(manager):
    for environment in ({}, {"WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}):
        unwatched = manager(**environment)
        unwatched.wait("READY=1")
        # Three times what the watchdog would have had to say something.
        assert unwatched.next(1) is None
        unwatched.process.terminate()
        assert unwatched.process.wait(timeout=30) == 0


@pytest.mark.restarts_service
def test_a_libvirtd_that_hangs_is_no_reason_to_be_started_anew(manager, libvirtd):
    watched = manager(WATCHDOG_USEC=str(LIMIT * 1_000_000))
    watched.wait("READY=1")
    client = Client()
    with libvirtd.suspended():
        watched.wait("STATUS=Serving, without a connection to libvirt at present")
        for _ in range(4):
            assert watched.wait("WATCHDOG=1") < LIMIT
        assert client.list() == {}
    watched.wait("STATUS=Serving")
    client.close()


@pytest.mark.restarts_service
def test_it_is_ready_only_when_it_has_its_name(manager):
    bus = Bus()
    ready = manager()
    ready.wait("READY=1")
    assert bus.owner_of("org.neuronos.VMManager")
    # A second one cannot have the name, and is never ready.
    second = manager()
    assert second.process.wait(timeout=30) != 0
    messages = []
    while message := second.next(0):
        messages.append(message)
    assert not any("READY=1" in message for message in messages)
    bus.close()


def test_the_unit_asks_for_signs_of_life_and_for_a_new_start():
    text = pathlib.Path("/usr/lib/systemd/system", UNIT).read_text(encoding="utf-8")
    settings = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    assert settings["WatchdogSec"] == "30"
    assert settings["Restart"] == "on-failure"
    # Without a limit it is there again when the bus is, however long that takes.
    assert settings["StartLimitIntervalSec"] == "0"


@contextlib.contextmanager
def private_bus():
    """A system bus beside the usual one, whose end is nobody else's."""
    path = f"/run/tmp/bus-{time.monotonic_ns()}"
    options = ["--nofork", "--nopidfile", "--nosyslog", f"--address=unix:path={path}", "--print-address"]
    daemon = subprocess.Popen(
        ["dbus-daemon", "--system", *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        daemon.stdout.readline()
        os.chmod(path, 0o666)
        yield daemon, f"unix:path={path}"
    finally:
        daemon.kill()
        daemon.wait()
        daemon.stdout.close()


@pytest.mark.restarts_service
@pytest.mark.parametrize("hangs", [False, True], ids=["libvirtd answers", "libvirtd hangs"])
def test_without_its_bus_it_ends_with_a_reason_and_the_vms_run_on(manager, vms, libvirtd, hangs):
    name, _ = vms.define(is_known=False)
    virsh("start", name)
    with private_bus() as (daemon, address):
        lonely = manager(DBUS_SYSTEM_BUS_ADDRESS=address)
        lonely.wait("READY=1")
        with libvirtd.suspended() if hangs else contextlib.nullcontext():
            before = time.monotonic()
            daemon.kill()
            assert lonely.process.wait(timeout=5) not in (0, -signal.SIGKILL)
            assert time.monotonic() - before < 5
    log = lonely.log.read_text(encoding="utf-8")
    assert "cannot go on: the connection to the bus is lost" in log, log
    assert virsh("domstate", name) == "running"
    # Where there is no bus at all it says that as well.
    homeless = manager(DBUS_SYSTEM_BUS_ADDRESS="unix:path=/run/tmp/no-such-bus")
    assert homeless.process.wait(timeout=5) not in (0, None)
    assert "cannot go on" in homeless.log.read_text(encoding="utf-8")
