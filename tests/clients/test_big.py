"""A film of 5 GiB: longer than any 32-bit number and than the server's memory should ever be."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.samples.big import GIB, PIECE_BYTES, big_pieces

from .needs import need_program
from .server import DavServer

SIZE_BYTES = 5 * GIB + 12_345
MEMORY_BYTES = 400 << 20


@pytest.mark.long
@pytest.mark.client
def test_a_film_of_five_gibibytes_goes_in_and_comes_out(server: DavServer) -> None:
    curl = need_program("curl", "curl")
    project = server.project("big-film")
    url = server.url_of(project.path("film.mov"))
    sent = _upload(curl, url)
    answer = server.ask("HEAD", project.path("film.mov"))
    assert answer.header("Content-Length") == str(SIZE_BYTES)
    last = server.ask("GET", project.path("film.mov"), {"Range": f"bytes={5 * GIB}-"})
    assert (last.status, last.body) == (206, _piece(5 * GIB // PIECE_BYTES)[:12_345])
    assert _download(curl, url) == sent
    assert _peak_memory_bytes(server) < MEMORY_BYTES
    assert server.ask("DELETE", project.path("film.mov")).status == 204


def _upload(curl: str, url: str) -> str:
    """As a pipe, chunked: neither side knows the length before the end."""
    hasher = hashlib.sha256()
    command = [curl, "-fsS", "--noproxy", "*", "-T", "-", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for piece in big_pieces(SIZE_BYTES):
            hasher.update(piece)
            process.stdin.write(piece)
        process.stdin.close()
        assert process.wait(300) == 0
    return hasher.hexdigest()


def _download(curl: str, url: str) -> str:
    hasher = hashlib.sha256()
    with subprocess.Popen([curl, "-fsS", "--noproxy", "*", url], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while piece := process.stdout.read(PIECE_BYTES):
            hasher.update(piece)
        assert process.wait(300) == 0
    return hasher.hexdigest()


def _piece(number: int) -> bytes:
    """Pieces are cheap, but they come in order."""
    for count, piece in enumerate(big_pieces(SIZE_BYTES)):
        if count == number:
            return piece
    raise AssertionError(f"no piece {number}")


def _peak_memory_bytes(server: DavServer) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text()
    [peak] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak) * 1024
