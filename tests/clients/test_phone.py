"""iPhones whose uploads go on after a lost connection: the IETF draft in every version that is out there."""

from __future__ import annotations

import hashlib
import json
import socket
from base64 import b64encode
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import pytest

from .phone import PARTIAL, Phone
from .server import DavServer, Project
from .wire import Answer, BadAnswer

DATA = Random("phone").randbytes(700_000)
HALF = 300_000
VERSIONS = [3, 4, 5, 6, 7, 8]
PROBLEM = "https://iana.org/assignments/http-problem-types#"


@pytest.fixture(scope="module")
def project(server: DavServer) -> Project:
    if not server.shares_blobs:
        pytest.skip("another server does not speak the draft")
    return server.project("phone-desk")


@pytest.fixture(params=VERSIONS)
def phone(project: Project, request: pytest.FixtureRequest) -> Phone:
    return Phone(project, request.param)


@pytest.fixture
def latest(project: Project) -> Phone:
    return Phone(project, 8)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name.replace("[", " ").replace("]", "") + ".mov"


def content(name: str) -> bytes:
    """Bytes nobody else sends, DATA long."""
    return hashlib.sha256(name.encode()).digest() + DATA[32:]


def says_complete(answer: Answer, phone: Phone) -> bool:
    """In the words of the phone's version, and in no others."""
    field, other = ("Upload-Incomplete", "Upload-Complete")[:: 1 if phone.interop == 3 else -1]
    assert answer.header(other) is None
    value = answer.header(field)
    assert value in ("?0", "?1"), answer
    return value == ("?0" if phone.interop == 3 else "?1")


def holds(phone: Phone, name: str) -> bytes | None:
    return phone.project.holds(f"ingest/originals/{name}")


def kept(phone: Phone, place: str) -> list[Path]:
    return list((phone.project.server.root / ".filmcan/uploads").glob(f"{place.rpartition('/')[2]}*"))


def cut_after(phone: Phone, name: str, sent: bytes, size: int) -> str:
    """An upload that breaks off. The server has seen the end of the connection when this returns."""
    with phone.wire() as wire:
        place = phone.begin(wire, name, size)
        wire.send(sent)
        wire.socket.shutdown(socket.SHUT_WR)
        with pytest.raises(BadAnswer):
            assert wire.answer("POST").status == 400
            raise BadAnswer("it was told")
    return place


def test_104_tells_where_to_go_on_before_a_byte_was_sent(phone: Phone, name: str) -> None:
    with phone.wire() as wire:
        place = phone.begin(wire, name, len(DATA))  # waits for it, with nothing of the body on its way
        [interim] = phone.heard
        assert place.startswith(f"http://{wire.host}:{wire.port}/api/uploads/") and interim.header("Upload-Limit") == "min-size=0"
        assert interim.header("Upload-Draft-Interop-Version") == str(phone.interop) and interim.header("Content-Length") is None
        wire.send(DATA)
        assert wire.answer("POST").status == 200


@pytest.mark.parametrize("verb", ["POST", "PUT"])
def test_an_upload_in_one_go_answers_as_any_upload_does(phone: Phone, name: str, verb: str) -> None:
    data = content(name)
    with phone.wire() as wire:
        place = phone.begin(wire, name, len(data), verb=verb)
        wire.send(data)
        answer = wire.answer(verb)
        again = wire.ask("GET", urlsplit(place).path)  # the connection goes on
    told = json.loads(answer.body)
    assert answer.status == 200 and says_complete(answer, phone) and answer.header("Upload-Offset") == str(len(data))
    assert (told["status"], told["sha256"]) == ("stored", hashlib.sha256(data).hexdigest()) and holds(phone, name) == data
    assert json.loads(again.body)["sha256"] == told["sha256"]


