"""neuron-vm as people and scripts use it."""

import json

import pytest

from support.guest import POWERBUTTON, READY
from support.stream import Stream
from support.system import DISKS, NOBODY, TEMPLATES, domains, neuron_vm, neuron_vm_json, run, virsh

VERBS = (
    "list info create start stop pause resume reboot reset delete autostart xml watch template templates render doctor".split()
)


def table(text):
    """The rows of a table, cells split at two or more blanks."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def test_the_life_of_a_vm(vms, media):
    name = vms.name()
    neuron_vm(
        "create", name, "--type", "linux", "--memory", "1", "--cpus", "1", "--disk", "2",
        "--iso", str(media / "guest.iso"),
    )  # fmt: skip
    assert table(neuron_vm("list").stdout) == [["Name", "State", "Memory", "vCPUs"], [name, "shut-off", "1 GiB", "1"]]
    neuron_vm("start", name)
    console = vms.console(name)
    console.wait(READY)
    neuron_vm("pause", name)
    assert neuron_vm_json("info", name)["state"] == "paused"
    neuron_vm("resume", name)
    neuron_vm("stop", name, "--timeout", "300", timeout=400)
    console.wait(POWERBUTTON)
    assert neuron_vm_json("info", name)["state"] == "shut-off"
    neuron_vm("delete", name, "--delete-disk")
    assert domains() == [] and list(DISKS.iterdir()) == []
    assert table(neuron_vm("list").stdout)[1:] == []


def test_create_has_defaults(vms):
    name = vms.name()
    neuron_vm("create", name, "--start")
    info = neuron_vm_json("info", name)
    assert (info["state"], info["template"]) == ("running", "windows11-basic")
    assert (info["memory_mb"], info["vcpus"]) == (8192, 4)
    (disk,) = DISKS.glob(f"{name}-*.qcow2")
    image = json.loads(run("qemu-img", "info", "--force-share", "--output=json", str(disk)).stdout)
    assert image["virtual-size"] == 64 << 30


def test_list_for_programs(vms):
    name, path = vms.create(start=True)
    foreign, uuid = vms.define()
    rows = {row["name"]: row for row in neuron_vm_json("list")}
    assert set(rows) == {name, foreign}
    assert (rows[name]["state"], rows[name]["memory_mb"], rows[name]["vcpus"]) == ("running", 256, 1)
    assert rows[foreign]["uuid"] == uuid
    assert path.endswith(rows[name]["uuid"].replace("-", "_"))


def test_control_characters_of_foreign_names_do_not_reach_the_terminal(vms):
    name = "a\tb\x7fc\u202ed"
    vms.later(lambda: virsh("undefine", name))
    vms.define(name)
    shown = neuron_vm("list").stdout + neuron_vm("info", name).stdout
    assert not set("\t\x7f\u202e") & set(shown)
    assert [row["name"] for row in neuron_vm_json("list")] == [name]


def test_without_a_verb_there_is_help_and_failure():
    result = neuron_vm(check=False)
    assert result.returncode == 1
    assert all(verb in result.stdout + result.stderr for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help(verb):
    result = neuron_vm(verb, "--help")
    assert "USAGE: neuron-vm " + verb in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("arguments", [
    ["no-such-verb"], ["start"], ["start", "a", "--frobnicate"], ["stop", "a", "--timeout", "soon"], ["list", "--jsn"],
    ["create"], ["create", "a", "--memory", "much"], ["create", "a", "--type", "beos"], ["create", "a", "--cpus", "0"],
    ["create", ".."], ["create", "a/b"], ["create", "123"],
], ids=" ".join)  # fmt: skip
def test_wrong_usage(arguments):
    result = neuron_vm(*arguments, check=False)
    assert result.returncode == 64
    assert "Usage:" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [
    ["start", "no-such"], ["stop", "no-such"], ["info", "no-such"], ["delete", "no-such"],
    ["create", "a", "--type", "linux", "--iso", "/no/such.iso"], ["create", "a", "--type", "linux", "--iso", "/etc"],
    ["create", "a", "--template", "no-such"], ["templates", "no-such"],
    ["template", "show", "no-such"], ["template", "render", "no-such", "a"],
], ids=" ".join)  # fmt: skip
def test_failures_say_why(arguments):
    result = neuron_vm(*arguments, check=False)
    assert result.returncode == 1
    assert result.stderr.strip()
    assert "org.neuronos" not in result.stderr, "the name of an error is not for people"
    assert result.stdout == ""
    assert domains() == []


def test_a_wrong_state_says_which(vms, client):
    name, path = vms.create()
    result = neuron_vm("pause", name, check=False)
    assert result.returncode == 1
    assert name in result.stderr and "shut-off" in result.stderr


def test_others_than_root_may_look_and_not_touch(vms):
    name, _ = vms.create(start=True)
    assert name in run(*NOBODY, "neuron-vm", "list").stdout
    result = run(*NOBODY, "neuron-vm", "stop", name, "--force", check=False)
    assert result.returncode == 1
    assert result.stderr.strip()
    assert virsh("domstate", name) == "running"


def test_templates_are_listed():
    names = [row[0] for row in table(neuron_vm("templates").stdout)[1:]]
    assert set(names) == set(TEMPLATES)
    assert {template["name"] for template in neuron_vm_json("templates")} == set(names)
    assert neuron_vm("template", "list").stdout == neuron_vm("templates").stdout


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_are_explained(template):
    shown = neuron_vm("template", "show", template).stdout
    assert shown == neuron_vm("templates", template).stdout
    assert "The host must have:\n- qemu-system-x86_64" in shown
    assert "memory_mb = " in shown and "Allowed: an integer from" in shown
    assert neuron_vm_json("template", "show", template)["documentation"] in shown


def test_templates_are_rendered():
    arguments = ["linux-passthrough", "a", "--cpus", "2", "--parameter", "pci_devices=0000:01:00.0,0000:01:00.1"]
    # The two differ in the UUID that each makes and in the time.
    assert "bus='0x01' slot='0x00' function='0x1'" in neuron_vm("template", "render", *arguments).stdout
    assert "<hostdev" in neuron_vm("render", *arguments).stdout


def test_watch_prints_changes_as_they_happen(vms):
    watch = Stream("neuron-vm", "watch", "--json")
    try:
        # It says nothing when it begins to listen; the first VM that it tells of is the sign.
        for _ in range(60):
            name, uuid = vms.define()
            if watch.has_printed(name, within=1):
                break
        virsh("start", name)
        watch.wait('"new": "running"')
        virsh("suspend", name)
        watch.wait('"new": "paused"')
        virsh("destroy", name)
        watch.wait('"new": "shut-off"')
        virsh("undefine", name)
        watch.wait('"event": "removed"')
        lines = [line for line in map(json.loads, watch.text.splitlines()) if line["uuid"] == uuid]
        assert [line["event"] for line in lines] == ["added", *["state-changed"] * 3, "removed"]
        assert [line["new"] for line in lines[1:4]] == ["running", "paused", "shut-off"]
        assert {line["name"] for line in lines} == {name}
    finally:
        watch.close()


def test_no_colour_and_no_terminal_codes_in_a_pipe(vms):
    vms.create()
    assert "\x1b" not in neuron_vm("list").stdout


def test_the_binary_needs_no_swift_runtime():
    libraries = run("ldd", "/usr/bin/neuron-vm").stdout
    assert "libswift" not in libraries and "Foundation" not in libraries
