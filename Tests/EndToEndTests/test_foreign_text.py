"""What other tools write into VMs reaches no terminal and no log as it is, and leaves no doubt which VM is meant."""

import json
import os
import pathlib
import pty
import re
import subprocess
import threading
from uuid import uuid4

import pytest

from support.bus import ERROR, MANAGER, MANAGER_INTERFACE, VM_INTERFACE, BusError, vm_path
from support.guest import foreign_xml
from support.hostile import DANGEROUS
from support.rawbus import RawBus
from support.stream import Stream
from support.system import domains, neuron_vm, run, virsh, wait_until

LOG = pathlib.Path("/run/log/neuron-vmd")
# XML has no escape character; U+009B is what stands for the escape and '[' together.
NAMES = {
    "tab": "a\tb", "delete": "a\x7fb", "CSI": "a\x9b31mb", "next line": "a\x85b", "override": "a\u202eb",
    "isolate": "a\u2067b\u2069", "marks": "a\u200e\u200f\u061cb", "lines": "a\u2028b\u2029", "quotes": "a'b\"c`d",
    "markup": "a<b>&amp;]]>", "format": "%s%n%x", "option": "-x", "long": "a" * 200, "wide": "\U0001f600" * 50,
    "marks on one letter": "a" + "\u0301" * 100, "forged": "a\x85<3>neuron-vmd: forged", "spaces": "  a  ",
}  # fmt: skip
# For many of the others libvirt makes paths that are too long for a socket.
STARTED = [NAMES[kind] for kind in ("tab", "CSI", "override", "option")]
TEXT = "t\tx\x7fy\x9b2Jz\u202ew\u2066v\x85u"
NEURONOS = "https://neuronos.org/libvirt/1"
MORE = f"""
<title>{TEXT}</title><description>{TEXT}</description>
<metadata><n:vm xmlns:n='{NEURONOS}'><n:template>{TEXT}</n:template><n:os-type>{TEXT}</n:os-type>
<n:owner-uid>{TEXT}</n:owner-uid><n:created-at>{TEXT}</n:created-at><n:volume>/{TEXT}</n:volume></n:vm>
<x:y xmlns:x='urn:x' z='{TEXT}'>{TEXT}</x:y></metadata>"""


def define_all(vms):
    """Has virsh, one for all, define a VM for each of the names: names by UUID."""
    names = {str(uuid4()): name for name in NAMES.values()}
    vms.later(lambda: virsh("; ".join(f"undefine {each}" for each in names), check=False))
    files = []
    for each, name in names.items():
        files.append(pathlib.Path(f"/run/tmp/{each}.xml"))
        files[-1].write_text(foreign_xml(name, each, more=MORE), encoding="utf-8")
    virsh("; ".join(f"define {file}" for file in files))
    return names


@pytest.fixture
def foreign(vms):
    names = define_all(vms)
    wait_until(lambda: {row[2] for row in vms.client.list().values()} >= set(names), "the service to hear of all of them")
    return names


def is_clean(text):
    """Whether nothing in it moves a cursor but the ends of lines."""
    return not DANGEROUS.search(text.replace("\n", ""))


