"""The queue: every job goes to one agent at a time, and none is lost."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.faulty import FaultySystem, QuickSystem
from views import jobs
from views.errors import JobContrary, JobProblem, JobUnknown
from views.jobs import ATTEMPTS, Queue
from views.library import Library

LEASE_S = 60.0
DAY_S = 86_400


class Clock(QuickSystem):
    """Time goes on only when a test says so."""

    def __init__(self) -> None:
        self.ns = 1_790_000_000 * 10**9

    def now_ns(self) -> int:
        return self.ns

    def wait(self, seconds: float) -> None:
        self.ns += int(seconds * 10**9)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(root: Path, clock: Clock) -> Iterator[Library]:
    library = Library(root, clock)
    yield library
    library.close()


@pytest.fixture
def queue(opened: Library) -> Queue:
    return opened.jobs


def submit(queue: Queue, count: int = 1) -> list[str]:
    return [queue.submit("cut", {"n": n}).id for n in range(count)]


def claim(queue: Queue, limit: int = 1, by: str = "a") -> list[str]:
    return [job.id for job in queue.claim("cut", limit, by, LEASE_S)]


def test_jobs_are_claimed_oldest_first_and_once(queue: Queue) -> None:
    first, second, third = submit(queue, 3)
    assert claim(queue, 2) == [first, second]
    assert claim(queue, 5) == [third]
    assert claim(queue) == []


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_still_yields_one(queue: Queue, limit: int) -> None:
    submit(queue, 2)
    assert len(claim(queue, limit)) == 1


def test_kinds_do_not_mix(queue: Queue) -> None:
    queue.submit("other", {})
    assert claim(queue) == [] and queue.list("cut") == []
    assert len(queue.claim("other")) == 1


def test_order_holds_when_the_clock_is_set_back(queue: Queue, clock: Clock) -> None:
    [first] = submit(queue)
    clock.wait(-3600)
    [second] = submit(queue)
    assert claim(queue, 2) == [first, second]


def test_a_lease_that_is_over_makes_the_job_wait_again(queue: Queue, clock: Clock) -> None:
    [job] = submit(queue)
    claim(queue, by="a")
    clock.wait(LEASE_S - 1)
    assert claim(queue, by="b") == []
    clock.wait(1)
    assert queue.get(job).status == "pending" and queue.get(job).by is None
    assert claim(queue, by="b") == [job]
    assert (queue.get(job).attempts, queue.get(job).by) == (2, "b")


def test_a_job_nobody_finishes_failed_in_the_end(queue: Queue, clock: Clock) -> None:
    [job] = submit(queue)
    for _ in range(ATTEMPTS):
        assert claim(queue) == [job]
        clock.wait(LEASE_S)
    assert queue.get(job).status == "failed" and queue.get(job).error == "nobody finished it in 5 attempts"
    assert claim(queue) == []
    assert queue.get(job).ended_ns == clock.ns
    with pytest.raises(JobContrary):
        queue.complete(job)


def test_a_heartbeat_prolongs_the_lease(queue: Queue, clock: Clock) -> None:
    [job] = submit(queue)
    claim(queue, by="a")
    for _ in range(3):
        clock.wait(LEASE_S - 1)
        queue.heartbeat(job, "a")
    assert claim(queue, by="b") == []


def test_a_heartbeat_after_a_sleep_takes_the_job_up_again_unless_another_has_it(queue: Queue, clock: Clock) -> None:
    [job] = submit(queue)
    claim(queue, by="a")
    clock.wait(2 * LEASE_S)
    assert queue.heartbeat(job, "a").status == "claimed"
    clock.wait(2 * LEASE_S)
    claim(queue, by="b")
    with pytest.raises(JobContrary, match="b has the job now"):
        queue.heartbeat(job, "a")


def test_the_same_outcome_twice_is_once_and_a_contrary_one_is_refused(queue: Queue) -> None:
    done, failed = submit(queue, 2)
    claim(queue, 2)
    assert queue.complete(done, {"clips": 1}) == queue.complete(done)
    assert queue.fail(failed, "no disk") == queue.fail(failed, "other words")
    assert queue.get(done).result == {"clips": 1} and queue.get(failed).error == "no disk"
    with pytest.raises(JobContrary, match="the job is done already"):
        queue.fail(done, "late")
    with pytest.raises(JobContrary, match="the job is failed already"):
        queue.complete(failed)


def test_what_nobody_claimed_cannot_be_done(queue: Queue) -> None:
    [job] = submit(queue)
    for finish in (lambda: queue.complete(job), lambda: queue.fail(job, "x"), lambda: queue.heartbeat(job)):
        with pytest.raises(JobContrary):
            finish()


def test_an_agent_that_was_slow_may_still_say_it_is_done(queue: Queue, clock: Clock) -> None:
    [job] = submit(queue)
    claim(queue, by="a")
    clock.wait(LEASE_S)
    assert queue.complete(job).status == "done"
    assert claim(queue) == []


def test_an_agent_that_lost_the_job_cannot_fail_it_for_the_other(queue: Queue, clock: Clock) -> None:
    [job] = submit(queue)
    claim(queue, by="a")
    clock.wait(LEASE_S)
    claim(queue, by="b")
    with pytest.raises(JobContrary):
        queue.fail(job, "too slow", by="a")
    assert queue.fail(job, "no disk", by="b").status == "failed"


def test_a_cancelled_job_is_never_given_out_and_its_agent_learns_it(queue: Queue) -> None:
    waiting, taken = submit(queue, 2)
    queue.cancel(waiting)
    assert claim(queue, 5) == [taken]
    assert queue.cancel(taken) == queue.cancel(taken)
    assert (queue.get(taken).status, queue.get(taken).error) == ("failed", "cancelled")
    with pytest.raises(JobContrary, match="cancelled"):
        queue.heartbeat(taken)
    with pytest.raises(JobContrary):
        queue.complete(taken)


def test_what_is_done_cannot_be_cancelled(queue: Queue) -> None:
    [job] = submit(queue)
    claim(queue)
    queue.complete(job)
    with pytest.raises(JobContrary, match="done already"):
        queue.cancel(job)


@pytest.mark.parametrize("id", ["", "x", "../etc", "00000000-0000-4000-8000-000000000000"])
def test_an_id_nobody_has_is_unknown(queue: Queue, id: str) -> None:
    for ask in (queue.get, queue.cancel, queue.complete, queue.heartbeat, lambda id: queue.fail(id, "x")):
        with pytest.raises(JobUnknown, match=r"^job not found$"):
            ask(id)


def test_asking_in_vain_writes_nothing(queue: Queue, opened: Library) -> None:
    submit(queue)
    claim(queue)
    before = opened.store.journal.last_seq
    assert claim(queue) == []
    assert opened.store.journal.last_seq == before


def test_many_agents_never_get_the_same_job(queue: Queue) -> None:
    ids, got, gate = submit(queue, 60), list[str](), threading.Barrier(6)

    def agent(name: str) -> None:
        gate.wait()
        while found := claim(queue, 2, name):
            got.extend(found)

    threads = [threading.Thread(target=agent, args=(f"agent {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(ids)


def test_a_restart_and_an_index_made_anew_keep_every_job(root: Path, clock: Clock) -> None:
    library = Library(root, clock)
    waiting, taken, done = submit(library.jobs, 3)
    library.jobs.cancel(waiting)
    claim(library.jobs, 2)
    library.jobs.complete(taken)
    before, rows = library.jobs.list("cut"), list(library.store.index.dump())
    library.close()
    shutil.rmtree(root / ".filmcan" / "index")
    library = Library(root, clock)
    assert library.jobs.list("cut") == before
    assert list(library.store.index.dump()) == rows
    assert library.jobs.get(done).by == "a"
    library.close()


def test_jobs_that_ended_long_ago_are_forgotten(queue: Queue, clock: Clock) -> None:
    old, waiting = submit(queue, 2)
    claim(queue)
    queue.complete(old)
    clock.wait(31 * DAY_S)
    submit(queue)
    with pytest.raises(JobUnknown):
        queue.get(old)
    assert queue.get(waiting).status == "pending"


def test_only_so_many_ended_jobs_are_kept(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "KEPT", 4)
    monkeypatch.setattr(jobs, "KEPT_MORE", 1)
    ids = submit(queue, 8)
    for id in ids:
        claim(queue)
        queue.complete(id)
    assert [job.id for job in queue.list("cut")] == ids[:3:-1]


def test_the_list_is_newest_first_and_can_be_narrowed(queue: Queue, clock: Clock) -> None:
    first, second = submit(queue, 2)
    claim(queue)
    assert [job.id for job in queue.list("cut")] == [second, first]
    assert [job.id for job in queue.list("cut", "claimed")] == [first]
    clock.wait(LEASE_S)
    assert queue.list("cut", "claimed") == []


@dataclass
class Told:
    """A job as the plain model has it."""

    status: str = "pending"
    by: str | None = None
    attempts: int = 0
    until_ns: int = 0
    cancelled: bool = False


class Agents(RuleBasedStateMachine):
    """Any order of claims, sleeps and outcomes against a list of plain values."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.library = Library(self.folder, self.clock)
        self.told: dict[str, Told] = {}

    def teardown(self) -> None:
        self.library.close()
        shutil.rmtree(self.folder)

    def now(self, id: str) -> str:
        told = self.told[id]
        if told.status == "claimed" and self.clock.ns >= told.until_ns:
            return "pending" if told.attempts < ATTEMPTS else "failed"
        return told.status

    def agrees(self, act: Callable[[], object], allowed: bool) -> bool:
        try:
            act()
        except JobProblem:
            assert not allowed
            return False
        assert allowed
        return True

    @rule()
    def submit(self) -> None:
        self.told[self.library.jobs.submit("cut", {}).id] = Told()

    @rule(limit=st.integers(-1, 3), by=st.sampled_from("ab"))
    def claim(self, limit: int, by: str) -> None:
        expected = [id for id in self.told if self.now(id) == "pending"][: max(1, limit)]
        assert [job.id for job in self.library.jobs.claim("cut", limit, by, LEASE_S)] == expected
        for id in expected:
            told = self.told[id]
            told.status, told.by, told.attempts = "claimed", by, told.attempts + 1
            told.until_ns = self.clock.ns + int(LEASE_S) * 10**9

    @rule(seconds=st.sampled_from([1, 30, 59, 60, 61]))
    def wait(self, seconds: int) -> None:
        self.clock.wait(seconds)

    @precondition(lambda self: self.told)
    @rule(data=st.data(), by=st.sampled_from("ab"))
    def heartbeat(self, data: st.DataObject, by: str) -> None:
        id = data.draw(st.sampled_from(list(self.told)))
        told = self.told[id]
        allowed = told.status == "claimed" and self.now(id) != "failed" and told.by == by
        if self.agrees(lambda: self.library.jobs.heartbeat(id, by), allowed):
            told.until_ns = self.clock.ns + int(LEASE_S) * 10**9

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(list(self.told)))
        told = self.told[id]
        allowed = self.now(id) in ("claimed", "done") or (self.now(id) == "pending" and told.attempts > 0)
        if self.agrees(lambda: self.library.jobs.complete(id), allowed):
            told.status = "done"

    @precondition(lambda self: self.told)
    @rule(data=st.data(), by=st.sampled_from(["a", "b", None]))
    def fail(self, data: st.DataObject, by: str | None) -> None:
        id = data.draw(st.sampled_from(list(self.told)))
        told, now = self.told[id], self.now(id)
        mine = now != "claimed" or by in (None, told.by)
        allowed = mine and now != "done" and (told.attempts > 0 or told.cancelled)
        if self.agrees(lambda: self.library.jobs.fail(id, "no", by=by), allowed):
            told.status = "failed"

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(list(self.told)))
        told = self.told[id]
        if self.agrees(lambda: self.library.jobs.cancel(id), told.cancelled or self.now(id) in ("pending", "claimed")):
            told.status, told.cancelled = "failed", True

    @rule()
    def restart(self) -> None:
        self.library.close()
        self.library = Library(self.folder, self.clock)

    @invariant()
    def the_queue_is_as_told(self) -> None:
        found = {job.id: (job.status, job.attempts) for job in self.library.jobs.list("cut")}
        assert found == {id: (self.now(id), told.attempts) for id, told in self.told.items()}
        assert all(self.library.jobs.get(id).status == self.now(id) for id in self.told)


