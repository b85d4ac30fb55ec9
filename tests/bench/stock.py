"""The other server: wsgidav with its own folder provider on cheroot, as its documentation sets it up.

`python -m tests.bench.stock FOLDER [--durable]` serves FOLDER at /dav/ on a free loopback port and prints the URL.
Its defaults stand, except that nobody has to log in, HTML listings are off and it says nothing. `--durable` makes PUT
sync the file and its folder before it answers, as filmcan does: without that a PUT row would compare a disk with a
page cache. `--properties` keeps dead properties in memory; the client tests use that to tell a fault of a client from
one of ours.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from cheroot import wsgi
from wsgidav.fs_dav_provider import FileResource, FilesystemProvider
from wsgidav.wsgidav_app import WsgiDAVApp


def serve(folder: Path, durable: bool = False, properties: bool = False) -> None:
    provider = FilesystemProvider(str(folder))
    if durable:
        FileResource.end_write = _end_write_synced
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/dav": provider},
            "simple_dc": {"user_mapping": {"*": True}},
            "dir_browser": {"enable": False},
            "property_manager": properties,
            "verbose": 1,
            "logging": {"enable": False},
        }
    )
    server = wsgi.Server(("127.0.0.1", 0), app)
    server.prepare()
    print(f"http://127.0.0.1:{server.bind_addr[1]}/dav/", flush=True)
    try:
        server.serve()
    finally:
        server.stop()


def _end_write_synced(resource: Any, *, with_errors: bool) -> None:
    """wsgidav closes the file and calls this; what it wrote is still in the page cache."""
    for path in (resource._file_path, os.path.dirname(resource._file_path)):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


if __name__ == "__main__":
    try:
        serve(Path(sys.argv[1]), "--durable" in sys.argv, "--properties" in sys.argv)
    except KeyboardInterrupt:
        pass
