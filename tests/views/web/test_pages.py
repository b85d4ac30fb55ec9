"""Pages as a browser gets them: nothing inline, everything escaped, every file they name there."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from tests.views.web.conftest import Server, serving
from views.web import assets
from views.web.pages import POLICY
from views.web.render import render, size

HOSTILE = "<img src=x onerror=alert(1)>\"'&"
PAGES = ("/", "/projects/", "/public/", "/public/index.html", "/public/explorer.html", "/resolve", "/projects/P99-Nothing")


class Tags(HTMLParser):
    """Every element of a page with its attributes, and the text inside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in ("script", "style"):
            self.inside += data.strip()


@pytest.fixture(scope="module")
def shown(server: Server) -> list[str]:
    """Addresses of all pages, one of them of a project that has notes."""
    made = server.post("/api/projects", {"name": "Harbour", "notes": HOSTILE}).json["name"]
    return [*PAGES, f"/projects/{made}", f"/projects/{made}/"]


def test_the_old_addresses_and_the_new_ones_answer_with_pages(server: Server, shown: list[str]) -> None:
    for path in shown:
        said = server.get(path)
        assert said.status == (404 if "P99" in path else 200), path
        assert said.headers["content-type"] == "text/html; charset=utf-8"
        assert server.ask("HEAD", path).headers["content-length"] == str(len(said.body))


def test_every_page_forbids_what_it_does_not_need(server: Server, shown: list[str]) -> None:
    for path in [*shown, assets.load().url("project.js")]:
        headers = server.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in POLICY and POLICY.startswith("default-src 'self';")


def test_no_script_and_no_style_stands_inside_a_page(server: Server, shown: list[str]) -> None:
    for path in shown:
        tags = Tags(server.get(path).body.decode())
        assert not tags.inside, path
        for tag, attributes in tags.found:
            assert tag != "style" and "style" not in attributes, (path, tag)
            assert not any(name.startswith("on") for name in attributes), (path, tag)
            assert tag != "script" or attributes["src"]


def test_every_file_that_a_page_or_a_script_names_is_there_and_is_kept_by_browsers(server: Server, shown: list[str]) -> None:
    tags = [attributes for path in shown for _, attributes in Tags(server.get(path).body.decode()).found]
    named = {str(one.get("src") or one.get("href")) for one in tags}
    named = {url for url in named if url.startswith("/public/static/")}
    assert len(named) >= 6
    for url in named:
        said = server.get(url)
        assert said.status == 200, url
        assert "immutable" in said.headers["cache-control"]
        assert said.headers["content-type"] == assets.TYPES[url.rpartition(".")[2]]
        for other in re.findall(rb'from "\./([\w.]+)"', said.body):
            assert server.get(url.rpartition("/")[0] + "/" + other.decode()).status == 200, other


def test_pages_ask_nothing_from_other_hosts() -> None:
    for name, asset in assets.load().held.items():
        shown_only = name.endswith(".svg")  # a drawing may show an address, and must not load it
        asked = rb"(?:href|src)=.https?:|url\(.?https?:" if shown_only else rb"https?://"
        assert not re.findall(asked, asset.data), name
    for file in files("views.web").joinpath("templates").iterdir():
        assert "://" not in file.read_text(encoding="utf-8"), file.name


def test_scripts_never_make_markup_out_of_text() -> None:
    for name, asset in assets.load().held.items():
        for way in (b"innerHTML", b"outerHTML", b"insertAdjacentHTML", b"document.write", b"eval(", b"Function("):
            assert way not in asset.data, (name, way)


def test_what_people_wrote_is_text(server: Server, shown: list[str]) -> None:
    for path in ("/", shown[-1]):
        page = server.get(path).body.decode()
        assert "&lt;img src=x onerror=alert(1)&gt;&#34;&#39;&amp;" in page
        assert "<img src=x" not in page
        assert not any("onerror" in attributes for _, attributes in Tags(page).found)


@pytest.mark.parametrize(
    "name", ["%3Cimg%20src=x%20onerror=alert(1)%3E", "%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "%C3%BC%3Cb%3E"]
)
def test_a_hostile_address_is_shown_as_text(server: Server, name: str) -> None:
    said = server.get(f"/projects/{name}?source=%3Cb%3E")
    assert said.status in (400, 404)
    assert not re.search(rb"<(img src=x|script>|b>)", said.body)


OUTSIDE = (
    "v/..%2F..%2Fpages.py", "v/..%2ftemplates%2fbase.html", "v/%2Fetc%2Fpasswd", "../../pages.py",
    "v/base.html", "v/.hidden", "v/a%00.css", "v/",
)  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_address_leads_out_of_the_folder_of_files(server: Server, path: str) -> None:
    assert server.get(f"/public/static/{path}").status in (400, 404)


def test_an_old_version_of_a_file_is_answered_with_the_new_one_and_not_kept(server: Server) -> None:
    said = server.get("/public/static/0123456789abcdef/base.css")
    assert (said.status, said.headers["cache-control"]) == (200, "no-cache")
    assert server.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


def test_programs_that_prefer_json_get_a_status_at_the_root(server: Server) -> None:
    assert server.get("/", Accept="application/json").json["status"] == "ok"
    for accept in ("text/html", "*/*", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"):
        assert server.get("/", Accept=accept).body.startswith(b"<!doctype html>"), accept


def test_webdav_clients_still_find_their_parent_at_the_root(server: Server) -> None:
    assert server.ask("PROPFIND", "/", Depth="0").status == 207
    assert "1" in server.ask("OPTIONS", "/").headers["dav"]


def test_projects_are_told_with_counts_and_sizes_that_follow_what_happens(server: Server) -> None:
    project = server.project("Counted")
    label = project.partition("-")[2]
    row = rf"{label}</strong>.*?<span class=\"much\">(.*?)</li>"
    [before] = re.findall(row, server.get("/").body.decode(), re.DOTALL)
    server.stored(project, "a.mov", b"a" * 1500)
    server.stored(project, "b.mov", b"b" * 1500)
    [after] = re.findall(row, server.get("/").body.decode(), re.DOTALL)
    assert "empty" in before
    assert "2 clips" in after and "3.0 KB" in after


def test_a_project_whose_folder_of_originals_is_gone_is_shown_empty(server: Server) -> None:
    project = server.project("Hollow")
    assert server.ask("DELETE", f"/dav/{project}/ingest/").status == 204
    assert "Hollow" in server.get("/").body.decode()


def test_a_page_tells_what_does_not_exist_in_words(server: Server) -> None:
    said = server.get("/projects/P99-Nothing")
    assert said.status == 404 and b"there is no project P99-Nothing" in said.body
    assert server.get("/projects/P99-Nothing?source=moon").status == 404


def test_a_first_visit_says_what_to_do(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("fresh") / "root") as fresh:
        assert b"No project yet" in fresh.get("/").body


def test_a_page_must_not_be_sent_with_a_hole() -> None:
    with pytest.raises(KeyError):
        assets.load().url("missing.js")
    with pytest.raises(Exception, match="undefined"):
        render("problem.html", asset=assets.load().url, here="", title="x")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 KB"), (99_960_000, "100 MB"), (48_200_000_000, "48.2 GB")]
)
def test_sizes_are_told_in_the_units_of_drives(count: int, text: str) -> None:
    assert size(count) == text
