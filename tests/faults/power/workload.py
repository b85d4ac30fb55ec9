"""Clients of a library on a recorded disk. Each has a project of its own and does one thing after the other.

Notes go into the record around each act: `begin` before it is asked for, `done` as soon as it was answered, and then `state`:
all that the project holds now. So the record itself says what may be there after a cut: the state of the last act
that was answered, or that of the one which was asked for.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from cas.digest import Hasher
from cas.system import System
from tests.faults.power.disks import Recorder
from views.errors import NameNotFound
from views.library import Library
from views.naming import is_generated
from views.past import TRASH_NAME
from views.upload import Upload

State = dict[str, Any]  # what a project holds: "file <path>", "folder …", "trash …", "notes", "job <id>", "upload …" → its facts
SHARED = [random.Random(n).randbytes(9_000) for n in range(3)]  # contents that several clients send
SIZES = (0, 1, 700, 700, 4096, 9_000, 60_000, 200_000)
BIG = (3_000_000, 12_000_000)  # the larger one starts to be written out before its end
PROP = "{urn:x-filmcan:test}word"
PAGE_BYTES = 4096
EVENTS_KEPT = 20
BOUNDARY = "--------filmcan-test"


def state_of(library: Library, project: str, uploads: list[str]) -> State | None:
    """Everything a client was promised; None when its project is not there. `uploads`: ids of those it began."""
    if library.find(project) is None:
        return None
    found: State = {"notes": library.project(project).row.notes}
    for path, entry in library.walk(project):
        if is_generated(path.split("/")[1]):
            continue
        kind = "folder" if entry.is_folder else "file"
        times = {} if entry.is_folder else {"modified_ns": entry.modified_ns}
        found[f"{kind} {path}"] = {"digest": entry.raw_digest.hex(), "size": entry.size_bytes, "props": entry.props, **times}
    for path, entry in library.walk(TRASH_NAME):
        was = _was_at(library, path)
        if was.startswith(f"{project}/"):
            found[f"trash {path}"] = {"digest": entry.raw_digest.hex(), "size": entry.size_bytes, "was": was}
    for job in library.jobs.list(project):
        found[f"job {job.id}"] = {"status": job.status, "by": job.by, "body": job.body, "error": job.error}
    for id in uploads:
        if library.resumable.has(id):
            upload = library.resumable.peek(id)
            found[f"upload {id}"] = {"offset": upload.offset, "placed": upload.result is not None}
    plain: State = msgspec.json.decode(msgspec.json.encode(found))
    return plain


def _was_at(library: Library, path: str) -> str:
    """The path something in the trash had; "" when another client took it out a moment ago."""
    try:
        with library.store.index.read() as txn:
            return library.past.buried(txn, path).row.path
    except NameNotFound:
        return ""


class Door(Protocol):
    """How a client reaches names. Each call returns when it was answered well, and raises otherwise."""

    def put(self, path: str, data: bytes) -> None: ...

    def make_folder(self, path: str) -> None: ...

    def move(self, path: str, to: str) -> None: ...

    def copy(self, path: str, to: str) -> None: ...

    def delete(self, path: str) -> None: ...

    def amend(self, path: str, word: str) -> None: ...

    def upload(self, project: str, name: str, data: bytes) -> None: ...


class Direct:
    """Calls of the library itself."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def put(self, path: str, data: bytes) -> None:
        body = self._library.receive(len(data))
        body.write(data)
        self._library.put(path, body)

    def make_folder(self, path: str) -> None:
        self._library.make_folder(path)

    def move(self, path: str, to: str) -> None:
        self._library.move(path, to)

    def copy(self, path: str, to: str) -> None:
        self._library.copy(path, to)

    def delete(self, path: str) -> None:
        self._library.delete(path)

    def amend(self, path: str, word: str) -> None:
        self._library.amend(path, set_props={PROP: f'<word xmlns="urn:x-filmcan:test">{word}</word>'})

    def upload(self, project: str, name: str, data: bytes) -> None:
        body = self._library.receive(len(data))
        body.write(data)
        self._library.upload(project, name, body)


