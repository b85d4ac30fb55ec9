"""Changes by hand in a shell while the server runs: seen over WebDAV within two seconds, and in the end index equals folders.

FILMCAN_SLOW multiplies the two seconds, for machines that do many other things.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from cas.verify import verify
from tests.clients.server import FILMCAN, DavServer, running
from tests.state import check_links, in_index, on_disk
from views.library import Library
from views.reindex import plan

WITHIN_S = 2.0 * float(os.environ.get("FILMCAN_SLOW", "1"))
NFC, NFD = (unicodedata.normalize(form, "Fräulein é.mov") for form in ("NFC", "NFD"))
FILM, ORIGINALS = "P1-Film", "P1-Film/ingest/originals"


class Walk:
    """A server, a shell in its root, and what WebDAV says."""

    def __init__(self, server: DavServer, outside: Path) -> None:
        self.server, self.root, self.outside = server, server.root, outside
        self.slowest_s = 0.0

    def shell(self, script: str) -> None:
        """Run by sh in the root; $out is a folder outside of it."""
        subprocess.run(["sh", "-euc", script], cwd=self.root, env={**os.environ, "out": str(self.outside)}, check=True)

    def get(self, path: str) -> bytes | None:
        answer = self.server.ask("GET", path)
        return answer.body if answer.status == 200 else None

    def put(self, path: str, data: bytes) -> None:
        assert self.server.ask("PUT", path, body=data).status in (201, 204)

    def names(self, folder: str) -> set[str]:
        answer = self.server.ask("PROPFIND", folder, {"Depth": "1"})
        hrefs = [unquote(href) for href in re.findall(r"<(?:\w+:)?href>([^<]*)</", answer.body.decode())]
        paths = {href.removeprefix("/dav/").strip("/") for href in hrefs}
        return {path.rpartition("/")[2] for path in paths if path != folder}

    def soon(self, *wants: Callable[[], bool]) -> None:
        """All of it within two seconds."""
        begun = time.monotonic()
        for want in wants:
            while not want():
                assert time.monotonic() - begun < WITHIN_S, "it was not seen in time"
                time.sleep(0.05)
        self.slowest_s = max(self.slowest_s, time.monotonic() - begun)

    def holds(self, path: str, data: bytes | None) -> Callable[[], bool]:
        return lambda: self.get(path) == data


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """A project with a few files; at the end, after the server has stopped, everything is compared."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "root").mkdir()
    with running(FILMCAN, tmp_path / "root", tmp_path / "server.log", True) as server:
        walk = Walk(server, outside)
        assert server.ask("MKCOL", "Film").status == 201
        for name in ("a.mov", "b.mov", "c.mov"):
            walk.put(f"{ORIGINALS}/{name}", f"film {name}".encode())
        time.sleep(0.3)
        yield walk
        time.sleep(1.0)
    print(f"the slowest was seen after {walk.slowest_s:.2f} s")
    assert "Traceback" not in (tmp_path / "server.log").read_text()
    library = Library(tmp_path / "root")
    try:
        steps = [line for line in plan(library).lines() if not line.startswith("left alone")]
        assert steps == []
        assert in_index(library) == on_disk(library.root)
        check_links(library)
        assert {finding.kind for finding in verify(library.store, full=True).findings} <= {"missing"}
        assert not list((library.root / ".filmcan/incoming").iterdir())
    finally:
        library.close()


