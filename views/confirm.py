"""The end of an ingest: bytes are read back from the disk and compared, a generation of the manifest says so, a receipt is made.

    upload batch closed ──► its contents read back ──► generation of what is new ──► receipt
    asked by a person   ──► everything read back   ──► generation of everything  ──► receipt
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cas.verify import Finding
from views.library import Library
from views.mhl.manifests import IN_PLACE, TRANSFER, Manifests, Written
from views.receipt import Receipt, Receipts, told
from views.work import Progress


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What reading back showed. `written`: the generation of the manifest."""

    receipt: Receipt
    findings: list[Finding]
    written: Written

    def as_json(self, library: Library, *, files: bool = True) -> dict[str, Any]:
        """For programs; without `files` the counts alone."""
        receipt = told(self.receipt)
        if not files:
            del receipt["files"]
        findings = [
            {"kind": finding.kind, "blake3": finding.digest.hex, "why": finding.why, "paths": library.paths_of(finding.digest)}
            for finding in self.findings
        ]
        return {**receipt, "findings": findings, "manifest": self.written.as_json()}


def confirm(
    libraries: Mapping[str, Library], source: str, project: str, progress: Progress, *, copies: int = 1,
    left_alone: Iterable[str] = (), only: Container[bytes] | None = None,
) -> Confirmed:  # fmt: skip
    """Read back, write the generation, make the receipt. Takes as long as reading takes.

    only     SHA-256 of contents that just came: others are not read again
    raises   as Receipts.of and Manifests.write
    """
    receipts, manifests = Receipts(libraries, source, copies), Manifests(libraries[source], left_alone)
    findings = receipts.read_back(project, progress, only)
    everything, process = only is None, IN_PLACE if only is None else TRANSFER
    written = manifests.write(project, progress, everything=everything, process=process)
    return Confirmed(receipts.of(project), findings, written)
