"""Other users at the bus, each a process that lives as long as the test, with as many connections as are wanted."""

import concurrent.futures
import itertools
import json
import pathlib
import subprocess
import sys
import threading
from typing import Any, NamedTuple

from gi.repository import GLib

from .bus import MANAGER, MANAGER_INTERFACE, NAME, VM_INTERFACE, BusError, options

OWNER, OTHER, NOBODY, FRIENDS = 50001, 50002, 65534, 50010
NO_REPLY, INTERACTIVE = 1, 4
PROGRAM = pathlib.Path(__file__).with_name("caller.py")


class Outcome(NamedTuple):
    """What came of a call: the name of the error, or None; its text; the value; how long it took; who replied."""

    error: str | None
    message: str
    value: Any
    seconds: float
    sender: str | None = None


class User:
    """Calls the service as another user."""

    def __init__(self, uid, gid=None, groups=()):
        self.uid = uid
        self.gid = uid if gid is None else gid
        self.numbers = itertools.count(1)
        self.waiting = {}
        self.writing = threading.Lock()
        command = [sys.executable, str(PROGRAM), str(uid), str(self.gid), *map(str, groups)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            reply = json.loads(line)
            future = self.waiting.pop(reply.pop("id"))
            future.set_result(Outcome(**reply) if "error" in reply else reply["value"])
        with self.writing:
            left, self.waiting = list(self.waiting.values()), None
        for future in left:
            future.set_exception(RuntimeError("the caller has ended"))

    def _order(self, **order):
        future = concurrent.futures.Future()
        with self.writing:
            assert self.waiting is not None, "the caller has ended"
            order["id"] = next(self.numbers)
            self.waiting[order["id"]] = future
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()
        return future

    def name(self, connection=0):
        """The unique name of a connection, which is made if there is none with that number."""
        return self._order(do="name", connection=connection).result(30)

    def disconnect(self, connection=0):
        """Closes a connection; what is under way there gets no reply."""
        self._order(do="close", connection=connection).result(30)

    def signal(self, path, interface, member, destination=None, connection=0):
        """Sends a signal without arguments, to everybody or to one."""
        self._order(
            do="signal", path=path, interface=interface, member=member, destination=destination, connection=connection
        ).result(30)

    def end(self):
        """Kills the process, and with it its connections."""
        if self.process.poll() is not None:
            return
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()

    def send(
        self, path, interface, member, signature="()", arguments=(), flags=0, connection=0,
        timeout=60, destination=NAME, files=0, paths=(),
    ):  # fmt: skip
        """Begins a call; a future with its Outcome. With it go so many files of no use, then those that the user opens."""
        body = GLib.Variant(signature, arguments).print_(True)
        return self._order(
            do="call", path=path, interface=interface, member=member, body=body, flags=flags, connection=connection,
            timeout=timeout, destination=destination, files=files, paths=list(map(str, paths)),
        )  # fmt: skip

    def outcome(self, *arguments, **keywords):
        return self.send(*arguments, **keywords).result(180)

    def call(self, *arguments, **keywords):
        """The reply's value. Raises BusError."""
        outcome = self.outcome(*arguments, **keywords)
        if outcome.error:
            raise BusError(outcome.error, outcome.message)
        return outcome.value

    def send_vm(self, path, member, flags=0, connection=0, **values):
        """Begins a method of a VM that has nothing but options."""
        return self.send(path, VM_INTERFACE, member, "(a{sv})", (options(values),), flags, connection, timeout=120)

    def vm(self, path, member, flags=0, connection=0, **values):
        return self.send_vm(path, member, flags, connection, **values).result(180)

    def send_named(self, member, name, flags=0, connection=0, **values):
        """Begins a method of the manager that has a name and options."""
        arguments = (name, options(values))
        return self.send(MANAGER, MANAGER_INTERFACE, member, "(sa{sv})", arguments, flags, connection, timeout=120)

    def named(self, member, name, flags=0, connection=0, **values):
        return self.send_named(member, name, flags, connection, **values).result(180)

    def permissions(self, path, connection=0):
        """GetPermissions: a dictionary."""
        return self.call(MANAGER, MANAGER_INTERFACE, "GetPermissions", "(o)", (path,), connection=connection)


class Users:
    """The callers of one test."""

    def __init__(self):
        self.all = []

    def user(self, uid, groups=()):
        self.all.append(User(uid, groups=groups))
        return self.all[-1]

    def root(self):
        return self.user(0)

    def owner(self):
        """In the group vm-friends, and whom the VMs of a test belong to."""
        return self.user(OWNER, [FRIENDS])

    def other(self):
        return self.user(OTHER)

    def nobody(self):
        return self.user(NOBODY)

    def end(self):
        while self.all:
            self.all.pop().end()