TestAgents = Agents.TestCase
TestAgents.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("act", ["submit", "claim", "complete", "cancel"])
def test_the_end_of_the_process_at_any_act_leaves_a_job_before_or_after_it(tmp_path: Path, act: str) -> None:
    acts: dict[str, Callable[[Queue, str], object]] = {
        "submit": lambda queue, id: queue.submit("cut", {}),
        "claim": lambda queue, id: queue.claim("cut", 1, "b"),
        "complete": lambda queue, id: queue.complete(id),
        "cancel": lambda queue, id: queue.cancel(id),
    }
    for at in range(1, 30):
        root, system = tmp_path / str(at), FaultySystem()
        library = Library(root, system)
        id, _waiting = submit(library.jobs, 2)
        claim(library.jobs)
        before = library.jobs.list("cut")
        system.arm(at)
        try:
            acts[act](library.jobs, id)
        except BaseException:
            pass  # nobody was answered
        struck = system.struck
        system.dead = False
        system.disarm()
        after = library.jobs.list("cut")
        library.store._give_up()
        with closing(Library(root, QuickSystem())) as again:
            found = again.jobs.list("cut")
            assert [job.status for job in found] in ([job.status for job in before], [job.status for job in after])
            if not struck:
                assert found == after != before
                return
    raise AssertionError("it never ends")
