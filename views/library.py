"""`Library`: one source, its store and its tree of names. The door that WebDAV, pages and commands go through."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from cas.collect import GRACE_NS, Collector
from cas.committer import Acts
from cas.digest import Digest
from cas.fold import Folded
from cas.found import FileBusy, Found
from cas.incoming import Incoming
from cas.index import ReadTxn
from cas.scrub import PERIOD_NS, Scrub
from cas.store import Store
from cas.system import System
from views.arrivals import Arrivals, Brought, Uploaded, check_name
from views.brake import Brake
from views.by_hand import ByHand
from views.care import Care
from views.catalogue import Catalogue, Project
from views.derived.facts import Facts
from views.edit import Editor, Guard, Placed
from views.entry import Entry
from views.errors import NotAFolder, NotMedia
from views.heal import Healer
from views.history import History
from views.jobs import Queue
from views.media import is_media
from views.past import is_past, is_trash
from views.replaced import put_back_replaced
from views.restore import Restorer, writable
from views.resumable import Resumable
from views.tags import Tagged, clean
from views.transfer import Transfer
from views.tree import Tree, pack_id


@dataclass(frozen=True, slots=True)
class Options:
    """How one source behaves.

    refuse_clashes     refuse names that differ only by case from one that is there; always so where the disk ignores case
    reserve_bytes      free space uploads leave alone; None for the smaller of 2 GiB and 1 %
    max_upload_bytes   the largest body `receive` takes; None or 0 for any
    brake_limit        names a device may take away or write over in a minute (views/brake.py); 0 for any number
    scrub_period_ns    every clip is read again within this time (cas/scrub.py); 0 for never
    grace_ns           for so long a content stays that no name needs (cas/collect.py)
    only_media         uploads that are no media by their names are refused; not what is copied in by hand or over WebDAV
    """

    refuse_clashes: bool = False
    reserve_bytes: int | None = None
    max_upload_bytes: int | None = None
    brake_limit: int = 0
    scrub_period_ns: int = PERIOD_NS
    grace_ns: int = GRACE_NS
    only_media: bool = False


class Library(Catalogue):
    """One source: its catalogue, and all that changes it. Any thread may call anything.

    A change is whole or not at all, and is answered only when it would survive a power cut.
    """

    def __init__(self, root: Path, system: System | None = None, options: Options = Options()) -> None:
        """Open a root, making it if need be, and bring its index up to date. LockHeld, RootUnfit, FormatUnknown."""
        self._most_bytes, self._only_media = options.max_upload_bytes or None, options.only_media
        self.store = Store(root, system, reserve_bytes=options.reserve_bytes)
        try:
            self.tree = Tree(self.store.index)
            self.jobs = Queue(self.store)
            self.facts = Facts(self.store)
            self.history = History(self.store, self.tree)
            self.brake = Brake(self.store, options.brake_limit)
            self._collector = Collector(self.store, self._needed, grace_ns=options.grace_ns)
            self.scrub = Scrub(self.store, options.scrub_period_ns)
            self.store.index.reserve("locks")  # davfront/app.py opens it, when threads run
            self.store.catch_up()
            with self.store.index.read() as txn:
                lacks = self.tree.lacks(txn)
            if lacks:
                self.store.note(self.tree.complete)
            self.brake.load()
        except BaseException:
            self.store.close()
            raise
        self.root = self.store.layout.root
        super().__init__(self.store, self.tree, self.history)
        refuse = options.refuse_clashes or ignores_case(self.store)
        self.edit = Editor(self.store, self.tree, refuse_clashes=refuse)
        self.transfer = Transfer(self.store, self.tree, self.edit)
        self.restorer = Restorer(self.store, self.tree, self.edit, self.transfer, self.past)
        self.arrivals = Arrivals(self.store, self.tree, self.edit, self.transfer)
        self.resumable = Resumable(self, options.max_upload_bytes or None)
        self.by_hand = ByHand(self.store, self.tree, self.edit, self.transfer, self.tags)
        self.healer = Healer(self.store, self.tree, self.edit)
        self.store.doubt.names, self.store.doubt.mend = self.tree.paths_of, self.edit.mend
        self.store.doubt.accept = self.by_hand.accept_edit
        self.care = Care(self.store, self.tree, self.healer, self._collector, self.scrub)
        put_back_replaced(self)

    def close(self) -> None:
        """After the last request. Gives the root back."""
        self._lazy_sums.stop()
        self.store.close()

    # changing

    def admit(self, name: str) -> str:
        """The name of a file that somebody wants to upload, as it will be kept. NameInvalid, NotMedia."""
        name = check_name(name)
        if self._only_media and not is_media(name):
            raise NotMedia(name)
        return name

    def receive(self, expected_bytes: int | None = None, extra: Iterable[str] = ()) -> Incoming:
        """Begin to take bytes in. TooLarge by what is announced here, or while more arrives; NoSpace, Degraded."""
        return self.store.receive(expected_bytes, extra, most_bytes=self._most_bytes)

    def put(
        self, path: str, body: Incoming, *, modified_ns: int | None = None, writer: str = "", via: str = "dav",
        guard: Guard | None = None,
    ) -> Placed:  # fmt: skip
        """Give the bytes in `body` the name `path`; what had the name keeps its id, birth and properties.

        body      is finished here and ended in any case; do not use it afterwards
        writer    family of the client: whose junk it is, if the name is junk
        guard     called inside the change with a `find`; raises to refuse (preconditions, locks)
        raises    NameInvalid, NameReserved, ParentMissing, NotAFolder, IsAFolder, Clash, BodyIncomplete, NoSpace, Degraded
        threads   of two puts to one path, one wins whole
        crash     a blob without a name, or a name without a row; reindex repairs both
        """
        with body:
            writable(path)
            body.finish(modified_ns=modified_ns)
            return self.store.commit(
                lambda acts: self.edit.put(
                    acts, path, body, modified_ns=modified_ns, writer=writer, via=via, guard=guard
                )
            )

    def upload(
        self, project: str, name: str, body: Incoming, *, modified_ns: int | None = None, via: str = "upload", batch: str = ""
    ) -> Uploaded:
        """Keep the bytes in `body` once in a project, below its originals: under `name`, or under the next name that is free.

        body     is finished here and ended in any case; do not use it afterwards
        batch    id of the batch it is noted in, "" for none
        raises   NameInvalid, NameNotFound for the project, BatchUnknown, BatchClosed, BodyIncomplete, NoSpace, Degraded
        threads  of two uploads of the same bytes to one project, one is stored and one is the duplicate
        """
        with body:
            name = check_name(name)
            body.finish(modified_ns=modified_ns)
            return self.store.commit(
                lambda acts: self.arrivals.receive(
                    acts, project, name, body, modified_ns=modified_ns, via=via, batch=batch
                )
            )

    def bring(self, source: str, project: str) -> Brought:
        """Move a file into the originals of another project; content that is there already only loses its name here."""
        return self.store.commit(lambda acts: self.arrivals.bring(acts, source, project))

    def place(self, digest: Digest, name: str, project: str) -> Brought:
        """Show a content of this source in a project without receiving it. NameNotFound when no file of it is there any more."""
        name = check_name(name)
        self.store.state.admit()
        return self.store.commit(lambda acts: self.arrivals.place(acts, digest, name, project))

    def shown(self, project: str, digests: Sequence[Digest]) -> dict[Digest, str]:
        """Which of these contents some name shows, after looking that its file is there: with the path in the project that came
        first, or with "" where only names outside its originals do, from which they can be placed."""
        return self.store.commit(lambda acts: self.arrivals.shown_of(acts, project, digests))

    def adopt(
        self, path: str, folder: int, name: str, *, in_place: bool = False, via: str = "import", guard: Guard | None = None,
        found: Found | None = None,
    ) -> Placed:  # fmt: skip
        """Give the bytes of a file that lies on disk the name `path`, by linking from it: it becomes the stored file, read-only.

        Where its folder cannot link to the store, or the project is editable, the bytes are copied (blocks are shared where that
        can be) and the file stays as it is (`Placed.copied`).

        folder, name   a descriptor of the folder it lies in, and its name there
        in_place       it lies at `path` itself
        found          what `store.find_on_disk` said of it, when it was asked before; stays the caller's to close
        raises         FileBusy when it is being written, or is not as it was found; else as put, OSError when links are refused
        """
        if found is None:
            with self.store.find_on_disk(folder, name) as found:
                return self.adopt(path, folder, name, in_place=in_place, via=via, guard=guard, found=found)

        def change(acts: Acts, copied: Incoming | None = None) -> Placed:
            source = folder, name
            return self.by_hand.adopt(acts, path, found, source, via=via, in_place=in_place, guard=guard, copied=copied)

        try:
            if not (in_place and self.is_editable(path)):
                return self.store.commit(change)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        with self.store.receive(found.sums.size_bytes) as body:
            body.take_file(found.fd)
            if body.finish(modified_ns=found.seal.modified_ns).digest != found.sums.digest:
                raise FileBusy(name)
            return self.store.commit(lambda acts: change(acts, body))

    def make_folder(self, path: str, *, guard: Guard | None = None) -> Placed:
        """A new folder; at the top a new project, numbered, with the name that was asked for going on to work."""
        writable(path)
        self.store.state.admit()
        return self.store.commit(lambda acts: self.edit.make_folder(acts, path, guard))

    def make_project(self, label: str | None, notes: str = "", *, editable: bool = False) -> Placed:
        """A new project, or the one whose whole name `label` is; `created` tells which.

        editable   its files are files of their own, sharing blocks with what is stored, for programs that write in place.
                   CannotBeEditable where the disk has no such thing
        """
        self.store.state.admit()
        return self.store.commit(lambda acts: self.edit.make_project(acts, label, notes, editable=editable))

    def move(self, source: str, target: str, *, overwrite: bool = True, guard: Guard | None = None) -> Placed:
        """Another name or place for a file, a folder, a project, or for what lies in the trash: no content bytes are written."""
        if is_trash(source):
            writable(target)
            return self.store.commit(
                lambda acts: self.restorer.take_back(acts, source, target, overwrite=overwrite, guard=guard)
            )
        writable(source, target)
        return self.store.commit(
            lambda acts: self.transfer.move(acts, source, target, overwrite=overwrite, guard=guard)
        )

    def copy(
        self, source: str, target: str, *, overwrite: bool = True, members: bool = True, guard: Guard | None = None
    ) -> Placed:
        """A second name for a file, or a second folder with all in it (without, if not `members`), as they are or as they were:
        no content bytes are written."""
        writable(target)
        self.store.state.admit()
        if is_past(source):
            self.past.catch_up(source)
        copy = self.restorer.copy_out if is_past(source) else self.transfer.copy
        return self.store.commit(
            lambda acts: copy(acts, source, target, overwrite=overwrite, members=members, guard=guard)
        )

    def put_back(self, source: str, *, guard: Guard | None = None) -> Placed:
        """Something in the trash goes where it was, or beside what has its name by now; folders above it are made again.

        raises   NameNotFound; ParentMissing when the project it was in is no more; AlreadyThere for a project whose name is taken
        """
        with self.store.index.read() as txn:
            *folders, _ = self.past.buried(txn, source).row.path.split("/")
        for depth in range(2, len(folders) + 1):
            path = "/".join(folders[:depth])
            if self.find(path) is None and self.find(folders[0]) is not None:
                self.make_folder(path)
        return self.store.commit(lambda acts: self.restorer.put_back(acts, source, guard))

    def restore_version(self, path: str, seq: int, target: str | None = None, *, guard: Guard | None = None) -> Placed:
        """The bytes a path stood for after an event of the journal, over what it is now, or under another name."""
        writable(path, target or path)
        self.store.state.admit()
        self.history.catch_up()
        return self.store.commit(lambda acts: self.restorer.copy_version(acts, path, seq, target or path, guard))

    def delete(self, path: str, *, guard: Guard | None = None) -> None:
        """Take a name away, into the trash. The bytes stay."""
        writable(path)
        self.store.commit(lambda acts: self.edit.delete(acts, path, guard))

    def amend(
        self, path: str, *, modified_ns: int | None = None, created_ns: int | None = None,
        set_props: Mapping[str, str] | None = None, remove_props: Collection[str] = (), guard: Guard | None = None,
    ) -> Entry:  # fmt: skip
        """Times and dead properties of a name."""
        writable(path)

        def change(acts: Acts) -> Entry:
            return self.edit.amend(
                acts, path, modified_ns=modified_ns, created_ns=created_ns, set_props=set_props or {},
                remove_props=remove_props, guard=guard,
            )  # fmt: skip

        self.store.state.admit()
        return self.store.commit(change)

    def tag(self, paths: Iterable[str], add: Iterable[str] = (), remove: Iterable[str] = ()) -> list[Tagged]:
        """Add and remove tags of the contents behind these paths, all or none; each path with what it has then. TagInvalid."""
        wanted, unwanted = (list(dict.fromkeys(map(clean, tags))) for tags in (add, remove))
        self.store.state.admit()
        return self.store.commit(lambda acts: self.tags.change(acts, paths, wanted, unwanted))

    # care

    def _needed(self, txn: ReadTxn, digest: Digest) -> bool:
        """Does a name show this content, the trash included, or an earlier version that is kept?"""
        return any(True for _ in self.tree.uses_of(txn, digest)) or self.history.holds(txn, digest)

    def fold_journal(self, *, small: bool = False) -> Folded:
        """Make the journal shorter by what lies before the past that is kept (cas/fold.py). `small`: also when it is hardly worth
        it. OSError, Degraded."""
        return self.store.fold(self.foldable_seq(), small=small)

    def foldable_seq(self) -> int:
        """Nobody asks for the moments before this number any more."""
        with self.store.index.read() as txn:
            return self.history.was.since(txn)[0]

    def collector(self) -> Collector:
        """Finds, and on request removes, contents that no name shows, neither in the trash nor in what is kept of the past."""
        return self._collector

    # projects

    def set_notes(self, name: str, notes: str) -> Project:
        """What people want to remember of a project."""

        def change(acts: Acts) -> None:
            spot, entry = self.tree.found(acts.txn, name)
            row = self.tree.projects.get(acts.txn, pack_id(entry.id))
            if row is None:
                raise NotAFolder(name)
            self.tree.projects.put(acts.txn, pack_id(entry.id), replace(row, notes=notes))
            acts.tell("notes", {"path": spot.path, "notes": notes})

        self.store.state.admit()
        self.store.commit(change)
        return self.project(name)


def ignores_case(store: Store) -> bool:
    """Does the disk take `a` and `A` for one name? Tried, not guessed."""
    system, folder = store.system, store.home.incoming
    name = f"probe-{system.token()}-a"
    os.close(system.create(folder, name))
    try:
        system.stat(folder, name[:-1] + "A")
    except FileNotFoundError:
        return False
    finally:
        system.unlink(folder, name)
    return True
