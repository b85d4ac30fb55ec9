"""Uploads in several goes: begun, appended to, asked for their offset, ended; over lost connections and restarts.

Every door (tus, the IETF draft) speaks of the same `Upload`. Its bytes lie in `cas.parts` and are seen by nobody until it is
complete; then they become a file of the project like any other upload. An offset that was answered survives kill -9 and a
power cut. After a restart the hash is made again from the part when the upload completes.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from cas.digest import Buffer, Digest, Hasher
from cas.errors import CasError, ChecksumWrong, TooLarge
from cas.parts import Part
from views.errors import (
    NameProblem,
    OffsetWrong,
    UploadBusy,
    UploadProblem,
    UploadTaken,
    UploadUnknown,
    UploadUnlike,
    UploadWhole,
)  # fmt: skip
from views.upload import Blocks, Stoppable, Stream, Upload, check_sum, pieces

if TYPE_CHECKING:
    from views.library import Library

log = logging.getLogger("filmcan.uploads")
REST_S = 3600.0  # what was not asked for as long is known from disk only
NOTE_BYTES = 16 << 20  # synced and noted so often: at most this much is sent again after a kill
ID = re.compile(r"[0-9a-f]{32}")


class _Turn:
    """One request that sends bytes. `sum_kind`: its bytes count only when all are here and checked."""

    def __init__(self, start: int, sum_kind: str, stream: Stream) -> None:
        self.start, self.sum_kind, self._stream = start, sum_kind, stream

    def stop(self) -> None:
        """What it still brings is dropped. A thread that waits for bytes of a client who is gone need not wait longer."""
        if isinstance(self._stream, Stoppable):
            self._stream.stop()


class _Live:
    """An upload while this process knows it. The gate is held for moments, and while it is being placed."""

    def __init__(self, upload: Upload) -> None:
        self.gate = threading.RLock()
        self.upload = upload
        self.part: Part | None = None
        self.turn: _Turn | None = None
        self.gone = False
        self.seen_s = 0.0


class Resumable:
    """The uploads in several goes of one library.

    threads  any. Of two requests that send bytes of one upload the second gets UploadBusy; one that asks for the offset
             (`look`) or ends the upload takes it over, and what the first still brings is dropped
    crash    what was answered is kept; see cas/parts.py
    """

    def __init__(self, library: Library, most_bytes: int | None = None) -> None:
        self._library, self._most_bytes = library, most_bytes
        self._store, self._parts = library.store, library.store.parts
        self._live: dict[str, _Live] = {}
        self._lock = threading.Lock()

    # beginning

    def begin(self, said: Upload) -> Upload:
        """A new upload, of which nothing is here yet; its id and time are given here. Lasting when it returns.

        raises  NameInvalid, NotMedia, TooLarge, NoSpace, Degraded
        """
        if not said.partial:
            self._library.admit(said.name)
        most = min((limit for limit in (said.most, self._most_bytes) if limit), default=None)
        system = self._store.system
        upload = replace(said, id=system.token() + system.token(), most=most, born_ns=system.now_ns(), at_ns=0)
        self._check_length(upload, upload.length)
        live = _Live(upload)
        with live.gate:
            with self._lock:
                self._live[upload.id] = live  # known before it is on disk, or a sweep would take it for what a crash left
            try:
                live.part = self._parts.begin(upload.id, msgspec.to_builtins(upload), most)
            except BaseException:
                self.remove(upload.id)
                raise
            live.part.abandon()
        return upload

    def _check_length(self, upload: Upload, length: int | None) -> None:
        if length is not None and upload.most is not None and length > upload.most:
            raise TooLarge(length, upload.most)
        self._check_space((length or 0) - upload.offset)

    def _check_space(self, more_bytes: int) -> None:
        self._store.state.admit(max(more_bytes, 1))

    def join(self, said: Upload, pieces: Sequence[tuple[Resumable, str]]) -> Upload:
        """One upload out of complete pieces, in their order, placed at once; the pieces are taken away. They may lie in other
        libraries. UploadUnlike when one is not a complete piece."""
        found = [(uploads, uploads.look(id)) for uploads, id in pieces]
        for _, piece in found:
            if not piece.partial or not piece.complete:
                raise UploadUnlike(piece.id, why=f"{piece.id} is no complete piece of an upload")
        length, ids = sum(piece.offset for _, piece in found), [piece.id for _, piece in found]
        whole = self.begin(replace(said, length=length, parts=ids, ends=True))
        try:
            for uploads, piece in found:
                if not piece.offset:
                    continue
                with uploads.bytes_of(piece.id) as stream:
                    whole = self.append(whole.id, whole.offset, stream, announced=piece.offset)
            whole = whole if whole.result else self.complete(whole.id)
        except BaseException:
            self.remove(whole.id)
            raise
        for uploads, piece in found:
            uploads.remove(piece.id)
        return whole

    @contextmanager
    def bytes_of(self, id: str) -> Iterator[Stream]:
        """The bytes of a complete piece."""
        live = self._get(id)
        with live.gate, self._open_part(live) as part:
            yield Blocks(part)

    # looking

    def look(self, id: str) -> Upload:
        """An upload as it is, with an offset that the next append may use: a request that is sending now is cut off.

        One that is complete but could not be placed before is placed now. UploadUnknown, and what placing raises.
        """
        live = self._get(id)
        with live.gate:
            self._cut_off(live)
            if live.upload.complete and not live.upload.partial and live.upload.result is None:
                self._complete(live)
            return live.upload

    def unfinished(self, project: str) -> list[str]:
        """Uploads to a project that are not complete, in words for people. Disturbs nobody."""
        found = []
        for id in self._parts.names():
            try:
                upload = self.peek(id) if ID.fullmatch(id) else None
            except UploadUnknown:
                continue
            if upload is not None and upload.project == project and upload.result is None:
                known = f" of {upload.length:,}" if upload.length is not None else ""
                found.append(f"the upload of {upload.name} is not complete ({upload.offset:,}{known} bytes)")
        return found

    def now_ns(self) -> int:
        return self._store.system.now_ns()

    def peek(self, id: str) -> Upload:
        """An upload as it is, disturbing nobody: the offset may be old when it is read. UploadUnknown."""
        return self._get(id).upload

    def has(self, id: str) -> bool:
        try:
            self._get(id)
        except UploadUnknown:
            return False
        return True

    def _get(self, id: str) -> _Live:
        with self._lock:
            live = self._live.get(id)
            if live is None:
                upload = self._read(id)
                if upload is None:
                    raise UploadUnknown(id[:64])
                live = self._live[id] = _Live(upload)
            live.seen_s = self._store.system.monotonic_s()
        if self._expired(live.upload):
            self.remove(id)
            raise UploadUnknown(id)
        return live

    def _read(self, id: str) -> Upload | None:
        """What an earlier process noted; None for what is no upload, or was half begun."""
        notes = self._parts.notes(id) if ID.fullmatch(id) else []
        if not notes:
            return None
        said: dict[str, Any] = {}
        for note in notes:
            said |= note
        return msgspec.convert(said, Upload)

    def _expired(self, upload: Upload) -> bool:
        return upload.expires_ns <= self._store.system.now_ns()

    # appending

    def append(
        self, id: str, offset: int, stream: Stream, *, announced: int | None = None, length: int | None = None,
        last: bool = False, sums: Mapping[str, bytes] | None = None, takes_over: bool = False,
    ) -> Upload:  # fmt: skip
        """Take the bytes of a body. What arrived is kept even when the body breaks off, unless it has a checksum.

        offset     of the first byte; must be where the upload ends
        announced  bytes of the body, None when nobody said
        length     of the whole upload, if this request says it
        last       with the end of this body the upload is complete
        sums       one of CHUNK_SUMS to raw bytes: the body must hash to it
        takes_over another request that is sending now is cut off, as `look` does it; else this one gets UploadBusy
        raises     UploadBusy, OffsetWrong, UploadWhole, UploadUnlike, ChunkWrong, TooLarge, NoSpace, what the stream raises
        """
        live = self._get(id)
        if takes_over:
            self._cut_off(live)
        turn = self._begin_turn(live, _Turn(offset, next(iter(sums or ()), ""), stream), announced, length, last)
        hasher = Hasher([turn.sum_kind] if turn.sum_kind in ("sha1", "md5") else ())
        try:
            for piece in pieces(stream):
                if sums:
                    hasher.update(piece)
                self._keep(live, turn, piece)
            if sums:
                check_sum(id, hasher, sums)
        except BaseException:
            self._break_off(live, turn)
            raise
        return self._end_turn(live, turn, last)

    def _cut_off(self, live: _Live) -> None:
        """Whoever sends bytes now is late."""
        with live.gate:
            if live.turn is not None:
                live.turn.stop()
            self._take_over(live)

    def _begin_turn(self, live: _Live, turn: _Turn, announced: int | None, length: int | None, last: bool) -> _Turn:
        with live.gate:
            upload, offset = live.upload, turn.start
            if live.gone:
                raise UploadUnknown(upload.id)
            if upload.complete:
                raise UploadWhole(upload.id)
            if live.turn is not None:
                raise UploadBusy(upload.id)
            if offset != upload.offset:
                raise OffsetWrong(upload.id, upload.offset, offset)
            end = None if announced is None else offset + announced
            live.upload = self._with_length(upload, end, length, last)
            self._check_space(announced or 0)
            self._wake(live)
            live.turn = turn
            return turn

    def _with_length(self, upload: Upload, end: int | None, length: int | None, last: bool) -> Upload:
        """The upload with its length, as far as this request tells it; all that was told must agree."""
        told = {size for size in (upload.length, length, end if last else None) if size is not None}
        if len(told) > 1:
            raise UploadUnlike(upload.id, why=f"the length of the upload cannot be {' and '.join(map(str, sorted(told)))} bytes")
        known = next(iter(told), None)
        if known is not None and max(end or 0, upload.offset) > known:
            raise UploadUnlike(upload.id, why=f"the upload has {known} bytes, this would be more")
        self._check_length(upload, known if known is not None else end)
        return replace(upload, length=known)

    def _keep(self, live: _Live, turn: _Turn, piece: Buffer) -> None:
        with live.gate:
            part = live.part
            if live.turn is not turn or part is None:
                raise UploadTaken(live.upload.id)
            if live.upload.length is not None and part.size_bytes + len(piece) > live.upload.length:
                raise UploadUnlike(live.upload.id, why=f"the upload has {live.upload.length} bytes, more were sent")
            part.write(piece)
            if not turn.sum_kind and part.size_bytes - part.synced_bytes >= NOTE_BYTES:
                self._note_offset(live)

    def _note_offset(self, live: _Live, **more: object) -> None:
        """The bytes are safe, and it is noted how many: from now on the offset may be told."""
        assert live.part is not None
        offset, at_ns = live.part.sync(), self._store.system.now_ns()
        if offset != live.upload.offset or more or live.upload.length is not None:
            note = {"offset": offset, "at_ns": at_ns, "length": live.upload.length, **more}
            self._parts.note(live.upload.id, note)
            live.upload = replace(live.upload, offset=offset, at_ns=at_ns, **more)

    def _break_off(self, live: _Live, turn: _Turn) -> None:
        """A request ends before its body does."""
        with live.gate:
            if live.turn is turn:
                self._take_over(live)

    def _take_over(self, live: _Live, **more: object) -> None:
        """Nobody sends any more; what was sent so far counts, unless it waits for its checksum. `more` is noted with it."""
        turn, live.turn = live.turn, None
        if turn is None or live.part is None or live.gone:
            return
        try:
            if turn.sum_kind:
                live.part.cut(turn.start)
            self._note_offset(live, **more)
        finally:
            live.part.abandon()

    def _end_turn(self, live: _Live, turn: _Turn, last: bool) -> Upload:
        with live.gate:
            if live.turn is not turn:
                raise UploadTaken(live.upload.id)
            checked, turn.sum_kind = bool(turn.sum_kind), ""
            goes_on = checked and live.upload.summed == turn.start
            self._take_over(live, **({"summed": live.part.size_bytes} if goes_on and live.part is not None else {}))
            if last or live.upload.complete:
                self._complete(live)
            return live.upload

    # completing

    def complete(self, id: str) -> Upload:
        """No more bytes come. UploadUnlike when some are missing."""
        live = self._get(id)
        with live.gate:
            self._cut_off(live)
            self._complete(live)
            return live.upload

    def _complete(self, live: _Live) -> None:
        """Say that it is whole, before its bytes become a blob; then give them a name."""
        upload = live.upload
        if live.gone:
            raise UploadUnknown(upload.id)
        if upload.result is not None or (upload.partial and upload.whole):
            return
        if upload.length is not None and upload.offset != upload.length:
            raise UploadUnlike(upload.id, why=f"{upload.offset} of {upload.length} bytes of the upload are here")
        with self._open_part(live) as part:
            if not upload.whole:
                live.upload = replace(upload, length=upload.offset)
                self._note_offset(live, whole=True)
            if upload.partial:
                return
            part.seal()
            result = self._place(live.upload, part)
        self._parts.note(upload.id, {"result": result, "at_ns": self._store.system.now_ns()})
        live.upload, live.part = replace(live.upload, result=result), None  # noted: whatever becomes of the bytes
        self._drop_bytes(live.upload)

    def _drop_bytes(self, upload: Upload) -> None:
        """The part of what was placed; it may be a link of the blob."""
        assert upload.result is not None
        self._store.without_name(Digest.from_hex(upload.result["blake3"]), lambda: self._parts.drop_bytes(upload.id))

    def _place(self, upload: Upload, part: Part) -> dict[str, Any]:
        """As any upload of a whole file; what is told of it then."""
        sums = part.finish()
        if upload.sha256:
            self._compare(upload, part)
        part.told |= upload.told
        uploaded = self._library.upload(upload.project, upload.name, part)
        return {
            "status": "duplicate" if uploaded.duplicate else "stored", "path": uploaded.path, "sha256": sums.sha256.hex(),
            "blake3": sums.digest.hex, "size": sums.size_bytes, "arrived_ns": uploaded.entry.arrived_ns,
        }  # fmt: skip

    def _compare(self, upload: Upload, part: Part) -> None:
        """Bytes other than promised are nobody's: sending the rest of them again would not help."""
        try:
            part.require("sha256", bytes.fromhex(upload.sha256))
        except ChecksumWrong:
            self.remove(upload.id)
            raise

    def _wake(self, live: _Live) -> Part:
        """Its part, open, with exactly the bytes that were noted: what a full disk kept from being noted is not there."""
        if live.part is not None and live.part.size_bytes != live.upload.offset:
            live.part.abandon()
            live.part = None
        if live.part is None:
            upload = live.upload
            live.part = Part(self._parts, upload.id, upload.offset, sealed=upload.whole, most_bytes=upload.most)
        return live.part.wake()

    @contextmanager
    def _open_part(self, live: _Live) -> Iterator[Part]:
        part = self._wake(live)
        try:
            yield part
        finally:
            part.abandon()

    # ending

    def remove(self, id: str) -> None:
        """End an upload and take away what is here of it. A name it was given already stays."""
        with self._lock:
            live = self._live.get(id)
        with live.gate if live is not None else nullcontext():
            if live is not None:
                if live.turn is not None:
                    live.turn.stop()
                live.gone, live.turn = True, None
                if live.part is not None:
                    live.part.abandon()
            with self._lock:
                self._live.pop(id, None)
                if ID.fullmatch(id):
                    self._parts.remove(id)

    def sweep(self) -> int:
        """Take away what expired, what was half begun, and what a crash left of a joining, of which nobody knows the id; place
        what was complete when the last process ended; forget what rests. How many were taken away."""
        gone = sum(map(self._sweep_one, self._parts.names()))
        self._forget_resting()
        return gone

    def _sweep_one(self, id: str) -> int:
        with self._lock:
            live = self._live.get(id)
        upload = live.upload if live is not None else self._read(id)
        if upload is None:
            return self._remove_stray(id)
        if self._expired(upload) or (live is None and upload.parts and not upload.complete):
            self.remove(id)
            return 1
        if upload.result is not None:
            self._sweep_bytes(upload)
        elif upload.complete and not upload.partial:
            self._place_late(id)
        return 0

    def _sweep_bytes(self, upload: Upload) -> None:
        """A crash, or a disk that failed, may have kept them."""
        if self._parts.has_bytes(upload.id):
            self._drop_bytes(upload)

    def _place_late(self, id: str) -> None:
        try:
            self.look(id)
        except (CasError, NameProblem, UploadProblem, OSError) as error:
            log.warning("the upload %s is complete but could not be placed: %s", id, error)

    def _remove_stray(self, id: str) -> int:
        """What no note tells about."""
        with self._lock:
            if id in self._live or not ID.fullmatch(id):
                return 0
        self._parts.remove(id)
        return 1

    def _forget_resting(self) -> None:
        """Memory is for those who come back soon; the others are on disk."""
        now_s = self._store.system.monotonic_s()
        with self._lock:
            rest = [id for id, live in self._live.items() if live.turn is None and now_s - live.seen_s > REST_S]
            for id in rest:
                if self._live[id].gate.acquire(blocking=False):
                    live = self._live.pop(id)
                    live.gone = True
                    live.gate.release()
