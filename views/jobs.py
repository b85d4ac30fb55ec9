"""A queue that lasts: requests for somebody else's hands. It does not know what they say.

    jobs    id (16) → Job             journaled: a restart, a power cut, an index made anew keep every job
    turns   number (8), id → Turn     the jobs that have not ended, oldest first; derived from jobs

    pending ── claim ──► claimed ── complete ──► done
       ▲                    │ └────── fail ────► failed ◄── cancel
       └──── lease over ────┘                      ▲
                            └── the last lease over ┘

A lease that is over is not written down: whoever looks at a job sees what the clock has made of it, and the next claim writes it.
So an agent that was only slow may still say how it went, as long as nobody else took the job.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from cas.committer import Acts
from cas.index import ReadTxn, WriteTxn
from cas.store import Store
from views.errors import JobContrary, JobUnknown

Status = Literal["pending", "claimed", "done", "failed"]
ENDED = ("done", "failed")
LEASE_S = 900.0  # contract §2.14: say 15 minutes
ATTEMPTS = 5
KEPT = 1000  # jobs that have ended; when there are a few more, the oldest go
KEPT_MORE = 50
KEPT_NS = 30 * 86_400 * 10**9
PRUNE_NS = 3_600 * 10**9
SECOND_NS = 10**9
CANCELLED = "cancelled"


class Job(msgspec.Struct, array_like=True, frozen=True):
    """A request and what became of it. Frozen: safe to keep.

    number       rises from job to job: their order, even when the clock is set back
    attempts     how often it was claimed
    by           who has it, or had it when it ended
    lease_s      how long the claim holds without a sign of life, and `until_ns` till when
    ended_ns     when it was done or failed
    result       what the agent told beside its outcome
    """

    id: str
    kind: str
    number: int
    created_ns: int
    body: dict[str, Any]
    status: Status = "pending"
    attempts: int = 0
    by: str | None = None
    claimed_ns: int | None = None
    lease_s: float = 0.0
    until_ns: int = 0
    ended_ns: int | None = None
    error: str | None = None
    cancelled: bool = False
    result: Any = None

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    def at(self, now_ns: int, attempts: int) -> Job:
        """The job as it is at a moment: a claim whose lease is over waits again, or failed when it was the last of `attempts`."""
        if self.status != "claimed" or now_ns < self.until_ns:
            return self
        if self.attempts < attempts:
            return replace(self, status="pending", by=None, claimed_ns=None)
        return replace(self, status="failed", ended_ns=self.until_ns, error=f"nobody finished it in {self.attempts} attempts")


Jobs = list[Job]


class TurnRow(msgspec.Struct, array_like=True, frozen=True):
    """A job that has not ended."""

    kind: str


Change = Callable[[Acts, Job, Job], Job]  # the row, the job as it is now; what it becomes. The same row when nothing changes


class Queue:
    """The jobs of one store. Make it before `Store.catch_up`; any thread may call anything.

    attempts   a job that nobody finished in so many leases failed
    raises     JobUnknown for an id that is not here, JobContrary for what does not go with what was said before; Degraded
    crash      a job is as it was before a call, or after it; nobody is told of a claim that a power cut could undo
    clock      one that is set back lengthens leases by as much
    """

    def __init__(self, store: Store, *, attempts: int = ATTEMPTS) -> None:
        self._store, self._attempts = store, attempts
        self._turns = store.index.table("turns", TurnRow, derived=True)
        self._jobs = store.index.table("jobs", Job, derive=self._derive)
        self._last_number, self._pruned_ns = 0, 0

    def _derive(self, txn: WriteTxn, _key: bytes, old: Job | None, new: Job | None) -> None:
        if new is not None and not new.ended:
            self._turns.put(txn, _turn(new), TurnRow(new.kind))
        elif old is not None and not old.ended:
            self._turns.delete(txn, _turn(old))

    # asking

    def get(self, id: str) -> Job:
        with self._store.index.read() as txn:
            return self._seen(self._found(txn, id), self._now_ns())

    def list(self, kind: str, status: Status | None = None) -> Jobs:
        """Every job of a kind that is still known, the newest first; with `status` those that have it now."""
        now_ns = self._now_ns()
        with self._store.index.read() as txn:
            found = [self._seen(job, now_ns) for _, job in self._jobs.scan(txn) if job.kind == kind]
        return sorted((job for job in found if status in (None, job.status)), key=lambda job: -job.number)

    def _now_ns(self) -> int:
        return self._store.system.now_ns()

    def _seen(self, job: Job, now_ns: int) -> Job:
        return job.at(now_ns, self._attempts)

    def _found(self, txn: ReadTxn, id: str) -> Job:
        try:
            job = self._jobs.get(txn, uuid.UUID(id).bytes)
        except ValueError:
            job = None
        if job is None:
            raise JobUnknown(id)
        return job

    def _open(self, txn: ReadTxn, kind: str, now_ns: int) -> Iterator[tuple[Job, Job]]:
        """The rows of jobs that have not ended, oldest first, and what they are now."""
        for key, turn in self._turns.scan(txn):
            job = self._jobs.get(txn, key[8:]) if turn.kind == kind else None
            if job is not None:
                yield job, self._seen(job, now_ns)

    # asking for work to be done

    def submit(self, kind: str, body: dict[str, Any]) -> Job:
        """A new job, pending. `body` is what msgpack can hold."""

        def change(acts: Acts) -> Job:
            self._prune(acts, acts.at_ns - self._pruned_ns >= PRUNE_NS)
            job = Job(str(uuid.uuid4()), kind, self._next_number(acts), acts.at_ns, body)
            self._put(acts, job)
            self._tell(acts, "submit", job)
            return job

        self._store.state.admit()
        return self._store.commit(change)

    def cancel(self, id: str) -> Job:
        """Nobody shall do it: it failed, and whoever has it learns so by the next heartbeat."""

        def change(acts: Acts, row: Job, job: Job) -> Job:
            if job.cancelled:
                return row
            if job.ended:
                raise JobContrary(id, f"the job is {job.status} already")
            return replace(row, status="failed", ended_ns=acts.at_ns, error=CANCELLED, cancelled=True)

        return self._change(id, "cancel", change)

    # doing it

    def claim(self, kind: str, limit: int = 1, by: str = "", lease_s: float = LEASE_S) -> Jobs:
        """The oldest pending jobs, now claimed by `by`: at most `limit`, at least one if there is one.

        threads   two that claim at the same moment never get the same job: it is one change
        """
        now_ns = self._now_ns()
        with self._store.index.read() as txn:
            if not any(job.status == "pending" or job.ended for _, job in self._open(txn, kind, now_ns)):
                return []  # agents ask every few seconds: asking in vain writes nothing
        return self._store.commit(lambda acts: self._claim(acts, kind, max(1, limit), by, lease_s))

    def _claim(self, acts: Acts, kind: str, limit: int, by: str, lease_s: float) -> Jobs:
        until_ns, claimed = acts.at_ns + int(lease_s * SECOND_NS), Jobs()
        for row, job in list(self._open(acts.txn, kind, acts.at_ns)):
            if job.ended:
                self._put(acts, job)
            elif job.status == "pending" and len(claimed) < limit:
                taken = replace(row, status="claimed", attempts=row.attempts + 1, by=by, claimed_ns=acts.at_ns)
                claimed.append(replace(taken, lease_s=lease_s, until_ns=until_ns))
                self._put(acts, claimed[-1])
        self._tell(acts, "claim", *claimed)
        return claimed

    def heartbeat(self, id: str, by: str | None = None) -> Job:
        """A sign of life of who claimed it: the lease begins again, also one that is over, unless somebody else has the job."""

        def change(acts: Acts, row: Job, job: Job) -> Job:
            if row.status != "claimed" or job.ended:
                raise JobContrary(id, f"the job is {CANCELLED if row.cancelled else job.status}")
            self._check_holder(row, by)
            return replace(row, until_ns=acts.at_ns + int(row.lease_s * SECOND_NS))

        return self._change(id, "heartbeat", change)

    def complete(self, id: str, result: Any = None) -> Job:
        """It is done. Said again it changes nothing; JobContrary when it failed, or nobody claimed it.

        Whoever says it: what an agent that lost its lease has done is done all the same.
        """
        return self._change(id, "complete", lambda acts, row, job: self._end(acts, row, job, "done", None, result))

    def fail(self, id: str, error: str, result: Any = None, by: str | None = None) -> Job:
        """It cannot be done, and why. Said again it changes nothing; JobContrary when it is done, nobody claimed it, or
        another than `by` has it now."""

        def change(acts: Acts, row: Job, job: Job) -> Job:
            if job.status == "claimed":
                self._check_holder(row, by)
            return self._end(acts, row, job, "failed", error, result)

        return self._change(id, "fail", change)

    @staticmethod
    def _end(acts: Acts, row: Job, job: Job, status: Status, error: str | None, result: Any) -> Job:
        if job.status == status:
            return row
        if job.ended:
            raise JobContrary(row.id, f"the job is {CANCELLED if row.cancelled else job.status} already")
        if not row.attempts:
            raise JobContrary(row.id, "nobody claimed the job")
        return replace(row, status=status, ended_ns=acts.at_ns, error=error, result=result)

    @staticmethod
    def _check_holder(row: Job, by: str | None) -> None:
        if by is not None and by != row.by:
            raise JobContrary(row.id, f"{row.by or 'another agent'} has the job now")

    # rows

    def _change(self, id: str, did: str, decide: Change) -> Job:
        def change(acts: Acts) -> Job:
            row = self._found(acts.txn, id)
            new = decide(acts, row, self._seen(row, acts.at_ns))
            if new != row:
                self._put(acts, new)
                self._tell(acts, did, new)
                self._prune(acts, False)
            return self._seen(new, acts.at_ns)

        return self._store.commit(change)

    def _put(self, acts: Acts, job: Job) -> None:
        self._jobs.put(acts.txn, uuid.UUID(job.id).bytes, job)

    @staticmethod
    def _tell(acts: Acts, did: str, *jobs: Job) -> None:
        if jobs:
            acts.tell("job", {"did": did, "kind": jobs[0].kind, "jobs": [job.id for job in jobs], "by": jobs[0].by})

    def _next_number(self, acts: Acts) -> int:
        """More than every job has; the time, unless the clock was set back. Changes run one at a time."""
        if not self._last_number:
            self._last_number = max((job.number for _, job in self._jobs.scan(acts.txn)), default=0)
        self._last_number = max(acts.at_ns, self._last_number + 1)
        return self._last_number

    def _prune(self, acts: Acts, due: bool) -> None:
        """Forget jobs that ended long ago: all are looked at only when that is `due`, or when there are too many of them."""
        ended = self._jobs.count(acts.txn) - self._turns.count(acts.txn)
        if not due and ended <= KEPT + KEPT_MORE:
            return
        self._pruned_ns = acts.at_ns
        old = sorted((job.ended_ns or 0, job.number, key) for key, job in self._jobs.scan(acts.txn) if job.ended)
        for at, (ended_ns, _, key) in enumerate(old):
            if len(old) - at > KEPT or acts.at_ns - ended_ns > KEPT_NS:
                self._jobs.delete(acts.txn, key)


def _turn(job: Job) -> bytes:
    return job.number.to_bytes(8, "big") + uuid.UUID(job.id).bytes
