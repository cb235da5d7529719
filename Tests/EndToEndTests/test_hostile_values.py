"""Texts and numbers that are wrong, for every parameter: refused by the documented name, and unknown to libvirt."""

import collections
import xml.etree.ElementTree as ElementTree
from typing import Callable, NamedTuple

import pytest

from support import contract
from support.bus import ERROR, MANAGER, MANAGER_INTERFACE, STANDARD_ERROR
from support.hostile import (
    ARGUMENTS, BYTES, DANGEROUS, INVALID, OBJECTS, OPTIONS, TEXTS, UNDECIDED, UUID, always, media_name, new_name,
    numbers_around, path as path_rule,
)  # fmt: skip
from support.rawbus import Hangup, RawBus
from support.system import LibvirtCalls, domains
from support.templates import smc_config_file
from support.wire import Variant

# Arguments that there is nothing wrong with, by name.
FIT = {
    "name": "fit", "template": "linux-basic", "uuid": UUID, "interface_name": MANAGER_INTERFACE, "options": {},
    "property_name": "Version", "value": Variant("s", "x"), "autostart": False, "object": MANAGER,
    "file": 0,
}  # fmt: skip
# The numbers that are no template's.
RANGES = {"timeout": (0, 86_400)}
CREATING = ("CreateVM", "RenderTemplate")
BY_NAME = [f"{verb}VM" for verb in ("Start", "Stop", "Destroy", "Pause", "Resume", "Reboot", "Reset", "Delete")]


class Cell(NamedTuple):
    """One place of one method for a value."""

    place: str
    method: contract.Method
    arguments: Callable  # of the value
    rule: Callable  # of the value: the error's name, or None
    fit: str | None  # the error of a value that is fit
    values: dict = TEXTS


class Table:
    """The cells of the live contract, for calls that can make nothing: a name that is good is taken, or the UUID is."""

    def __init__(self, client, name, path):
        self.name, self.path = name, path
        self.uuid = client.get(path, "UUID")
        self.methods = contract.methods(client, path)
        self.parameters = contract.parameters(client)

    def fit(self, method):
        """What a call says that has nothing wrong in it: CreateVM that there is such a VM, Stop that it is off.

        And ImportMedia that the file is none.
        """
        outcomes = {
            "CreateVM": ERROR + "AlreadyExists", "RenderTemplate": None, "Get": None, "GetAll": None,
            "ImportMedia": INVALID, "RemoveMedia": ERROR + "NotFound",
            "Set": STANDARD_ERROR + "PropertyReadOnly",
        }  # fmt: skip
        return outcomes.get(method.name, ERROR + "InvalidState")

    def arguments(self, method, **changed):
        fit = {**FIT, "name": "fit" if method.name == "RenderTemplate" else self.name, **changed}
        return [fit[name] for name, _ in method.arguments]

    def texts(self):
        """A cell for each argument that is a text or a path, and for each key of options."""
        for method in self.methods:
            for argument, kind in method.arguments:
                what = f"{method.name}'s {argument}"
                assert kind in ("s", "o", "b", "v", "h", "a{sv}"), f"no row for {what}, which is of type {kind}"
                if kind not in "so":
                    continue
                # Should the check of names fail, the UUID that is taken ends the call before libvirt sees the name.
                more = {"options": {"uuid": Variant("s", self.uuid)}} if method.name == "CreateVM" else {}
                yield Cell(
                    argument, method, lambda text, m=method, a=argument, o=more: self.arguments(m, **o, **{a: text}),
                    ARGUMENTS[method.name, argument], self.fit(method), OBJECTS if kind == "o" else TEXTS,
                )  # fmt: skip
            if method.has_options:
                key = lambda text, m=method: self.with_options(m, text, "t", 1)  # noqa: E731
                yield Cell("a key", method, key, always(INVALID), None)

    def options(self, types):
        """A cell for each option and each parameter of a template that has one of the types."""
        for method in self.methods:
            for option, kind in method.options.items():
                if kind in types and not any(option == parameter.name for parameter in self.parameters):
                    yield self.option(method, option, kind)
            if method.name in CREATING:
                for parameter in self.parameters:
                    if parameter.type in types:
                        yield self.option(method, parameter.name, parameter.type, parameter)
                        yield self.option(method, parameter.name, parameter.type, parameter, inside=True)

    def option(self, method, option, kind, parameter=None, inside=False):
        def arguments(value, kind=kind):
            if isinstance(value, tuple):
                kind, value = value
            elif kind == "as":
                value = [value]
            return self.with_options(method, option, kind, value, parameter and parameter.template, inside)

        rule = self.number_rule(option, parameter) if kind in "tu" else OPTIONS.get(option)
        assert rule, f"no row for the option {option} ({kind}) of {method.name}"
        where = f"{parameter.template}'s {option}" if parameter else option
        values = {what: text for what, text in TEXTS.items() if what not in UNDECIDED.get(option, ())}
        return Cell(where + (" among parameters" if inside else ""), method, arguments, rule, self.fit(method), values)

    def number_rule(self, option, parameter):
        low, high = RANGES[option] if not parameter else (0, 0)
        numbers = parameter.numbers if parameter else range(low, high + 1)
        rule = lambda value: None if value[1] in numbers else INVALID  # noqa: E731
        rule.limits = numbers[0], numbers[-1]
        return rule

    def with_options(self, method, key, kind, value, template=None, inside=False):
        options = {key: Variant(kind, value)}
        if method.name == "CreateVM" and template and template.startswith("macos"):
            # What such a VM cannot be made without; nobody looks at the image.
            options = {"opencore_path": Variant("s", "/usr/share/neuron-vm/media/opencore.iso"), **options}
        if key == "rom_path":
            # It is a device's.
            options["pci_devices"] = Variant("as", ["0000:41:00.0"])
        if inside:
            options = {"parameters": Variant("a{sv}", options)}
        if template and method.name == "CreateVM":
            options["template"] = Variant("s", template)
        return self.arguments(method, options=options, **({"template": template} if template else {}))


