"""Texts and numbers that have broken something somewhere, and what each kind of parameter says to them."""

import re

from .bus import ERROR, MANAGER, STANDARD_ERROR

UUID = "3f2a4e6c-9d10-4b7e-8c55-0a1b2c3d4e5f"

# All of it is valid UTF-8 without NUL: the rest does not get past the bus.
TEXTS = {
    "empty": "", "dot": ".", "dots": "..", "three dots": "...", "up": "../../etc/passwd", "absolute": "/etc/passwd",
    "root": "/", "slashes": "//", "slash inside": "a/b", "slash at end": "a/", "up inside": "a/../b",
    "up in path": "/srv/../etc/shadow", "dot in path": "/srv/./a", "backslash": "a\\b", "hyphen": "-", "option": "-x",
    "long option": "--help", "hidden": ".a", "underscore": "_a", "space": " ", "space first": " a", "space last": "a ",
    "space inside": "a b", "tab": "a\tb", "newline inside": "a\nb", "newline last": "abc\n", "newline": "\n",
    "return": "a\rb", "escape": "a\x1b[31mb", "bell": "a\x07", "first control": "a\x01b", "last control": "a\x1fb",
    "delete": "a\x7fb", "first C1": "a\x80b", "next line": "a\x85b", "CSI": "a\x9b31mb", "no-break space": "a\xa0b",
    "soft hyphen": "a\xadb", "zero width space": "a\u200bb", "left-to-right": "a\u200eb", "arabic mark": "a\u061cb",
    "line separator": "a\u2028b", "override": "a\u202eb", "isolate": "a\u2066b", "byte order mark": "\ufeffa",
    "replacement": "a\ufffdb", "noncharacter": "a\ufffeb", "last scalar": "a\U0010ffffb", "tag": "a\U000e0041b",
    "emoji": "\U0001f600", "family": "\U0001f469\u200d\U0001f469\u200d\U0001f467", "wide": "\uff41\uff42",
    "cyrillic a": "\u0430bc", "composed": "caf\xe9", "decomposed": "cafe\u0301", "one grapheme": "a" + "\u0301" * 30000,
    "only a mark": "\u0301", "format": "%s%n%x", "percent": "a%00b", "comma": "a,b=c", "colon": "a:b",
    "semicolon": "a;b",
    "command": "$(id)", "backquotes": "`id`", "pipe": "|id", "glob": "*", "home": "~root", "end of CDATA": "]]>",
    "element": "<x/>", "end of element": "x</name><devices>", "entity": "&lt;", "number entity": "&#0;",
    "doctype": "<!DOCTYPE a>", "apostrophe": "a'b", "quote": 'a"b', "template": "{{ name }}",
    "template tag": "{% raw %}",
    "template comment": "{#x#}", "JSON": '{"a": 1}', "just a name": "null", "digits": "123", "zero": "0",
    "negative": "-1", "hexadecimal": "0x10", "exponent": "1e9", "64 bytes": "a" * 64, "256 bytes": "a" * 256,
    "1025 bytes": "a" * 1025, "longest path": "/" + "a" * 4094, "a path too long": "/" + "a" * 4095,
    "64 KiB": "a" * 65536, "64 KiB of slashes": "/" * 65536, "UUID": UUID, "upper UUID": UUID.upper(),
    "UUID without hyphens": UUID.replace("-", ""), "UUID in braces": "{" + UUID + "}",
    "UUID as URN": "urn:uuid:" + UUID,
    "UUID with hyphens elsewhere": "3f2a4e6c9d104b7e-8c550a1b2c3d4e5f", "UUID and newline": UUID + "\n",
    "nil UUID": "00000000-0000-0000-0000-000000000000", "MAC": "52:54:00:12:34:56", "group MAC": "01:00:5e:00:00:01",
    "MAC and more": "52:54:00:12:34:56:78", "URL": "http://127.0.0.1:1/x", "file URL": "file:///etc/passwd",
    "pseudo JSON": 'json:{"file.filename":"/etc/shadow"}', "pseudo NBD": "nbd:127.0.0.1:1", "pseudo FAT": "fat:/etc",
    "pseudo descriptor": "fd:3", "descriptor set": "/dev/fdset/1",
}  # fmt: skip

# What is no UTF-8, or what a D-Bus string may not hold: the bus hangs up on whoever sends it.
BYTES = {
    "overlong dot": b"\xc0\xae", "overlong slash": b"a\xe0\x80\xafb", "surrogate": b"\xed\xa0\x80",
    "lone byte": b"\xff",
    "cut off": b"\xe2\x82", "beyond Unicode": b"\xf4\x90\x80\x80", "NUL": b"a\0b",
}  # fmt: skip

NUMBERS = [
    0, 1, 2, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63,
    2**64 - 1, -1, -(2**15), -(2**31), -(2**63),
]  # fmt: skip
INTEGERS = {
    "y": (0, 2**8 - 1), "n": (-(2**15), 2**15 - 1), "q": (0, 2**16 - 1), "i": (-(2**31), 2**31 - 1),
    "u": (0, 2**32 - 1),
    "x": (-(2**63), 2**63 - 1), "t": (0, 2**64 - 1),
}  # fmt: skip