def test_after_a_cut_the_offset_is_asked_for_and_the_rest_is_sent(phone: Phone, name: str) -> None:
    data = content(name)
    place = cut_after(phone, name, data[:HALF], len(data))
    assert holds(phone, name) is None
    state = phone.head(place)
    assert state.status == 204 and state.header("Upload-Offset") == str(HALF) and not says_complete(state, phone)
    assert state.header("Cache-Control") == "no-store" and state.header("Upload-Length") == str(len(data))
    age = "max-age" if phone.interop >= 7 else "expires"
    assert f"{age}=6047" in (state.header("Upload-Limit") or ""), "a week, less the seconds since"
    answer = phone.patch(place, HALF, data[HALF:])
    assert answer.status == 200 and says_complete(answer, phone) and json.loads(answer.body)["status"] == "stored"
    assert holds(phone, name) == data


def test_an_append_that_is_cut_too_goes_on(phone: Phone, name: str) -> None:
    data = content(name)
    place = cut_after(phone, name, data[:HALF], len(data))
    with phone.wire() as wire:
        phone.patch_half(wire, place, HALF, len(data) - HALF)
        wire.send(data[HALF : 2 * HALF])
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.answer("PATCH").status == 400
    assert phone.offset(place) == 2 * HALF and phone.patch(place, 2 * HALF, data[2 * HALF :]).status == 200
    assert holds(phone, name) == data


def test_a_file_may_come_in_parts_whose_sum_nobody_knows_before(phone: Phone, name: str) -> None:
    data = content(name)
    place, begun = phone.upload(name, data[:HALF], last=False)
    assert begun.status == 201 and begun.header("Location") == place and not says_complete(begun, phone)
    more = phone.patch(place, HALF, data[HALF : 2 * HALF], last=False)
    assert more.status == (204 if phone.interop >= 7 else 201) and not says_complete(more, phone)
    assert phone.head(place).header("Upload-Length") is None and holds(phone, name) is None
    end = phone.patch(place, 2 * HALF, data[2 * HALF :])
    assert end.status == 200 and says_complete(end, phone) and holds(phone, name) == data


def test_all_bytes_are_not_yet_an_upload_until_it_is_said(phone: Phone, name: str) -> None:
    data = content(name)
    place, _ = phone.upload(name, data, last=False)
    assert holds(phone, name) is None and not says_complete(phone.head(place), phone)
    assert phone.patch(place, len(data), b"").status == 200 and holds(phone, name) == data


def test_an_empty_file_is_a_file(phone: Phone, name: str) -> None:
    _, answer = phone.upload(name, b"")
    told = json.loads(answer.body)
    assert answer.status == 200 and says_complete(answer, phone) and told["size"] == 0, "all versions send one content here"
    assert (phone.project.folder / told["path"]).read_bytes() == b""


def test_a_wrong_offset_is_answered_with_the_right_one(phone: Phone, name: str) -> None:
    data = content(name)
    place = cut_after(phone, name, data[:HALF], len(data))
    for wrong in (0, HALF - 1, HALF + 1, len(data)):
        answer = phone.patch(place, wrong, data[wrong:])
        said = json.loads(answer.body)
        assert answer.status == 409 and answer.header("Upload-Offset") == str(HALF) and not says_complete(answer, phone)
        assert answer.header("Content-Type") == "application/problem+json"
        assert said["type"] == PROBLEM + "mismatching-upload-offset"
        assert (said["expected-offset"], said["provided-offset"]) == (HALF, wrong)
    assert phone.patch(place, HALF, data[HALF:]).status == 200 and holds(phone, name) == data


def test_a_finished_upload_says_so_and_takes_no_more(phone: Phone, name: str) -> None:
    data = content(name)
    place, _ = phone.upload(name, data)
    state = phone.head(place)
    assert (state.status, state.header("Upload-Offset"), says_complete(state, phone)) == (204, str(len(data)), True)
    for more in (b"", b"more"):
        answer = phone.patch(place, len(data), more)
        assert answer.status == 400 and json.loads(answer.body)["type"] == PROBLEM + "completed-upload"
    assert holds(phone, name) == data


