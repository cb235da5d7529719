"""Templates that the service must not take, and what those that it takes make: no way past libvirt, no open port."""

import os
import pathlib
import re

import pytest

from support.bus import ERROR, BusError, Client, options
from support.system import TESTS, UNIT, run
from support.templates import smc_config_file

DIRECTORY = pathlib.Path("/etc/neuron-vm/templates")
LOG = pathlib.Path("/run/log/neuron-vmd")
HEADER = """{#
summary: Planted
guest: linux
parameters:
  name: {type: name, required: true, meaning: Name.}
  uuid: {type: uuid, meaning: UUID.}
  memory_mb: {type: integer, unit: MiB, minimum: 64, maximum: 1024, default: 64, meaning: Memory.}
  vcpus: {type: integer, minimum: 1, maximum: 4, default: 1, meaning: CPUs.}
  disk_size_gb: {type: integer, unit: GiB, minimum: 1, maximum: 64, default: 1, meaning: Disk.}
  disk_path: {type: path, required: true, reserved: true, meaning: Disk.}
#}"""
BODY = """<domain type='qemu'><name>{{ name }}</name><uuid>{{ uuid }}</uuid><memory unit='MiB'>{{ memory_mb }}</memory>
<vcpu>{{ vcpus }}</vcpu><os><type machine='pc'>hvm</type></os><devices><disk type='file'>
<driver name='qemu' type='qcow2'/><source file='{{ disk_path }}'/><target dev='vda'/></disk></devices></domain>
"""
GOOD = HEADER + BODY
ENTITY = "<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/shadow'>]>" + BODY.replace("{{ name }}", "&x;")
LAUGHS = "".join(f"<!ENTITY a{n + 1} '{f'&a{n};' * 10}'>" for n in range(9))
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
COMMAND_LINE = "commandline><{0}arg value='-device'/></{0}commandline>"


