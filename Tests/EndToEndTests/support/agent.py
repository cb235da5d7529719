"""What would show a password dialog: an authentication agent for one caller, which does as the test says."""

import threading
from typing import NamedTuple

from gi.repository import GLib

from .polkit import AUTHORITY, AUTHORITY_INTERFACE
from .polkit import NAME as POLKIT
from .server import Server

PATH = "/org/neuronos/Test/Agent"
INTERFACE = """
<interface name="org.freedesktop.PolicyKit1.AuthenticationAgent">
  <method name="BeginAuthentication">
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
    <arg type="a{ss}" direction="in"/><arg type="s" direction="in"/><arg type="a(sa{sv})" direction="in"/>
  </method>
  <method name="CancelAuthentication"><arg type="s" direction="in"/></method>
</interface>"""


class Prompt(NamedTuple):
    """What the user is shown."""

    action: str
    message: str


class Agent:
    """Shows nothing. Each prompt is written down; then the user dismisses it, consents, or lets it be.

    polkit takes root's word for the password: its own helper, which checks it, is root as well.
    """

    def __init__(self, pid):
        self.user = "dismisses"
        self.prompts = []
        self.shown, self.closed = threading.Event(), threading.Event()
        self.server = Server(PATH, INTERFACE, self._called)
        process = {"pid": GLib.Variant("u", pid), "start-time": GLib.Variant("t", start_time(pid))}
        subject = ("unix-process", process)
        self._ask_polkit("RegisterAuthenticationAgent", "((sa{sv})ss)", subject, "C.UTF-8", PATH)

    def close(self):
        self.server.close()

    def _ask_polkit(self, member, signature, *arguments):
        self.server.ask(POLKIT, AUTHORITY, AUTHORITY_INTERFACE, member, signature, *arguments)

    def _called(self, message, invocation):
        if message.get_member() == "BeginAuthentication":
            action, text, _icon, _details, cookie, identities = message.get_body().unpack()
            self.prompts.append(Prompt(action, text))
            self.shown.set()
            if self.user == "lets it be":
                return
            if self.user == "dismisses":
                invocation.return_dbus_error("org.freedesktop.PolicyKit1.Error.Cancelled", "the user has dismissed it")
                return
            kind, identity = identities[0]
            identity = (kind, {key: GLib.Variant("u", value) for key, value in identity.items()})
            self._ask_polkit("AuthenticationAgentResponse2", "(us(sa{sv}))", 0, cookie, identity)
        else:
            self.closed.set()
        invocation.return_value(None)


def start_time(pid):
    """When a process began, as the kernel counts it: with its id this names a process for good."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(")")[2].split()[19])