def test_an_upload_that_was_given_up_is_gone_and_a_finished_file_stays(phone: Phone, name: str) -> None:
    data = content(name)
    place = cut_after(phone, name, data[:HALF], len(data))
    assert phone.delete(place).status == 204 and kept(phone, place) == []
    for answer in (phone.head(place), phone.patch(place, HALF, data[HALF:]), phone.delete(place)):
        assert answer.status == 404
    done, _ = phone.upload(name, data)
    assert phone.delete(done).status == 204 and holds(phone, name) == data


def test_who_asks_for_the_offset_takes_over_from_a_connection_that_hangs(phone: Phone, name: str) -> None:
    """A phone that changed from Wi-Fi to the mobile network: the server never hears of the end of the first connection."""
    data = content(name)
    with phone.wire() as hanging:
        place = phone.begin(hanging, name, len(data))
        hanging.send(data[:HALF])
        offset = phone.offset(place)
        assert phone.patch(place, offset, data[offset:]).status == 200
        assert hanging.answer("POST").status in (400, 403, 409, 423), "it is over at once, whichever was first to look"
    assert holds(phone, name) == data


def test_of_two_appends_the_later_one_counts(phone: Phone, name: str) -> None:
    data = content(name)
    place, _ = phone.upload(name, data[:HALF], last=False)
    with phone.wire() as hanging:
        phone.patch_half(hanging, place, HALF, len(data) - HALF)
        hanging.send(data[HALF : HALF + 1000])
        assert phone.patch(place, HALF, data[HALF:]).status == 200
        assert hanging.answer("PATCH").status in (400, 409), "nobody waits for the rest of it"
    assert holds(phone, name) == data


def test_an_upload_that_is_ended_ends_who_is_sending_it(phone: Phone, name: str) -> None:
    data = content(name)
    place, _ = phone.upload(name, data[:HALF], last=False)
    with phone.wire() as sending:
        phone.patch_half(sending, place, HALF, len(data) - HALF)
        assert phone.delete(place).status == 204
        assert sending.answer("PATCH").status in (400, 404, 409)
    assert phone.head(place).status == 404 and holds(phone, name) is None and kept(phone, place) == []


def test_lengths_that_contradict_each_other_are_refused(phone: Phone, name: str) -> None:
    data = content(name)
    place = cut_after(phone, name, data[:HALF], len(data))
    answers = [phone.patch(place, HALF, data[HALF:] + b"x"), phone.patch(place, HALF, data[HALF:-1]),
               phone.patch(place, HALF, b"x", last=False, Upload_Length="5")]  # fmt: skip
    for answer in answers:
        assert answer.status == 400 and json.loads(answer.body)["type"] == PROBLEM + "inconsistent-upload-length"
        assert not says_complete(answer, phone) and answer.header("Upload-Offset") == str(HALF)
    assert phone.patch(place, HALF, data[HALF:]).status == 200 and holds(phone, name) == data


def test_what_is_appended_must_say_whether_it_is_the_end(phone: Phone, name: str) -> None:
    """Who forgets it would be told that bytes were kept, and take that for the whole. In version 3 silence means the end."""
    data = content(name)
    place = cut_after(phone, name, data[:HALF], len(data))
    fields = {"Upload-Draft-Interop-Version": str(phone.interop), "Upload-Offset": str(HALF), "Content-Type": PARTIAL}
    with phone.wire() as wire:
        answer = wire.ask("PATCH", urlsplit(place).path, fields, data[HALF:])
    if phone.interop == 3:
        assert answer.status == 200 and holds(phone, name) == data
    else:
        assert answer.status == 400 and "Upload-Complete" in json.loads(answer.body)["detail"]
        assert phone.offset(place) == HALF and holds(phone, name) is None


