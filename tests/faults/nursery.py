"""Servers that start in a few milliseconds: a warm process forks one whenever a line on its input names a root.

    in    {"root": "/…", "hold": "/…/fifo" or "", "watch": true or false}
    out   "pid 123", then "port 4567" once it listens

With `watch` it takes in what lies on the disk. With `hold` the server waits before it touches the root, until somebody opens the
fifo for writing. SIGTERM stops a server well.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from tools.assemble import make_server, open_libraries, rooms
from tools.settings import Settings

START_S = 60.0


def serve(root: Path, hold: str, watch: bool) -> None:
    print(f"pid {os.getpid()}", flush=True)
    faulthandler.dump_traceback_later(START_S)  # says where, if it does not start
    faulthandler.register(signal.SIGUSR1)  # or if it does not end
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if hold:
        Path(hold).read_bytes()
    settings = Settings(
        root=root, port=0, threads=20 if watch else 4, auto_reindex=watch, quiet_s=0.5, mass_delete_limit=0, scrub_days=0,
    )  # fmt: skip
    with open_libraries(settings) as libraries:
        server = make_server(libraries, settings)
        server.start()
        faulthandler.cancel_dump_traceback_later()
        print(f"port {server.port}", flush=True)
        while not stop.wait(0.02):  # strace may give the signal to another thread, and then nobody wakes this one
            pass
        server.stop()


def warm_up() -> None:
    """Import whatever a server needs. Nothing is opened: BLAKE3 starts threads, which a fork would lack."""
    for name in ("davfront.app", "davfront.media", "davfront.server", "views.watch", "views.web.app", "views.web.cors"):
        importlib.import_module(name)
    rooms()


def main() -> None:
    warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here waits for them
    for line in sys.stdin:
        asked = json.loads(line)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                serve(Path(asked["root"]), asked["hold"], asked["watch"])
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)


if __name__ == "__main__":
    main()
