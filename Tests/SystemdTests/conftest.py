"""Fixtures of the tests under systemd, which run inside Tests/sandbox --systemd."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "EndToEndTests"))


def pytest_configure(config):
    if not pathlib.Path("/run/sandbox-command").exists():
        pytest.exit("run me inside the private system: Tests/sandbox --systemd", returncode=2)
