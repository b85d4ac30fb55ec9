"""The brake: who deletes or replaces very much within a minute is stopped, for good, until somebody lets it go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from davfront.app import DavApp
from davfront.server import Server
from tests.davfront.conftest import Answer, Client, mounted
from tests.faulty import QuickSystem
from tests.state import put, without_index
from views.errors import Paused
from views.library import Library, Options

LIMIT = 5
HERE = "127.0.0.1"
JUNK = "/dav/P1-Film/._a"


class Ticking(QuickSystem):
    at_s = 1000.0

    def monotonic_s(self) -> float:
        return self.at_s


@pytest.fixture
def system() -> Ticking:
    return Ticking()


@pytest.fixture
def library(root: Path, system: Ticking) -> Iterator[Library]:
    with closing(Library(root, system, Options(brake_limit=LIMIT))) as library:
        library.make_project("Film")
        for number in range(LIMIT + 3):
            put(library, f"P1-Film/{number}.mov", b"%d" % number)
        yield library


@pytest.fixture
def dav(library: Library) -> Iterator[Client]:
    server = Server(mounted(DavApp(library)))
    server.start()
    yield Client(server.port)
    server.stop()


def takes(library: Library, count: int, device: str = HERE) -> None:
    with library.brake.minding():
        for _ in range(count):
            library.brake.take(device, "x")


def test_the_first_name_over_the_limit_is_refused_and_then_every_one(dav: Client, library: Library) -> None:
    assert [dav("DELETE", f"/dav/P1-Film/{number}.mov").status for number in range(LIMIT + 2)] == [204] * LIMIT + [403] * 2
    assert [row.device for row in library.brake.paused()] == [HERE]
    said = dav("DELETE", "/dav/P1-Film/7.mov").body.decode()
    assert "paused" in said and HERE in said and str(LIMIT) in said
    assert dav("PUT", "/dav/P1-Film/7.mov", b"other").status == 403
    assert dav("GET", "/dav/P1-Film/7.mov").body == b"7"


def test_reading_and_new_names_go_on(dav: Client, library: Library) -> None:
    with pytest.raises(Paused):
        takes(library, LIMIT + 1)
    assert dav("PUT", "/dav/P1-Film/new.mov", b"new").status == 201
    assert dav("MKCOL", "/dav/P1-Film/day").status == 201
    assert dav("MOVE", "/dav/P1-Film/1.mov", Destination="/dav/P1-Film/day/1.mov").status == 201
    assert dav("COPY", "/dav/P1-Film/2.mov", Destination="/dav/P1-Film/day/2.mov").status == 201
    assert dav("PUT", "/dav/P1-Film/2.mov", b"2").status == 204
    assert dav("PROPFIND", "/dav/P1-Film/", Depth="1").status == 207


@pytest.mark.parametrize("method", ["PUT", "COPY", "MOVE"])
def test_whatever_writes_over_counts(dav: Client, library: Library, method: str) -> None:
    statuses = [write_over(dav, method, number).status for number in range(LIMIT + 1)]
    assert statuses == [204] * LIMIT + [403] and len(library.brake.paused()) == 1


def write_over(dav: Client, method: str, number: int) -> Answer:
    """Other bytes for 2.mov."""
    if method == "PUT":
        return dav("PUT", "/dav/P1-Film/2.mov", b"other %d" % number)
    assert dav("PUT", f"/dav/P1-Film/fresh {number}.mov".replace(" ", "%20"), b"fresh %d" % number).status == 201
    return dav(method, f"/dav/P1-Film/fresh%20{number}.mov", Destination="/dav/P1-Film/2.mov")


def test_what_takes_nothing_away_does_not_count(dav: Client, library: Library) -> None:
    for number in range(2 * LIMIT):
        assert dav("PUT", "/dav/P1-Film/1.mov", b"1").status == 204
        assert dav("PUT", f"/dav/P1-Film/{number}.new", b"").status == 201
        assert dav("PUT", f"/dav/P1-Film/{number}.new", b"%d" % number).status == 204  # Finder makes it empty first
        assert dav("PUT", JUNK, b"%d" % number).status in (201, 204)
        assert dav("DELETE", JUNK).status == 204
        assert dav("MOVE", f"/dav/P1-Film/{number}.new", Destination=f"/dav/P1-Film/{number}.old").status == 201
        assert dav("DELETE", "/dav/P1-Film/nothing").status == 404
    assert not library.brake.paused()


def test_a_folder_is_one_name_whatever_is_in_it(dav: Client, library: Library) -> None:
    library.make_folder("P1-Film/day")
    for number in range(3 * LIMIT):
        put(library, f"P1-Film/day/{number}", b"x%d" % number)
    assert dav("DELETE", "/dav/P1-Film/day").status == 204
    assert not library.brake.paused()


def test_it_counts_within_a_minute_and_each_device_by_itself(library: Library, system: Ticking) -> None:
    for _ in range(10):
        takes(library, LIMIT, "10.0.0.1")
        takes(library, LIMIT, "10.0.0.2")
        system.at_s += 61
    takes(library, LIMIT, "10.0.0.1")
    system.at_s += 59
    with pytest.raises(Paused):
        takes(library, 1, "10.0.0.1")
    takes(library, LIMIT, "10.0.0.2")
    system.at_s += 3600
    with pytest.raises(Paused):
        takes(library, 1, "10.0.0.1")  # it does not end by itself


def test_many_at_once_are_taken_whole_or_not_at_all(library: Library) -> None:
    with library.brake.minding():
        library.brake.take(HERE, "x", LIMIT - 1)
    with pytest.raises(Paused), library.brake.minding():
        library.brake.take(HERE, "x", 2)


def test_it_lasts_over_a_restart_and_a_lost_index(library: Library, system: Ticking) -> None:
    with pytest.raises(Paused):
        takes(library, LIMIT + 1)
    library.close()
    with closing(Library(library.root, system, Options(brake_limit=LIMIT))) as again:
        assert [row.path for row in again.brake.paused()] == ["x"]
        with pytest.raises(Paused):
            takes(again, 1)
    with closing(without_index(library.root)) as again:
        assert [row.device for row in again.brake.paused()] == [HERE]
        assert again.brake.release(HERE)
    with closing(without_index(library.root)) as again:
        assert not again.brake.paused()


def test_who_was_let_go_on_may_finish(library: Library, system: Ticking) -> None:
    with pytest.raises(Paused):
        takes(library, LIMIT + 1)
    assert library.brake.release(HERE) and not library.brake.release(HERE)
    takes(library, 20 * LIMIT)
    system.at_s += 3601
    with pytest.raises(Paused):
        takes(library, LIMIT + 1)


def test_0_switches_it_off(root: Path) -> None:
    with closing(Library(root, QuickSystem())) as library:
        takes(library, 1000)
        assert not library.brake.paused()
