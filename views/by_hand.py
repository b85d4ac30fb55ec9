"""Following the disk: rows for what people did by hand, with the bytes already where they lie.

The order of work is that of `views.edit`; each act looks again whether the disk is still as it was when it was compared.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from cas.blobs import BlobRow
from cas.committer import Acts
from cas.digest import EMPTY, Digest
from cas.doubt import Verdict
from cas.found import FileBusy, Found
from cas.incoming import Incoming
from cas.index import ReadTxn
from cas.link import Seal
from cas.store import Store
from views import naming
from views.edit import Editor, Guard, Placed
from views.entry import Entry, Kind
from views.errors import IsAFolder, NameNotFound
from views.folder import Folder, name_in_trash
from views.tags import Tags
from views.transfer import Transfer
from views.tree import TOP, PastRow, Spot, Tree, entry_key, past_key


class ByHand:
    """Adopts, follows, forgets, inside a change of the store."""

    def __init__(self, store: Store, tree: Tree, edit: Editor, transfer: Transfer, tags: Tags) -> None:
        self._store, self._tree, self._edit, self._transfer, self._tags = store, tree, edit, transfer, tags
        self._folder = Folder(store, tree)

    def adopt(
        self, acts: Acts, path: str, found: Found, source: tuple[int, str], *, via: str, in_place: bool,
        guard: Guard | None = None, copied: Incoming | None = None,
    ) -> Placed:  # fmt: skip
        """A row for a file that lies on disk, its bytes made a blob by linking from it.

        source     folder descriptor and name of the file; it must still be as it was `found`, else FileBusy
        in_place   the file lies at `path` itself and its name becomes (or stays) a link of the blob; otherwise one is made there
        copied     the same bytes, where the store cannot be linked to; a file `in_place` then stays the file it is
        """
        self._edit.ask(acts, guard)
        spot = self._spot(acts.txn, path) if in_place else self._tree.spot(acts.txn, path)
        if spot.entry is not None and spot.entry.is_folder:
            raise IsAFolder(spot.path)
        self._edit.admit(acts.txn, spot)
        if not self._folder.still(*source, found.seal):
            raise FileBusy(path)
        if in_place and spot.entry is not None and self._is_settled(acts, spot, spot.entry):
            return Placed(spot.entry, False, known=True, path=spot.path)  # a request got here first
        digest = found.sums.digest
        before = self._store.blobs.get(acts.txn, digest.raw)
        publish = self._store.contents.publish
        row, known = publish(acts, found, *source) if copied is None else publish(acts, copied)
        if before is not None and not known and found.seal != before.seal:
            self._edit.mend(acts, digest, before.seal)
        entry = self._edit.entry_for(acts, spot, digest, row.size_bytes, "")
        entry = replace(entry, modified_ns=found.seal.modified_ns, arrived_ns=acts.at_ns, via=via)
        if not in_place:
            entry = replace(entry, own=self._edit.show(acts, spot, digest))
        elif copied is not None:
            entry = replace(entry, own=self._store.contents.stays(acts, found))
        elif found.seal != row.seal:
            own = self._folder.swap(acts, spot.folders, spot.stored_name, digest, found.seal)
            entry = replace(entry, own=self._store.contents.stays(acts, found) if own == found.seal else own)
        return self._adopted(acts, spot, entry, row, known, copied is not None)

    def adopt_link(self, acts: Acts, path: str, digest: Digest, seal: Seal) -> Placed:
        """A row for a name that is a link of this blob already: nothing is read. FileBusy when it looks other than `seal`."""
        spot, row = self._spot(acts.txn, path), self._store.blobs.get(acts.txn, digest.raw)
        if spot.entry is not None and spot.entry.is_folder:
            raise IsAFolder(spot.path)
        self._edit.admit(acts.txn, spot)
        fd = acts.folder(spot.folders, touch=False)
        if row is None or row.seal != seal or not self._folder.still(fd, spot.stored_name, seal):
            raise FileBusy(path)
        if spot.entry is not None and self._is_settled(acts, spot, spot.entry):
            return Placed(spot.entry, False, known=True, path=spot.path)  # a request got here first
        self._folder.moved_by_hand(acts, spot.folders, spot.stored_name)
        self._store.contents.wanted(acts, digest)
        entry = self._edit.entry_for(acts, spot, digest, row.size_bytes, "")
        entry = replace(entry, modified_ns=seal.modified_ns, arrived_ns=acts.at_ns, via="reindex")
        if self._folder.is_editable(acts, spot.folders):  # nobody may write to the blob itself
            entry = replace(entry, own=self._folder.swap(acts, spot.folders, spot.stored_name, digest, seal))
        return self._adopted(acts, spot, entry, row, True, False)

    def _spot(self, txn: ReadTxn, path: str) -> Spot:
        """Where something that lies on disk has its row. What clients chose to call a project is no name on disk."""
        spot = self._tree.spot(txn, path)
        return Spot((), spot.name, self._tree.child(txn, TOP, spot.name)) if spot.at_top else spot

    def _is_settled(self, acts: Acts, spot: Spot, entry: Entry) -> bool:
        """Is the row of this file right, and are its bytes in the store?"""
        if not self._folder.is_ours(acts, spot.folders, entry.name, entry):
            return False
        return self._folder.is_calm(acts, spot.folders, entry.name) if entry.own is not None else not self._is_lost(entry)

    def _adopted(self, acts: Acts, spot: Spot, entry: Entry, row: BlobRow, known: bool, copied: bool) -> Placed:
        """Set the row of a file that was found, and tell. Content that it replaced and that is nowhere any more is forgotten."""
        old, kept = spot.entry, dict[str, Any]()
        if old is None and (past := self._past_of(acts, spot, row)) is not None:
            self._tags.keep(acts, Digest(entry.raw_digest), past.tags)
            if past.arrived_ns is not None:
                kept = {"via": entry.via, "arrived": [past.arrived_ns, past.via]}
                entry = replace(entry, arrived_ns=past.arrived_ns, via=past.via)
        self._tree.put(acts.txn, spot, entry, acts.at_ns)
        if old is not None and not self._was_this_file(acts, old, row):
            self._drop_lost_content(acts, Digest(old.raw_digest))
        replaced = old.digest if old else None
        more = {"sha256": row.sha256.hex(), "known": known, "replaced": replaced.hex if replaced else None, **kept}
        acts.tell("adopt", self._edit.facts(spot, entry, **more))
        return Placed(entry, old is None, known, replaced, spot.path, copied)

    def _past_of(self, acts: Acts, spot: Spot, row: BlobRow) -> PastRow | None:
        """What an older record tells of the file; asked once. None when there is none, or it tells of other bytes."""
        if not spot.chain:
            return None
        key = past_key(spot.chain[0].id, "/".join((*spot.folders[1:], spot.stored_name)))
        past = self._tree.past.get(acts.txn, key)
        if past is None:
            return None
        self._tree.past.delete(acts.txn, key)
        other = (past.sha256 and past.sha256 != row.sha256) or past.size_bytes not in (None, row.size_bytes)
        return None if other else past

    def _was_this_file(self, acts: Acts, old: Entry, row: BlobRow) -> bool:
        """Was the old content edited in place? Then it is lost, and should be told as missing."""
        before = self._store.blobs.get(acts.txn, old.raw_digest)
        return before is not None and before.seal.inode == row.seal.inode

    def adopt_folder(self, acts: Acts, path: str) -> Placed:
        """A row for a folder that lies on disk; at the top it is a project and keeps its name. FileBusy when it is gone again."""
        spot = self._spot(acts.txn, path)
        if spot.entry is not None:
            return Placed(spot.entry, False, path=spot.path)
        if not self._folder.exists_at(acts, spot.folders, spot.name, True):
            raise FileBusy(path)
        self._edit.admit(acts.txn, spot)
        if spot.at_top:
            return self._edit.begin_project(acts, spot, spot.name, spot.name, "")
        entry = Entry(self._tree.new_id(acts.txn), Kind.FOLDER, spot.name, acts.at_ns, acts.at_ns, via="reindex")
        self._tree.put(acts.txn, spot, entry, acts.at_ns)
        acts.tell("folder", self._edit.facts(spot, entry))
        return Placed(entry, True, path=spot.path)

    def follow(self, acts: Acts, path: str, to: str) -> Placed:
        """A row goes where its file or folder was moved by hand; ids, times and properties stay.

        FileBusy when tree or disk are not as they were looked at: the move was a request's, seen between its disk and its
        index.
        """
        dst = self._spot(acts.txn, to)
        if self._tree.find(acts.txn, path) is None:
            raise FileBusy(path)
        src, entry = self._tree.found(acts.txn, path)
        respelled = naming.fold(src.stored_name) == naming.fold(dst.name)  # some disks find a file by both names
        if dst.entry is not None and dst.entry.id != entry.id:
            raise FileBusy(path)
        if not respelled and self._folder.exists_at(acts, src.folders, entry.name, entry.is_folder):
            raise FileBusy(path)
        if not self._folder.exists_at(acts, dst.folders, dst.name, entry.is_folder):
            raise FileBusy(path)
        if not entry.is_folder:
            self._folder.moved_by_hand(acts, dst.folders, dst.name)
        moved = replace(entry, name=dst.name, kind=self._kind_there(entry, dst))
        if entry.digest is not None and entry.own is None and self._folder.is_editable(acts, dst.folders):
            row = self._store.blobs.get(acts.txn, entry.raw_digest)
            own = self._folder.swap(acts, dst.folders, dst.name, entry.digest, row.seal) if row else None
            moved = replace(moved, own=None if row and own == row.seal else own)
        if entry.kind is Kind.PROJECT and moved.kind is not Kind.PROJECT:
            self._transfer.retire(acts, (*dst.folders, dst.name))
        self._transfer.move_rows(acts, src, entry, dst, moved)
        acts.tell("move", {**self._edit.facts(dst, moved), "from": src.path, "replaced": None, "via": "reindex"})
        return Placed(moved, True, path=dst.path)

    @staticmethod
    def _kind_there(entry: Entry, dst: Spot) -> Kind:
        if not entry.is_folder:
            return Kind.FILE
        return Kind.PROJECT if dst.at_top else Kind.FOLDER

    def forget(self, acts: Acts, path: str) -> bool:
        """A name is gone from disk: its row goes into the trash, the bytes stay. False when it is back, or gone here too."""
        try:
            spot, entry = self._tree.found(acts.txn, path)
        except NameNotFound:
            return False
        if self._folder.exists_at(acts, spot.folders, entry.name, entry.is_folder):
            return False
        self._edit.count(acts, spot, removed=self._edit.files_in(acts, entry))
        trash_name = self._forget(acts, spot, entry)
        acts.tell("missing", {**self._edit.facts(spot, entry), "trash": trash_name})
        return True

    def put_back(self, acts: Acts, path: str, day: str) -> bool:
        """A name that a crash left in the trash of `day` without a row there gets its place again. False when that is not so
        any more: the request was under way still, or its place is taken."""
        spot = self._spot(acts.txn, path)
        entry = spot.entry
        if entry is None or self._tree.trashed.get(acts.txn, naming.key(name_in_trash(entry))) is not None:
            return False
        return self._folder.dig_up(acts, day, entry, spot.folders)

    def _forget(self, acts: Acts, spot: Spot, entry: Entry) -> str:
        """The row goes into the trash, what took its name on disk stays. Its name there; "" when nothing is left to keep."""
        if self._is_lost(entry):
            self._tree.remove(acts.txn, spot, acts.at_ns)
            self._drop_lost_content(acts, Digest(entry.raw_digest))
            return ""
        if entry.is_folder:
            self._drop_lost_files(acts, entry)
        trash_name = name_in_trash(entry)
        self._edit.into_trash(acts, spot, entry, trash_name, "")
        return trash_name

    def _drop_lost_files(self, acts: Acts, folder: Entry) -> None:
        for child in list(self._tree.children(acts.txn, folder.id)):
            if child.is_folder:
                self._drop_lost_files(acts, child)
            elif self._is_lost(child):
                self._tree.entries.delete(acts.txn, entry_key(folder.id, child.name))
                self._drop_lost_content(acts, Digest(child.raw_digest))

    def _is_lost(self, entry: Entry) -> bool:
        """Are the bytes of this file nowhere? After a power cut the journal may tell of files that nobody was answered for."""
        digest = entry.digest
        return digest is not None and digest != EMPTY.digest and self._store.blobs_on_disk.stat(digest) is None

    def _drop_lost_content(self, acts: Acts, digest: Digest) -> None:
        """Bytes that are nowhere, and that no name wants any more, are no damage."""
        if digest == EMPTY.digest or any(True for _ in self._tree.uses_of(acts.txn, digest)):
            return
        if self._store.blobs_on_disk.stat(digest) is None:
            self._store.contents.forget(acts, digest)

    def accept_edit(self, acts: Acts, old: Digest, verdict: Verdict, whole: Incoming | None = None, at: str = "") -> list[str]:
        """A blob was edited in place through one of its names: the bytes get the digest they have now, and so do its names.

        They all show the edited bytes, since they are one file; saying so is honest. With `whole` the old content is here again:
        then names in other projects show that, as nobody wanted theirs edited. Without, it is lost until somebody sends it.

        whole    the old bytes, from somewhere else
        at       the path through which the edit was made; "" when that is not known, and all names keep the edited bytes
        returns  the paths that show the edited bytes
        """
        row = self._store.doubt.rename_edited(acts, old, verdict)
        if whole is not None:
            self._store.contents.publish(acts, whole)
        else:
            self._store.doubt.note_lost(acts, old, "edited")
        paths, restored = [], []
        for key in list(self._tree.uses_of(acts.txn, old)):
            entry, path = self._tree.entries.get(acts.txn, key), self._tree.path_of(acts.txn, key)
            if entry is None or entry.own is not None:
                continue
            if whole is not None and at and path is not None and _project(path) != _project(at):
                restored += self._show_old(acts, key, entry, path, old, verdict)
                continue
            self._tree.entries.put(acts.txn, key, self._as_edited(acts, entry, path, row, verdict))
            paths += [path] if path is not None else []
        self._tags.keep(acts, verdict.sums.digest, self._tags.of(acts.txn, old))
        acts.tell("edited", {"paths": paths, "digest": verdict.sums.digest.hex, "size": verdict.sums.size_bytes,
                             "sha256": verdict.sums.sha256.hex(), "replaced": old.hex, "restored": restored,
                             "original": "lost" if whole is None else "restored"})  # fmt: skip
        return paths

    def _show_old(self, acts: Acts, key: bytes, entry: Entry, path: str, old: Digest, verdict: Verdict) -> list[str]:
        """A name shows the old content again. Its path, unless it shows something else by now: the next look tells."""
        *folders, name = path.split("/")
        if not self._folder.looks(acts, tuple(folders), name, verdict.seal):
            return []
        own = self._folder.swap(acts, tuple(folders), name, old, verdict.seal)
        if own == verdict.seal:
            return []
        self._tree.entries.put(acts.txn, key, replace(entry, own=own))
        return [path]

    def _as_edited(self, acts: Acts, entry: Entry, path: str | None, row: BlobRow, verdict: Verdict) -> Entry:
        """The row of a name whose file was edited."""
        fresh = {"raw_digest": verdict.sums.digest.raw, "size_bytes": verdict.sums.size_bytes, "arrived_ns": acts.at_ns}
        changed = replace(entry, **fresh, modified_ns=verdict.seal.modified_ns, via="reindex")
        if row.seal != verdict.seal:  # the edited bytes were known: the name becomes a link of them
            changed = replace(changed, own=verdict.seal if path is None else self._swap(acts, path, verdict))
        return changed

    def _swap(self, acts: Acts, path: str, verdict: Verdict) -> Seal | None:
        *folders, name = path.split("/")
        return self._folder.swap(acts, tuple(folders), name, verdict.sums.digest, verdict.seal)


def _project(path: str) -> str:
    return path.partition("/")[0]