def test_copying_moving_and_deleting(walk: Walk) -> None:
    walk.shell(f"cp {ORIGINALS}/a.mov {FILM}/copy.mov; printf loose > loose.mov")
    walk.shell(f"mkdir -p {FILM}/x/y/z; printf deep > {FILM}/x/y/z/d.mov")
    walk.soon(walk.holds(f"{FILM}/copy.mov", b"film a.mov"), walk.holds("loose.mov", b"loose"),
              walk.holds(f"{FILM}/x/y/z/d.mov", b"deep"))  # fmt: skip
    walk.shell(f"mv {FILM}/copy.mov {FILM}/x/moved.mov; rm {ORIGINALS}/b.mov; mv loose.mov {FILM}/x/y")
    walk.soon(walk.holds(f"{FILM}/x/moved.mov", b"film a.mov"), walk.holds(f"{FILM}/copy.mov", None),
              walk.holds(f"{ORIGINALS}/b.mov", None), walk.holds(f"{FILM}/x/y/loose.mov", b"loose"))  # fmt: skip
    walk.shell(f"mv {FILM}/x {FILM}/w; rm -r {FILM}/w/y/z")
    walk.soon(walk.holds(f"{FILM}/w/moved.mov", b"film a.mov"), walk.holds(f"{FILM}/w/y/loose.mov", b"loose"),
              lambda: walk.names(f"{FILM}/w/y") == {"loose.mov"}, lambda: "x" not in walk.names(FILM))  # fmt: skip


def test_saving_as_editors_and_rsync_do(walk: Walk) -> None:
    walk.shell(f"cd {ORIGINALS}; printf saved > .a.mov.swp; printf saved > 4913; mv .a.mov.swp a.mov; rm 4913")
    walk.shell(f"cd {ORIGINALS}; printf synced > .b.mov.X7aB2c; mv .b.mov.X7aB2c b.mov; cp b.mov d.mov~; mv d.mov~ d.mov")
    walk.soon(walk.holds(f"{ORIGINALS}/a.mov", b"saved"), walk.holds(f"{ORIGINALS}/b.mov", b"synced"),
              walk.holds(f"{ORIGINALS}/d.mov", b"synced"))  # fmt: skip
    assert walk.names(ORIGINALS) == {"a.mov", "b.mov", "c.mov", "d.mov"}
    walk.put(f"{ORIGINALS}/again.mov", b"film a.mov")
    assert walk.get(f"{ORIGINALS}/again.mov") == b"film a.mov"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes into a file that is read-only")
def test_edits_in_the_file_itself(walk: Walk) -> None:
    """Through one of its names, so through all; the bytes that were there are lost, and come back when they are sent again."""
    walk.shell(f"ln {ORIGINALS}/a.mov {FILM}/second.mov")
    walk.soon(walk.holds(f"{FILM}/second.mov", b"film a.mov"))
    walk.shell(f"printf FILM | dd of={FILM}/second.mov conv=notrunc status=none")
    walk.shell(f"truncate -s 4 {ORIGINALS}/b.mov; touch {ORIGINALS}/c.mov")
    walk.soon(walk.holds(f"{ORIGINALS}/a.mov", b"FILM a.mov"), walk.holds(f"{FILM}/second.mov", b"FILM a.mov"),
              walk.holds(f"{ORIGINALS}/b.mov", b"film"), walk.holds(f"{ORIGINALS}/c.mov", b"film c.mov"))  # fmt: skip
    walk.put(f"{ORIGINALS}/sent-again.mov", b"film a.mov")
    assert walk.get(f"{ORIGINALS}/sent-again.mov") == b"film a.mov"
    assert walk.get(f"{ORIGINALS}/a.mov") == b"FILM a.mov"


def test_projects_and_folders_as_a_whole(walk: Walk) -> None:
    walk.shell('mkdir -p "P7-Other one/ingest/originals"; printf other > "P7-Other one/ingest/originals/o.mov"')
    walk.shell("mkdir Holiday; printf h > Holiday/h.mov")
    walk.soon(walk.holds("P7-Other one/ingest/originals/o.mov", b"other"))
    walk.shell(f'mv {FILM} P3-Movie; mv "P7-Other one" Holiday')
    walk.soon(walk.holds("P3-Movie/ingest/originals/a.mov", b"film a.mov"), lambda: walk.names("") == {"P3-Movie"})
    walk.shell("mkdir $out/new; printf new > $out/new/n.mov; cd P3-Movie/ingest; mv originals $out/old; mv $out/new originals")
    walk.soon(walk.holds("P3-Movie/ingest/originals/n.mov", b"new"), walk.holds("P3-Movie/ingest/originals/a.mov", None))
    walk.shell("cp -al $out/old P3-Movie/ingest/linked")
    walk.soon(walk.holds("P3-Movie/ingest/linked/c.mov", b"film c.mov"))
    walk.shell("rm -rf P3-Movie $out/old; test -e Holiday/h.mov -a ! -e Holiday/.filmcan; rm -r Holiday")
    walk.soon(lambda: walk.names("") == set())


