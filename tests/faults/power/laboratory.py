"""One round: record a workload on one file system, cut the power at many places, look at each disk that may be left."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from traceback import format_exc

from cas import journal
from cas.system import System
from tests.faults.power.crashed import AfterCut, Violation, examine
from tests.faults.power.disks import FileSystem, NotMounted, Rebuilt, Recorder, recorded, steps_of
from tests.faults.power.promises import Promises
from tests.faults.power.record import WAYS, Cuts, Step, Way
from tests.faults.power.workload import Beside, Client, Direct, OverHttp, at_once, fold, writeback
from views.library import Library

CLIENTS = 3
ACTS_ALONE, ACTS_AT_ONCE = 12, 12
SEGMENT_BYTES, AHEAD_BYTES = 8_000, 4_096  # of the journal: it begins new segments, grows and is folded many times in a round


@dataclass
class Found:
    """What a round came to.

    violations   number of the state → what was broken there
    """

    states: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    violations: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0


def record(kind: FileSystem, work: Path, seed: int, system: System, *, http: bool) -> list[Step]:
    """Clients at work on a fresh file system: first one by one, then at once, then again after the library was closed well."""
    journal.SEGMENT_BYTES, journal.AHEAD_BYTES = SEGMENT_BYTES, AHEAD_BYTES
    clients = [Client(number, seed) for number in range(CLIENTS)]
    with recorded(kind, work, direct=True) as recorder:
        root = recorder.folder / "root"
        for _ in range(2):
            with serving(root, recorder, clients, system, http=http) as library, Beside(writeback(root, seed), 0.002):
                for client in clients:
                    client.act(ACTS_ALONE)
                with Beside(lambda library=library: fold(library), 0.01):  # type: ignore[misc]
                    at_once(clients, ACTS_AT_ONCE)
    return steps_of(work)


@contextmanager
def serving(root: Path, recorder: Recorder, clients: list[Client], system: System, *, http: bool) -> Iterator[Library]:
    """The clients have a library, each by a door of its own."""
    if not http:
        with closing(Library(root, system)) as library:
            for client in clients:
                client.take_up(recorder, library, Direct(library))
            yield library
        return
    from tools.assemble import make_server, open_libraries
    from tools.config import load

    settings = load(flags={"root": root, "port": 0, "mass_delete_limit": 0}, config_file=None)
    with open_libraries(settings, system) as libraries:
        server = make_server(libraries, settings)
        server.start()
        try:
            for client in clients:
                client.take_up(recorder, libraries.primary, OverHttp(server.port))
            yield libraries.primary
        finally:
            server.stop()


@dataclass(frozen=True)
class Choice:
    """One state to look at: the power goes after `at` steps, and the disk kept what `way` says of what no flush covers."""

    number: int
    at: int
    way: str


def choose(steps: list[Step], promises: Promises, seed: int, count: int) -> list[Choice]:
    """Places and ways, in the order of places. Half of them right behind an answer: what was promised a moment ago is in most
    danger, most of all on a disk that kept nothing it did not have to."""
    chance = random.Random(f"{seed} choice")
    answers = chance.sample(promises.answers, len(promises.answers))
    places = [answers[number // 2 % len(answers)] if number % 2 else chance.randint(0, len(steps)) for number in range(count)]
    ways = list(WAYS)
    return [
        Choice(number, at, "nothing" if number % 4 == 1 else chance.choice(ways))
        for number, at in sorted(enumerate(places), key=lambda item: (item[1], item[0]))
    ]


def cut(
    kind: FileSystem, work: Path, steps: list[Step], seed: int, states: int, *, only: int | None = None,
    until_first: bool = False, tell: Callable[[str], None] = lambda line: None,
) -> Found:  # fmt: skip
    """Look at `states` disks after a cut.

    only          the number of the one state to look at
    until_first   stop at the first violation
    """
    began, promises, cuts, rebuilt = time.monotonic(), Promises(steps), Cuts(steps), Rebuilt(kind, work)
    found = Found(steps=Counter(step.kind.name for step in steps), answers=len(promises.answers))
    for choice in choose(steps, promises, seed, states):
        if only is not None and choice.number != only:
            continue
        now = cuts.to(choice.at)
        rebuilt.advance(now.safe)
        way = Way(random.Random(f"{seed} state {choice.number}"), kind.whole)
        kept = WAYS[choice.way](way, now.loose)
        found.states += 1
        try:
            with rebuilt.with_kept(kept) as folder:
                examine(folder / "root", promises.at(choice.at), AfterCut())
        except Exception as error:
            told = str(error) if isinstance(error, Violation | NotMounted) else format_exc()
            found.violations[choice.number] = told
            tell(f"state {choice.number} (after step {choice.at}, {choice.way}, {len(kept)} of {len(now.loose)} kept): {told}")
            if until_first:
                break
    found.seconds = time.monotonic() - began
    return found
