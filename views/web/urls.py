"""URLs that answers tell: server-relative, percent-encoded with `/` kept, the source always named (contract §2.10)."""

from __future__ import annotations

from urllib.parse import quote

SAFE = "/!$'()*,~"


def escape(path: str) -> str:
    return quote(path, safe=SAFE)


def project(name: str, source: str, rest: str = "") -> str:
    """A route of one project: `/api/projects/P1-A/upload?source=primary`."""
    return f"/api/projects/{escape(name)}{rest}?source={escape(source)}"


def stream(name: str, path: str, source: str) -> str:
    return f"/media/{escape(name)}/{escape(path)}?source={escape(source)}"


def download(name: str, path: str, source: str) -> str:
    return f"/media/{escape(name)}/download/{escape(path)}?source={escape(source)}"
