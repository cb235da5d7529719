"""Each template is taken by libvirt as it is, and what a host lacks for it is said."""

import os
import pathlib
import re
import stat
import xml.etree.ElementTree as ElementTree

import pytest

from support.bus import ERROR, BusError
from support.system import DISKS, TEMPLATES, domains, run, virsh
from support.templates import SMC_CONFIG, SMC_KEY, render, smc_config, smc_config_file, values_for

VCPUS = (1, 2, 3, 4, 7, 16)


@pytest.fixture
def kvm(service):
    """KVM as libvirt sees it, if this machine has any; nothing is started with it."""
    device = pathlib.Path("/dev/kvm")
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(10, 232))
    device.chmod(0o666)
    service.restart()
    try:
        if "<domain type='kvm'" not in virsh("capabilities"):
            pytest.skip("this machine has no KVM that QEMU can open")
        yield
    finally:
        device.unlink()
        service.restart()


def define_all(client, accelerator, directory):
    """Defines every template with every number of CPUs, with and without a medium; what libvirt stored of the last of each."""
    script, count, stored = [], 0, {}
    for template in TEMPLATES:
        for medium in (None, "/var/lib/libvirt/images/none.iso"):
            for vcpus in VCPUS[template.startswith("windows") :]:
                values = values_for(template, vcpus=vcpus, accelerator=accelerator)
                if medium:
                    values["iso_path"] = medium
                file = directory / f"{count}.xml"
                file.write_text(render(client, template, template, **values), encoding="utf-8")
                run("virt-xml-validate", str(file), "domain")
                script += [f"define --validate {file}", f"dumpxml {template} --inactive", f"undefine {template} --nvram"]
                count += 1
    result = run("virsh", "--connect", "qemu:///system", stdin="\n".join(script) + "\n")
    assert "error:" not in result.stderr + result.stdout, result.stderr
    assert result.stdout.count(" defined from ") == result.stdout.count(" has been undefined") == count
    for text in re.findall(r"<domain .*?</domain>", result.stdout, re.DOTALL):
        domain = ElementTree.fromstring(text)
        stored[domain.findtext("name")] = domain
    return count, stored


def check_stored(stored, virt_type):
    assert set(stored) == set(TEMPLATES)
    for template, domain in stored.items():
        assert domain.get("type") == virt_type
        assert domain.find("os/type").get("machine").startswith("pc-q35-")
        metadata = domain.find("metadata/{https://neuronos.org/libvirt/1}vm")
        assert metadata.findtext("{https://neuronos.org/libvirt/1}template") == template
        assert domain.find("features/hyperv") is None or virt_type == "kvm"
        places = [device.find("address") for device in domain.findall("devices/hostdev")]
        # The two functions of a card are in one slot, and nothing else is there.
        assert [place.get("function") for place in places] == ["0x0", "0x1", "0x0"][: len(places)]
        assert len(places) == (3 if template.endswith("passthrough") else 0)
        buses = [address.get("bus") for address in domain.iterfind("devices/*/address[@type='pci']")]
        if places:
            assert [place.get("bus") for place in places[:2]] == ["0x01", "0x01"]
            assert buses.count("0x01") == 2


def test_libvirt_takes_every_template_for_emulation(client, tmp_path):
    count, stored = define_all(client, "tcg", tmp_path)
    assert count == 2 * (6 * len(VCPUS) - 2)
    check_stored(stored, "qemu")


@pytest.mark.restarts_service
def test_libvirt_takes_every_template_for_kvm(kvm, client, tmp_path):
    count, stored = define_all(client, "kvm", tmp_path)
    assert count == 2 * (6 * len(VCPUS) - 2)
    check_stored(stored, "kvm")


# What the host lacks


def failure(function, *arguments, **values):
    with pytest.raises(BusError) as caught:
        function(*arguments, **values)
    return caught.value


def test_without_an_iommu_a_vm_is_defined_and_its_start_says_what_is_missing(client, vms):
    if list(pathlib.Path("/sys/kernel/iommu_groups").glob("*")):
        pytest.skip("this machine has an IOMMU")
    for template in TEMPLATES:
        if not template.endswith("passthrough") or template.startswith("macos"):
            continue
        name, path = vms.create(
            template=template, type=template.split("-")[0].rstrip("1"), memory_mb=4096, vcpus=2, disk_size_gb=64,
            pci_devices=["0000:41:00.0", "0000:41:00.1"],
        )  # fmt: skip
        error = failure(client.vm, path, "Start")
        assert error.name == ERROR + "HostUnsupported"
        assert f"cannot start '{name}': the host has no PCI device 0000:41:00.0, 0000:41:00.1" in error.message
        assert "no IOMMU" in error.message and "VT-d or AMD-Vi" in error.message
        assert client.state(path) == "shut-off"
        assert "<hostdev" in client.vm(path, "GetXML")