def test_names_in_two_spellings_and_names_that_are_none(walk: Walk) -> None:
    walk.put(f"{FILM}/{NFC}", b"film")
    os.rename(walk.root / FILM / NFC, walk.root / FILM / NFD)
    walk.shell(f"cd {FILM}; printf bad > $(printf 'caf\\351.mov'); mkfifo pipe.mov; ln -s /etc/passwd link.mov; printf g > g.mov")
    walk.soon(walk.holds(f"{FILM}/g.mov", b"g"), walk.holds(f"{FILM}/{NFC}", b"film"), walk.holds(f"{FILM}/{NFD}", b"film"))
    assert walk.names(FILM) == {"ingest", "g.mov", NFD}
    os.unlink(walk.root / FILM / NFD)
    walk.soon(walk.holds(f"{FILM}/{NFC}", None))
    (walk.root / FILM / "pipe.mov").unlink()
    (walk.root / FILM / "link.mov").unlink()
    os.unlink(os.path.join(os.fsencode(walk.root / FILM), b"caf\xe9.mov"))


def test_a_file_that_is_held_open_is_taken_in_when_it_is_closed(walk: Walk) -> None:
    with (walk.root / ORIGINALS / "long.mov").open("wb") as file:
        for _ in range(5):
            file.write(b"long")
            file.flush()
            time.sleep(0.5)
            assert walk.get(f"{ORIGINALS}/long.mov") is None
    walk.soon(walk.holds(f"{ORIGINALS}/long.mov", b"long" * 5))


def test_hands_and_clients_at_the_same_time(walk: Walk) -> None:
    """Each in a folder of its own and both in one; nobody's file is lost or doubled."""
    script = " ".join(f"printf hand{n} > {ORIGINALS}/hand{n}.mov; printf both{n} > {ORIGINALS}/both{n}.mov;" for n in range(60))
    hands = subprocess.Popen(["sh", "-c", script], cwd=walk.root)
    with walk.server.wire() as wire:
        for number in range(60):
            for name in ("dav", "both"):
                data = f"{name}{number}".encode()
                assert wire.ask("PUT", "/dav/" + quote(f"{ORIGINALS}/{name}{number}.mov"), body=data).status in (201, 204)
    assert hands.wait() == 0
    for name in ("hand", "dav", "both"):
        walk.soon(*(walk.holds(f"{ORIGINALS}/{name}{number}.mov", f"{name}{number}".encode()) for number in range(60)))


def test_what_was_done_while_the_server_was_down_is_seen_after_its_start(walk: Walk, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "P1-Film").mkdir(parents=True)
    with running(FILMCAN, other, tmp_path / "other.log", True) as server:
        again = Walk(server, walk.outside)
        again.soon(lambda: again.names("") == {"P1-Film"})
        again.put("P1-Film/a.mov", b"film")
    again.shell("mv P1-Film P2-Movie; mv P2-Movie/a.mov P2-Movie/b.mov; printf new > P2-Movie/new.mov")
    with running(FILMCAN, other, tmp_path / "other.log", True) as server:
        again = Walk(server, walk.outside)
        again.soon(again.holds("P2-Movie/b.mov", b"film"), again.holds("P2-Movie/new.mov", b"new"))
        again.soon(lambda: again.names("") == {"P2-Movie"})
