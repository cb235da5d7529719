"""The process behind support.users.User: becomes another user, then makes the calls that come in as lines of JSON.

Each call is answered by a line, in the order in which the replies come; many calls may be under way. It is a program of
its own so that nothing of root's, no connection above all, is in it.
"""

import json
import os
import sys
import time
import traceback

import gi

gi.require_version("Gio", "2.0")

from gi.repository import Gio, GLib  # noqa: E402 (the version is asked for first)


def connect():
    address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None)
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    return Gio.DBusConnection.new_for_address_sync(address, flags, None, None)


class Caller:
    def __init__(self):
        self.connections = {}

    def connection(self, key):
        if key not in self.connections:
            self.connections[key] = connect()
        return self.connections[key]

    def handle(self, order):
        if order["do"] == "name":
            say(id=order["id"], value=self.connection(order["connection"]).get_unique_name())
        elif order["do"] == "close":
            self.connections.pop(order["connection"]).close_sync(None)
            say(id=order["id"], value=None)
        elif order["do"] == "signal":
            arguments = (order["destination"], order["path"], order["interface"], order["member"], None)
            self.connection(order["connection"]).emit_signal(*arguments)
            say(id=order["id"], value=None)
        else:
            self.call(order)

    def call(self, order):
        connection = self.connection(order["connection"])
        message = Gio.DBusMessage.new_method_call(
            order["destination"], order["path"], order["interface"], order["member"]
        )
        message.set_flags(Gio.DBusMessageFlags(order["flags"]))
        if order["files"] or order["paths"]:
            files = Gio.UnixFDList.new()
            for _ in range(order["files"]):
                files.append(0)
            for path in order["paths"]:
                with open(path, "rb") as file:
                    files.append(file.fileno())
            message.set_unix_fd_list(files)
        if order["body"] != "()":
            message.set_body(GLib.Variant.parse(None, order["body"], None, None))
        begin = time.monotonic()
        if order["flags"] & Gio.DBusMessageFlags.NO_REPLY_EXPECTED:
            connection.send_message(message, Gio.DBusSendMessageFlags.NONE)
            connection.flush_sync(None)
            say(id=order["id"], error=None, message="", value=None, seconds=time.monotonic() - begin)
            return

        def replied(connection, result):
            seconds = time.monotonic() - begin
            try:
                reply = connection.send_message_with_reply_finish(result)
            except GLib.Error as error:
                # No reply came: the connection was closed, or the time is up.
                say(id=order["id"], error=error.domain, message=error.message, value=None, seconds=seconds)
                return
            body = reply.get_body()
            values = body.unpack() if body else ()
            error = reply.get_error_name()
            text = str(values[0]) if error and values else ""
            value = None if error or not values else values[0] if len(values) == 1 else values
            sender = reply.get_sender()
            say(id=order["id"], error=error, message=text, value=value, seconds=seconds, sender=sender)

        connection.send_message_with_reply(
            message, Gio.DBusSendMessageFlags.NONE, int(order["timeout"] * 1000), None, replied
        )


def say(**values):
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def main():
    uid, gid, *groups = map(int, sys.argv[1:])
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    caller = Caller()
    loop = GLib.MainLoop()
    pending = b""

    def read(fd, condition):
        nonlocal pending
        data = os.read(fd, 65536)
        if not data:
            loop.quit()
            return GLib.SOURCE_REMOVE
        *lines, pending = (pending + data).split(b"\n")
        try:
            for line in lines:
                caller.handle(json.loads(line))
        except BaseException:
            # GLib would print it and go on, and the test would wait for a line that never comes.
            traceback.print_exc()
            os._exit(1)
        return GLib.SOURCE_CONTINUE

    GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, 0, GLib.IOCondition.IN | GLib.IOCondition.HUP, read)
    loop.run()


if __name__ == "__main__":
    main()
