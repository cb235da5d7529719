"""What the service takes, as it says itself: methods and their arguments, options, and the templates' parameters."""

import re
import xml.etree.ElementTree as ElementTree
from typing import NamedTuple

from .bus import MANAGER, VM_INTERFACE

DOC = "org.gtk.GDBus.DocString"
# "memory_mb t", "iso_path s: the medium", "parameters a{sv}."
OPTION = re.compile(r"\b([a-z][a-z0-9_]*) (a\{sv\}|as|[ybnqiuxtdsogh])(?=[:;.,]|$)")
SAME_OPTIONS = re.compile(r"As for (\w+), without ([\w, ]+)\.")
RANGE = re.compile(r"an integer from (\d+) to (\d+)")


class Method(NamedTuple):
    on_vm: bool
    interface: str
    name: str
    arguments: tuple  # of (name, type)
    options: dict  # type by name; nothing where the last argument is not a dictionary of options

    @property
    def signature(self):
        return "".join(kind for _, kind in self.arguments)

    @property
    def has_options(self):
        return self.arguments[-1:] == (("options", "a{sv}"),)


class Parameter(NamedTuple):
    template: str
    name: str
    type: str
    allowed: str

    @property
    def numbers(self):
        """The numbers that are allowed: from the first to the last, or those alone."""
        if self.allowed.startswith("one of "):
            return [int(number) for number in self.allowed.removeprefix("one of ").split(", ")]
        low, high = map(int, RANGE.fullmatch(self.allowed).groups())
        return range(low, high + 1)


def methods(client, vm_path):
    """Every method of the manager and of a VM, those of the standard interfaces included."""
    found = []
    for path in (MANAGER, vm_path):
        text = client.call(path, "org.freedesktop.DBus.Introspectable", "Introspect")
        for interface in ElementTree.fromstring(text).iter("interface"):
            if path == vm_path and interface.get("name") != VM_INTERFACE:
                continue
            for method in interface.iter("method"):
                found.append(_method(path == vm_path, interface.get("name"), method))
    by_name = {method.name: method for method, _ in found}
    return [method._replace(options=_options(text, by_name) if method.has_options else {}) for method, text in found]


def _method(on_vm, interface, method):
    inputs = [arg for arg in method.iter("arg") if arg.get("direction", "in") == "in"]
    arguments = tuple((arg.get("name"), arg.get("type")) for arg in inputs)
    notes = [note.get("value") for arg in inputs[-1:] for note in arg.iter("annotation") if note.get("name") == DOC]
    text = notes[0] if notes else ""
    return Method(on_vm, interface, method.get("name"), arguments, dict(OPTION.findall(text))), text


def _options(text, by_name):
    same = SAME_OPTIONS.match(text)
    if not same:
        return dict(OPTION.findall(text))
    without = re.findall(r"\w+", same[2])
    return {key: kind for key, kind in by_name[same[1]].options.items() if key not in without}


def parameters(client):
    """Every parameter of every template, but those that the method names itself."""
    return [
        Parameter(template, name, fields["type"], fields["allowed"])
        for template, _, _, taken in client.manager("ListTemplates")
        for name, fields in taken.items()
    ]
