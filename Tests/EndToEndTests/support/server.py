"""An object on the bus that a test offers, as polkit and password dialogs are."""

import threading

from gi.repository import Gio, GLib

from .bus import connect


class Server:
    """Serves one object, on a connection and in a thread of its own, until it is closed."""

    def __init__(self, path, interface_xml, called):
        """called(message, invocation) is called in the thread; one of the two is used to answer."""
        (interface,) = Gio.DBusNodeInfo.new_for_xml(f"<node>{interface_xml}</node>").interfaces
        self.context = GLib.MainContext.new()
        self.loop = GLib.MainLoop.new(self.context, False)
        self.context.push_thread_default()
        try:
            self.connection = connect()
            self.connection.register_object(
                path, interface, lambda *arguments: called(arguments[-1].get_message(), arguments[-1]), None, None
            )
        finally:
            self.context.pop_thread_default()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        self.context.push_thread_default()
        self.loop.run()
        self.context.pop_thread_default()

    def send(self, message):
        self.connection.send_message(message, Gio.DBusSendMessageFlags.NONE)

    def ask(self, name, path, interface, member, signature, *arguments):
        """Calls somebody else and waits for the reply."""
        body = GLib.Variant(signature, arguments)
        call = (name, path, interface, member, body, None, Gio.DBusCallFlags.NONE, 10_000, None)
        return self.connection.call_sync(*call).unpack()

    def close(self):
        self.connection.close_sync(None)
        self.loop.quit()
        self.thread.join()
