"""The service is struck at one system call after the other while it does something, and must keep its promises each time."""

import pathlib
import shutil
import signal
import time
import zlib
from typing import NamedTuple

from gi.repository import GLib

from .bus import ERROR, MANAGER, MANAGER_INTERFACE, STANDARD_ERROR, BusError, Client, options
from .faults import Points
from .invariants import Broken, Bystanders, check, expect, uuids
from .system import DISKS, INTENTS, UNIT, Libvirtd, Service, run, virsh, wait_for_end, wait_until

NEW_VM = {"type": "linux", "memory_mb": 256, "vcpus": 1, "disk_size_gb": 1}
NAME = "tortured"
OK, CUT_OFF = "ok", "cut off"
# Replies that say that what was asked for may have been done.
OPEN = ("HypervisorUnavailable", "Timeout")
# Longer than any call that is answered after a fault.
REPLY_SECONDS = 60
PID = pathlib.Path(f"/run/{UNIT}.pid")


class Fault(NamedTuple):
    """What happens at a point: a kill before or after the call, or the call's failure."""

    name: str
    error: str | None = None
    after: bool = False
    which: str = "effects"


FAULTS = [Fault("kill"), Fault("kill-after", after=True)]
# A failure is told of by each call of a file or socket; the runtime's own (futex, mmap, epoll, clone, timers) are left out, since
# the runtime itself gives up when those fail.
FAULTS += [Fault(name, error=name, which="calls") for name in ("EIO", "ENOSPC", "EINTR")]


class Outcome(NamedTuple):
    call: str
    reply: str
    # Until it was answered, and until nothing was left to be cleaned up, in seconds.
    replied: float
    settled: float


def answer(action):
    """`ok`, `cut off`, or the last element of the error's name."""
    try:
        action()
    except BusError as error:
        name = error.name.removeprefix(ERROR)
        return CUT_OFF if name in (STANDARD_ERROR + "NoReply", STANDARD_ERROR + "ServiceUnknown") else name
    except GLib.Error as error:
        raise Broken(f"no reply: {error.message}") from None
    return OK


def delete(client):
    client.manager("DeleteVM", "(sa{sv})", NAME, options({"delete_disks": True}), timeout=REPLY_SECONDS)


class Create:
    name = "create"
    start = False

    def prepare(self, client):
        pass

    def act(self, client):
        return answer(lambda: client.create(NAME, **NEW_VM, start=self.start))

    def allows(self, reply, state):
        """Whether a VM in that state, or none, is what the reply has promised."""
        whole = state == ("running" if self.start else "shut-off")
        return whole if reply == OK else state is None or (reply == CUT_OFF and whole)


class CreateAndStart(Create):
    name = "create-start"
    start = True


class Delete:
    name = "delete"

    def prepare(self, client):
        client.create(NAME, **NEW_VM)

    def act(self, client):
        return answer(lambda: delete(client))

    def allows(self, reply, state):
        if reply == OK:
            return state is None
        return state == "shut-off" or (state is None and (reply == CUT_OFF or reply in OPEN))


class Recovery:
    """The service starts with something that an earlier process has left half done."""

    def __init__(self, kind):
        self.kind = kind
        self.name = f"recover-{kind}"

    def prepare(self, client):
        client.create(NAME, **NEW_VM)
        uuid = client.list()[NAME][2]
        volumes = [str(path) for path in DISKS.glob(f"{NAME}-*.qcow2")]
        service = Service()
        service.stop(signal.SIGKILL)
        if self.kind == "delete":
            virsh("undefine", uuid, "--nvram")
        lines = ["neuron-vm intent 1", self.kind, uuid, NAME, "random", "1", *volumes]
        body = "".join(line + "\n" for line in lines).encode()
        note = INTENTS / f"{uuid}.intent"
        note.write_bytes(body + f"{zlib.crc32(body):08x}\n".encode())
        shutil.chown(note, "neuron-vm", "neuron-vm")

    def allows(self, reply, state):
        return state is None


OPERATIONS = {operation.name: operation for operation in (Create(), CreateAndStart(), Delete())}
OPERATIONS |= {operation.name: operation for operation in (Recovery("create"), Recovery("delete"))}


