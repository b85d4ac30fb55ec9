"""Everything a client may ask that changes something, each on a project of its own; and what a library holds of that project.

A fault may come at any moment of an operation. Afterwards the project is as it was before or as it is after, never between;
and as it is after, if the client was told so.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.state import GENERATED, Tree, on_disk, put, read
from views.library import Library
from views.reindex import apply, plan
from views.resolve import KIND, request
from views.sources import PRIMARY, Sources
from views.upload import Upload

State = dict[str, Any]
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
TUS = {"Tus-Resumable": "1.0.0"}
CHUNK = {**TUS, "Content-Type": "application/offset+octet-stream"}
CLIP = "ingest/originals/clip.mov"
PROPERTY = (
    b'<D:propertyupdate xmlns:D="DAV:" xmlns:F="urn:f"><D:set><D:prop><F:take>7</F:take></D:prop></D:set></D:propertyupdate>'
)


@dataclass
class Case:
    """One project in which one operation is done once. `at` is its name, `told` what the preparation has to remember."""

    at: str
    told: dict[str, str] = field(default_factory=dict)

    def content(self, word: str) -> bytes:
        """Contents name the project, so that every case has blobs of its own."""
        return f"{self.at} {word}".encode() * 300


class Wire:
    """One connection to a server. `ask` gives the status, 0 when no whole answer came."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, method: str, url: str, body: bytes | Iterator[bytes] = b"", headers: dict[str, str] | None = None) -> int:
        try:
            self._connection.request(method, url, body, headers or {})
            answer = self._connection.getresponse()
            self.said = answer.read()
            return answer.status if answer.status != 207 else worst(self.said)
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()
            return 0

    def json(self, url: str, said: object) -> int:
        return self.ask("POST", url, json.dumps(said).encode(), {"Content-Type": "application/json"})

    def close(self) -> None:
        self._connection.close()


def worst(multistatus: bytes) -> int:
    return max(map(int, re.findall(rb"HTTP/1.1 (\d+)", multistatus)))


Ask = Callable[[Wire, Case], int]
Prepare = Callable[[Library, Case], None]


def _dav(method: str, name: str, to: str = "", word: str = "", **headers: str) -> Ask:
    """A WebDAV request in the project. `word` names the content that is sent."""

    def ask(wire: Wire, case: Case) -> int:
        more = {"Destination": f"/dav/{case.at}/{to}"} if to else {}
        return wire.ask(method, f"/dav/{case.at}/{name}", case.content(word) if word else b"", {**headers, **more})

    return ask


def _upload(wire: Wire, case: Case) -> int:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="up.mov"\r\n\r\n'
    return wire.ask("POST", f"/api/projects/{case.at}/upload", head + case.content("up") + b"\r\n--x--\r\n", FORM)


def _batch(library: Library, case: Case) -> None:
    """A batch of uploads, of which nothing is here yet."""
    project = library.project(case.at).entry.id
    case.told["batch"] = library.store.commit(lambda acts: library.tree.batches.start(acts, project))


def _batched(wire: Wire, case: Case) -> int:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="up.mov"\r\n\r\n'
    url = f"/api/projects/{case.at}/upload?op=upload&batch_id={case.told['batch']}"
    return wire.ask("POST", url, head + case.content("up") + b"\r\n--x--\r\n", FORM)


def _shot(library: Library, case: Case) -> None:
    put(library, f"{case.at}/ingest/originals/shot.mov", case.content("shot"))


def _tag(wire: Wire, case: Case) -> int:
    said = {"relative_paths": ["ingest/originals/shot.mov"], "add_tags": ["keeper"]}
    return wire.json(f"/api/projects/{case.at}/media/tags", said)


def _begun(library: Library, case: Case) -> None:
    """An upload in several goes, of which nothing is here yet."""
    data = case.content("chunks")
    upload = library.resumable.begin(Upload("", case.at, "up.mov", ends=True, length=len(data)))
    case.told["upload"] = upload.id


def _chunk(first: bool) -> Ask:
    def ask(wire: Wire, case: Case) -> int:
        data = case.content("chunks")
        half = len(data) // 2
        piece = data[:half] if first else data
        return wire.ask("PATCH", f"/api/uploads/{case.told['upload']}", piece, {**CHUNK, "Upload-Offset": "0"})

    return ask


def _create_upload(wire: Wire, case: Case) -> int:
    return wire.ask("POST", f"/api/uploads?project={case.at}&filename=up.mov", case.content("draft"), {"Upload-Complete": "?1"})


def _clip(library: Library, case: Case) -> None:
    put(library, f"{case.at}/{CLIP}", case.content("clip"))


def _submit(wire: Wire, case: Case) -> int:
    return wire.json("/api/resolve/open", {"project": case.at, "media_rel_paths": [CLIP]})


