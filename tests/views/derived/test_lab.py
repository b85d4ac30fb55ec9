"""The worker that decodes: what it tells of real media, and what media made to harm cannot do."""

from __future__ import annotations

import io
import os
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.samples import camera
from views.derived.lab import FILES, Lab, Seen, lacking

pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "all is there")
WIDTH = 320
TAKE = camera.Take(30)  # 1280 × 720


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab(width=WIDTH)
    yield lab
    lab.close()


def look(lab: Lab, path: Path, kind: str = "video", within_s: float = 20.0) -> Seen:
    fd = os.open(path, os.O_RDONLY)
    try:
        return lab.look(fd, kind, within_s)
    finally:
        os.close(fd)


def picture(seen: Seen) -> Image.Image:
    assert seen.status == "ok", seen
    image = Image.open(io.BytesIO(seen.picture))
    image.load()
    assert image.format == "JPEG"
    return image


@pytest.mark.parametrize(("make", "codec"), [(camera.h264, "h264"), (camera.hevc, "hevc"), (camera.prores, "prores")])
def test_a_film_tells_what_it_is_and_shows_a_frame(
    lab: Lab, tmp_path: Path, make: Callable[[Path, camera.Take], None], codec: str
) -> None:
    make(tmp_path / "clip.mov", TAKE)
    seen = look(lab, tmp_path / "clip.mov")
    assert picture(seen).size == (320, 180)
    facts = seen.facts
    assert (facts["width"], facts["height"], facts["fps"], facts["video_codec"]) == (1280, 720, 25.0, codec)
    assert facts["duration_seconds"] == pytest.approx(TAKE.frame_count / camera.FRAME_RATE, abs=0.05)
    assert facts["captured_at"].startswith("2024-06-01T00:30:00") and facts["captured_from"] == "container"
    assert facts["has_audio"] is (codec != "prores")


def test_sound_has_a_length_and_no_picture(lab: Lab, tmp_path: Path) -> None:
    camera.wav(tmp_path / "a.wav", TAKE)
    seen = look(lab, tmp_path / "a.wav", "audio")
    assert seen.status == "ok" and seen.picture == b"" and seen.facts["audio_codec"] == "pcm_s16le"
    assert seen.facts["has_audio"] is True and seen.facts["audio_channels"] == 1