def on_terminal(*command):
    """What a program writes to a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    written = bytearray()

    def read():
        try:
            while data := os.read(ours, 65536):
                written.extend(data)
        except OSError:
            pass  # This is how the end of a terminal is told.

    reader = threading.Thread(target=read)
    reader.start()
    process.wait(timeout=60)
    reader.join()
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


def test_the_command_line_shows_no_control_characters(foreign):
    listed = neuron_vm("list")
    assert is_clean(listed.stdout) and listed.stderr == ""
    assert len(listed.stdout.splitlines()) == len(foreign) + 1
    assert {row["uuid"]: row["name"] for row in json.loads(neuron_vm("list", "--json").stdout)} == foreign
    for each, name in foreign.items():
        for arguments in (["info", each], ["info", "--json", each], ["info", "--", name]):
            shown = neuron_vm(*arguments)
            assert is_clean(shown.stdout) and shown.stderr == "", (arguments, shown)
        details = json.loads(neuron_vm("info", "--json", each).stdout)
        # What this service cannot have written is not believed.
        assert (details["name"], details["template"], details["os_type"]) == (name, "", "")
        assert (details["owner_uid"], details["created_at_us"]) == (None, None)


def test_errors_show_no_control_characters(foreign):
    start = LOG.stat().st_size
    raw = RawBus()
    for each, name in foreign.items():
        for arguments in (["pause", each], ["stop", "--", name], ["resume", "--", name + "\x1b[31m"]):
            result = neuron_vm(*arguments, check=False)
            assert result.returncode == 1
            assert result.stdout == "" and is_clean(result.stderr) and result.stderr.count("\n") == 1, result
        reply = raw.call(vm_path(each), VM_INTERFACE, "Pause", "a{sv}", [{}])
        assert reply.error == ERROR + "InvalidState"
        assert not DANGEROUS.search(reply.text)
        reply = raw.call(MANAGER, MANAGER_INTERFACE, "StartVM", "sa{sv}", [name + "\x1b[31m", {}])
        assert reply.error == ERROR + "NotFound"
        assert not DANGEROUS.search(reply.text)
    raw.close()
    # All of it went to the journal as well.
    with open(LOG, encoding="utf-8") as log:
        log.seek(start)
        text = log.read()
    lines = text.splitlines(keepends=True)
    assert text.count("\n") == len(lines) >= len(foreign) * 4
    assert is_clean(text)
    assert all(re.match("<[0-7]>[a-z-]+: ", line) for line in lines)


def test_a_terminal_gets_no_control_characters_but_our_own_colours(foreign):
    for arguments in (["list"], *(["info", each] for each in foreign), *(["xml", each] for each in foreign)):
        shown = on_terminal("neuron-vm", *arguments)
        assert "a" in shown
        plain = re.sub("\x1b\\[[0-9;]*m", "", shown)
        assert is_clean(plain.replace("\t", "") if arguments[0] == "xml" else plain), arguments
    # Into a file a definition goes as it is.
    first = next(iter(foreign))
    assert TEXT in neuron_vm("xml", first).stdout


def test_watch_shows_no_control_characters(vms):
    for arguments in (["watch"], ["watch", "--json"]):
        watch = Stream("neuron-vm", *arguments)
        try:
            # It says nothing when it begins to listen; the first VM that it tells of is the sign.
            for _ in range(60):
                name, _ = vms.define()
                if watch.has_printed(name, within=1):
                    break
            foreign = {name: each for each, name in define_all(vms).items()}
            virsh("start", foreign[NAMES["tab"]])
            virsh("domrename", foreign[NAMES["quotes"]], "b\u202ec")
            virsh("undefine", "b\u202ec")
            virsh("destroy", foreign[NAMES["tab"]])
            last, _ = vms.define()
            watch.wait(last)
            assert is_clean(watch.text), watch.text
            virsh("; ".join(f"undefine {each}" for each in foreign.values()), check=False)
        finally:
            watch.close()


def test_names_that_look_alike_are_two_vms(client, vms):
    """Swift and people take both spellings of the accent for one; libvirt has two VMs."""
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    uuids = {}
    for name in (composed, decomposed):
        vms.later(lambda name=name: virsh("undefine", name, check=False))
        uuids[name] = vms.define(name)[1]
    rows = [row for row in client.manager("ListVMs") if row[1] in uuids]
    assert {row[1]: row[2] for row in rows} == uuids
    for name, uuid in uuids.items():
        assert client.manager("GetVM", "(s)", name) == vm_path(uuid)
        assert json.loads(neuron_vm("info", "--json", name).stdout)["uuid"] == uuid
    neuron_vm("start", composed)
    assert [virsh("domstate", name) for name in uuids] == ["running", "shut off"]
    neuron_vm("stop", "--force", "--timeout", "0", composed)
    neuron_vm("delete", uuids[composed])
    assert domains() == [decomposed]
    assert list(client.list()) == [decomposed]
    with pytest.raises(BusError):
        client.manager("GetVM", "(s)", composed)
    client.vm(vm_path(uuids[decomposed]), "Delete")
    assert domains() == []


def test_foreign_names_work_in_every_operation(client, foreign):
    """Whatever the name, the VM is its UUID."""
    for each, name in foreign.items():
        path = vm_path(each)
        assert client.manager("GetVM", "(s)", name) == path
        if name in STARTED:
            client.manager("StartVM", "(sa{sv})", name, {})
            assert client.state(path) == "running"
            client.vm(path, "Destroy")
        assert client.manager("DeleteVM", "(sa{sv})", name, {}) == []
        assert run("virsh", "-q", "domstate", each, check=False).returncode != 0
    assert client.list() == {}