def _job(library: Library, case: Case) -> None:
    for job in library.jobs.list(KIND, "pending"):
        library.jobs.cancel(job.id)
    _clip(library, case)
    wanted = request(library, PRIMARY, project=case.at, paths=[CLIP])
    case.told["job"] = library.jobs.submit(KIND, wanted).id


def _claimed(library: Library, case: Case) -> None:
    _job(library, case)
    library.jobs.claim(KIND)


def _source(library: Library, case: Case) -> None:
    for source in Sources(library.root).list()[1:]:
        Sources(library.root).remove(source.name)
    (library.root.parent / f"source {case.at}").mkdir()
    case.told["root"] = str(library.root.parent / f"source {case.at}")


def _dropped(library: Library, case: Case) -> None:
    """A clip that somebody put there by hand."""
    (library.root / case.at / "ingest/originals/dropped.mov").write_bytes(case.content("dropped"))


def _deleted(library: Library, case: Case) -> None:
    """A file in the trash."""
    case.told["trash"] = f"_trash/{library.entry(f'{case.at}/b').id}-b"
    library.delete(f"{case.at}/b")


def _place(wire: Wire, case: Case) -> int:
    sha256 = hashlib.sha256(case.content("A")).hexdigest()
    return wire.json(f"/api/projects/{case.at}/place", {"name": "placed.mov", "sha256": sha256})


def _restore(wire: Wire, case: Case) -> int:
    return wire.ask("MOVE", f"/dav/{case.told['trash']}", headers={"Destination": f"/dav/{case.at}/restored"})


def _delete_media(wire: Wire, case: Case) -> int:
    return wire.json(f"/api/projects/{case.at}/media/delete", {"relative_paths": [CLIP]})


def _reindex(wire: Wire, case: Case) -> int:
    """It answers well what it could not do, too; only what it says it has taken in was promised."""
    status = wire.ask("POST", f"/api/projects/{case.at}/reindex")
    return 500 if status == 200 and not json.loads(wire.said)["indexed"] else status


OPERATIONS: dict[str, Ask | tuple[Prepare, Ask]] = {
    "PUT a new file": _dav("PUT", "new", word="new"),
    "PUT over a file": _dav("PUT", "a", word="new"),
    "PUT known bytes": _dav("PUT", "new", word="A"),
    "PUT an empty file": _dav("PUT", "new"),
    "PUT client junk": _dav("PUT", "._new", word="new"),
    "MKCOL": _dav("MKCOL", "new"),
    "COPY a file": _dav("COPY", "a", "new"),
    "COPY over a file": _dav("COPY", "a", "b"),
    "COPY a folder": _dav("COPY", "day", "night"),
    "COPY over a folder": _dav("COPY", "day", "other"),
    "MOVE a file": _dav("MOVE", "a", "day/new"),
    "MOVE over a file": _dav("MOVE", "a", "b"),
    "MOVE over the same bytes": _dav("MOVE", "a", "day/x"),
    "MOVE a folder": _dav("MOVE", "day", "night"),
    "DELETE a file": _dav("DELETE", "a"),
    "DELETE a folder": _dav("DELETE", "day"),
    "PROPPATCH": lambda wire, case: wire.ask("PROPPATCH", f"/dav/{case.at}/a", PROPERTY),
    "upload by the API": _upload,
    "upload in one go that could be several": _create_upload,
    "send a part of an upload": (_begun, _chunk(True)),
    "send the last of an upload": (_begun, _chunk(False)),
    "upload into a batch": (_batch, _batched),
    "finalize a batch": (
        _batch, lambda wire, case: wire.json(f"/api/projects/{case.at}/upload-batch/finalize", {"batch_id": case.told["batch"]}),
    ),
    "tag a clip": (_shot, _tag),
    "submit a job": (_clip, _submit),
    "claim a job": (_job, lambda wire, case: wire.ask("POST", "/api/resolve/jobs/next")),
    "complete a job": (_claimed, lambda wire, case: wire.json(f"/api/resolve/jobs/{case.told['job']}/complete", {})),
    "add a source": (_source, lambda wire, case: wire.json("/api/sources", {"name": case.at, "root": case.told["root"]})),
    "reindex": (_dropped, _reindex),
    "DELETE a project": lambda wire, case: wire.ask("DELETE", f"/dav/{case.at}"),
    "restore from the trash": (_deleted, _restore),
    "place known bytes": _place,
    "delete by the API": (_clip, _delete_media),
    "end an upload": (_begun, lambda wire, case: wire.ask("DELETE", f"/api/uploads/{case.told['upload']}", headers=TUS)),
}


def prepare(library: Library, name: str, number: int) -> Case:
    """A project with something of everything, and what the operation needs, if `name` is one."""
    case = Case(library.make_project(f"c{number}").entry.name)
    for folder in ("day", "other"):
        library.make_folder(f"{case.at}/{folder}")
    for path, word in (("a", "A"), ("b", "B"), ("day/x", "A"), ("day/y", "Y"), ("other/z", "Z")):
        put(library, f"{case.at}/{path}", case.content(word))
    put(library, f"{case.at}/day/empty", b"")
    operation = OPERATIONS.get(name)
    if isinstance(operation, tuple):
        operation[0](library, case)
    return case