class OverHttp:
    """WebDAV and the API of a server on this machine."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def _ask(self, verb: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
        self._connection.request(verb, quote(path), body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = self._connection.getresponse()
        said = answer.read()
        assert answer.status in (200, 201, 204, 207), (verb, path, answer.status, said)
        return said

    def put(self, path: str, data: bytes) -> None:
        self._ask("PUT", f"/dav/{path}", data)

    def make_folder(self, path: str) -> None:
        self._ask("MKCOL", f"/dav/{path}")

    def move(self, path: str, to: str) -> None:
        self._ask("MOVE", f"/dav/{path}", Destination=quote(f"/dav/{to}"))

    def copy(self, path: str, to: str) -> None:
        self._ask("COPY", f"/dav/{path}", Destination=quote(f"/dav/{to}"))

    def delete(self, path: str) -> None:
        self._ask("DELETE", f"/dav/{path}")

    def amend(self, path: str, word: str) -> None:
        inner = f'<set><prop><x:word xmlns:x="urn:x-filmcan:test">{word}</x:word></prop></set>'
        said = self._ask("PROPPATCH", f"/dav/{path}", f'<propertyupdate xmlns="DAV:">{inner}</propertyupdate>'.encode())
        assert b" 200 " in said, said

    def upload(self, project: str, name: str, data: bytes) -> None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        form = head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()
        self._ask("POST", f"/api/projects/{project}/upload", form, Content_Type=f"multipart/form-data; boundary={BOUNDARY}")


class Body:
    """A body of a request."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


class Beside:
    """Something that a thread of its own does again and again while this is entered. What it raises is raised at the end."""

    def __init__(self, act: Callable[[], None], pause_s: float) -> None:
        self._act, self._pause_s = act, pause_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._failure: BaseException | None = None

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self._pause_s):
                self._act()
        except BaseException as error:
            self._failure = error

    def __enter__(self) -> Beside:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure


def writeback(root: Path, seed: int) -> Callable[[], None]:
    """The kernel writes pages of the index to the disk, a few at a time and in any order, as it may at any moment. By itself it
    begins after seconds, when a workload is long over."""
    index, chance, system = root / ".filmcan/index/data.mdb", random.Random(f"{seed} writeback"), System()

    def act() -> None:
        with open(index, "rb") as file:
            pages = os.fstat(file.fileno()).st_size // PAGE_BYTES
            at, count = chance.randrange(pages), chance.randint(1, 4)
            system.start_writeback(file.fileno(), at * PAGE_BYTES, count * PAGE_BYTES)

    return act


def fold(library: Library) -> None:
    """The past is forgotten but for its last events, and the journal made shorter by them."""
    library.history.catch_up()
    seq = library.store.journal.last_seq - EVENTS_KEPT
    if seq > 0:
        library.store.commit(lambda acts: library.history.forget_before(acts.txn, seq, acts.at_ns))
        library.fold_journal(small=True)


