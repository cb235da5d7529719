"""D-Bus messages as bytes, made and read by hand: a library would refuse half of what the tests have to send."""

import functools
import struct
from typing import NamedTuple

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY_EXPECTED, NO_AUTO_START, ALLOW_INTERACTIVE = 1, 2, 4
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE, UNIX_FDS = range(1, 10)
FIELD_TYPES = {PATH: "o", SIGNATURE: "g", REPLY_SERIAL: "u", UNIX_FDS: "u"}

# The format of struct and the size of the types of one value.
FIXED = {
    "y": ("<B", 1), "b": ("<I", 4), "n": ("<h", 2), "q": ("<H", 2), "i": ("<i", 4), "u": ("<I", 4), "x": ("<q", 8),
    "t": ("<Q", 8), "d": ("<d", 8), "h": ("<I", 4),
}  # fmt: skip
ALIGNMENT = {"s": 4, "o": 4, "g": 1, "v": 1, "a": 4, "(": 8, "{": 8}
ALIGNMENT |= {code: size for code, (_, size) in FIXED.items()}


class Variant(NamedTuple):
    signature: str
    value: object


class Repeated(NamedTuple):
    """The content of an array: the bytes of one element, many times, each but the last padded for the next."""

    element: bytes
    count: int


@functools.lru_cache(maxsize=4096)
def types(signature):
    """The complete types of a signature."""
    found, position = [], 0
    while position < len(signature):
        end = _end(signature, position)
        found.append(signature[position:end])
        position = end
    return found


def _end(signature, position):
    while signature[position] == "a":
        position += 1
    if signature[position] not in "({":
        return position + 1
    depth = 0
    while True:
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(signature[position], 0)
        position += 1
        if depth == 0:
            return position


class Writer:
    def __init__(self):
        self.data = bytearray()

    def pad(self, size):
        self.data += bytes(-len(self.data) % size)

    def write(self, kind, value):
        """A value of one complete type; texts may be bytes, which are sent as they are."""
        code = kind[0]
        if code in FIXED:
            layout, size = FIXED[code]
            self.pad(size)
            self.data += struct.pack(layout, value)
        elif code in "sog":
            text = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
            if code == "g":
                self.data += bytes([len(text)])
            else:
                self.pad(4)
                self.data += struct.pack("<I", len(text))
            self.data += text + b"\0"
        elif code == "v":
            self.write("g", value.signature)
            self.write(value.signature, value.value)
        elif code == "a":
            self.array(kind[1:], value)
        else:
            self.pad(8)
            for field, item in zip(types(kind[1:-1]), value):
                self.write(field, item)

    def array(self, element, values):
        self.pad(4)
        at = len(self.data)
        self.data += bytes(4)
        self.pad(ALIGNMENT[element[0]])
        start = len(self.data)
        if isinstance(values, Repeated):
            padded = values.element.ljust(-(-len(values.element) // 8) * 8, b"\0")
            self.data += padded * (values.count - 1) + values.element
        elif isinstance(values, bytes):
            self.data += values
        else:
            for value in values.items() if isinstance(values, dict) else values:
                self.write(element, value)
        self.data[at : at + 4] = struct.pack("<I", len(self.data) - start)


def encode(signature, arguments):
    writer = Writer()
    for kind, value in zip(types(signature), arguments):
        writer.write(kind, value)
    return bytes(writer.data)


class Reader:
    def __init__(self, data, position=0):
        self.data = data
        self.position = position

    def pad(self, size):
        self.position += -self.position % size

    def read(self, kind):
        code = kind[0]
        if code in FIXED:
            layout, size = FIXED[code]
            self.pad(size)
            (value,) = struct.unpack_from(layout, self.data, self.position)
            self.position += size
            return bool(value) if code == "b" else value
        if code in "sog":
            length = self.read("y" if code == "g" else "u")
            text = bytes(self.data[self.position : self.position + length])
            self.position += length + 1
            return text.decode("utf-8")
        if code == "v":
            signature = self.read("g")
            return Variant(signature, self.read(signature))
        if code == "a":
            length = self.read("u")
            self.pad(ALIGNMENT[kind[1]])
            end = self.position + length
            values = []
            while self.position < end:
                values.append(self.read(kind[1:]))
            return dict(values) if kind[1] == "{" else values
        self.pad(8)
        return tuple(self.read(field) for field in types(kind[1:-1]))


class Message(NamedTuple):
    kind: int
    flags: int
    serial: int
    fields: dict
    body: bytes

    @property
    def arguments(self):
        reader = Reader(self.body)
        return [reader.read(kind) for kind in types(self.fields.get(SIGNATURE, ""))]

    @property
    def error(self):
        """The name of the error; nothing for another message."""
        return self.fields.get(ERROR_NAME)

    @property
    def text(self):
        """What an error says."""
        return self.arguments[0] if self.error and self.fields.get(SIGNATURE) == "s" else ""


def message(kind, serial, fields, body=b"", flags=0):
    """The bytes of a message; fields by number."""
    writer = Writer()
    writer.data += struct.pack("<cBBBII", b"l", kind, flags, 1, len(body), serial)
    entries = [(number, Variant(FIELD_TYPES.get(number, "s"), value)) for number, value in fields.items()]
    writer.array("(yv)", entries)
    writer.pad(8)
    return bytes(writer.data) + body


def take(buffer):
    """The first message of a buffer and its length; nothing while it is not whole. It is in this host's byte order."""
    if len(buffer) < 16:
        return None
    _, kind, flags, _, body_length, serial, fields_length = struct.unpack_from("<cBBBIII", buffer)
    start = 16 + fields_length + (-fields_length % 8)
    if len(buffer) < start + body_length:
        return None
    fields = {number: value.value for number, value in Reader(buffer, 12).read("a(yv)")}
    return Message(kind, flags, serial, fields, bytes(buffer[start : start + body_length])), start + body_length