def ask(wire: Wire, name: str, case: Case) -> int:
    operation = OPERATIONS[name]
    return (operation[1] if isinstance(operation, tuple) else operation)(wire, case)


def state(library: Library, case: Case) -> State:
    """What the library says of the project, without its name: the same for every case of an operation."""
    tree: Tree = {}
    entries = below(library, case.at)
    for path, entry in entries.items():
        tree[path] = None if entry.digest is None else plain(read(library, f"{case.at}/{path}"), case)
    return {
        "tree": tree,
        "properties": {path: dict(entry.props) for path, entry in entries.items() if entry.props},
        "jobs": [(job.status, job.attempts) for job in library.jobs.list(KIND) if job.body.get("project") == case.at],
        "sources": [source.name for source in Sources(library.root).list() if source.name == case.at].count(case.at),
        "uploads": uploads(library, case),
        "tags": {path: tags for path, entry in entries.items() if entry.digest and (tags := library.tags_of(entry.digest))},
        "batches": batches(library, case),
    }  # fmt: skip


def below(library: Library, at: str) -> dict[str, Any]:
    """Every entry of a project, client junk too, by its path in there; nothing when there is none."""
    with library.store.index.read() as txn:
        project = library.tree.find(txn, at)
        return {} if project is None else dict(library.tree.walk(txn, project, ""))


def batches(library: Library, case: Case) -> list[tuple[bool, list[tuple[str, str]]]]:
    """Batches of uploads: whether each takes more, and what came of its files."""
    if library.find(case.at) is None:
        return []
    project, table = library.project(case.at).entry.id, library.tree.batches
    with library.store.index.read() as txn:
        return [
            (not table.find(txn, project, id).ended_ns, [(item.status, item.path) for item in table.items(txn, project, id)])
            for id in table.of(txn, project)
        ]  # fmt: skip


def uploads(library: Library, case: Case) -> list[tuple[bool, bool, bool]]:
    """Uploads in several goes: whether something of each is here, or all, and whether it was placed."""
    ids = [id for id in library.store.parts.names() if library.resumable.has(id)]
    found = [upload for upload in map(library.resumable.peek, ids) if upload.project == case.at]
    return sorted((upload.offset > 0, upload.offset == upload.length, upload.result is not None) for upload in found)


def plain(data: bytes, case: Case) -> bytes:
    return data.replace(case.at.encode(), b"")


def shown(library: Library, case: Case) -> Tree:
    """What other programs see of the project."""
    return {path: None if data is None else plain(data, case) for path, data in on_disk(library.root / case.at).items()
            if path.partition("/")[0] not in GENERATED}  # fmt: skip


def check(library: Library, case: Case, before: State, after: State, answered: bool) -> None:
    """Right after a library was opened again. `answered`: the client was told that it is done."""
    library.resumable.sweep()  # as a server does when it starts
    found = state(library, case)
    if answered:
        assert found == after, f"answered, but lost: {differences(after, found)}"
    else:
        before, after, found = ({**said, "uploads": []} for said in (before, after, found))  # it may have come half-way
        assert found in (before, after), f"half done: {differences(before, found)}; {differences(after, found)}"
    contents = {*before["tree"].values(), *after["tree"].values(), None}
    for path, data in shown(library, case).items():
        assert data in contents, f"half a file is seen: {path}"
    layout = library.store.layout
    assert not list(layout.incoming.iterdir()), "something is left in incoming"
    assert not list(layout.quarantine.iterdir()), "something of nobody's was set aside"
    assert library.store.state.name == "ok"
    _settle(library, case, contents)


def _settle(library: Library, case: Case, contents: set[bytes | None]) -> None:
    """What one reindex brings together stays so: names, rows and bytes are the same."""
    if library.find(case.at) is None:
        return
    apply(library, plan(library, case.at))
    if library.find(case.at) is None:
        return
    assert not plan(library, case.at).steps, "a second reindex finds something"
    rows = {path: data for path, data in state(library, case)["tree"].items() if not below(library, case.at)[path].hidden}
    assert shown(library, case) == rows, "folders and index differ"
    assert set(rows.values()) <= contents


def differences(wanted: State, found: State) -> str:
    """What is not as it should be, in a few words."""
    said = []
    for kind in wanted:
        if wanted[kind] == found[kind]:
            continue
        if isinstance(wanted[kind], dict):
            names = sorted(name for name in {*wanted[kind], *found[kind]}
                           if wanted[kind].get(name, 0) != found[kind].get(name, 0))  # fmt: skip
            said.append(f"{kind} {names}")
        else:
            said.append(f"{kind} {found[kind]} for {wanted[kind]}")
    return ", ".join(said) or "nothing"
