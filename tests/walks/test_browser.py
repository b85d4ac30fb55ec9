"""What a person does in a browser, in a real one, against the real server: every page is opened, every button is pressed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.clients.needs import missing
from tests.clients.server import FILMCAN, DavServer, running
from tests.samples import camera

try:
    from playwright.sync_api import Browser, Page, expect, sync_playwright
except ImportError:
    sync_playwright = None  # type: ignore[assignment]

pytestmark = pytest.mark.client
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
TOUCH_PX = 44
CLIP = camera.Take(11)
HOSTILE = "<img src=x onerror=alert(1)>.jpg"
DROP = """(files) => {
  const data = new DataTransfer();
  for (const [name, text] of files) data.items.add(new File([text], name));
  for (const type of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
  }
}"""
READY = """(medium) => new Promise((done) => {
  if (medium.readyState >= 2) done(true);
  else medium.addEventListener("loadeddata", () => done(true));
})"""
SEEK = """(video) => new Promise((done) => {
  video.addEventListener("seeked", () => done(video.currentTime), { once: true });
  video.currentTime = video.duration / 2;
})"""
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
SMALL = """(least) => [...document.querySelectorAll("button, .button, input:not(.away), select, nav a, .tick, .choice")]
  .filter((one) => one.checkVisibility() && !one.closest(".tick > *, .choice > *"))
  .filter((one) => { const box = one.getBoundingClientRect(); return box.height < least || box.width < least; })
  .map((one) => one.outerHTML)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium with a profile of its own."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None) or missing("Chromium is not installed: apt install chromium")
    if sync_playwright is None:
        missing("playwright is not installed: pip install playwright")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS), headless=True)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DavServer]:
    folder = tmp_path_factory.mktemp("browsed")
    with running(FILMCAN, folder / "root", folder / "server.log", True) as server:
        yield server


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a phone and a recorder bring, and one name that wants to be more than a name."""
    folder = tmp_path_factory.mktemp("card")
    camera.h264(folder / "IMG_0101.MOV", CLIP)
    camera.jpeg(folder / "DSC_0042.JPG", camera.Take(12))
    camera.jpeg(folder / HOSTILE, camera.Take(26))
    camera.wav(folder / "ton 1.wav", camera.Take(3))
    return folder


@dataclass
class Visit:
    """A page and what the browser thinks is wrong with it."""

    page: Page
    base: str
    wrong: list[str] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.base + path)

    def create(self, label: str) -> str:
        """A new project, made on the page; its name."""
        self.go("/")
        self.page.get_by_label("Name of the new project").fill(label)
        self.page.get_by_role("button", name="Create").click()
        expect(self.page.get_by_role("heading", name="No clips yet")).to_be_visible()
        return str(self.page.get_by_role("heading", level=1).text_content())

    def upload(self, *files: Path) -> None:
        self.page.locator("#files").set_input_files(list(files))
        expect(self.page.locator("#uploaded")).not_to_contain_text("to go")
        expect(self.page.locator("#uploaded")).to_contain_text(f"{len(files)} ")

    def card(self, name: str) -> Any:
        return self.page.locator(f"#reel li:has(.name:text-is('{name}'))")

    def pick(self, *names: str) -> None:
        for name in names:
            self.page.get_by_label(f"Select {name}", exact=True).check()


@contextmanager
def visiting(browser: Browser, server: DavServer, **how: Any) -> Iterator[Visit]:
    context = browser.new_context(**{"viewport": DESK, **how})
    page = context.new_page()
    page.set_default_timeout(20_000)
    visit = Visit(page, server.url.removesuffix("/dav/"))
    page.on("pageerror", lambda error: visit.wrong.append(str(error)))
    page.on("console", lambda said: visit.wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("dialog", lambda dialog: visit.wrong.append(f"a script ran: {dialog.message}"))
    page.on("response", lambda answer: visit.answers.append((answer.status, answer.url)))
    page.on("request", lambda asked: visit.wrong.append(asked.url) if not _own(asked.url, visit.base) else None)
    yield visit
    context.close()


def _own(url: str, base: str) -> bool:
    return url.startswith((base + "/", "data:", "blob:"))


@pytest.fixture
def visit(browser: Browser, server: DavServer) -> Iterator[Visit]:
    with visiting(browser, server) as visit:
        yield visit
        assert not visit.wrong


def test_a_project_is_created_and_found_again(visit: Visit, server: DavServer) -> None:
    name = visit.create("Harbour at dawn")
    assert name.endswith("-Harbour-at-dawn") and (server.root / name).is_dir()
    visit.page.get_by_role("navigation").get_by_role("link", name="Projects").click()
    visit.page.get_by_role("link", name="Harbour-at-dawn").click()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text(name)


def test_a_clip_is_uploaded_listed_and_played_through_ranges(visit: Visit, server: DavServer, card: Path) -> None:
    name = visit.create("Play")
    visit.upload(card / "IMG_0101.MOV")
    expect(visit.page.locator("#uploads li")).to_have_attribute("data-state", "stored")
    assert (server.root / name / "ingest/originals/IMG_0101.MOV").read_bytes() == (card / "IMG_0101.MOV").read_bytes()
    visit.page.get_by_role("button", name="Open IMG_0101.MOV").click()
    video = visit.page.locator("#player video")
    assert video.evaluate(READY)
    assert video.evaluate("(video) => video.duration") == pytest.approx(CLIP.frame_count / camera.FRAME_RATE, abs=0.1)
    assert video.evaluate("(video) => [video.videoWidth, video.videoHeight]") == list(CLIP.size)
    assert video.evaluate(SEEK) > 0
    streamed = {status for status, url in visit.answers if "/media/" in url and "IMG_0101.MOV" in url}
    assert streamed == {206}
    visit.page.keyboard.press("Escape")
    expect(visit.page.locator("#player")).to_be_hidden()


def test_pictures_of_clips_are_made_by_the_server(visit: Visit, card: Path) -> None:
    visit.create("Made")
    visit.upload(card / "IMG_0101.MOV")
    picture = visit.card("IMG_0101.MOV").locator("img")
    expect(picture).to_have_attribute("src", re.compile("^/thumbnails/"))
    expect(picture).to_have_js_property("naturalWidth", CLIP.size[0])
    with visit.page.expect_response("**/media?source=primary"):
        visit.page.reload()
    expect(picture).to_have_attribute("src", re.compile("^/media/"))
    expect(visit.card("IMG_0101.MOV")).to_contain_text("0:00")


def test_pictures_the_server_cannot_make_are_drawn_here_once_and_kept_there(visit: Visit, card: Path) -> None:
    answer = {"status": 200, "content_type": "image/svg+xml", "headers": {"X-Thumb-Status": "ffmpeg_missing"}, "body": "<svg/>"}
    visit.page.route("**/thumbnails/**", lambda asked: asked.fulfill(**answer))
    visit.create("Previews")
    visit.upload(card / "IMG_0101.MOV")
    expect(visit.card("IMG_0101.MOV").locator("img")).to_have_attribute("src", re.compile("^data:image/jpeg"))
    with visit.page.expect_response("**/media?source=primary"):
        visit.page.reload()
    expect(visit.card("IMG_0101.MOV").locator("img")).to_have_attribute("src", re.compile("^/"))


def test_what_is_here_already_is_told_and_not_stored_again(visit: Visit, card: Path, tmp_path: Path) -> None:
    visit.create("Twice")
    visit.upload(card / "DSC_0042.JPG")
    again = tmp_path / "copy.jpg"
    shutil.copy(card / "DSC_0042.JPG", again)
    visit.page.locator("#files").set_input_files(again)
    expect(visit.page.locator("#uploads li").last).to_contain_text("already here as DSC_0042.JPG")
    expect(visit.page.locator("#count")).to_contain_text("1 clip")


def test_files_can_be_dropped_anywhere(visit: Visit) -> None:
    visit.create("Dropped")
    visit.page.evaluate(DROP, [["one.txt", "1"], ["two.txt", "22"]])
    expect(visit.page.locator("#uploaded")).to_have_text("2 stored")
    expect(visit.page.locator("#reel li")).to_have_count(2)
    expect(visit.page.locator("#dropping")).to_be_hidden()


@pytest.mark.skipif(os.name == "nt", reason="such a name cannot be made there")
def test_a_hostile_name_is_text_wherever_it_is_shown(visit: Visit, card: Path) -> None:
    visit.create("Hostile")
    visit.upload(card / HOSTILE)
    expect(visit.page.locator("#reel .name")).to_have_text(HOSTILE)
    visit.page.locator("#reel .frame").click()
    expect(visit.page.locator("#playing")).to_have_text(HOSTILE)
    visit.page.get_by_role("button", name="Close").click()
    visit.page.locator("#reel .tick input").check()
    visit.page.get_by_role("button", name="Send to Resolve").click()
    visit.page.locator("#ask-resolve").get_by_role("button", name="Send").click()
    expect(visit.page.locator("#says")).to_contain_text("In the queue")
    visit.go("/resolve")
    expect(visit.page.locator("#jobs li").first).to_contain_text(HOSTILE)


def test_sound_and_stills_open_too_and_arrows_go_from_one_to_the_next(visit: Visit, card: Path) -> None:
    visit.create("Kinds")
    visit.upload(card / "DSC_0042.JPG", card / "ton 1.wav")
    visit.page.get_by_label("Order").select_option("name")
    visit.page.get_by_role("button", name="Open DSC_0042.JPG").focus()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#screen img")).to_have_js_property("complete", True)
    assert visit.page.locator("#screen img").evaluate("(img) => img.naturalWidth") > 0
    visit.page.keyboard.press("ArrowRight")
    expect(visit.page.locator("#playing")).to_have_text("ton 1.wav")
    assert visit.page.locator("#screen audio").evaluate(READY)
    expect(visit.page.get_by_role("button", name="Next clip")).to_be_disabled()


def test_several_clips_move_to_another_project(visit: Visit, server: DavServer, card: Path) -> None:
    target, source = visit.create("Target"), visit.create("Source")
    visit.upload(card / "IMG_0101.MOV", card / "DSC_0042.JPG", card / "ton 1.wav")
    visit.pick("IMG_0101.MOV", "DSC_0042.JPG")
    expect(visit.page.locator("#howmany")).to_have_text("2 selected")
    visit.page.get_by_role("button", name="Move").click()
    visit.page.get_by_label("To the project").select_option(label=target)
    visit.page.locator("#ask-move").get_by_role("button", name="Move").click()
    expect(visit.page.locator("#says")).to_contain_text(f"2 clips moved to {target}")
    expect(visit.page.locator("#reel li")).to_have_count(1)
    assert (server.root / target / "ingest/originals/IMG_0101.MOV").is_file()
    assert not (server.root / source / "ingest/originals/IMG_0101.MOV").exists()


def test_clips_are_tagged_and_found_by_their_tags(visit: Visit, card: Path) -> None:
    visit.create("Tagged")
    visit.upload(card / "IMG_0101.MOV", card / "DSC_0042.JPG")
    visit.pick("IMG_0101.MOV")
    visit.page.get_by_role("button", name="Tag").click()
    visit.page.get_by_label("Tags to add").fill("Keeper, <b>sea side</b>")
    visit.page.locator("#ask-tag").get_by_role("button", name="Tag").click()
    expect(visit.card("IMG_0101.MOV").locator(".tags > span")).to_have_text(["<b>sea side</b>", "keeper"])
    visit.page.get_by_label("Find by name or tag").fill("KEEP")
    expect(visit.page.locator("#reel li")).to_have_count(1)
    visit.pick("IMG_0101.MOV")
    visit.page.get_by_role("button", name="Tag").click()
    visit.page.get_by_label("Tags to take away").fill("keeper, <b>sea side</b>")
    visit.page.locator("#ask-tag").get_by_role("button", name="Tag").click()
    expect(visit.page.locator("#reel li")).to_have_count(0)


def test_clips_are_deleted_after_a_question(visit: Visit, server: DavServer, card: Path) -> None:
    name = visit.create("Deleted")
    visit.upload(card / "IMG_0101.MOV", card / "DSC_0042.JPG")
    visit.pick("IMG_0101.MOV")
    visit.page.get_by_role("button", name="Delete").click()
    visit.page.get_by_role("button", name="Keep").click()
    expect(visit.page.locator("#reel li")).to_have_count(2)
    visit.page.get_by_role("button", name="Delete").click()
    visit.page.locator("#ask-remove").get_by_role("button", name="Delete").click()
    expect(visit.page.locator("#reel li")).to_have_count(1)
    expect(visit.page.locator("#picked")).to_be_hidden()
    assert not (server.root / name / "ingest/originals/IMG_0101.MOV").exists()


def test_a_job_for_resolve_is_queued_shown_and_cancelled(visit: Visit, card: Path) -> None:
    visit.create("Cut")
    visit.upload(card / "IMG_0101.MOV")
    visit.pick("IMG_0101.MOV")
    visit.page.get_by_role("button", name="Send to Resolve").click()
    visit.page.get_by_label("A new project").check()
    visit.page.get_by_label("Its name").fill("Rough-Cut")
    visit.page.locator("#ask-resolve").get_by_role("button", name="Send").click()
    expect(visit.page.locator("#says")).to_contain_text("In the queue")
    visit.page.get_by_role("link", name="Resolve", exact=True).click()
    job = visit.page.locator("#jobs li", has_text="Import 1 clip → Rough-Cut")
    expect(job).to_contain_text("waiting")
    job.get_by_role("button", name="Cancel").click()
    expect(job).to_contain_text("cancelled")
    expect(job.get_by_role("button")).to_have_count(0)


def test_a_long_project_is_drawn_as_one_scrolls_and_found_by_name(visit: Visit, server: DavServer) -> None:
    name = visit.create("Long")
    for number in range(250):
        assert server.ask("PUT", f"{name}/ingest/originals/take {number:03}.mov", body=b"%d" % number).status == 201
    visit.page.reload()
    expect(visit.page.locator("#count")).to_contain_text("250 clips")
    expect(visit.page.locator("#reel li")).to_have_count(100)
    visit.page.keyboard.press("End")
    expect(visit.page.locator("#reel li")).to_have_count(200)
    visit.page.keyboard.press("End")  # at once: whoever is at the end already sees the rest all the same
    expect(visit.page.locator("#reel li")).to_have_count(250)
    visit.page.get_by_label("Find by name or tag").fill("TAKE 24")
    expect(visit.page.locator("#reel li")).to_have_count(10)
    visit.page.get_by_role("button", name="Select all").click()
    expect(visit.page.locator("#howmany")).to_have_text("10 selected")
    visit.page.keyboard.press("Escape")
    expect(visit.page.locator("#picked")).to_be_hidden()
    visit.page.get_by_label("Find by name or tag").fill("nothing like it")
    expect(visit.page.get_by_text("No clip has this in its name or tags.")).to_be_visible()


def test_what_the_server_refuses_is_told_in_its_own_words(browser: Browser, server: DavServer, card: Path) -> None:
    with visiting(browser, server) as visit:
        name = visit.create("Gone")
        assert server.ask("DELETE", name).status == 204
        visit.page.locator("#files").set_input_files(card / "DSC_0042.JPG")
        row = visit.page.locator("#uploads li")
        expect(row).to_contain_text(f"there is no project {name}")
        expect(row.get_by_role("button", name="Try again")).to_be_visible()
        visit.go("/projects/P999-Never")
        expect(visit.page.locator("main")).to_contain_text("there is no project P999-Never")


def test_on_a_phone_nothing_scrolls_sideways_and_fingers_find_everything(browser: Browser, server: DavServer, card: Path) -> None:
    for scheme in ("light", "dark"):
        with visiting(browser, server, viewport=PHONE, is_mobile=True, has_touch=True, color_scheme=scheme) as visit:
            name = visit.create("Phone-with-a-name-that-is-much-longer-than-a-phone-is-wide-and-goes-on-and-on")
            visit.upload(*card.iterdir())
            expect(visit.page.locator("#reel li")).to_have_count(4)
            for look in ("List", "Grid"):
                visit.page.get_by_role("button", name=look, exact=True).tap()
                assert visit.page.evaluate(WIDER) == 0, look
            visit.pick("DSC_0042.JPG")
            for path in (None, "/", "/resolve", f"/projects/{name}"):
                if path:
                    visit.go(path)
                assert visit.page.evaluate(WIDER) == 0, path
                assert visit.page.evaluate(SMALL, TOUCH_PX) == [], path
            visit.page.get_by_role("button", name="Open DSC_0042.JPG").tap()
            assert visit.page.evaluate(WIDER) == 0
            assert not visit.wrong


def test_a_receipt_says_when_a_card_may_be_wiped(browser: Browser, server: DavServer, card: Path) -> None:
    with visiting(browser, server, viewport=PHONE) as visit:
        visit.create("Receipt")
        visit.upload(card / "IMG_0101.MOV", card / HOSTILE)
        visit.page.get_by_role("link", name="Receipt", exact=True).click()
        expect(visit.page.locator("#verdict")).to_contain_text("NOT YET: 2 of 2")
        expect(visit.page.locator("table")).to_contain_text(HOSTILE)
        assert visit.page.evaluate(WIDER) == 0 and visit.page.evaluate(SMALL, TOUCH_PX) == []
        visit.page.get_by_role("button", name="Read everything back").click()
        expect(visit.page.locator("#verdict")).to_have_text(re.compile("SAFE: 2 of 2|kept only in the memory"))
        assert not visit.wrong


def test_a_second_source_is_chosen_filled_and_switched_off(visit: Visit, server: DavServer, card: Path, tmp_path: Path) -> None:
    said = visit.page.request.post(f"{visit.base}/api/sources", data={"name": "nas", "root": str(tmp_path)})
    assert said.status == 201, said.text()
    visit.go("/")
    visit.page.get_by_label("Name of the new project").fill("Elsewhere")
    visit.page.get_by_label("Where it lies").select_option("nas")
    visit.page.get_by_role("button", name="Create").click()
    visit.page.wait_for_url("**/projects/P1-Elsewhere?source=nas")
    visit.upload(card / "DSC_0042.JPG")
    assert (tmp_path / "P1-Elsewhere/ingest/originals/DSC_0042.JPG").is_file()
    visit.pick("DSC_0042.JPG")
    visit.go("/")
    row = visit.page.get_by_role("link", name="Elsewhere")
    expect(row).to_contain_text("1 clip")
    visit.page.get_by_role("button", name="Switch off").click()
    expect(visit.page.get_by_role("button", name="Switch on")).to_be_visible()
    expect(row).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 900])
def test_on_a_desk_nothing_scrolls_sideways(browser: Browser, server: DavServer, width: int) -> None:
    with visiting(browser, server, viewport={"width": width, "height": 800}) as visit:
        name = visit.create(f"Desk {width}")
        for path in ("/", "/resolve", f"/projects/{name}"):
            visit.go(path)
            assert visit.page.evaluate(WIDER) == 0, path


def test_what_was_deleted_replaced_or_changed_comes_back_from_pages(browser: Browser, server: DavServer, card: Path) -> None:
    with visiting(browser, server, viewport=PHONE, is_mobile=True, has_touch=True) as visit:
        name = visit.create("Looking back")
        visit.upload(card / "IMG_0101.MOV")
        place = f"{name}/ingest/originals/IMG_0101.MOV"
        server.ask("PUT", place, body=b"written over")
        server.ask("DELETE", place)
        page = visit.page
        for path in ("/trash", f"/projects/{name}/history", f"/projects/{name}/versions?path=ingest/originals/IMG_0101.MOV"):
            visit.go(path)
            assert page.evaluate(WIDER) == 0 and page.evaluate(SMALL, TOUCH_PX) == [], path
        visit.go("/trash")
        page.locator("li", has_text=place).get_by_role("button", name="Restore").tap()
        expect(page.locator("#says")).to_have_text(f"Back as {place}")
        assert server.ask("GET", place).body == b"written over"
        visit.go(f"/projects/{name}/versions?path=ingest/originals/IMG_0101.MOV")
        page.get_by_role("button", name="Restore").last.tap()
        expect(page.get_by_role("button", name="Restore")).to_have_count(3)
        assert server.ask("GET", place).body == (card / "IMG_0101.MOV").read_bytes()
        visit.go(f"/projects/{name}")
        page.get_by_role("link", name="History").tap()
        page.locator(".projects a", has_text="deleted").tap()
        expect(page.get_by_role("button", name="Restore as a new project")).to_be_visible()
        assert page.evaluate(WIDER) == 0
        page.get_by_label("Name of the new project").fill("Before")
        page.get_by_role("button", name="Restore as a new project").tap()
        expect(page.get_by_role("heading", name=re.compile(r"P\d+-Before"))).to_be_visible()
        assert not visit.wrong
