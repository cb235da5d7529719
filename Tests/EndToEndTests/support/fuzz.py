"""Random calls that know the contract: right ones, wrong ones, and what lies between.

The same seed gives the same calls, but for the VMs that they are about: those are what there is at the moment.
"""

import itertools
import os
import random
from typing import NamedTuple

from . import wire
from .bus import MANAGER, MANAGER_INTERFACE, NAME, PROPERTIES, VM_INTERFACE
from .hostile import INTEGERS, NUMBERS, TEXTS
from .wire import Repeated, Variant

BASIC = "ybnqiuxtdsog"
CREATING = ("CreateVM", "RenderTemplate")
MEBIBYTE = 1 << 20


class Call(NamedTuple):
    path: str
    interface: str | None
    member: str
    signature: str = ""
    arguments: tuple = ()
    flags: int = wire.NO_AUTO_START
    fds: tuple = ()


class Generator:
    """Makes calls for the methods of the contract and for the VMs that there are at the moment."""

    def __init__(self, seed, methods, parameters):
        self.random = random.Random(seed)
        self.methods = methods
        self.vms = {}  # path by name, kept by whoever makes them
        keys = {key: kind for method in methods for key, kind in method.options.items()}
        self.option_types = {**keys, **{parameter.name: parameter.type for parameter in parameters}}
        self.templates = sorted({parameter.template for parameter in parameters})
        self.texts = list(TEXTS.values())
        opened = [os.open("/dev/null", os.O_RDONLY), os.open("/etc", os.O_PATH)]
        # Root's program itself is a regular file, and large enough to be one disk or another.
        self.files = [*opened, os.memfd_create("fuzz"), *os.pipe(), os.open("/usr/bin/neuron-vm", os.O_RDONLY)]

    def close(self):
        for file in self.files:
            os.close(file)

    # Values

    def integer(self, kind):
        low, high = INTEGERS[kind]
        number = self.random.choice((*NUMBERS, self.random.randint(low, high), self.random.randint(0, 9)))
        return min(max(number, low), high)

    def text(self):
        choice = self.random.random()
        if choice < 0.5:
            return self.random.choice(self.texts)
        if choice < 0.7:
            return self.random.choice([*self.vms, *self.templates, *self.option_types])
        if choice < 0.9:
            return f"f{self.random.randrange(100)}"
        return "".join(chr(self.random.randrange(1, 0xD800)) for _ in range(self.random.randrange(12)))

    def path(self):
        return self.random.choice([
            MANAGER, MANAGER, "/", "/org", MANAGER + "/vms", MANAGER + "/vms/x", "/org/freedesktop/DBus", "/a" * 100,
            *self.vms.values(), *self.vms.values(),
            f"{MANAGER}/vms/{self.random.randrange(1 << 32):08x}_0000_4000_8000_000000000000",
        ])  # fmt: skip

    def type(self, depth=3):
        choice = self.random.random()
        if depth == 0 or choice < 0.55:
            return self.random.choice(BASIC)
        if choice < 0.7:
            return "v"
        if choice < 0.85:
            return "a" + self.type(depth - 1)
        if choice < 0.93:
            return "a{" + self.random.choice(BASIC) + self.type(depth - 1) + "}"
        return "(" + "".join(self.type(depth - 1) for _ in range(self.random.randint(1, 3))) + ")"

    def value(self, kind, depth=4):
        code = kind[0]
        if code in INTEGERS:
            return self.integer(code)
        if code == "h":
            return self.random.choice((0, 0, 0, 1, 2**32 - 1))
        if code == "b":
            return self.random.random() < 0.5
        if code == "d":
            return self.random.choice([0.0, -1.0, 1e308, float("inf"), float("nan"), 5e-324])
        if code == "s":
            return self.text()
        if code == "o":
            return self.path()
        if code == "g":
            return self.random.choice(["", "s", "a{sv}", "a" * 32 + "y", "(" * 32 + "y" + ")" * 32])
        if code == "v":
            inner = self.type(max(0, depth - 2))
            return Variant(inner, self.value(inner, depth - 1))
        if code == "a":
            count = self.random.choice((0, 1, 1, 2, 5)) if depth > 0 else 0
            return [self.value(kind[1:], depth - 1) for _ in range(count)]
        return tuple(self.value(field, depth - 1) for field in wire.types(kind[1:-1]))

    def deep(self):
        """A variant in which others lie, nearly as deep as a message may be."""
        levels = self.random.choice((1, 8, 32, 55))
        innermost = [Variant("y", 1), Variant("s", "x"), Variant("a" * 32 + "y", []), Variant("a{sv}", {})]
        value = self.random.choice(innermost)
        for _ in range(levels if value.signature[0] != "a" else 1):
            value = Variant("v", value)
        return value

    def option(self, known):
        """A key and its value: mostly of the method's own, mostly of the right type."""
        key = self.random.choice(known) if known and self.random.random() < 0.85 else self.text()
        kind = self.option_types.get(key)
        if not kind or self.random.random() < 0.2:
            if self.random.random() < 0.3:
                return key, self.deep()
            kind = self.type()
            return key, Variant(kind, self.value(kind))
        if kind == "a{sv}":
            return key, Variant(kind, [self.option(known) for _ in range(self.random.randrange(3))])
        return key, Variant(kind, self.value(kind))

    def options(self, method):
        known = list(self.option_types) if method.name in CREATING else list(method.options)
        entries = [self.option(known) for _ in range(self.random.choice((0, 0, 1, 1, 2, 4)))]
        if entries and self.random.random() < 0.05:
            entries.append(entries[0])
        if method.name in ("Stop", "StopVM"):
            # Nobody in these VMs listens, and a minute for each is too long.
            entries = [("timeout", Variant("u", 0)), *(entry for entry in entries if entry[0] != "timeout")]
        return [entry for entry in entries if not self.is_harmful(*entry)]

    @staticmethod
    def is_harmful(key, value):
        """A number that must not get near libvirt, should the service let it through: who reads it aborts."""
        return key == "vcpus" and isinstance(value.value, int) and value.value > 4096

    # Calls

    def call(self):
        choice = self.random.random()
        method = self.random.choice(self.methods)
        if method.name in ("Delete", "DeleteVM") and self.random.random() < 0.8:
            # Else no VM would live long enough for the other methods.
            method = self.random.choice(self.methods)
        call = self.right(method) if choice < 0.7 else self.wrong(method)
        if self.random.random() < 0.1:
            call = call._replace(flags=call.flags | wire.NO_REPLY_EXPECTED)
        if self.random.random() < 0.05:
            call = call._replace(flags=call.flags | wire.ALLOW_INTERACTIVE)
        return call

    def right(self, method):
        """The right signature, whatever the values."""
        path = self.random.choice(list(self.vms.values())) if method.on_vm and self.vms else MANAGER
        arguments = []
        for name, kind in method.arguments:
            if kind == "a{sv}":
                arguments.append(self.options(method))
            elif kind == "s" and method.interface == PROPERTIES and self.random.random() < 0.7:
                names = (MANAGER_INTERFACE, VM_INTERFACE, "Name", "State", "Version")
                arguments.append(self.random.choice(names))
            elif kind == "s" and self.vms and method.name != "CreateVM" and self.random.random() < 0.4:
                arguments.append(self.random.choice([*self.vms, *self.templates]))
            else:
                arguments.append(self.value(kind))
        if method.name == "CreateVM" and set(arguments[0]) <= {"."}:
            # Given such a name libvirt deletes what it should not; that it is not given one has tests of its own.
            arguments[0] = "-"
        files = ()
        if "h" in method.signature or (method.name == "CreateVM" and self.random.random() < 0.5):
            files = tuple(self.random.choice(self.files) for _ in range(self.random.choice((1, 1, 2))))
        return Call(path, method.interface, method.name, method.signature, tuple(arguments), fds=files)

    def wrong(self, method):
        call = self.right(method)
        kind = self.random.randrange(7)
        if kind == 0:
            return call._replace(path=self.path())
        if kind == 1:
            interface = self.random.choice((MANAGER_INTERFACE, VM_INTERFACE, PROPERTIES, "org.example.Nothing", "a.b"))
            return call._replace(interface=interface)
        if kind == 2:
            return call._replace(member=self.random.choice(("Frobnicate", "_", "start", "M" * 255, method.name + "2")))
        if kind == 3:
            return call._replace(interface=None)
        if kind == 4:
            return self.with_files(call)
        signature = "".join(self.type() for _ in range(self.random.randrange(5)))
        if kind == 5 and method.signature.startswith("s"):
            signature = "s" + signature
        if signature == method.signature:
            return call
        return call._replace(signature=signature, arguments=tuple(self.value(part) for part in wire.types(signature)))

    def with_files(self, call):
        """Descriptors that come along: unasked for, as an option, as an argument, or all that a message may have."""
        count = self.random.choice((1, 2, 16))
        files = tuple(self.random.choice(self.files) for _ in range(count))
        kind = self.random.randrange(3)
        index = Variant("h", self.random.choice((0, count - 1)))
        if kind == 0 and call.arguments and isinstance(call.arguments[-1], list):
            return call._replace(arguments=(*call.arguments[:-1], [*call.arguments[-1], ("iso", index)]), fds=files)
        if kind == 1:
            return call._replace(signature="h", arguments=(0,), fds=files)
        return call._replace(fds=files)

    # Large ones

    def huge(self):
        """A message of 1 to 30 MiB."""
        size = self.random.randint(1, 30) * MEBIBYTE
        text = self.random.choice(("a", "/", "-", ":", "/a", "\u0301")).encode()
        text *= size // len(text)
        element = wire.encode("(sv)", [("abc", Variant("y", 1))])
        option = self.random.choice([
            ("description", Variant("s", text)), ("iso_path", Variant("s", text)), ("mac_address", Variant("s", text)),
            ("uuid", Variant("s", text)), ("graphics", Variant("s", text)), (text, Variant("y", 1)),
            ("hyperv_features", Variant("as", Repeated(bytes(5), size // 8))), ("x", Variant("ay", bytes(size))),
            ("parameters", Variant("a{sv}", Repeated(element, size // 16))), ("x", Variant("at", bytes(size))),
        ])  # fmt: skip
        return self.random.choice([
            Call(MANAGER, MANAGER_INTERFACE, "GetVM", "s", (text,)),
            Call(MANAGER, MANAGER_INTERFACE, "ListVMs", "ay", (bytes(size),)),
            Call(MANAGER, PROPERTIES, "Get", "ss", (text, "Version")),
            Call(MANAGER, PROPERTIES, "Set", "ssv", (MANAGER_INTERFACE, "Version", Variant("ay", bytes(size)))),
            Call(MANAGER, MANAGER_INTERFACE, "CreateVM", "sa{sv}", (text, [])),
            Call(MANAGER, MANAGER_INTERFACE, "CreateVM", "sa{sv}", ("huge", Repeated(element, size // 16))),
            *itertools.repeat(Call(MANAGER, MANAGER_INTERFACE, "CreateVM", "sa{sv}", ("huge", [option])), 4),
        ])  # fmt: skip


def fields(call):
    """The header of a call."""
    found = {wire.PATH: call.path, wire.MEMBER: call.member, wire.DESTINATION: NAME}
    if call.interface:
        found[wire.INTERFACE] = call.interface
    if call.signature:
        found[wire.SIGNATURE] = call.signature
    if call.fds:
        found[wire.UNIX_FDS] = len(call.fds)
    return found
