"""What the WebDAV door refuses, and how.

    DavError              an answer with a status, one sentence, and where RFC 4918 names one, a condition element
      NotModified         304: not an error to the client, but the end of the request
      PreconditionFailed  412
      Locked              423, with the roots of the locks whose tokens are missing

Errors of the rooms below (`cas/errors.py`, `views/errors.py`) pass through untouched and get their status in
`views/status.py`; only what is about HTTP itself is here.
"""

from __future__ import annotations

from collections.abc import Sequence


class DavError(Exception):
    """A request that ends with `status` and one plain sentence.

    condition  local name of the pre- or postcondition element of RFC 4918 §16, "" when there is none
    hrefs      what stands inside that element, escaped as hrefs are
    headers    more header fields for the answer
    """

    def __init__(
        self,
        status: int,
        sentence: str,
        *,
        condition: str = "",
        hrefs: Sequence[str] = (),
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.condition = condition
        self.hrefs = tuple(hrefs)
        self.headers = tuple(headers)


class NotModified(DavError):
    def __init__(self) -> None:
        super().__init__(304, "")


class PreconditionFailed(DavError):
    def __init__(self, header: str) -> None:
        super().__init__(412, f"The {header} header does not hold for what is here now.")
        self.header = header


class Locked(DavError):
    """A write without the tokens of the locks that cover it (RFC 4918 §16, lock-token-submitted)."""

    def __init__(self, roots: Sequence[str]) -> None:
        super().__init__(423, "This is locked by somebody else.", condition="lock-token-submitted", hrefs=roots)
