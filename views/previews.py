"""Preview pictures: files `ingest/thumbnails/<sha256 of the media>.<kind>`, one for each content of a project, drawn by clients
or made from the media (`views/derived`).

Keyed by content, so that two clips of one name never share one, and a clip that is renamed keeps its own. The addresses of the
replaced system, `ingest/thumbnails/<path below originals, its suffix replaced>`, go on as other names of the same pictures.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import PurePosixPath

from cas.committer import Acts
from cas.incoming import Incoming
from views.arrivals import ORIGINALS
from views.errors import NameNotFound
from views.library import Library

THUMBNAILS = "ingest/thumbnails"
PICTURE_KINDS = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
SUFFIXES = tuple(PICTURE_KINDS)  # in the order they are looked up


class Previews:
    """The previews of one project."""

    def __init__(self, library: Library, project: str) -> None:
        self._library, self._project = library, project

    @cached_property
    def _by_sum(self) -> dict[str, str]:
        """Their names by the sum of what they show, as they were when this was first asked."""
        try:
            _, entries = self._library.listing(f"{self._project}/{THUMBNAILS}")
        except NameNotFound:
            return {}
        names = {entry.name for entry in entries if not entry.is_folder}
        return {name.partition(".")[0]: name for suffix in SUFFIXES[::-1] for name in names if name.endswith(suffix)}

    def among_all(self, sha256: str) -> str | None:
        """As `of`, for whoever asks for many: one listing, then a look into memory each."""
        name = self._by_sum.get(sha256)
        return name and f"{THUMBNAILS}/{name}"

    def of(self, sha256: str) -> str | None:
        """Path inside the project of the preview of this content; None when there is none."""
        paths = (f"{THUMBNAILS}/{sha256}{suffix}" for suffix in SUFFIXES)
        return next((path for path in paths if self._library.find(f"{self._project}/{path}") is not None), None)

    def keep(self, sha256: str, suffix: str, picture: bytes) -> str:
        """Store a preview; its path inside the project."""
        with self._library.store.receive(len(picture)) as body:
            body.write(picture)
            return self.place(sha256, suffix, body)

    def place(self, sha256: str, suffix: str, body: Incoming) -> str:
        """As keep, for bytes that were received already."""
        folder = f"{self._project}/{THUMBNAILS}"
        if self._library.find(folder) is None:
            self._library.make_folder(folder)
        self._library.put(f"{folder}/{sha256}{suffix}", body, via="preview")
        return f"{THUMBNAILS}/{sha256}{suffix}"

    def drop(self, sha256: str) -> None:
        """Take the preview of a content away, if there is one. It was no entry of the index, so none is counted as removed."""
        inner = self.of(sha256)
        path = f"{self._project}/{inner}"

        def change(acts: Acts) -> None:
            if inner is not None and self._library.tree.find(acts.txn, path) is not None:
                spot, _ = self._library.tree.found(acts.txn, path)
                self._library.edit.delete(acts, path, None)
                self._library.edit.count(acts, spot, removed=-1)

        if inner is not None:
            self._library.store.commit(change)

    def behind(self, inner: str) -> str | None:
        """The preview that an address of the replaced system means: that of the media with the same path but for its suffix."""
        asked = PurePosixPath(inner)
        if asked.suffix.lower() not in SUFFIXES or not inner.startswith(f"{THUMBNAILS}/"):
            return None
        below = asked.relative_to(THUMBNAILS)
        try:
            _, entries = self._library.listing(str(PurePosixPath(self._project, ORIGINALS, below.parent)))
        except NameNotFound:
            return None
        for entry in entries:
            if not entry.is_folder and PurePosixPath(entry.name).stem == below.stem:
                found = self.of(self._library.sha256_of(entry))
                if found is not None:
                    return found
        return None
