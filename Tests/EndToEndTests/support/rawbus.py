"""A connection to the system bus that sends whatever it is given, many calls at a time, and misses no reply."""

import array
import os
import select
import socket
import time
from collections import Counter

from . import wire
from .bus import NAME

SOCKET = "/run/dbus/system_bus_socket"
# The bus answers itself when more calls than this wait for their reply (max_replies_per_connection).
WINDOW = 100


class Hangup(Exception):
    """The bus has closed the connection, as it does to who breaks the protocol."""


class RawBus:
    """Calls with a window; replies are counted for each serial, so that none can be missing or come twice."""

    def __init__(self, uid=0):
        self.serial = 0
        self.buffer = bytearray()
        self.waiting = {}
        self.replies = Counter()
        self.silent = set()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # The kernel notes who connects at this moment, and the bus believes nothing else.
        os.seteuid(uid)
        try:
            self.socket.connect(SOCKET)
            self.socket.sendall(b"\0AUTH EXTERNAL " + str(uid).encode().hex().encode() + b"\r\n")
            self._expect(b"OK ")
        finally:
            os.seteuid(0)
        self.socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        self._expect(b"AGREE_UNIX_FD")
        self.socket.sendall(b"BEGIN\r\n")
        self.name = self.bus("Hello").arguments[0]

    def _expect(self, start):
        line = b""
        while not line.endswith(b"\r\n"):
            line += self.socket.recv(1)
        assert line.startswith(start), line

    def close(self):
        self.socket.close()

    def post(self, fields, body=b"", flags=0, fds=(), kind=wire.CALL, then=None):
        """Sends a message as it is and gives its serial; `then` is called with the reply, if one is expected."""
        while len(self.waiting) >= WINDOW:
            self.pump()
        self.serial += 1
        data = wire.message(kind, self.serial, fields, body, flags)
        if kind == wire.CALL and not flags & wire.NO_REPLY_EXPECTED:
            self.waiting[self.serial] = then
        else:
            self.silent.add(self.serial)
        try:
            sent = 0
            if fds:
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
                sent = self.socket.sendmsg([data], ancillary)
            self.socket.sendall(memoryview(data)[sent:])
        except (BrokenPipeError, ConnectionResetError):
            raise Hangup from None
        return self.serial

    def pump(self, timeout=60):
        """Takes in what has come; waits until there is something."""
        readable, _, _ = select.select([self.socket], [], [], timeout)
        assert readable, f"no reply for {timeout} s; {len(self.waiting)} are missing"
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Hangup
        self.buffer += data
        while taken := wire.take(self.buffer):
            message, length = taken
            del self.buffer[:length]
            self._take(message)

    def _take(self, message):
        serial = message.fields.get(wire.REPLY_SERIAL)
        if serial is None:
            return
        self.replies[serial] += 1
        assert serial not in self.silent, f"a reply that nobody wanted: {message}"
        assert self.replies[serial] == 1 and serial in self.waiting, f"a second reply: {message}"
        then = self.waiting.pop(serial)
        if then:
            then(message)

    def settle(self, timeout=120):
        """Waits until each call has its reply."""
        deadline = time.monotonic() + timeout
        while self.waiting:
            self.pump(max(0.0, deadline - time.monotonic()))

    def send_call(self, path, interface, member, signature="", arguments=(), destination=NAME, **more):
        """Posts a well-formed call; without an interface, if there is none."""
        fields = {wire.PATH: path, wire.MEMBER: member, wire.DESTINATION: destination}
        if interface:
            fields[wire.INTERFACE] = interface
        if signature:
            fields[wire.SIGNATURE] = signature
        if more.get("fds"):
            fields[wire.UNIX_FDS] = len(more["fds"])
        return self.post(fields, wire.encode(signature, arguments), **more)

    def call(self, *arguments, **more):
        """The reply of one call, error or not."""
        got = []
        self.send_call(*arguments, then=got.append, **more)
        while not got:
            self.pump()
        return got[0]

    def bus(self, member, signature="", arguments=()):
        """A method of the bus itself."""
        name = "org.freedesktop.DBus"
        return self.call("/org/freedesktop/DBus", name, member, signature, arguments, destination=name)
