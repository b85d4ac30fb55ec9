"""The server's queue, as an agent speaks to it. Only here is HTTP."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from tools.agents.resolve.clips import Outcome

CONNECT_S, ANSWER_S = 5.0, 60.0
QUERY_ERROR = 500  # as much of an error as a query should hold; the body has all of it


class ServerAway(Exception):
    """No answer, or one that says to come again."""


class Refused(Exception):
    """The server will not have it: 4xx."""

    def __init__(self, status: int, detail: str) -> None:
        self.status, self.detail = status, detail
        super().__init__(f"{detail} ({status})")


class Server:
    """One queue. Any thread.

    url    of the server; a name and password in it are sent along
    name   of this agent, as pages show it
    """

    def __init__(self, url: str, name: str, pool: urllib3.PoolManager | None = None) -> None:
        """ValueError for an address that is none."""
        try:
            parts = urllib3.util.parse_url(url if "://" in url else f"http://{url}")
        except urllib3.exceptions.LocationParseError:
            parts = urllib3.util.Url()
        if parts.scheme not in ("http", "https") or not parts.host:
            raise ValueError(f"{url!r} is not the address of a server; write it as http://studio.local:8787")
        self.url = parts._replace(auth=None, path=(parts.path or "").rstrip("/"), query=None, fragment=None).url
        self._name = name
        headers = {"Accept": "application/json", "User-Agent": "filmcan-agent"}
        if parts.auth:
            headers |= urllib3.util.make_headers(basic_auth=parts.auth)
        timeout = urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S)
        self._pool = pool or urllib3.PoolManager(headers=headers, retries=False, timeout=timeout)

    def next(self) -> dict[str, Any] | None:
        """Claim the oldest job; None when none waits."""
        jobs = self._post("next", {"limit": "1", "claimed_by": self._name}).get("jobs")
        if not isinstance(jobs, list):
            raise ServerAway(f"what answers at {self.url} has no Resolve queue")
        return jobs[0] if jobs else None

    def heartbeat(self, id: str) -> bool:
        """Say that the job is being done. False when it is not ours any more, or was cancelled."""
        try:
            self._post(f"{quote(id)}/heartbeat", {"claimed_by": self._name})
        except Refused as refused:
            return refused.status != 409 and refused.detail != "job not found"  # older servers know no heartbeat
        return True

    def complete(self, id: str, outcomes: Sequence[Outcome]) -> None:
        self._post(f"{quote(id)}/complete", {"claimed_by": self._name}, _clips(outcomes))

    def fail(self, id: str, error: str, outcomes: Sequence[Outcome]) -> None:
        query = {"claimed_by": self._name, "error": error[:QUERY_ERROR]}
        self._post(f"{quote(id)}/fail", query, {"error": error, **_clips(outcomes)})

    def _post(self, path: str, query: dict[str, str], body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer. ServerAway, Refused."""
        url = f"{self.url}/api/resolve/jobs/{path}?{urlencode(query)}"
        try:
            answer = self._pool.request("POST", url, **({"json": body} if body else {}))
            said = json.loads(answer.data)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ServerAway(f"{self.url} does not answer ({error})") from None
        except ValueError:
            raise ServerAway(f"what answers at {self.url} is not filmcan ({answer.status})") from None
        if answer.status >= 500 or not isinstance(said, dict):
            raise ServerAway(f"{self.url} answers {answer.status}")
        if answer.status >= 300:
            raise Refused(answer.status, str(said.get("detail", "refused")))
        return said


def _clips(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {"clips": [outcome.told() for outcome in outcomes]}