def test_a_start_that_fails_at_once_leaves_nothing(client, vms):
    name = vms.name()
    error = failure(
        client.create, name, template="linux-passthrough", memory_mb=256, vcpus=1, disk_size_gb=1, huge_pages=True,
        start=True,
    )  # fmt: skip
    assert error.name == ERROR + "HostUnsupported"
    assert "wants 256 MiB of huge pages, and the host has reserved 0 MiB" in error.message
    assert domains() == [] and list(DISKS.iterdir()) == []


def test_a_cpu_that_is_not_there_is_refused(client, vms):
    error = failure(vms.create, template="linux-passthrough", cpu_pinning=["4000"])
    assert error.name == ERROR + "InvalidArgument"
    assert "cpu_pinning names CPU 4000, and the host's CPUs are 0" in error.message


@pytest.mark.parametrize("bad", [
    {"text": smc_config("too-short")}, {"text": SMC_KEY}, {"text": ""}, {"mode": 0o666}, {"mode": 0o660},
], ids=str)  # fmt: skip
def test_macos_needs_a_key_that_only_root_can_change(client, vms, bad):
    with smc_config_file(**{"mode": 0o644, **bad}):
        error = failure(vms.create, type="macos", memory_mb=4096, disk_size_gb=64, opencore_path="/boot.qcow2")
    assert error.name == ERROR + "HostUnsupported"
    assert str(SMC_CONFIG) in error.message and "Apple" in error.message
    assert domains() == [] and list(DISKS.iterdir()) == []


def test_macos_says_what_it_needs(client, vms):
    macos = {"type": "macos", "memory_mb": 4096, "disk_size_gb": 64}
    error = failure(vms.create, **macos)
    assert error.name == ERROR + "InvalidArgument"
    assert "opencore_path is missing" in error.message
    error = failure(vms.create, **macos, opencore_path="/boot.qcow2")
    assert error.name == ERROR + "HostUnsupported"
    assert f"needs the file {SMC_CONFIG}, which does not exist" in error.message and "README" in error.message
    # To see what it would be it takes neither.
    assert "isa-applesmc" not in render(client, "macos-sonoma-basic", "mac")


# Templates of the administrator's


@pytest.mark.restarts_service
def test_templates_of_the_administrator(client, vms, service):
    shipped = pathlib.Path("/usr/share/neuron-vm/templates/linux-basic.xml.j2").read_text(encoding="utf-8")
    directory = pathlib.Path("/etc/neuron-vm/templates")
    directory.mkdir(parents=True, exist_ok=True)
    try:
        (directory / "linux-basic.xml.j2").write_text(shipped.replace("summary: ", "summary: Our "), encoding="utf-8")
        (directory / "linux-lab.xml.j2").write_text(shipped, encoding="utf-8")
        for bad, spoil in (
            ("windows11-basic", lambda file: os.chown(file, 65534, 65534)), ("linux-open", lambda file: file.chmod(0o666)),
        ):  # fmt: skip
            file = directory / f"{bad}.xml.j2"
            file.write_text(shipped, encoding="utf-8")
            spoil(file)
        service.restart()
        summaries = {name: text.splitlines()[0] for name, _, text, _ in client.manager("ListTemplates")}
        assert summaries["linux-basic"].startswith("Our ")
        assert set(summaries) == {*TEMPLATES, "linux-lab"} - {"windows11-basic"}
        assert "<domain " in render(client, "linux-lab", "lab")
        for name, words in (("windows11-basic", "belongs to user 65534"), ("linux-open", "written by others")):
            error = failure(render, client, name, "lab")
            assert error.name == ERROR + "TemplateInvalid"
            assert name in error.message and words in error.message
        log = pathlib.Path("/run/log/neuron-vmd").read_text(encoding="utf-8")
        assert "template refused: template 'windows11-basic': the file belongs to user 65534, not to root" in log
    finally:
        for file in directory.iterdir():
            file.unlink()
        directory.rmdir()
        service.restart()
