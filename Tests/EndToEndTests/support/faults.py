"""Points at which a process is killed or a system call of it fails: Tests/fault-points.c, and what becomes of a service under it."""

import functools
import os
import pathlib
import select
import shutil
import subprocess
import time

from .system import TESTS, UNIT

PROGRAM = pathlib.Path("/run/tmp/fault-points")
SERVICE = "/usr/libexec/neuron-vmd"


@functools.cache
def obstacle():
    """Why there are no points here; None where there are."""
    compiler = shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        return "there is no C compiler"
    command = [compiler, "-O2", "-Wall", "-Wextra", "-o", str(PROGRAM), str(TESTS / "fault-points.c")]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode != 0:
        return f"fault-points.c cannot be compiled: {built.stderr.strip().splitlines()[0]}"
    tried = subprocess.run([str(PROGRAM), "-x", "/usr/bin/true", "--", "true"], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"ptrace(2) is not permitted: {tried.stderr.strip()}"


class Points:
    """Counts the calls of the service while it is open, and strikes at one of them."""

    def __init__(self, number=0, error=None, after=False, which="effects"):
        self.error = error
        self.options = ["-s", which, "-n", str(number)]
        if error:
            self.options += ["-e", error]
        if after:
            self.options.append("-a")
        self.process = None
        self.lines = []
        self.rest = b""

    def attach(self, pid):
        """Returns when it counts."""
        self._run("-p", str(pid))
        self._read_until(lambda: "armed" in self.lines or self.has_ended, "tracer that is ready")
        assert not self.has_ended, self.lines

    def start_service(self):
        """The service is started under it, and perhaps not to the end."""
        pathlib.Path(f"/run/{UNIT}.pid").unlink(missing_ok=True)
        unit = [str(TESTS / "start-unit"), "--log", "/run/log/neuron-vmd", UNIT]
        self._run("-x", SERVICE, "--", *unit)

    def _run(self, *arguments):
        command = [str(PROGRAM), *self.options, *arguments]
        # What start-unit has to say of a service that was killed is no news.
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    @property
    def has_ended(self):
        """Whether all that was traced has."""
        return self.ends_within(0)

    def ends_within(self, seconds):
        self._read(seconds)
        return any(line.startswith("seen") for line in self.lines)

    @property
    def hit(self):
        """What was struck, such as `write socket:[12]`; None so far."""
        self._read(0)
        return next((line.split(" ", 2)[2].strip() for line in self.lines if line.startswith("hit")), None)

    @property
    def death(self):
        """The signal that has ended it; None for one that runs or has ended by itself."""
        self._read(0)
        return next((line.split(" ", 2)[2].strip() for line in self.lines if line.startswith("ended")), None)

    def end(self):
        """Lets the service go on by itself. How many calls there were."""
        self.process.terminate()
        self._read_until(lambda: self.has_ended, "end of the tracer")
        self.process.wait(timeout=30)
        self.process.stdout.close()
        return int(next(line for line in self.lines if line.startswith("seen")).split()[1])

    def _read_until(self, condition, what, timeout=60):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"no {what} within {timeout} s: {self.lines}"
            self._read(0.1)

    def _read(self, seconds):
        while not self.process.stdout.closed:
            ready, _, _ = select.select([self.process.stdout], [], [], seconds)
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not data:
                return
            *lines, self.rest = (self.rest + data).split(b"\n")
            self.lines += [line.decode() for line in lines]
            seconds = 0
