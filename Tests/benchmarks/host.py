"""The host that is measured: its VMs, the service and its peer, and the small programs that measure them."""

import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid

from support.system import Libvirtd, Service, run, virsh, wait_for_end

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = pathlib.Path("/run/tmp/bench")
DEFINITIONS = pathlib.Path("/etc/libvirt/qemu")
ECHO = "org.neuronos.Bench.Echo"
POLICY = f"""<busconfig><policy user="root">
  <allow own="{ECHO}"/><allow send_destination="{ECHO}"/>
</policy></busconfig>
"""

service = Service()
libvirtd = Libvirtd()


def build_tools():
    """Compiles the measuring programs, and lets the bus know the echo service."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    for name, library in (("bus", "dbus-1"), ("events", "libvirt")):
        flags = run("pkg-config", "--cflags", "--libs", library).stdout.split()
        compiler = os.environ.get("CC", "cc")
        run(compiler, "-O2", "-Wall", "-Wextra", "-Werror", str(HERE / f"{name}.c"), "-o", str(TOOLS / name), *flags)
    pathlib.Path("/etc/dbus-1/system.d/neuron-bench.conf").write_text(POLICY, encoding="utf-8")
    bus = "org.freedesktop.DBus"
    run("gdbus", "call", "--system", "--dest", bus, "--object-path", "/", "--method", f"{bus}.ReloadConfig")


# MARK: programs


def seconds_of(*command):
    """How long a program takes from its start to its end, its output thrown away."""
    path = shutil.which(command[0])
    nothing = os.open(os.devnull, os.O_RDWR)
    files = [(os.POSIX_SPAWN_DUP2, nothing, number) for number in (0, 1)]
    start = time.monotonic()
    pid = os.posix_spawn(path, command, os.environ, file_actions=files)
    _, status = os.waitpid(pid, 0)
    took = time.monotonic() - start
    os.close(nothing)
    if status:
        sys.exit(f"bench: {' '.join(command)} failed with status {os.waitstatus_to_exitcode(status)}")
    return took


def calls(count, *words):
    """How long each of so many calls on the bus takes, in seconds, from a client that does nothing else."""
    return [int(line) / 1e9 for line in run(str(TOOLS / "bus"), "call", str(count), *words).stdout.split()]


def sweeps(count):
    """How long libvirt-dbus takes to tell the properties of every domain, in seconds."""
    return [int(line) / 1e9 for line in run(str(TOOLS / "bus"), "sweep", str(count), timeout=600).stdout.split()]


class Lines:
    """A program that prints lines while it runs."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.rest = b""
        self.lines = []

    def read(self, timeout):
        """Takes what it has printed, waiting for something; False if nothing came in time."""
        readable, _, _ = select.select([self.process.stdout], [], [], timeout)
        data = os.read(self.process.stdout.fileno(), 1 << 20) if readable else b""
        *lines, self.rest = (self.rest + data).split(b"\n")
        self.lines += [line.decode() for line in lines]
        return bool(data)

    def wait(self, count, timeout=30):
        """Waits until it has printed so many lines in all."""
        deadline = time.monotonic() + timeout
        while len(self.lines) < count:
            if not self.read(max(0, deadline - time.monotonic())):
                sys.exit(f"bench: {self.process.args} printed {len(self.lines)} lines instead of {count}")

    def wait_for_silence(self, seconds):
        """Takes what comes until nothing has come for that long."""
        while self.read(seconds):
            pass

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextlib.contextmanager
def program(*command, is_tool=True):
    """A program in the background; a tool prints "ready" first, which is taken off."""
    lines = Lines(*([str(TOOLS / command[0]), *command[1:]] if is_tool else command))
    try:
        if is_tool:
            lines.wait(1)
            lines.lines.clear()
        yield lines
    finally:
        lines.end()


# MARK: the service and its peer


def start_service(*arguments):
    """Starts it, and gives the seconds from the process's beginning until it owned its name, good to 10 ms."""
    service.stop()
    with program("bus", "owner", "org.neuronos.VMManager") as owner:
        service.start(*arguments)
        owner.wait(1)
        owned = int(owner.lines[0]) / 1e9
    fields = pathlib.Path(f"/proc/{service.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    since_boot = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return owned - since_boot - (time.clock_gettime(time.CLOCK_MONOTONIC) - time.clock_gettime(time.CLOCK_BOOTTIME))


@contextlib.contextmanager
def libvirt_dbus():
    """The peer, as its package would run it; gives its process id."""
    command = ["setpriv", "--reuid=libvirtdbus", "--regid=libvirtdbus", "--groups=libvirt", "libvirt-dbus", "--system"]
    with open("/run/log/libvirt-dbus", "ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        run("gdbus", "wait", "--system", "--timeout", "30", "org.libvirt")
        sweeps(1)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def memory(pid):
    """Resident memory in MB, and of it what nobody else has."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    sizes = {key: int(size) / 1024 for key, size in re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)}
    return sizes["Rss"], sizes["Anonymous"]


def switches(pid):
    """How often each thread of a process was given a processor, by its name and number."""
    counts = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text(encoding="ascii", errors="replace")
        name = (task / "comm").read_text(encoding="ascii", errors="replace").strip()
        counts[f"{name} {task.name}"] = sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", status)))
    return counts


# MARK: VMs


def pattern():
    """The definition of a VM that the service has made, as libvirt keeps it."""
    run("neuron-vm", "create", "pattern", "--type", "linux", "--memory", "2", "--cpus", "2", "--disk", "20")
    text = (DEFINITIONS / "pattern.xml").read_text(encoding="utf-8")
    run("neuron-vm", "delete", "pattern", "--delete-disk", "--yes")
    return text


def variant(text, number):
    """The same VM with a name, a UUID and an address of its own."""
    name = f"vm{number:05}"
    address = f"52:54:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    text = re.sub(r"<uuid>[^<]*</uuid>", f"<uuid>{uuid.UUID(int=(4 << 76) + (2 << 62) + number)}</uuid>", text)
    text = re.sub(r"<mac address='[^']*'/>", f"<mac address='{address}'/>", text)
    return name, text.replace("pattern", name)


def fill(text, count):
    """Gives libvirt so many VMs and no others, by its own files: to define 10,000 one by one takes very long."""
    service.stop()
    pid = libvirtd.pid
    os.kill(pid, signal.SIGTERM)
    wait_for_end(pid)
    for file in DEFINITIONS.glob("*.xml"):
        file.unlink()
    for number in range(1, count + 1):
        name, definition = variant(text, number)
        (DEFINITIONS / f"{name}.xml").write_text(definition, encoding="utf-8")
    libvirtd.start()
    known = virsh("list", "--all", "--name").split()
    if len(known) != count:
        sys.exit(f"bench: libvirt knows {len(known)} VMs and not {count}")
