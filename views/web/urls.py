"""URLs that answers tell: server-relative, percent-encoded with `/` kept, the source always named (contract §2.10)."""

from __future__ import annotations

from urllib.parse import quote

SAFE = "/!$'()*,~"


def escape(path: str) -> str:
    return quote(path, safe=SAFE)


def project(name: str, source: str, rest: str = "") -> str:
    """A route of one project: `/api/projects/P1-A/upload?source=primary`."""
    return f"/api/projects/{escape(name)}{rest}?source={escape(source)}"


class Links:
    """URLs of many files of one project: what they share is escaped once."""

    def __init__(self, name: str, source: str) -> None:
        self._media, self._source = f"/media/{escape(name)}/", f"?source={escape(source)}"
        self._thumbnails = f"/thumbnails/{escape(name)}/"

    def both(self, path: str) -> tuple[str, str]:
        """Where a file is streamed from, and where it is saved from."""
        tail = escape(path) + self._source
        return self._media + tail, f"{self._media}download/{tail}"

    def preview(self, sha256: str) -> str:
        """Where the picture of a content is had, or made."""
        return f"{self._thumbnails}{sha256}.jpg{self._source}"



def stream(name: str, path: str, source: str) -> str:
    return f"/media/{escape(name)}/{escape(path)}?source={escape(source)}"


def download(name: str, path: str, source: str) -> str:
    return f"/media/{escape(name)}/download/{escape(path)}?source={escape(source)}"
