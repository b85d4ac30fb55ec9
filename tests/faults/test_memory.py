"""Twenty large uploads at once, by every way: a server needs at most 160 MiB, however large the files are.

FILMCAN_FAULTS_MEMORY sets the size of each, in MiB.
"""

from __future__ import annotations

import http.client
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.faults.figures import count, tell
from tests.faulty import QuickSystem
from views.library import Library

MIB = 1 << 20
MOST_KIB = 160 << 10
UPLOADS = 20
PIECE = random.Random(20).randbytes(MIB)


@contextmanager
def serving(root: Path) -> Iterator[tuple[int, int]]:
    """Process id and port of `filmcan serve`."""
    command = [sys.executable, "-m", "tools", "serve", str(root), "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        assert process.stdout is not None
        found = next(found for line in process.stdout if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
        yield process.pid, int(found[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def content(number: int, mib: int) -> Iterator[bytes]:
    """A file like no other, never whole in memory."""
    yield number.to_bytes(8, "big") + PIECE[8:]
    for _ in range(mib - 1):
        yield PIECE


def send(port: int, project: str, number: int, mib: int) -> int:
    size, body, headers = mib * MIB, content(number, mib), dict[str, str]()
    method, url = "PUT", f"/dav/{project}/clip{number}.mov"
    match number % 4:
        case 0:
            headers["Content-Length"] = str(size)
        case 1:
            headers["Transfer-Encoding"] = "chunked"
        case 2:
            method, url = "POST", f"/api/projects/{project}/upload"
            head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="clip{number}.mov"\r\n\r\n'.encode()
            headers["Content-Type"] = "multipart/form-data; boundary=x"
            headers["Content-Length"] = str(len(head) + size + 9)
            body = _around(head, body, b"\r\n--x--\r\n")
        case _:
            method, url = "POST", f"/api/uploads?project={project}&filename=clip{number}.mov"
            headers |= {"Content-Length": str(size), "Upload-Complete": "?1"}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=600)) as connection:
        connection.request(method, url, body, headers, encode_chunked="Transfer-Encoding" in headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def _around(head: bytes, body: Iterable[bytes], end: bytes) -> Iterator[bytes]:
    yield head
    yield from body
    yield end


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the highest use of memory is read in /proc")
def test_many_large_uploads_at_once_need_little_memory(tmp_path: Path) -> None:
    root, mib = tmp_path / "root", count("MEMORY")
    with closing(Library(root, QuickSystem())) as library:
        project = library.make_project("Film").path
    with serving(root) as (pid, port):
        with ThreadPoolExecutor(UPLOADS) as pool:
            statuses = list(pool.map(lambda number: send(port, project, number, mib), range(UPLOADS)))
        assert set(statuses) <= {200, 201}, statuses
        highest = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert highest is not None
    tell(f"uploads of {mib} MiB at once", UPLOADS, f"{int(highest[1]) >> 10} MiB of memory at most, 160 are allowed")
    assert int(highest[1]) <= MOST_KIB
