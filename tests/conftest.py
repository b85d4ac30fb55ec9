"""What many tests start from: a library on a real disk, and a few words to say what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faulty import QuickSystem
from views.edit import Placed
from views.library import Library

PROJECT = "P1-Film"


@pytest.fixture(scope="session", autouse=True)
def _nobody_is_paused() -> Iterator[None]:
    """Every client of a test has the same address, and all together delete more than one device does by mistake."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FILMCAN_MASS_DELETE_LIMIT", "0")
        yield


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def library(root: Path) -> Iterator[Library]:
    """A library with one project, `P1-Film`. Syncs do not wait for the disk."""
    library = Library(root, QuickSystem())
    library.make_project("Film")
    yield library
    library.close()


@pytest.fixture
def put() -> Callable[..., Placed]:
    """put(library, path, data): the bytes under that name."""

    def put(library: Library, path: str, data: bytes, **more: object) -> Placed:
        body = library.receive()
        body.write(data)
        return library.put(path, body, **more)  # type: ignore[arg-type]

    return put
