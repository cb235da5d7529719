"""polkit: the real polkitd and its rules, and a stand-in for the answers that it cannot be made to give."""

import contextlib
import os
import pathlib
import signal
import subprocess
import threading

from gi.repository import GLib

from .bus import BUS, Bus, Recorder
from .server import Server
from .system import stopped, wait_for_end

NAME = "org.freedesktop.PolicyKit1"
AUTHORITY = "/org/freedesktop/PolicyKit1/Authority"
AUTHORITY_INTERFACE = "org.freedesktop.PolicyKit1.Authority"
ACTION = "org.neuronos.vmmanager."
RULES = pathlib.Path("/etc/polkit-1/rules.d/00-test.rules")
ACTIVATION = pathlib.Path(f"/usr/share/dbus-1/system-services/{NAME}.service")
OWNERSHIP = pathlib.Path("/etc/dbus-1/system.d/00-test-polkit.conf")

# What CheckAuthorization answers: authorized, challenge, details. The last two are no answers of polkit's.
YES = (True, False, {})
NO = (False, False, {})
CHALLENGE = (False, True, {})
DISMISSED = (False, False, {"polkit.dismissed": "true"})
FAILURE = "org.freedesktop.PolicyKit1.Error.Failed"
NONSENSE = GLib.Variant("(sb)", ("yes", True))
SILENCE = None

INTERFACE = f"""
<interface name="{AUTHORITY_INTERFACE}">
  <method name="CheckAuthorization">
    <arg type="(sa{{sv}})" direction="in"/><arg type="s" direction="in"/><arg type="a{{ss}}" direction="in"/>
    <arg type="u" direction="in"/><arg type="s" direction="in"/><arg type="(bba{{ss}})" direction="out"/>
  </method>
  <method name="CancelCheckAuthorization"><arg type="s" direction="in"/></method>
</interface>"""


class Check:
    """A CheckAuthorization that has come, and the way to answer it later."""

    def __init__(self, server, message):
        self.server, self.message = server, message
        (self.kind, subject), self.action, self.details, self.flags, self.cancellation = message.get_body().unpack()
        self.caller = subject.get("name")

    def __repr__(self):
        return f"<check of {self.action} for {self.caller}, flags {self.flags}, {self.details}>"

    @property
    def is_interactive(self):
        return self.flags == 1

    def answer(self, answer):
        if answer is SILENCE:
            return
        if isinstance(answer, str):
            reply = self.message.new_method_error_literal(answer, "as the test wants it")
        else:
            reply = self.message.new_method_reply()
            reply.set_body(answer if isinstance(answer, GLib.Variant) else GLib.Variant("((bba{ss}))", (answer,)))
        self.server.send(reply)


class FakePolkit:
    """Answers each check with what decide(check) gives, and writes all of them down. Runs in a thread of its own.

    Checks of other services, such as libvirtd's, are allowed and not written down.
    """

    def __init__(self):
        self.decide = lambda check: NO
        self.checks, self.cancelled = [], []
        self.changed = threading.Condition()
        self.server = Server(AUTHORITY, INTERFACE, self._called)
        owner = self.server.ask(BUS, "/org/freedesktop/DBus", BUS, "RequestName", "(su)", NAME, 4)
        assert owner == (1,), "polkit's name is taken"

    def close(self):
        self.server.close()

    def _called(self, message, _invocation):
        if message.get_member() == "CancelCheckAuthorization":
            with self.changed:
                self.cancelled.append(message.get_body().unpack()[0])
                self.changed.notify_all()
            self.server.send(message.new_method_reply())
            return
        check = Check(self.server, message)
        if not check.action.startswith(ACTION):
            check.answer(YES)
            return
        answer = self.decide(check)
        # Who has the reply of the service finds the check written down.
        with self.changed:
            self.checks.append(check)
            self.changed.notify_all()
        check.answer(answer)

    def forget(self):
        """Begins the list of checks anew."""
        with self.changed:
            self.checks, self.cancelled = [], []

    def of(self, caller):
        """The checks for a connection, in order."""
        with self.changed:
            return [check for check in self.checks if check.caller == caller]

    def wait(self, condition, timeout=10, what="checks"):
        """Waits until the condition holds; it is asked after each check and cancellation. Its value."""
        with self.changed:
            value = self.changed.wait_for(condition, timeout)
            assert value, f"no {what} within {timeout} s, but {self.checks}, cancelled {self.cancelled}"
            return value

    def wait_for_check(self, condition=lambda check: True, timeout=10):
        return self.wait(lambda: next((check for check in self.checks if condition(check)), None), timeout, "check")

    def say_changed(self):
        self.server.connection.emit_signal(None, AUTHORITY, AUTHORITY_INTERFACE, "Changed", None)


class Polkitd:
    """The real polkitd: as the sandbox has started it, or as started here."""

    def __init__(self):
        self.bus = Bus()
        self.process = None

    @property
    def pid(self):
        return self.bus.ask("GetConnectionUnixProcessID", "(s)", NAME)

    @property
    def owner(self):
        return self.bus.owner_of(NAME)

    def stop(self):
        """Returns when it is gone from the bus."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        wait_for_end(pid)
        if self.process:
            self.process.wait()
            self.process = None
        self.bus.wait_for_owner(NAME, False)

    def start(self):
        """Returns when it is on the bus."""
        with open("/run/log/polkitd", "ab") as log:
            command = ["/usr/lib/polkit-1/polkitd", "--no-debug"]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.bus.wait_for_owner(NAME, True)

    def suspended(self):
        """While this is open it is there, and does nothing. Another may have come in its place at the end."""
        return stopped(self.pid)

    @contextlib.contextmanager
    def away(self):
        """While it is gone nobody brings it back: the bus would start it for the first call."""
        hidden = ACTIVATION.with_suffix(".hidden")
        ACTIVATION.rename(hidden)
        # The bus lets only polkit's user have the name.
        OWNERSHIP.write_text(
            f'<busconfig><policy user="root"><allow own="{NAME}"/></policy></busconfig>', encoding="utf-8"
        )
        self.bus.ask("ReloadConfig")
        self.stop()
        try:
            yield
        finally:
            hidden.rename(ACTIVATION)
            OWNERSHIP.unlink()
            self.bus.ask("ReloadConfig")
            self.start()

    @contextlib.contextmanager
    def rules(self, text):
        """Rules that come before all others. Returns when polkitd has them."""
        draft = RULES.with_suffix(".draft")
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o644)
        self._reloading(lambda: draft.rename(RULES))
        try:
            yield
        finally:
            self._reloading(RULES.unlink)

    def _reloading(self, change):
        """polkitd watches the directory, and says Changed when it has read the rules anew."""
        recorder = Recorder(NAME)
        try:
            change()
            recorder.wait(lambda s: s.member == "Changed", what="Changed of polkitd")
        finally:
            recorder.close()