class Client:
    """One client. `number` tells it from the others; its acts come from `seed`."""

    def __init__(self, number: int, seed: int) -> None:
        self.number, self._chance = number, random.Random(f"{seed} client {number}")
        self.project = f"P{number + 1}-Client{number}"
        self._acts = 0
        self._uploads: list[str] = []
        self._held: State = {}

    def take_up(self, recorder: Recorder, library: Library, door: Door) -> None:
        """Go on with this library, from now on."""
        self._recorder, self._library, self._door = recorder, library, door

    def act(self, count: int) -> None:
        for _ in range(count):
            if self._acts:
                self._once(self._choose())
            else:
                self._once(lambda: self._library.make_project(self.project))

    def _once(self, act: Callable[[], object]) -> None:
        self._acts += 1
        self._note("begin")
        act()
        self._note("done")
        held = state_of(self._library, self.project, self._uploads)
        assert held is not None
        self._held = held
        self._note("state", project=self.project, uploads=self._uploads, holds=held)

    def _note(self, what: str, **more: object) -> None:
        self._recorder.mark(json.dumps({"what": what, "client": self.number, "act": self._acts, **more}))

    def _choose(self) -> Callable[[], object]:
        files, folders = self._paths("file "), self._paths("folder ")
        acts = [self._put] * 6 + [self._upload] * 2 + [self._job, self._notes, self._resumable, self._make_folder]
        if files:
            acts += [self._put_over] * 2 + [self._move, self._copy, self._delete, self._amend] * 2
        if folders:
            acts += [self._move_folder, self._copy_folder, self._delete_folder]
        if self._trash():
            acts += [self._put_back] * 2
        return self._chance.choice(acts)()

    def _paths(self, kind: str) -> list[str]:
        below = f"{kind}{self.project}/"
        return sorted(key.removeprefix(kind) for key in self._held if key.startswith(below) and "/ingest" not in key)

    def _content(self) -> bytes:
        if self._chance.random() < 0.3:
            return self._chance.choice(SHARED)
        return self._chance.randbytes(self._chance.choice(BIG if self._chance.random() < 0.02 else SIZES))

    def _new_path(self) -> str:
        folder = self._chance.choice([self.project, *self._paths("folder ")])
        return f"{folder}/clip {self._chance.randrange(10**6)}.mov"

    def _some(self, kind: str = "file ") -> str:
        return self._chance.choice(self._paths(kind))

    # acts: each chooses its words first, and gives back what is then done

    def _put(self) -> Callable[[], object]:
        path, data = self._new_path(), self._content()
        return lambda: self._checked(path, data)

    def _put_over(self) -> Callable[[], object]:
        path, data = self._some(), self._content()
        return lambda: self._checked(path, data)

    def _checked(self, path: str, data: bytes) -> None:
        """The library's own word is what is compared later; here it is compared with what was sent."""
        self._door.put(path, data)
        hasher = Hasher()
        hasher.update(data)
        entry = self._library.entry(path)
        assert entry.raw_digest == hasher.finish().digest.raw, path

    def _upload(self) -> Callable[[], object]:
        name, data = f"up {self._chance.randrange(5)}.mov", self._content()
        return lambda: self._door.upload(self.project, name, data)

    def _make_folder(self) -> Callable[[], object]:
        folder = self._chance.choice([self.project, *self._paths("folder ")])
        path = f"{folder}/day {self._chance.randrange(10**6)}"
        return lambda: self._door.make_folder(path)

    def _move(self) -> Callable[[], object]:
        path, to = self._some(), self._chance.choice([self._new_path(), self._some()])
        return (lambda: self._door.move(path, to)) if path != to else self._put()

    def _copy(self) -> Callable[[], object]:
        path, to = self._some(), self._chance.choice([self._new_path(), self._some()])
        return (lambda: self._door.copy(path, to)) if path != to else self._put()

    def _delete(self) -> Callable[[], object]:
        path = self._some()
        return lambda: self._door.delete(path)

    def _amend(self) -> Callable[[], object]:
        path, word = self._some(), f"word {self._chance.randrange(10**6)}"
        return lambda: self._door.amend(path, word)

    def _move_folder(self) -> Callable[[], object]:
        path, to = self._some("folder "), f"{self.project}/moved {self._chance.randrange(10**6)}"
        return lambda: self._door.move(path, to)

    def _copy_folder(self) -> Callable[[], object]:
        path, to = self._some("folder "), f"{self.project}/copied {self._chance.randrange(10**6)}"
        return lambda: self._door.copy(path, to)

    def _delete_folder(self) -> Callable[[], object]:
        path = self._some("folder ")
        return lambda: self._door.delete(path)

    def _trash(self) -> list[str]:
        """What can be put back in one change: the folder it was in is there."""
        folders = {self.project, *self._paths("folder ")}
        there = {key.removeprefix("trash "): said["was"] for key, said in self._held.items() if key.startswith("trash ")}
        return sorted(path for path, was in there.items() if path.count("/") == 1 and was.rpartition("/")[0] in folders)

    def _put_back(self) -> Callable[[], object]:
        path = self._chance.choice(self._trash())
        return lambda: self._library.put_back(path)

    def _notes(self) -> Callable[[], object]:
        words = f"notes {self._chance.randrange(10**6)}"
        return lambda: self._library.set_notes(self.project, words)

    def _job(self) -> Callable[[], object]:
        jobs, number = self._library.jobs, self._chance.randrange(10**6)
        held = {key.removeprefix("job "): job["status"] for key, job in self._held.items() if key.startswith("job ")}
        claimed = sorted(id for id, status in held.items() if status == "claimed")
        if claimed:
            id = self._chance.choice(claimed)
            return self._chance.choice((lambda: jobs.complete(id), lambda: jobs.cancel(id), lambda: jobs.fail(id, "no")))
        if "pending" in held.values():
            return lambda: jobs.claim(self.project, 1, f"agent {number}")
        return lambda: jobs.submit(self.project, {"clip": number})

    def _resumable(self) -> Callable[[], object]:
        """The next piece of an upload in several goes, or a new one. Its bytes come from its name."""
        uploads = self._library.resumable
        open_ = [id for id in self._uploads if not self._held.get(f"upload {id}", {"placed": True})["placed"]]
        if not open_:
            name, length = f"goes {self._chance.randrange(10**6)}.mov", self._chance.choice((5_000, 300_000))
            return lambda: self._uploads.append(
                uploads.begin(Upload("", project=self.project, name=name, length=length, ends=True)).id
            )
        upload = uploads.peek(open_[0])
        assert upload.length is not None
        piece = bytes_of(upload)[upload.offset : upload.offset + self._chance.choice((1_000, upload.length))]
        return lambda: uploads.append(upload.id, upload.offset, Body(piece), announced=len(piece))


def bytes_of(upload: Upload) -> bytes:
    assert upload.length is not None
    return random.Random(upload.name).randbytes(upload.length)


def at_once(clients: list[Client], count: int) -> None:
    """Each does `count` acts, all at the same time. What one raises is raised here."""
    failures: list[BaseException] = []

    def run(client: Client) -> None:
        try:
            client.act(count)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
