"""Following the disk: rows for what people did by hand, with the bytes already where they lie.

The order of work is that of `views.edit`; each act looks again whether the disk is still as it was when it was compared.
"""

from __future__ import annotations

from msgspec.structs import replace

from cas.committer import Acts
from cas.digest import Digest
from cas.incoming import Incoming
from cas.store import FileBusy, Found, Store, Verdict
from views.edit import Editor, Guard, Placed
from views.entry import Entry, Kind
from views.errors import IsAFolder, NameNotFound
from views.folder import Folder
from views.transfer import Transfer
from views.tree import Spot, Tree


class ByHand:
    """Adopts, follows, forgets, inside a change of the store."""

    def __init__(self, store: Store, tree: Tree, edit: Editor, transfer: Transfer) -> None:
        self._store, self._tree, self._edit, self._transfer = store, tree, edit, transfer
        self._folder = Folder(store)

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
        spot = self._tree.spot(acts.txn, path)
        if spot.entry is not None and spot.entry.is_folder:
            raise IsAFolder(spot.path)
        self._edit.admit(acts.txn, spot)
        if not self._folder.still(*source, found.seal):
            raise FileBusy(path)
        if in_place and spot.entry is not None and self._folder.is_ours(acts, spot.folders, spot.entry.name, spot.entry):
            return Placed(spot.entry, False, known=True, path=spot.path)  # a request got here first
        row, known = self._store.publish(acts, found, *source) if copied is None else self._store.publish(acts, copied)
        digest, old = found.sums.digest, spot.entry
        entry = self._edit.entry_for(acts, spot, digest, row.size_bytes, "")
        entry = replace(entry, modified_ns=found.seal.modified_ns, arrived_ns=acts.at_ns, via=via)
        if not in_place:
            entry = replace(entry, own=self._edit.show(acts, spot, digest))
        elif copied is not None:
            entry = replace(entry, own=found.seal)
        elif found.seal != row.seal:
            entry = replace(entry, own=self._folder.swap(acts, spot.folders, spot.stored_name, digest, found.seal))
        self._tree.put(acts.txn, spot, entry, acts.at_ns)
        replaced = old.digest if old else None
        more = {"sha256": found.sums.sha256.hex(), "known": known, "replaced": replaced.hex if replaced else None}
        acts.tell("adopt", self._edit.facts(spot, entry, **more))
        return Placed(entry, old is None, known, replaced, spot.path, copied is not None)

    def adopt_folder(self, acts: Acts, path: str) -> Placed:
        """A row for a folder that lies on disk; at the top it is a project and keeps its name."""
        spot = self._tree.spot(acts.txn, path)
        if spot.entry is not None:
            return Placed(spot.entry, False, path=spot.path)
        if spot.at_top:
            return self._edit.make_project(acts, spot.name, "")
        self._edit.admit(acts.txn, spot)
        entry = Entry(self._tree.new_id(acts.txn), Kind.FOLDER, spot.name, acts.at_ns, acts.at_ns, via="reindex")
        self._tree.put(acts.txn, spot, entry, acts.at_ns)
        acts.tell("folder", self._edit.facts(spot, entry))
        return Placed(entry, True, path=spot.path)

    def follow(self, acts: Acts, path: str, to: str) -> Placed:
        """A row goes where its file or folder was moved by hand; ids, times and properties stay.

        FileBusy when the tree is not as it was looked at: the move was a request's, seen between its disk and its index.
        """
        dst = self._tree.spot(acts.txn, to)
        if self._tree.find(acts.txn, path) is None or dst.entry is not None:
            raise FileBusy(path)
        src, entry = self._tree.found(acts.txn, path)
        moved = replace(entry, name=dst.name, kind=self._kind_there(entry, dst))
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
        trash_name = self._edit.bury(acts, spot, entry)
        acts.tell("missing", {**self._edit.facts(spot, entry), "trash": trash_name})
        return True

    def accept_edit(self, acts: Acts, old: Digest, verdict: Verdict) -> list[str]:
        """A blob was edited in place through one of its names: the bytes get the digest they have now, and so do all its names.

        They all show the edited bytes, since they are one file; saying so is all that is honest. The paths; the old content is
        lost unless a spare or another upload brings it back.
        """
        self._store.rename_edited(acts, old, verdict)
        paths = []
        for key in list(self._tree.uses_of(acts.txn, old)):
            entry = self._tree.entries.get(acts.txn, key)
            if entry is None or entry.own is not None:
                continue
            fresh = {"raw_digest": verdict.sums.digest.raw, "size_bytes": verdict.sums.size_bytes}
            changed = replace(entry, **fresh, modified_ns=verdict.seal.modified_ns, arrived_ns=acts.at_ns, via="reindex")
            self._tree.entries.put(acts.txn, key, changed)
            paths.append(self._tree.path_of(acts.txn, key) or entry.name)
        acts.tell("edited", {"paths": paths, "digest": verdict.sums.digest.hex, "size": verdict.sums.size_bytes,
                             "sha256": verdict.sums.sha256.hex(), "replaced": old.hex})  # fmt: skip
        return paths