@pytest.fixture
def raw(nothing_left_behind):
    raw = RawBus()
    yield raw
    raw.close()


@pytest.fixture
def table(client, vms):
    with smc_config_file():
        yield Table(client, *vms.create())


class Outcomes:
    """Makes the calls and holds each reply against what was to come."""

    def __init__(self, raw, table):
        self.raw, self.table = raw, table
        self.wrong = []
        self.errors = collections.Counter()

    def call(self, cell, value, wanted, label, look=None):
        method = cell.method
        path = self.table.path if method.on_vm else MANAGER

        def check(reply):
            self.errors[reply.error] += 1
            shown = f"{method.name}, {cell.place}, {label}: {reply.error} {reply.text[:200]!r}"
            if reply.error != wanted:
                self.wrong.append(f"{shown} instead of {wanted}")
            elif DANGEROUS.search(reply.text) or len(reply.text) > 2000 or (reply.error and not reply.text):
                self.wrong.append(f"{shown} is not fit to be shown")
            elif look:
                look(reply)

        with open("/dev/null", "rb") as null:
            self.raw.send_call(
                path, method.interface, method.name, method.signature, cell.arguments(value), then=check,
                fds=(null.fileno(),) if "h" in method.signature else (),
            )  # fmt: skip

    def done(self, what):
        self.raw.settle()
        count = sum(self.errors.values())
        print(f"{what}: {count} calls, " + ", ".join(f"{n} {e}" for e, n in self.errors.most_common()))
        assert not self.wrong, f"{len(self.wrong)} of {count}:\n" + "\n".join(self.wrong[:20])


def test_texts_for_every_argument_and_key(raw, table):
    assert len(TEXTS) >= 60
    cells = list(table.texts())
    outcomes = Outcomes(raw, table)
    with LibvirtCalls() as calls:
        for cell in cells:
            for label, text in cell.values.items():
                wanted = cell.rule(text) or cell.fit
                # To render, libvirt is asked for the host's abilities; and a name that a VM could have is looked for.
                if wanted is None and cell.method.name == "RenderTemplate":
                    continue
                if new_name(text) is None and cell.method.name in BY_NAME and cell.place == "name":
                    continue
                if wanted == cell.fit and cell.method.name == "RemoveMedia":
                    continue
                outcomes.call(cell, text, wanted, label)
        outcomes.done(f"{len(TEXTS)} texts for {len(cells)} places")
        assert calls.count == 0
        # That they would have been seen: a name that might be new to the service is looked for.
        raw.call(MANAGER, MANAGER_INTERFACE, "StartVM", "sa{sv}", ["no-such", {}])
        assert calls.count > 0


