"""One server for all client tests.

`FILMCAN_CLIENTS_AGAINST` puts another one in its place: "stock" is wsgidav over a plain folder, which tells a fault of
a client, or of a test, from one of ours; anything else is a command, with {root} for the folder.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

import pytest

from .server import FILMCAN, STOCK, DavServer, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DavServer]:
    folder = tmp_path_factory.mktemp("clients")
    (folder / "root").mkdir()
    other = os.environ.get("FILMCAN_CLIENTS_AGAINST", "")
    command = STOCK if other == "stock" else shlex.split(other) or FILMCAN
    log = folder / "server.log"
    with running(command, folder / "root", log, shares_blobs=command != STOCK) as server:
        yield server
    assert "Traceback" not in log.read_text(errors="replace"), f"the server stumbled, though no client noticed: {log}"