def test_a_still_is_turned_as_its_exif_says(lab: Lab, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "NIKON CORPORATION", "NIKON Z 7"
    exif.get_ifd(0x8769).update({0x9003: "2024:06:01 10:00:00", 0x9011: "+02:00"})
    Image.new("RGB", (800, 400), "red").save(tmp_path / "a.jpg", exif=exif)
    seen = look(lab, tmp_path / "a.jpg", "image")
    assert picture(seen).size == (160, 320) and (seen.facts["width"], seen.facts["height"]) == (400, 800)
    assert (seen.facts["make"], seen.facts["model"]) == ("NIKON CORPORATION", "NIKON Z 7")
    assert seen.facts["captured_at"] == "2024-06-01T10:00:00+02:00" and seen.facts["captured_from"] == "exif"


def test_stills_of_iphones_are_read(lab: Lab, tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    camera.heic(tmp_path / "a.heic", TAKE)
    assert picture(look(lab, tmp_path / "a.heic", "image")).width == 320


def test_transparent_stills_stand_on_white(lab: Lab, tmp_path: Path) -> None:
    Image.new("RGBA", (40, 20), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert picture(look(lab, tmp_path / "a.png", "image")).getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["video", "audio", "image"])
@pytest.mark.parametrize("data", [b"", b"no media at all", os.urandom(50_000)], ids=["empty", "text", "noise"])
def test_what_is_no_media_is_told_as_failed(lab: Lab, tmp_path: Path, kind: str, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    assert look(lab, tmp_path / "x", kind).status == "failed"


def test_a_cut_film_fails_or_shows_what_is_there_and_the_next_is_looked_at(lab: Lab, tmp_path: Path) -> None:
    camera.h264(tmp_path / "a.mp4", TAKE)
    whole = (tmp_path / "a.mp4").read_bytes()
    for size in range(0, len(whole), len(whole) // 12):
        (tmp_path / "cut.mp4").write_bytes(whole[:size])
        assert look(lab, tmp_path / "cut.mp4").status in ("ok", "failed", "died")
    assert look(lab, tmp_path / "a.mp4").status == "ok"


def bomb(path: Path, side: int) -> None:
    """A PNG of a few kilobytes that says it is enormous."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def test_a_picture_that_would_fill_the_memory_is_refused(lab: Lab, tmp_path: Path) -> None:
    bomb(tmp_path / "bomb.png", 100_000)
    seen = look(lab, tmp_path / "bomb.png", "image")
    assert seen.status == "failed" and "Bomb" in seen.facts["error"]


@pytest.mark.parametrize("text", [
    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{url}\n#EXT-X-ENDLIST\n",
    "ffconcat version 1.0\nfile '{url}'\nduration 1\n",
    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{file}\n#EXT-X-ENDLIST\n",
    "ffconcat version 1.0\nfile '{file}'\nduration 1\n",
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>{url}</BaseURL></Period></MPD>',
], ids=["hls", "concat", "hls to a file", "concat of a file", "sdp", "dash"])  # fmt: skip
def test_a_file_that_names_others_reaches_neither_disk_nor_network(lab: Lab, tmp_path: Path, text: str) -> None:
    camera.h264(tmp_path / "other.mp4", TAKE)
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.3)
        port = canary.getsockname()[1]
        said = text.format(url=f"http://127.0.0.1:{port}/a.ts", file=tmp_path / "other.mp4", port=port)
        (tmp_path / "list.mov").write_text(said)
        assert look(lab, tmp_path / "list.mov").status == "failed"
        with pytest.raises(TimeoutError):
            canary.accept()


def test_a_look_that_takes_too_long_is_ended_and_the_next_has_a_new_worker(tmp_path: Path) -> None:
    camera.h264(tmp_path / "a.mov", TAKE)
    lab = Lab(width=WIDTH)
    try:
        assert look(lab, tmp_path / "a.mov").status == "ok"
        assert look(lab, tmp_path / "a.mov", within_s=0.0).status == "timeout"
        assert look(lab, tmp_path / "a.mov").status == "ok"
    finally:
        lab.close()


def test_a_worker_that_was_killed_is_a_result(tmp_path: Path) -> None:
    camera.h264(tmp_path / "a.mov", TAKE)
    lab = Lab(width=WIDTH)
    try:
        assert look(lab, tmp_path / "a.mov").status == "ok"
        assert lab._worker is not None
        lab._worker.kill()
        assert look(lab, tmp_path / "a.mov").status in ("died", "ok"), "seen dead before, or while it was asked"
        assert look(lab, tmp_path / "a.mov").status == "ok"
    finally:
        lab.close()


def test_a_worker_is_replaced_after_so_many_files(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no media")
    seen = set()
    for _ in range(FILES + 1):
        assert look(lab, tmp_path / "x", "image").status == "failed"
        seen.add(lab._worker.pid if lab._worker else 0)
    assert len(seen) > 1


def test_a_worker_lives_within_limits(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no media")
    look(lab, tmp_path / "x", "image")
    if lab._worker is None:
        look(lab, tmp_path / "x", "image")
    assert lab._worker is not None
    limits = Path(f"/proc/{lab._worker.pid}/limits")
    if not limits.exists():
        pytest.skip("this system does not show the limits of a process")
    told = {line[:26].strip(): line[26:].split()[0] for line in limits.read_text().splitlines()[1:]}
    assert told["Max address space"] == str(3 << 30) and told["Max file size"] == told["Max core file size"] == "0"
    assert told["Max cpu time"] == "600" and told["Max open files"] == "64"


def test_a_worker_has_no_network_where_the_system_allows_that(lab: Lab, tmp_path: Path) -> None:
    try_it = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x50000000) != 0)"
    if subprocess.run([sys.executable, "-c", try_it], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("this system gives no process a network of its own")
    (tmp_path / "x").write_bytes(b"no media")
    while lab._worker is None:
        look(lab, tmp_path / "x", "image")
    assert os.readlink(f"/proc/{lab._worker.pid}/ns/net") != os.readlink("/proc/self/ns/net")


def test_a_worker_ends_when_nobody_is_left_to_ask_it(tmp_path: Path) -> None:
    lab = Lab(width=WIDTH)
    (tmp_path / "x").write_bytes(b"no media")
    look(lab, tmp_path / "x", "image")
    assert lab._line is not None and lab._worker is not None
    lab._line.close()  # as the end of the server does, however it comes
    assert lab._worker.wait(10) is not None