# C0, DEL, C1, the marks and overrides of bidirectional text, the line and paragraph separators.
DANGEROUS = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def numbers_around(low, high):
    """The numbers that a limit is missed with, in each integer type that can say them."""
    wanted = sorted({*NUMBERS, low - 1, low, low + 1, high - 1, high, high + 1})
    return [(kind, number) for number in wanted for kind, (least, most) in INTEGERS.items() if least <= number <= most]


# The rules of the parameters, written a second time: the error's name for a text, or None if it is fit.

INVALID, NOT_FOUND, FORBIDDEN = (ERROR + code for code in ("InvalidArgument", "NotFound", "PathNotAllowed"))


def always(name):
    return lambda text: name


def unknown_interface(text):
    """An empty name stands for every interface."""
    return STANDARD_ERROR + "UnknownInterface" if text else None


def new_name(text):
    good = re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,62}", text)
    digits = text.replace("-", "")
    return None if good and not text.isdigit() and not re.fullmatch("[0-9A-Fa-f]{32}", digits) else INVALID


def uuid(text):
    return None if re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text, re.I | re.A) else INVALID


def existing_uuid(text):
    return INVALID if uuid(text) else NOT_FOUND


def is_plain(text):
    """Whether a template takes the text at all."""
    return not re.search("[\0-\x1f\x7f-\x9f\ufffe\uffff]|\\{[{%#]", text)


def text(maximum, pattern="(?s:.*)"):
    """Free text: an empty one stands for none."""
    form = re.compile(pattern, re.A)
    return lambda text: None if text == "" or (
        is_plain(text) and len(text.encode()) <= maximum and form.fullmatch(text)) else INVALID  # fmt: skip


def media_name(text):
    return None if re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,127}", text) else INVALID


def path(text):
    """Or the name of a medium in the library; that there is none of that name libvirt has to say."""
    if media_name(text) is None:
        return None
    parts = [part for part in text.split("/") if part]
    if not text.startswith("/") or len(text.encode()) > 4095 or not parts or {".", ".."} & set(parts):
        return FORBIDDEN
    if re.search("[\0-\x1f\x7f]", text):
        return FORBIDDEN
    return None if is_plain(text) else INVALID


def mac(text):
    if text == "":
        return None
    groups = re.fullmatch("([0-9a-f]{2})(:[0-9a-f]{2}){5}", text, re.I | re.A)
    return None if groups and int(groups[1], 16) % 2 == 0 and text.strip("0:") else INVALID


def cpu_set(text):
    return None if text in ("", "0") else INVALID


# What is fit or not by what the host has, or by how many there are of it.
UNDECIDED = {"cpu_pinning": {"digits", "zero"}, "emulator_cpus": {"digits"}}


# Paths of objects that are no VM's; all are well-formed, or the bus would hang up.
OBJECTS = {
    "root": "/", "above": "/org/neuronos", "vms": MANAGER + "/vms", "no UUID": MANAGER + "/vms/x",
    "jobs": MANAGER + "/jobs/1",
    "unknown": MANAGER + "/vms/" + UUID.replace("-", "_"), "with more": MANAGER + "/vms/" + UUID.replace("-",
    "_") + "/x",
    "digits alone": MANAGER + "/vms/" + UUID.replace("-", ""), "elsewhere": "/vms/" + UUID.replace("-", "_"),
    "of the bus": "/org/freedesktop/DBus", "long": "/a" * 30000, "one long element": "/" + "a" * 65536,
}  # fmt: skip

# By method and argument.
ARGUMENTS = {
    ("GetVM", "name"): always(NOT_FOUND),
    ("GetPermissions", "object"): always(NOT_FOUND),
    ("GetVMByUUID", "uuid"): existing_uuid,
    ("CreateVM", "name"): new_name,
    ("ImportMedia", "name"): media_name,
    ("RemoveMedia", "name"): media_name,
    ("RenderTemplate", "template"): always(NOT_FOUND),
    ("RenderTemplate", "name"): new_name,
    ("Get", "interface_name"): unknown_interface,
    ("Get", "property_name"): always(STANDARD_ERROR + "UnknownProperty"),
    ("GetAll", "interface_name"): unknown_interface,
    ("Set", "interface_name"): unknown_interface,
    ("Set", "property_name"): always(STANDARD_ERROR + "UnknownProperty"),
    **{
        (f"{verb}VM", "name"): always(NOT_FOUND)
        for verb in ("Start", "Stop", "Destroy", "Pause", "Resume", "Reboot", "Reset", "Delete")
    },
}
# By option or parameter, whichever method or template has it.
OPTIONS = {
    "type": always(INVALID),
    "template": always(NOT_FOUND),
    "uuid": uuid,
    # Without a key.
    "user": always(INVALID),
    "ssh_keys": always(INVALID),
    "cloud_init": always(INVALID),
    "iso_path": path,
    "drivers_iso_path": path,
    "mac_address": mac,
    "accelerator": always(INVALID),
    "graphics": always(INVALID),
    "firmware": always(INVALID),
    "screen": always(INVALID),
    "opencore_format": always(INVALID),
    "network_model": always(INVALID),
    "opencore_path": path,
    "rom_path": path,
    "cpu_pinning": always(INVALID),
    "emulator_cpus": cpu_set,
    "pci_devices": always(INVALID),
    "hyperv_features": always(INVALID),
    "network": text(255, "(?s:[^/]+)"),
    "bridge": text(15, "[A-Za-z0-9][A-Za-z0-9._-]*"),
    "description": text(1024),
}
