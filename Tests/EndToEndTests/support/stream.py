"""A program that goes on printing, such as a monitor."""

import os
import select
import subprocess
import time


class Stream:
    """Starts a program; reads its output, standard error included, until something has come."""

    def __init__(self, *command):
        self.text = ""
        self.command = command
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def has_printed(self, text, within):
        """Reads on until a text is there, the time in seconds is up, or the program has ended."""
        deadline = time.monotonic() + within
        while text not in self.text:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            if not data:
                return False
            self.text += data.decode()
        return True

    def wait(self, text, timeout=30):
        printed = self.has_printed(text, timeout)
        assert printed, f"{' '.join(self.command)} did not print {text!r}, but:\n{self.text}"

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.process.stdout.close()
