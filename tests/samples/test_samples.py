"""The samples are real: decoders open them, seeds repeat them, and names collide as they do on cards."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from pathlib import Path, PurePosixPath

import av
from PIL import Image

from .big import PIECE_BYTES, big_pieces, make_big_file
from .make import MAKERS, make_samples, plan_samples


def _sums(folder: Path, count: int, seed: int) -> dict[str, str]:
    samples = make_samples(folder, count, seed)
    return {sample.name: hashlib.sha256((folder / sample.name).read_bytes()).hexdigest() for sample in samples}


def test_every_sample_opens_in_a_decoder(tmp_path: Path) -> None:
    for sample in make_samples(tmp_path, 24, seed=3):
        path = tmp_path / sample.name
        if sample.kind in ("jpeg", "heic"):
            Image.open(path).load()
        else:
            with av.open(str(path)) as media:
                assert next(media.decode(media.streams[0])) is not None


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path) -> None:
    assert _sums(tmp_path / "a", 20, seed=5) == _sums(tmp_path / "b", 20, seed=5)


def test_every_kind_and_some_repeats_are_among_two_hundred() -> None:
    plan = plan_samples(200, seed=1)
    assert {sample.kind for sample in plan} == set(MAKERS)
    assert len({sample.content for sample in plan}) < len(plan)


def test_camera_names_collide_between_folders() -> None:
    folders = defaultdict(set)
    for sample in plan_samples(200, seed=1):
        path = PurePosixPath(sample.name)
        folders[path.name].add(path.parent)
    assert max(len(places) for places in folders.values()) >= 2


def test_names_come_composed_and_decomposed() -> None:
    names = [sample.name for sample in plan_samples(200, seed=1)]
    for form in ("NFC", "NFD"):
        assert any(not unicodedata.is_normalized("NFC" if form == "NFD" else "NFD", name) for name in names)


def test_different_takes_have_different_bytes(tmp_path: Path) -> None:
    samples = make_samples(tmp_path, 30, seed=2)
    sums = {sample.content: hashlib.sha256((tmp_path / sample.name).read_bytes()).digest() for sample in samples}
    assert len(set(sums.values())) == len(sums)


def test_a_big_file_has_its_exact_size_and_no_repeated_piece(tmp_path: Path) -> None:
    size = 9 * PIECE_BYTES + 17
    path = make_big_file(tmp_path / "big.mov", size)
    assert path.stat().st_size == size
    assert len(set(big_pieces(size))) == 10
