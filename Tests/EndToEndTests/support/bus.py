"""Clients of the system bus, each with a connection of its own."""

import time
from typing import NamedTuple

from gi.repository import Gio, GLib

BUS = "org.freedesktop.DBus"
NAME = "org.neuronos.VMManager"
MANAGER = "/org/neuronos/VMManager"
MANAGER_INTERFACE = "org.neuronos.VMManager"
VM_INTERFACE = "org.neuronos.VMManager.VM"
JOB_INTERFACE = "org.neuronos.VMManager.Job"
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
ERROR = "org.neuronos.VMManager.Error."
STANDARD_ERROR = "org.freedesktop.DBus.Error."

# The types of the options that are not strings; booleans speak for themselves.
OPTION_TYPES = {"memory_mb": "t", "disk_size_gb": "t", "vcpus": "u", "timeout": "u", "parameters": "a{sv}"}


def vm_path(uuid):
    return f"{MANAGER}/vms/{uuid.replace('-', '_')}"


def options(values):
    """A dictionary of plain values as a{sv}; a GLib.Variant is taken as it is."""

    def variant(key, value):
        if isinstance(value, GLib.Variant):
            return value
        if isinstance(value, bool):
            return GLib.Variant("b", value)
        if isinstance(value, dict):
            return GLib.Variant("a{sv}", options(value))
        if isinstance(value, str):
            return GLib.Variant("s", value)
        if isinstance(value, list):
            return GLib.Variant("as", value)
        return GLib.Variant(OPTION_TYPES.get(key, "t"), value)

    return {key: variant(key, value) for key, value in values.items()}


class BusError(Exception):
    """An error reply: its name and its text."""

    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


def raise_bus_error(error):
    """Raises BusError for an error reply, and what is none as it is."""
    name = Gio.DBusError.get_remote_error(error)
    if name is None:
        raise error
    Gio.DBusError.strip_remote_error(error)
    raise BusError(name, error.message) from None


def connect():
    address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None)
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    return Gio.DBusConnection.new_for_address_sync(address, flags, None, None)


class Client:
    """Calls the service as root."""

    def __init__(self, name=NAME):
        self.connection = connect()
        self.name = name

    def close(self):
        self.connection.close_sync(None)

    def call(self, path, interface, member, signature="()", arguments=(), timeout=60):
        """The reply's arguments: nothing, the only one, or a tuple. Raises BusError."""
        try:
            reply = self.connection.call_sync(
                self.name,
                path,
                interface,
                member,
                GLib.Variant(signature, arguments),
                None,
                Gio.DBusCallFlags.NO_AUTO_START,
                int(timeout * 1000),
                None,
            )
        except GLib.Error as error:
            raise_bus_error(error)
        values = reply.unpack()
        return values[0] if len(values) == 1 else values or None

    def manager(self, member, signature="()", *arguments, timeout=60):
        return self.call(MANAGER, MANAGER_INTERFACE, member, signature, arguments, timeout)

    def vm(self, path, member, **values):
        """A method of a VM that has nothing but options."""
        return self.call(path, VM_INTERFACE, member, "(a{sv})", (options(values),), timeout=600)

    def create(self, name, **values):
        return self.manager("CreateVM", "(sa{sv})", name, options(values))

    def get(self, path, prop, interface=VM_INTERFACE):
        return self.call(path, PROPERTIES, "Get", "(ss)", (interface, prop))

    def get_all(self, path, interface=VM_INTERFACE):
        return self.call(path, PROPERTIES, "GetAll", "(s)", (interface,))

    def state(self, path):
        return self.get(path, "State")

    def list(self):
        """The rows of ListVMs by name."""
        return {row[1]: row for row in self.manager("ListVMs")}

    def managed_objects(self):
        return self.call(MANAGER, OBJECT_MANAGER, "GetManagedObjects")

    def owner(self):
        return self.connection.call_sync(
            BUS,
            "/org/freedesktop/DBus",
            BUS,
            "GetNameOwner",
            GLib.Variant("(s)", (self.name,)),
            None,
            Gio.DBusCallFlags.NONE,
            10_000,
            None,
        ).unpack()[0]


class Bus(Client):
    """The bus itself."""

    def __init__(self):
        super().__init__(BUS)

    def ask(self, member, signature="()", *arguments):
        return self.call("/org/freedesktop/DBus", BUS, member, signature, arguments)

    def owner_of(self, name):
        """The unique name of its owner, or None."""
        return self.ask("GetNameOwner", "(s)", name) if self.ask("NameHasOwner", "(s)", name) else None

    def wait_for_owner(self, name, has_one, timeout=30):
        """Waits until a name has an owner, or until it has none."""
        recorder = Recorder(BUS)
        try:
            recorder.wait_for(lambda: self.ask("NameHasOwner", "(s)", name) == has_one, timeout, f"owner of {name}")
        finally:
            recorder.close()


class Signal(NamedTuple):
    path: str
    interface: str
    member: str
    arguments: tuple

    @property
    def changed(self):
        """The properties that a PropertiesChanged names, else nothing."""
        return self.arguments[1] if self.member == "PropertiesChanged" else {}


class Recorder:
    """Writes down every signal of the service, or of another name's owner, from the moment it is made.

    It calls nothing but the bus itself.
    """

    def __init__(self, name=NAME):
        self.signals = []
        self.context = GLib.MainContext.new()
        self.context.push_thread_default()
        try:
            self.client = Client(name)
            self.client.connection.signal_subscribe(
                self.client.owner(), None, None, None, None, Gio.DBusSignalFlags.NONE, self._record, None
            )
        finally:
            self.context.pop_thread_default()
        # The bus handles a client's messages in order: when this is answered, the subscription is in force.
        self.client.owner()

    def _record(self, _connection, _sender, path, interface, member, parameters, _data):
        self.signals.append(Signal(path, interface, member, parameters.unpack()))

    def close(self):
        self.client.close()

    def wait(self, condition, timeout=30, what="signal"):
        """The first signal so far or from now on for which the condition holds."""
        return self.wait_for(lambda: next((s for s in self.signals if condition(s)), None), timeout, what)

    def wait_for(self, value, timeout=30, what="signal"):
        """Waits until value() is something; it is asked after each signal."""
        deadline = time.monotonic() + timeout
        timer = GLib.timeout_source_new(int(timeout * 1000) + 1)
        timer.set_callback(lambda *_: GLib.SOURCE_REMOVE)
        timer.attach(self.context)
        try:
            while not (result := value()):
                if time.monotonic() >= deadline:
                    recorded = "\n".join(map(str, self.signals))
                    raise AssertionError(f"no {what} within {timeout} s; there were:\n{recorded}")
                self.context.iteration(True)
            return result
        finally:
            timer.destroy()

    def catch_up(self):
        """Writes down all that the service has sent so far: the bus keeps the order of signals and replies."""
        self.client.call(MANAGER, "org.freedesktop.DBus.Peer", "Ping")
        while self.context.iteration(False):
            pass

    def of(self, path):
        """The signals about one VM, in order: those of its object, and the manager's that name it."""
        return [s for s in self.signals if s.path == path or (s.arguments and s.arguments[0] == path)]

    def wait_state(self, path, new, timeout=30):
        """The VMStateChanged of a VM to a state."""
        return self.wait(
            lambda s: s.member == "VMStateChanged" and s.arguments[0] == path and s.arguments[2] == new,
            timeout,
            f"VMStateChanged to {new}",
        )

    def states(self, path):
        """The (new, old) pairs of a VM's VMStateChanged so far."""
        return [(s.arguments[2], s.arguments[3]) for s in self.of(path) if s.member == "VMStateChanged"]