@pytest.fixture
def planted(service):
    """Plants templates by name and starts the service with them; the log of that start is the result."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)

    def plant(texts, prepare=lambda: None):
        for name, text in texts.items():
            (DIRECTORY / f"{name}.xml.j2").write_text(text, encoding="utf-8")
            (DIRECTORY / f"{name}.xml.j2").chmod(0o644)
        prepare()
        start = LOG.stat().st_size
        service.restart()
        return LOG.read_bytes()[start:].decode()

    yield plant
    run("rm", "-r", str(DIRECTORY))
    service.restart()


def file(name):
    return DIRECTORY / f"{name}.xml.j2"


def special_files():
    file("linked").symlink_to(file("good"))
    file("loose").chmod(0o666)
    file("shared").chmod(0o664)
    os.chown(file("foreign"), 65534, 65534)
    os.mkfifo(file("fifo"))
    file("folder").mkdir()


@pytest.mark.restarts_service
def test_files_that_are_not_taken(planted):
    texts = {
        "good": GOOD, "loose": GOOD, "shared": GOOD, "foreign": GOOD, "long": GOOD + " " * 65536,
        "dtd": HEADER + ENTITY,
        "late-dtd": HEADER + BODY.replace("<os>", "<!DOCTYPE x><os>"),
        "laughs": HEADER + f"<!DOCTYPE d [{LAUGHS}]>" + BODY,
        "instruction": HEADER + "<?xml-stylesheet href='file:///etc/shadow'?>" + BODY,
        "data": HEADER + BODY.replace("<os>", "<![CDATA[{{ name }}]]><os>"),
        "include": HEADER + '{% include "../../../etc/passwd" %}' + BODY,
        "import": HEADER + '{% import "x" as y %}' + BODY,
        "call": HEADER + BODY.replace("{{ name }}", "{{ name.__class__ }}"),
        "filter": HEADER + BODY.replace("{{ name }}", "{{ name|safe }}"),
        "unquoted": HEADER + BODY.replace("'{{ disk_path }}'", "{{ disk_path }}"), "empty": "",
        "control": GOOD + "\x1b[2J",
    }  # fmt: skip
    log = planted(texts, special_files)
    client = Client()
    refused = {*texts, "linked", "fifo", "folder"} - {"good"}
    names = {row[0] for row in client.manager("ListTemplates")}
    assert "good" in names and not refused & names
    for name in sorted(refused):
        assert re.search(f"template refused: .*{name}", log), f"the log does not name {name}:\n{log}"
        with pytest.raises(BusError) as caught:
            client.manager("RenderTemplate", "(ssa{sv})", name, "a", {})
        assert caught.value.name == ERROR + "TemplateInvalid", name
        assert "root:" not in caught.value.message and "\x1b" not in caught.value.message
    assert "root:" not in log and "\x1b" not in log
    assert "<name>a</name>" in client.manager("RenderTemplate", "(ssa{sv})", "good", "a", {})
    client.close()


@pytest.mark.restarts_service
def test_a_template_has_no_way_past_libvirt(planted):
    """Options for QEMU itself would be the end of all that libvirt checks and confines."""
    prefixed = BODY.replace("<os>", "<q:" + COMMAND_LINE.format("q:") + "<os>")
    texts = {
        "prefixed": prefixed.replace("<domain ", f"<domain xmlns:q='{QEMU}' "),
        "hidden": prefixed.replace("<domain ", f"<domain xmlns:q='{QEMU.replace('qemu', '&#113;emu')}' "),
        "default": BODY.replace("<os>", f"<commandline xmlns='{QEMU}'><arg value='-device'/></commandline><os>"),
        "inside": BODY.replace("<target ", f"<x:y xmlns:x='{QEMU}'/><target "),
    }
    planted({name: HEADER + text for name, text in texts.items()})
    client = Client()
    for name in texts:
        for method, signature, arguments in (
            ("RenderTemplate", "(ssa{sv})", (name, "a", {})),
            ("CreateVM", "(sa{sv})", ("a", options({"template": name}))),
        ):
            with pytest.raises(BusError) as caught:
                client.manager(method, signature, *arguments)
            assert caught.value.name == ERROR + "TemplateInvalid", name
    client.close()


@pytest.mark.restarts_service
@pytest.mark.parametrize("how", ["mode", "sticky", "owner", "link"])
def test_a_directory_that_others_could_change_stops_the_service(planted, service, how):
    DIRECTORY.rmdir()
    target = DIRECTORY
    if how == "link":
        DIRECTORY.symlink_to("/usr/share/neuron-vm/templates")
    else:
        DIRECTORY.mkdir(mode=0o755)
    if how in ("mode", "sticky"):
        DIRECTORY.chmod(0o775 if how == "mode" else 0o1777)
    if how == "owner":
        os.chown(DIRECTORY, 65534, 65534)
    service.stop()
    result = run(str(TESTS / "start-unit"), "--log", str(LOG), UNIT, check=False)
    assert result.returncode != 0
    assert str(target) in result.stderr.splitlines()[-2]
    assert not service.is_running
    if how == "link":
        DIRECTORY.unlink()
        DIRECTORY.mkdir()


def listeners():
    """The TCP and UDP sockets that somebody could connect to from elsewhere in this system."""
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in pathlib.Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" or table.startswith("udp"):
                found.add((table, fields[1]))
    return found


@pytest.mark.parametrize("template, memory, graphics", [
    ("linux-basic", 256, "spice"), ("linux-basic", 256, "vnc"), ("linux-passthrough", 256, "spice"),
    ("windows11-basic", 4096, "spice"), ("windows11-passthrough", 4096, "vnc"), ("macos-sonoma-basic", 4096, "spice"),
    ("macos-sonoma-passthrough", 4096, "vnc"),
])  # fmt: skip
def test_no_display_listens_on_a_port(client, vms, media, template, memory, graphics):
    before = listeners()
    name = vms.name()
    more = {}
    if template.startswith("macos"):
        more = {"opencore_path": str(media / "ipxe.iso"), "opencore_format": "iso"}
    with smc_config_file():
        path = client.create(name, template=template, memory_mb=memory, graphics=graphics, start=True, **more)
    assert client.state(path) == "running"
    assert listeners() == before
    process = pathlib.Path(f"/run/libvirt/qemu/{name}.pid").read_text(encoding="ascii").strip()
    words = pathlib.Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8").split("\0")
    (display,) = [value for key, value in zip(words, words[1:]) if key in ("-spice", "-vnc")]
    assert display.startswith("unix" if graphics == "spice" else "vnc=unix:"), display
    client.vm(path, "Destroy")


def test_each_template_is_tried(client):
    """A new one comes into the test above."""
    (mark,) = test_no_display_listens_on_a_port.pytestmark
    assert {row[0] for row in client.manager("ListTemplates")} == {row[0] for row in mark.args[1]}