def test_since_version_6_appended_bytes_have_a_type_of_their_own(phone: Phone, name: str) -> None:
    data = content(name)
    place = cut_after(phone, name, data[:HALF], len(data))
    answer = phone.patch(place, HALF, data[HALF:], Content_Type="application/octet-stream")
    if phone.interop < 6:
        assert answer.status == 200 and holds(phone, name) == data
    else:
        assert answer.status == 415 and answer.header("Accept-Patch") == PARTIAL and phone.offset(place) == HALF


def test_fields_without_meaning_are_refused(phone: Phone, name: str) -> None:
    place = cut_after(phone, name, DATA[:HALF], len(DATA))
    with phone.wire() as wire:
        for verb in ("HEAD", "DELETE"):
            answer = wire.ask(verb, urlsplit(place).path, {**phone.words(True), "Upload-Offset": "0"})
            assert answer.status == 400
        fields = {**phone.words(True), "Upload-Offset": "0"}
        assert wire.ask("POST", phone.target(name), fields, b"x").status == 400
    assert phone.offset(place) == HALF


WAYS = {"/api/projects/{project}/upload/{name}": "PUT", "/api/projects/{project}/upload?filename={name}": "POST"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("interop", [3, 6, 8])
def test_an_ordinary_upload_of_a_large_file_goes_on_too(project: Project, interop: int, way: str, name: str) -> None:
    """§Upgrading To Resumable Uploads: the app knows nothing of it, its URL is that of any upload."""
    phone, data = Phone(project, interop, way=way), Random(f"large {interop} {way}").randbytes(17 << 20)
    name, half = f"large {interop} {WAYS[way]}.mov", 9 << 20
    with phone.wire() as wire:
        place = phone.begin(wire, name, len(data), verb=WAYS[way])
        wire.send(data[:half])
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.answer(WAYS[way]).status == 400
    assert phone.offset(place) == half and holds(phone, name) is None
    told = json.loads(phone.patch(place, half, data[half:]).body)
    assert (told["status"], told["sha256"]) == ("stored", hashlib.sha256(data).hexdigest()) and holds(phone, name) == data
    with phone.wire() as wire:
        phone.begin(wire, name, len(data), verb=WAYS[way])
        wire.send(data)
        again = wire.answer(WAYS[way])
        options = wire.ask("OPTIONS", phone.target(name))
    assert says_complete(again, phone) and json.loads(again.body)["status"] == "duplicate"
    assert PARTIAL in (options.header("Accept-Patch") or "")


def test_small_files_and_batches_are_taken_as_ever(project: Project, latest: Phone) -> None:
    """They are sent again as quickly as they are gone on with."""
    with latest.wire() as wire:
        begun = wire.ask("POST", f"/api/projects/{project.name}/upload?op=start")
    batch = json.loads(begun.body)["batch_id"]
    for way, data in (("/upload/small.mov", b"hello"), (f"/upload/large.mov?batch_id={batch}", bytes(17 << 20))):
        with latest.wire() as wire:
            answer = wire.ask("PUT", f"/api/projects/{project.name}{way}", latest.words(True), data)
        assert answer.status == 200 and answer.header("Upload-Complete") is None and answer.header("Location") is None


def test_what_an_ordinary_upload_promised_holds_when_it_is_gone_on_with(project: Project) -> None:
    data = Random("promised").randbytes(17 << 20)
    way = "/api/projects/{project}/upload/{name}?sha256=" + hashlib.sha256(data).hexdigest()
    phone = Phone(project, 8, way=way)
    with phone.wire() as wire:
        place = phone.begin(wire, "promised.mov", len(data), verb="PUT")
        wire.send(data[:-1] + bytes([data[-1] ^ 1]))
        assert wire.answer("PUT").status == 400 and holds(phone, "promised.mov") is None and kept(phone, place) == []
    with phone.wire() as wire:
        phone.begin(wire, "promised.mov", len(data), verb="PUT")
        wire.send(data)
        assert wire.answer("PUT").status == 200 and holds(phone, "promised.mov") == data


@pytest.mark.parametrize("version", ["2", "9", "8.0", "x", None])
def test_an_unknown_version_gets_no_104_and_its_file_is_kept(latest: Phone, name: str, version: str | None) -> None:
    """§Draft Version Identification. Without a word about the version the rules are those of the newest."""
    words = {"Upload-Complete": "?1"} | ({"Upload-Draft-Interop-Version": version} if version else {})
    with latest.wire() as wire:
        fields = "".join(f"{key}: {value}\r\n" for key, value in {"Host": "any", "Content-Length": "5", **words}.items())
        wire.send(f"POST {latest.target(name.replace('.0', ''))} HTTP/1.1\r\n{fields}\r\nhello".encode())
        answer = wire.one_answer("POST")
    assert answer.status == 200 and json.loads(answer.body)["size"] == 5


def test_who_does_not_offer_to_go_on_gets_no_104_and_leaves_nothing_when_cut(latest: Phone, name: str) -> None:
    """A version alone is no Upload-Complete (§Upload Creation)."""
    before = len(list((latest.project.server.root / ".filmcan/uploads").iterdir()))
    with latest.wire() as wire:
        fields = {"Host": "any", "Content-Length": "5000", "Upload-Draft-Interop-Version": "8"}
        wire.send(f"POST {latest.target(name)} HTTP/1.1\r\n".encode())
        wire.send("".join(f"{key}: {value}\r\n" for key, value in fields.items()).encode() + b"\r\nhello")
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.one_answer("POST").status == 400
    assert len(list((latest.project.server.root / ".filmcan/uploads").iterdir())) == before


def test_who_waits_for_100_hears_104_and_100(latest: Phone, name: str) -> None:
    data = content(name)
    with latest.wire() as wire:
        latest.begin(wire, name, len(data), Expect="100-continue")
        assert wire.one_answer("POST").status == 100
        wire.send(data)
        assert wire.one_answer("POST").status == 200
    assert holds(latest, name) == data


def test_http_1_0_knows_no_interim_answers(latest: Phone, name: str) -> None:
    with socket.create_connection((latest.project.server.host, latest.project.server.port), timeout=20) as client:
        fields = "".join(f"{key}: {value}\r\n" for key, value in {**latest.words(True), "Content-Length": "5"}.items())
        client.sendall(f"POST {latest.target(name)} HTTP/1.0\r\n{fields}\r\nhello".encode())
        assert b" 200 " in client.makefile("rb").readline()


def test_bytes_other_than_the_digest_says_are_not_kept(latest: Phone, name: str) -> None:
    data = content(name)
    digest = f"sha-256=:{b64encode(hashlib.sha256(data).digest()).decode()}:"
    place, answer = latest.upload(name, data[::-1], Repr_Digest=digest)
    assert 400 <= answer.status < 500 and holds(latest, name) is None and kept(latest, place) == []
    assert latest.upload(name, data, Repr_Digest=digest)[1].status == 200 and holds(latest, name) == data


def test_an_upload_to_nowhere_is_refused_without_104(latest: Phone) -> None:
    for target, status in (("/api/uploads?filename=a.mov", 400), ("/api/uploads?project=P99-No&filename=a.mov", 404),
                           (latest.target("../a.mov"), 400), (latest.target(""), 400)):  # fmt: skip
        with latest.wire() as wire:
            wire.send(f"POST {target} HTTP/1.1\r\nHost: any\r\nContent-Length: 5\r\n".encode())
            wire.send("".join(f"{key}: {value}\r\n" for key, value in latest.words(True).items()).encode() + b"\r\nhello")
            assert wire.one_answer("POST").status == status


def test_the_limits_are_told_to_who_asks(latest: Phone, name: str) -> None:
    with latest.wire() as wire:
        answer = wire.ask("OPTIONS", "/api/uploads", latest.words(True))
    assert answer.status == 204 and answer.header("Upload-Limit") == "min-size=0"
    assert PARTIAL in (answer.header("Accept-Patch") or "")


