"""What keeps a library well while it is served: reading all of it again, bringing lost bytes back, giving space back.

One thread for each library, one thing after the other. What is known of it is asked from any thread.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from cas.collect import Collector
from cas.contents import DamagedRow
from cas.digest import Digest
from cas.index import ReadTxn
from cas.scrub import PERIOD_NS, Scrub, Stopped
from cas.store import Store
from cas.verify import Finding
from views.heal import Healer
from views.tree import Tree

log = logging.getLogger("filmcan.care")
LOOK_S = 10.0  # so often it is looked whether there is something to do
AGAIN_S = 600.0  # a content that no place had is looked for again after this time
COLLECT_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Lost:
    """A content whose bytes are lost, with every name it has; one that was edited, with the names it had."""

    digest: Digest
    kind: str
    at_ns: int
    size_bytes: int
    paths: list[str]

    @property
    def projects(self) -> list[str]:
        return sorted({path.partition("/")[0] for path in self.paths})


class Care:
    """One library's well-being. Any thread."""

    def __init__(self, store: Store, tree: Tree, healer: Healer, collector: Collector, scrub: Scrub) -> None:
        self._store, self._tree, self.healer, self.collector, self.scrub = store, tree, healer, collector, scrub
        scrub.on_finding = self._found
        store.contents.trusted_ns = scrub.period_ns or PERIOD_NS
        self._tried_s: dict[Digest, float] = {}
        self._asked: list[str] = []

    def lost(self) -> list[Lost]:
        """Contents whose bytes are lost, oldest loss first."""
        with self._store.index.read() as txn:
            rows = [(Digest(key), row) for key, row in self._store.contents.damaged.scan(txn)]
            found = [self._lost(txn, digest, row) for digest, row in rows]
        return sorted(found, key=lambda lost: (lost.at_ns, lost.digest.raw))

    def _lost(self, txn: ReadTxn, digest: Digest, row: DamagedRow) -> Lost:
        blob = self._store.blobs.get(txn, digest.raw)
        paths = list(row.paths) if row.kind == "edited" else self._tree.paths_of(txn, digest)
        return Lost(digest, row.kind, row.at_ns, blob.size_bytes if blob else 0, paths)

    def lost_count(self) -> int:
        with self._store.index.read() as txn:
            return self._store.contents.damaged.count(txn)

    def heal(self) -> list[tuple[Digest, str]]:
        """Bring back what is lost and was not looked for just now; each with where it came from."""
        now_s, healed = self._store.system.monotonic_s(), []
        self._forget_tries()
        for lost in self.lost() if self.lost_count() else ():
            if now_s - self._tried_s.get(lost.digest, -AGAIN_S) >= AGAIN_S:
                self._tried_s[lost.digest] = now_s
                if origin := self.healer.heal(lost.digest):
                    healed.append((lost.digest, origin))
                    del self._tried_s[lost.digest]
        return healed

    def _forget_tries(self) -> None:
        """A source that came may have what the others had not."""
        names = [name for name, _ in self.healer.replicas()] if self._tried_s else []
        if names != self._asked:
            self._tried_s.clear()
        self._asked = names

    def collect(self) -> None:
        """Give back the space of what no name needs, where that is switched on."""
        gone = self.collector.run()
        if gone:
            log.info("%d clips that no name needs were put aside, and go tomorrow", len(gone))

    def _found(self, finding: Finding) -> None:
        """The scrub found something: a whole copy is looked for at once."""
        log.error("%s: %s (%s)", finding.digest.hex, finding.kind, finding.why)
        self.heal()


class Caretaker:
    """The thread. `start`, `stop`; it ends within one block of a clip."""

    def __init__(self, care: Care, store: Store, *, collect: bool = False) -> None:
        """`collect`: also give space back by itself, every six hours."""
        self._care, self._store, self._collect = care, store, collect
        self._collected_s = store.system.monotonic_s()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="filmcan-care", daemon=True)
        self.problem = ""

    def start(self) -> Caretaker:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        self._store.system.be_idle()
        while not self._stop.is_set():
            try:
                self._round()
                self.problem = ""
            except Stopped:
                return
            except Exception as error:  # a full disk, a store that only reads, a fault of ours: the next round tries again
                if str(error) != self.problem:
                    log.warning("care of the clips was interrupted: %s", error, exc_info=error)
                self.problem = str(error)
            self._stop.wait(min(LOOK_S, max(0.01, self._care.scrub.due_s())) if not self.problem else LOOK_S)

    def _round(self) -> None:
        """What is due now, each up to where it may be left."""
        if self._store.state.reason:
            return
        self._care.heal()
        if self._collect and self._store.system.monotonic_s() - self._collected_s >= COLLECT_S:
            self._collected_s = self._store.system.monotonic_s()
            self._care.collect()
        if not self._care.scrub.due_s():
            self._care.scrub.work(self._stop.wait)
