"""One server for all client tests.

`FILMCAN_CLIENTS_AGAINST=stock` puts wsgidav in its place, to see whose fault something is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import server as servers
from .server import DavServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DavServer]:
    folder: Path = tmp_path_factory.mktemp("clients")
    root = folder / "root"
    root.mkdir()
    stock = os.environ.get("FILMCAN_CLIENTS_AGAINST") == "stock"
    if not stock and not Path("tools/commands/serve.py").exists():
        pytest.skip("filmcan cannot serve yet")
    yield from (servers.stock if stock else servers.filmcan)(root, folder / "server.log")