class Torture:
    """One scene for many points."""

    def __init__(self):
        self.service = Service()
        self.libvirtd = Libvirtd()
        # How often it has crashed by itself: it does so now and then when a client breaks off while it is let go of (libvirt 9.0).
        self.libvirtd_deaths = 0
        self.bystanders = Bystanders()

    def strike(self, operation, fault, number, which=None):
        """One operation with a fault at the N-th call. None when there is no such call. Raises Broken."""

        def points():
            return Points(number, fault.error, fault.after, which or fault.which)

        client = Client()
        operation.prepare(client)
        began = time.monotonic()
        if isinstance(operation, Recovery):
            call, reply = self._recover(points)
        else:
            call, reply = self._act(operation, client, points())
        replied = time.monotonic() - began
        client.close()
        if reply == CUT_OFF:
            expect(call, "the service has ended by itself")
        elif not call and not fault.error:
            # What was answered outlives a kill at any later time.
            self.service.stop(signal.SIGKILL)
        settled = self._settle(operation, reply)
        return Outcome(call, reply, replied, settled) if call else None

    def _act(self, operation, client, points):
        points.attach(self.service.pid)
        reply = operation.act(client)
        if reply == OK:
            # What follows the reply belongs to it as well.
            wait_until(lambda: points.has_ended or not list(INTENTS.iterdir()), "end of what was noted")
        points.end()
        if reply == CUT_OFF or (points.hit and not points.error):
            wait_for_end(self.service.pid)
        expect(not points.error or not points.death, f"the service has died at {points.hit}: {points.death}")
        return points.hit, reply

    @staticmethod
    def _recover(make_points):
        """Where it is cut off, it is started and cut off at the same point again."""
        call = None
        for _ in range(2):
            points = make_points()
            points.start_service()
            try:
                try:
                    wait_until(
                        lambda: points.ends_within(0.01) or (PID.exists() and not list(INTENTS.iterdir())), "end of the recovery"
                    )
                except AssertionError as error:
                    left = [path.name for path in INTENTS.iterdir()]
                    raise Broken(f"{error}; at {points.hit}, ready: {PID.exists()}, left: {left}") from None
                call = points.hit or call
                if not points.has_ended:
                    return call, OK
                expect(not points.error or not points.death, f"the service has died at {call}: {points.death}")
            finally:
                points.end()
        return call, CUT_OFF

    def _settle(self, operation, reply):
        began = time.monotonic()
        self._revive_libvirtd()
        client = self._revive()
        try:
            wait_until(lambda: client.get(MANAGER, "HypervisorConnected", MANAGER_INTERFACE), "connection to libvirt")
            wait_until(lambda: client.list() and not list(INTENTS.iterdir()), "end of the cleaning up")
            wait_until(lambda: "creating" not in {row[3] for row in client.list().values()}, "VM that is as it is")
            settled = time.monotonic() - began
            row = client.list().get(NAME)
            state = row and row[3]
            expect(operation.allows(reply, state), f"the VM is {state or 'not there'} after the reply: {reply}")
            check(client, self.bystanders)
            self._use(client, state)
            check(client, self.bystanders)
        except BusError as error:
            raise Broken(f"afterwards it does not work: {error}") from None
        finally:
            client.close()
        return settled

    def _revive_libvirtd(self):
        """As systemd does."""
        if run("pgrep", "-x", "libvirtd", check=False).returncode != 0:
            self.libvirtd_deaths += 1
            self.libvirtd.start()

    def _revive(self):
        """A client of the service, which is started if it has ended, as it does when its connection to the bus fails."""
        client = Client()
        try:
            client.list()
        except BusError:
            client.close()
            # One that was cut off before it was ready has no file, and all of it has ended.
            if PID.exists():
                wait_for_end(self.service.pid)
            self.service.start()
            client = Client()
        return client

    @staticmethod
    def _use(client, state):
        """Works as if nothing had been; leaves nothing."""
        if state is None:
            client.create(NAME, **NEW_VM)
        elif state == "running":
            client.manager("DestroyVM", "(sa{sv})", NAME, {})
        delete(client)

    def repair(self):
        """After a broken promise: as it was at the beginning, by other means."""
        if PID.exists():
            self.service.stop(signal.SIGKILL)
        self._revive_libvirtd()
        for uuid in uuids() - self.bystanders.uuids:
            virsh("destroy", uuid, check=False)
            virsh("undefine", uuid, "--nvram", check=False)
        for path in set(DISKS.iterdir()) - set(self.bystanders.disks):
            path.unlink()
        for path in INTENTS.iterdir():
            path.unlink()
        virsh("pool-refresh", "default", check=False)
        self.service.start()

    def end(self):
        self.bystanders.remove()
