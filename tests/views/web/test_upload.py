"""Uploads: what is kept, what is a duplicate, what is refused and leaves nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from blake3 import blake3

from cas.digest import Digest
from tests.views.web.conftest import BOUNDARY, Server, form
from views.reindex import apply, plan

LOOKALIKES = (b"\r\n--" + BOUNDARY.encode()[:-1] + b"x\r\n--", b"\r\n" * 400_000, b"\r\n--", b"-" * 999_999)


def left_behind(server: Server) -> list[str]:
    return [path.name for path in (server.root / ".filmcan/incoming").iterdir()]


def test_stored_tells_path_sums_size_and_absolute_urls(server: Server) -> None:
    name, data = server.project("Tell"), b"footage" * 1000
    said = server.upload(name, "IMG 0101 ♥.MOV", data).json
    assert said["status"] == "stored" and said["path"] == "ingest/originals/IMG 0101 ♥.MOV"
    assert said["sha256"] == hashlib.sha256(data).hexdigest() and said["blake3"] == blake3(data).hexdigest()
    assert said["size"] == len(data) and said["uploaded_at"].endswith("+00:00") and said["instructions"]
    assert said["served"]["stream_url"].startswith(f"http://127.0.0.1:{server.port}/media/{name}/ingest/originals/IMG%200101")
    assert (server.root / name / said["path"]).read_bytes() == data


def test_the_same_bytes_under_another_name_are_a_duplicate_of_the_first(server: Server) -> None:
    name = server.project("Twice")
    first = server.stored(name, "a.mov", b"same bytes")
    said = server.upload(name, "b.mov", b"same bytes").json
    assert (said["status"], said["path"]) == ("duplicate", first)
    assert server.names(name) == ["a.mov"] and server.index(name)["counts"]["duplicates_skipped"] == 1
    events = [(line["event"], line["payload"]) for line in server.events(name)]
    assert events[-1] == ("upload_duplicate_skipped", {"path": first, "sha256": hashlib.sha256(b"same bytes").hexdigest()})
    assert events[-2][0] == "upload_ingested" and events[-2][1]["relative_path"] == first


def test_a_second_project_stores_the_same_bytes_once_more_by_name_only(server: Server) -> None:
    one, two = server.project("One"), server.project("Two")
    paths = [server.root / name / server.stored(name, "a.mov", b"shared bytes") for name in (one, two)]
    assert len({path.stat().st_ino for path in paths}) == 1 and paths[0].stat().st_nlink == 3


def test_other_bytes_under_a_taken_name_get_a_name_of_their_own(server: Server) -> None:
    name = server.project("Taken")
    paths = [server.stored(name, "clip.mov", data) for data in (b"one", b"two", b"three")]
    assert paths == [f"ingest/originals/clip{tail}.mov" for tail in ("", "_1", "_2")]
    assert [(server.root / name / path).read_bytes() for path in paths] == [b"one", b"two", b"three"]


def test_a_file_somebody_dropped_under_the_name_is_not_touched(server: Server) -> None:
    name = server.project("Dropped")
    (server.root / name / "ingest/originals/clip.mov").write_bytes(b"by hand")
    assert server.stored(name, "clip.mov", b"by phone") == "ingest/originals/clip_1.mov"
    assert (server.root / name / "ingest/originals/clip.mov").read_bytes() == b"by hand"


def test_what_was_deleted_on_disk_is_stored_again_whatever_the_index_says(server: Server) -> None:
    name = server.project("Erased")
    path = server.root / name / server.stored(name, "a.mov", b"precious")
    path.unlink()
    assert server.stored(name, "a.mov", b"precious") == "ingest/originals/a.mov"
    assert path.read_bytes() == b"precious"
    path.unlink()
    assert server.stored(name, "other.mov", b"precious") == "ingest/originals/other.mov"
    path.parent.rename(path.parent.with_name("gone"))
    assert server.stored(name, "third.mov", b"precious") == "ingest/originals/third.mov"
    assert server.upload(name, "fourth.mov", b"precious").json["path"] == "ingest/originals/third.mov"
    assert [line["event"] for line in server.events(name)].count("upload_duplicate_skipped") == 1


def test_a_file_swapped_by_hand_is_no_reason_to_say_duplicate(server: Server) -> None:
    name = server.project("Swapped")
    path = server.root / name / server.stored(name, "a.mov", b"the old one")
    path.unlink()
    path.write_bytes(b"the new one")
    assert server.stored(name, "a.mov", b"the old one") == "ingest/originals/a_1.mov"
    assert path.read_bytes() == b"the new one"


def test_an_empty_file_is_stored_and_all_empty_files_are_one(server: Server) -> None:
    name = server.project("Empty")
    assert server.stored(name, "a.mov", b"") == "ingest/originals/a.mov"
    assert server.upload(name, "b.mov", b"").json["status"] == "duplicate"
    (server.root / name / "ingest/originals/a.mov").unlink()
    assert server.stored(name, "b.mov", b"") == "ingest/originals/b.mov"


def test_names_that_are_paths_are_refused(server: Server) -> None:
    name = server.project("Names")
    for wrong in ("../x.mp4", "a/b.mov", "a..b.mp4", "..", "   ", "._x.mov", "Thumbs.db"):
        said = server.upload(name, wrong, b"data")
        assert said.status == 400 and isinstance(said.json["detail"], str), wrong
    assert server.names(name) == [] and not (server.root / "x.mp4").exists()
    assert server.stored(name, "  trimmed.mov ", b"data") == "ingest/originals/trimmed.mov"


def test_an_unknown_project_is_404_and_no_folder_appears(server: Server) -> None:
    assert server.upload("P50-Nobody", "a.mov", b"data").status == 404
    assert server.upload("_sources", "a.mov", b"data").status == 400
    assert not (server.root / "P50-Nobody").exists()


def test_past_the_limit_nothing_is_kept(server: Server) -> None:
    name = server.project("Large")
    assert server.upload(name, "a.mov", b"x" * (1 << 20)).json["status"] == "stored"
    for data in (b"y" * ((1 << 20) + 1), b"y" * (3 << 20)):
        said = server.upload(name, "b.mov", data)
        assert said.status == 413 and "1 MiB" in said.json["detail"]
    assert server.names(name) == ["a.mov"] and left_behind(server) == []
    said = server.ask("PUT", f"/api/projects/{name}/upload/b.mov", b"y" * ((1 << 20) + 1))
    assert said.status == 413 and server.names(name) == ["a.mov"]


def test_too_much_is_refused_before_it_is_asked_for(server: Server) -> None:
    name = server.project("Expect")
    head = (
        f"POST /api/projects/{name}/upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_expect_100_is_answered_and_the_form_is_taken(server: Server) -> None:
    name = server.project("Continue")
    body, kind = form(("file", "a.mov", b"data"))
    head = (
        f"POST /api/projects/{name}/upload HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n"
        f"Content-Type: {kind}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(body)
        assert b'"stored"' in client.makefile("rb").read()


def test_a_form_that_is_cut_keeps_nothing(server: Server) -> None:
    name = server.project("Cut")
    body, kind = form(("file", "a.mov", b"data" * 1000))
    assert server.post(f"/api/projects/{name}/upload", body[:-300], Content_Type=kind).status == 400
    head = f"POST /api/projects/{name}/upload HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\nContent-Type: {kind}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(head.encode() + body[:2000])
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").readline().startswith(b"HTTP/1.1 400")
    assert server.names(name) == [] and left_behind(server) == []


def test_a_form_without_a_file_is_422(server: Server) -> None:
    name = server.project("Fields")
    wrong = [form(("clip", "a.mov", b"data")), form(), (b"{}", "application/json"), (b"data", "text/plain")]
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--{BOUNDARY}--\r\n'.encode()
    for body, kind in [*wrong, (field, wrong[0][1])]:
        said = server.post(f"/api/projects/{name}/upload", body, Content_Type=kind)
        assert said.status == 422 and said.json["detail"][0]["loc"] == ["body", "file"], body
    assert server.post(f"/api/projects/{name}/upload", b"x", Content_Type="multipart/form-data").status == 400


def test_bare_bytes_are_taken_under_the_name_of_url_query_or_header(server: Server) -> None:
    name = server.project("Bare")
    url = f"/api/projects/{name}/upload"
    said = [
        server.ask("PUT", f"{url}/{quote('Straße 1.mov')}", b"one"), server.post(f"{url}?filename=b.mov", b"two"),
        server.post(url, b"three", X_Filename=quote("Übung.mov")),
        server.post(url, b"four", Content_Disposition='attachment; filename="d.mov"'),
        server.ask("PUT", f"{url}/e.mov", iter([b"fi", b"ve"])),
    ]  # fmt: skip
    assert [answer.status for answer in said] == [200] * 5
    assert server.names(name) == sorted(["Straße 1.mov", "b.mov", "Übung.mov", "d.mov", "e.mov"])
    assert server.ask("PUT", f"{url}/again.mov", b"five").json["status"] == "duplicate"
    assert server.ask("PUT", f"{url}/part.mov", b"tail", Content_Range="bytes 5-8/9").status == 400


def test_several_files_in_one_form_are_told_one_by_one(server: Server) -> None:
    name = server.project("Batch")
    body, kind = form(("files", "a.mov", b"a"), ("files", "../b.mov", b"b"), ("files[]", "c.mov", b"a"), ("files", "d.mov", b"d"))
    said = server.post(f"/api/projects/{name}/upload", body, Content_Type=kind).json
    assert said["counts"] == {"total": 4, "stored": 2, "duplicate": 1, "error": 1}
    assert [item["status"] for item in said["items"]] == ["stored", "error", "duplicate", "stored"]
    assert len(said["served_urls"]) == 3 and server.names(name) == ["a.mov", "d.mov"]


def test_bytes_that_look_like_a_boundary_arrive_as_they_are(server: Server) -> None:
    name = server.project("Boundary")
    for number, data in enumerate(LOOKALIKES):
        path = server.stored(name, f"{number}.mov", data)
        assert (server.root / name / path).read_bytes() == data


def test_after_a_delete_over_webdav_the_same_bytes_are_stored_again(server: Server) -> None:
    name = server.project("Deleted")
    path = server.stored(name, "a.mov", b"again")
    assert server.ask("DELETE", f"/dav/{name}/{path}").status == 204
    assert server.stored(name, "a.mov", b"again") == path


def test_two_uploads_of_one_content_at_one_moment_are_one_stored_and_one_duplicate(server: Server) -> None:
    name, start = server.project("Race"), threading.Barrier(8)

    def send(number: int) -> str:
        start.wait()
        return str(server.upload(name, f"{number}.mov", b"race" * 9999).json["status"])

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(send, range(8)))
    assert sorted(said) == ["duplicate"] * 7 + ["stored"] and len(server.names(name)) == 1


def test_two_hundred_parallel_uploads_agree_in_counts_index_disk_and_store(server: Server) -> None:
    """Mixed content, new and equal, equal names and other ones (contract §7, check 18)."""
    name = server.project("Crowd")
    contents = [b"%d" % (number % 120) * (1 + number % 120 * 300) for number in range(200)]

    def send(number: int) -> tuple[str, str]:
        said = server.upload(name, f"clip{number % 50}.mov", contents[number]).json
        return said["status"], said["path"]

    with ThreadPoolExecutor(24) as pool:
        said = list(pool.map(send, range(200)))
    assert [status for status, _ in said].count("stored") == 120
    for (_, path), data in zip(said, contents, strict=True):
        assert (server.root / name / path).read_bytes() == data
    index = server.index(name)
    assert index["counts"] == {"videos": 120, "duplicates_skipped": 80, "removed_missing_records": 0}
    assert {item["sha256"] for item in index["files"]} == {hashlib.sha256(data).hexdigest() for data in contents}
    assert len(server.names(name)) == 120 == len({path for _, path in said})
    assert server.libraries.flush() and json.loads((server.root / name / "index.json").read_text()) == {
        key: value for key, value in index.items() if key not in ("instructions", "editable")
    }
    library = server.libraries.primary
    assert plan(library, name).steps == () and left_behind(server) == []
    assert apply(library, plan(library, name)).indexed == []


def told(server: Server, data: bytes) -> set[str]:
    row = server.libraries.primary.store.blob(Digest(blake3(data).digest()))
    return set(row.told) if row else set()


def test_a_sum_that_is_told_is_compared_and_remembered(server: Server) -> None:
    name, form_data, bare, headed = server.project("Sums"), b"as a form", b"as bare bytes", b"with a header"
    body, kind = form(("file", "a.mov", form_data))
    sha256 = hashlib.sha256(form_data).hexdigest()
    assert server.post(f"/api/projects/{name}/upload?sha256={sha256}", body, Content_Type=kind).status == 200
    sha256 = hashlib.sha256(bare).hexdigest().upper()
    assert server.ask("PUT", f"/api/projects/{name}/upload/b.mov?sha256={sha256}", bare).status == 200
    field = f"sha-256=:{base64.b64encode(hashlib.sha256(headed).digest()).decode()}:"
    assert server.ask("PUT", f"/api/projects/{name}/upload/c.mov", headed, Content_Digest=field).status == 200
    assert [told(server, data) for data in (form_data, bare, headed)] == [{"sha256"}] * 3


def test_bytes_that_are_not_what_was_told_are_not_kept(server: Server) -> None:
    name = server.project("Wrong")
    said = server.ask("PUT", f"/api/projects/{name}/upload/a.mov?sha256={'0' * 64}", b"other bytes")
    assert said.status == 400 and "sha256" in said.json["detail"] and server.names(name) == []
    body, kind = form(("file", "a.mov", b"other bytes"))
    assert server.post(f"/api/projects/{name}/upload?sha256={'0' * 64}", body, Content_Type=kind).status == 400
    assert server.post(f"/api/projects/{name}/upload?sha256=no", body, Content_Type=kind).status == 422
    assert server.names(name) == [] and left_behind(server) == []


def test_who_asks_by_a_sum_that_is_here_has_the_bytes(server: Server) -> None:
    name, other, data = server.project("Ask"), server.project("Place"), b"asked for by its sum"
    server.stored(name, "a.mov", data)
    server.post(f"/api/projects/{name}/upload-needed", {"items": [{"name": "a.mov", "size": len(data)}]})
    assert told(server, data) == set()
    asked = {"name": "a.mov", "sha256": hashlib.sha256(data).hexdigest()}
    server.post(f"/api/projects/{name}/upload-needed", {"items": [asked]})
    assert told(server, data) == {"sha256"}
    placed = {"name": "a.mov", "blake3": blake3(data).hexdigest()}
    assert server.post(f"/api/projects/{other}/place", placed).json["status"] == "stored"
    assert told(server, data) == {"blake3", "sha256"}