def test_texts_for_every_option(raw, table):
    cells = list(table.options({"s", "as"}))
    wrong_types = [("t", 1), ("b", True), ("d", 1.0), ("ay", b"x"), ("o", "/"), ("g", "s"), ("v", Variant("s", "x"))]
    outcomes = Outcomes(raw, table)
    with LibvirtCalls() as calls:
        for cell in cells:
            for label, text in cell.values.items():
                if wanted := cell.rule(text) or (cell.method.name == "CreateVM" and cell.fit):
                    outcomes.call(cell, text, wanted, label)
            for value in wrong_types:
                outcomes.call(cell, value, INVALID, value)
        outcomes.done(f"{len(TEXTS)} texts for {len(cells)} options")
        assert calls.count == 0


def test_texts_that_are_fit_stand_in_the_definition_as_they_are(raw, table):
    outcomes = Outcomes(raw, table)
    seen = collections.Counter()
    for cell in table.options({"s", "as"}):
        if cell.method.name != "RenderTemplate":
            continue
        for label, text in cell.values.items():
            if cell.rule is path_rule and media_name(text) is None:
                outcomes.call(cell, text, ERROR + "NotFound", label)
            elif cell.rule(text) is None:

                def look(reply, text=text, label=label, cell=cell):
                    tree = ElementTree.fromstring(reply.arguments[0])
                    found = [value for node in tree.iter() for value in (node.text, *node.attrib.values())]
                    if text and text not in found and text.lower() not in found:
                        outcomes.wrong.append(f"{cell.place}, {label}: it is not in the definition")
                    seen[cell.place] += 1

                outcomes.call(cell, text, None, label, look)
    outcomes.done("rendered")
    assert len(seen) >= 8


def test_numbers_for_every_option(raw, table):
    cells = list(table.options({"t", "u"}))
    places = {(cell.method.name, cell.place) for cell in cells}
    assert {("CreateVM", "linux-basic's vcpus"), ("RenderTemplate", "windows11-basic's memory_mb")} <= places
    assert ("Stop", "timeout") in places
    wrong_types = [("d", 1.0), ("s", "1"), ("b", True), ("as", ["1"]), ("v", Variant("t", 1))]
    outcomes = Outcomes(raw, table)
    later = []
    with LibvirtCalls() as calls:
        for cell in cells:
            for value in numbers_around(*cell.rule.limits):
                wanted = cell.rule(value) or cell.fit
                if wanted is None or (cell.rule(value) is None and cell.method.name != "CreateVM"):
                    later.append((cell, value, wanted))
                else:
                    outcomes.call(cell, value, wanted, value)
            for value in wrong_types:
                outcomes.call(cell, value, INVALID, value)
        outcomes.done(f"{len(numbers_around(0, 0))} numbers and more for {len(cells)} options")
        assert calls.count == 0
    for cell, value, wanted in later:
        outcomes.call(cell, value, wanted, value)
    outcomes.done("with those that are fit")
    assert domains() == [table.name]


@pytest.mark.parametrize("text", BYTES.values(), ids=BYTES)
def test_what_is_no_text_does_not_pass_the_bus(client, raw, text):
    with pytest.raises(Hangup):
        raw.call(MANAGER, MANAGER_INTERFACE, "GetVM", "s", [text])
    assert client.list() == {}


def test_a_uuid_is_no_name(client, vms):
    """libvirt's own tools take a name of that form for the other VM's UUID."""
    _, path = vms.create()
    uuid = client.get(path, "UUID")
    raw = RawBus()
    for text in (uuid, uuid.upper(), uuid.replace("-", "")):
        for method in ("GetVM", "StartVM", "DeleteVM"):
            arguments = [text] if method == "GetVM" else [text, {}]
            reply = raw.call(MANAGER, MANAGER_INTERFACE, method, "s" if method == "GetVM" else "sa{sv}", arguments)
            assert reply.error == ERROR + "NotFound", (method, text)
    assert client.manager("GetVMByUUID", "(s)", uuid.upper()) == path
    raw.close()
