"""What was promised at each place of a record, read from the notes in it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.faults.power.record import Kind, Step
from tests.faults.power.workload import State


@dataclass(frozen=True)
class Promise:
    """What one client may find.

    project   its project
    uploads   ids of uploads in several goes it may look for
    answered  what was there when it was last answered; None before its project was
    asked     what would be there once it was answered again; None when it asks for nothing
    """

    project: str
    uploads: list[str]
    answered: State | None
    asked: State | None

    @property
    def allowed(self) -> list[State | None]:
        return [self.answered] if self.asked is None else [self.answered, self.asked]


class Promises:
    """The notes of all clients."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._begun: dict[int, dict[int, int]] = defaultdict(dict)  # client → act → place of the note
        self._done: dict[int, dict[int, int]] = defaultdict(dict)
        self._states: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
        for place, said in _notes(steps):
            client, act = said["client"], said["act"]
            if said["what"] == "state":
                self._states[client][act] = said
            else:
                (self._begun if said["what"] == "begin" else self._done)[client][act] = place
        self.answers = sorted(place + 1 for acts in self._done.values() for place in acts.values())

    def at(self, place: int) -> list[Promise]:
        """What every client may find when the power goes after `place` steps."""
        return [self._of(client, place) for client in sorted(self._states)]

    def _of(self, client: int, place: int) -> Promise:
        states = self._states[client]
        done = max((act for act, at in self._done[client].items() if at < place), default=0)
        begun = max((act for act, at in self._begun[client].items() if at < place), default=0)
        last = states[max(states)]
        return Promise(
            last["project"], last["uploads"],
            states[done]["holds"] if done else None,
            states[begun]["holds"] if begun > done else None,
        )  # fmt: skip


def _notes(steps: Sequence[Step]) -> Iterator[tuple[int, dict[str, Any]]]:
    for place, step in enumerate(steps):
        if step.kind is Kind.MARK:
            yield place, json.loads(bytes(step.data))
