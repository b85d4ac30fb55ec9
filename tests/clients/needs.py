"""What a test needs from the machine: absent at home it is skipped, absent in CI it is a failure."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def need_program(program: str, package: str) -> str:
    """The path of `program`, or a skip that says which Debian package brings it."""
    return shutil.which(program) or missing(f"{program} is not installed: apt install {package}")


def missing(reason: str) -> NoReturn:
    """CI promises to have everything; there a skip would hide that nobody looked."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
