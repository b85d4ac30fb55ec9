"""Acceptance check 17 of the HTTP contract: kill the process during uploads, moves and reindex, over HTTP alone.

Clients send, move, tag and reindex at once, all against the same two projects, until the server is killed. Then, on the disk as
it was left: every index parses, no half file is visible. And of the server that starts again: everything acknowledged is there.

FILMCAN_KILLS sets how many times (default 4), FILMCAN_SEED repeats a run.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.clients.server import FILMCAN, port_of, start

KILLS = int(os.environ.get("FILMCAN_KILLS", "4"))
SEED = int(os.environ.get("FILMCAN_SEED", str(random.SystemRandom().randrange(10**9))))
A, B = "P1-Sent", "P2-Moved"
ORIGINALS = "ingest/originals"


class Died(Exception):
    """The server went away before it answered."""


def ask(port: int, verb: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
    """One request; the JSON of its answer, which is a 200. Died."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    try:
        connection.request(verb, path, data, {"Content-Type": kind} if data is not None else {})
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, http.client.HTTPException):
        raise Died from None
    finally:
        connection.close()
    assert answer.status in (200, 201), (verb, path, answer.status, said)
    return json.loads(said) if "json" in (answer.getheader("Content-Type") or "") else said


@dataclass
class World:
    """What was sent and what was answered. Contents are told apart by their SHA-256."""

    root: Path
    chance: random.Random
    contents: dict[str, bytes] = field(default_factory=dict)  # all that may be seen anywhere, whole
    stored: dict[str, str] = field(default_factory=dict)  # sum → path in A, acknowledged and still to be moved
    safe: set[str] = field(default_factory=set)  # sums that must be somewhere
    moved: set[str] = field(default_factory=set)  # sums that must be in B, and in A no more
    tagged: set[str] = field(default_factory=set)
    batched: dict[str, list[str]] = field(default_factory=dict)  # batch → sums it was answered for
    wrong: list[BaseException] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)  # the server was killed: nobody waits for more to do

    def content(self) -> tuple[str, bytes]:
        with self.lock:
            data = self.chance.randbytes(self.chance.choice([700, 90_000, 1_500_000]))
            sum_hex = hashlib.sha256(data).hexdigest()
            self.contents[sum_hex] = data
        return sum_hex, data

    # clients

    def send(self, port: int) -> None:
        batch = ask(port, "POST", f"/api/projects/{A}/upload?op=start")["batch_id"]
        self.batched[batch] = []
        while True:
            sum_hex, data = self.content()
            form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="clip.mov"\r\n\r\n' + data + b"\r\n--x--\r\n"
            url = f"/api/projects/{A}/upload?op=upload&batch_id={batch}"
            [item] = ask(port, "POST", url, form, "multipart/form-data; boundary=x")["items"]
            assert (item["status"], item["sha256"]) == ("stored", sum_hex)
            with self.lock:
                self.stored[sum_hex] = item["path"]
                self.safe.add(sum_hex)
                self.batched[batch].append(sum_hex)

    def move(self, port: int) -> None:
        while not self.over.is_set():
            with self.lock:
                picked = dict(sorted(self.stored.items())[:3])
                for sum_hex in picked:
                    del self.stored[sum_hex]
            if not picked:
                time.sleep(0.01)
                continue
            body = {"relative_paths": list(picked.values()), "target_project": B}
            said = ask(port, "POST", f"/api/projects/{A}/media/move", body)
            assert len(said["moved"]) == len(picked) and not said["missing"], said
            self.moved |= picked.keys()

    def tag(self, port: int) -> None:
        while not self.over.is_set():
            with self.lock:
                path = next(iter(self.stored.values()), None)
            if path is None:
                time.sleep(0.01)
                continue
            said = ask(port, "POST", f"/api/projects/{A}/media/tags", {"relative_paths": [path], "add_tags": ["kept"]})
            self.tagged |= {item["sha256"] for item in said["updated"]}  # it may have been moved away just before

    def drop_and_reindex(self, port: int) -> None:
        """What people drop by hand stays where it is, or where a reindex brought it."""
        while True:
            sum_hex, data = self.content()
            staged = self.root.parent / f"drop-{sum_hex[:8]}.mov"
            staged.write_bytes(data)
            staged.rename(self.root / A / staged.name)
            self.safe.add(sum_hex)
            ask(port, "POST", f"/api/projects/{A}/reindex")

    def until_killed(self, act: Callable[[int], None], port: int) -> None:
        try:
            act(port)
        except Died:
            return
        except BaseException as error:
            self.wrong.append(error)

    # what must hold

    def check_disk(self) -> None:
        """As the kill left it, before anything is started again."""
        for project in (A, B):
            index = self.root / project / "index.json"
            assert not index.exists() or json.loads(index.read_bytes())["project"] == project
            for path in (self.root / project).rglob("*"):
                inner = path.relative_to(self.root / project).parts
                if path.is_file() and inner[0] not in ("index.json", "_manifest"):
                    seen = hashlib.sha256(path.read_bytes()).hexdigest()
                    assert seen in self.contents, f"{path} is no whole file that anybody sent"

    def check_server(self, port: int) -> None:
        for project in (A, B):
            ask(port, "POST", f"/api/projects/{project}/reindex")
        listed = {project: ask(port, "GET", f"/api/projects/{project}/media")["media"] for project in (A, B)}
        sums = {project: {item["sha256"] for item in items} for project, items in listed.items()}
        assert self.safe <= sums[A] | sums[B], "acknowledged, and gone"
        assert self.moved <= sums[B] and not self.moved & sums[A], "moved, and not"
        kept = {item["sha256"] for items in listed.values() for item in items if "kept" in item["tags"]}
        assert self.tagged <= kept, "tagged, and forgotten"
        for item in (item for items in listed.values() for item in items):
            assert ask(port, "GET", item["stream_url"]) == self.contents[item["sha256"]]
        for batch, answered in self.batched.items():
            items = ask(port, "GET", f"/api/projects/{A}/upload-batch/{quote(batch)}")["items"]
            assert set(answered) <= {item["sha256"] for item in items}, "answered in a batch that does not know it"
        self.stored = {item["sha256"]: item["relative_path"] for item in listed[A]}
        self.safe, self.batched = sums[A] | sums[B], {}


def test_17_a_kill_during_uploads_moves_and_reindex_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    print(f"seed {SEED}, {KILLS} kills")
    chance = random.Random(SEED)
    world = World(tmp_path / "root", random.Random(SEED + 1))
    for number in range(KILLS + 1):
        process = start(FILMCAN, world.root, tmp_path / f"server {number}.log")
        try:
            port = port_of(process, tmp_path / f"server {number}.log")
            for project in (A, B):
                assert ask(port, "POST", "/api/projects", {"name": project})["name"] == project
            world.check_server(port)
            world.over.clear()
            acts = [world.send, world.send, world.move, world.tag, world.drop_and_reindex]
            threads = [threading.Thread(target=world.until_killed, args=(act, port)) for act in acts]
            for thread in threads if number < KILLS else ():
                thread.start()
            time.sleep(chance.uniform(0.2, 1.2) if number < KILLS else 0)
        finally:
            process.kill()
            process.wait()
            world.over.set()
        for thread in threads if number < KILLS else ():
            thread.join()
        assert not world.wrong, world.wrong
        world.check_disk()
    print(f"{len(world.safe)} contents compared, {len(world.moved)} moved, {len(world.tagged)} tagged")
    assert len(world.safe) > KILLS and world.moved, "the server was killed before it could do anything"
