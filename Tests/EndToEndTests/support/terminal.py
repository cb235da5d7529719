"""A person at a terminal."""

import fcntl
import os
import select
import subprocess
import termios
import time


class Terminal:
    """Runs a program as a user on a terminal of its own."""

    def __init__(self, user, *command):
        self.text = ""
        self.master, slave = os.openpty()
        self.process = subprocess.Popen(
            ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "env", "LANG=C.UTF-8", *command],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)

    def wait(self, text, timeout=30):
        """Reads until a text is there."""
        deadline = time.monotonic() + timeout
        while text not in self.text:
            assert self._read(deadline - time.monotonic()), f"no {text!r}, but:\n{self.text}"

    def end(self, timeout=30):
        """Reads to the end; the exit status."""
        deadline = time.monotonic() + timeout
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(timeout=timeout)

    def type_password(self, line, timeout=30):
        """Types when it is not echoed any more: what came before is thrown away together with the echo."""
        deadline = time.monotonic() + timeout
        while termios.tcgetattr(self.master)[3] & termios.ECHO:
            assert time.monotonic() < deadline, f"it is still echoed what is typed:\n{self.text}"
            self._read(0.01)
        os.write(self.master, f"{line}\n".encode())

    def _read(self, seconds):
        readable, _, _ = select.select([self.master], [], [], max(0, seconds))
        try:
            # A terminal whose last program has ended gives an error.
            data = os.read(self.master, 65536) if readable else b""
        except OSError:
            data = b""
        self.text += data.decode(errors="replace")
        return bool(data)

    def close(self):
        self.process.kill()
        self.process.wait(timeout=30)
        os.close(self.master)
