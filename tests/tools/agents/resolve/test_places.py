"""The same file under the names that servers, Macs and Windows have for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.agents.resolve.places import Places

TABLE = ["/volumes/footage=/Volumes/Footage", r"/volumes/footage=B:\Video\Projects"]


def names(path: str, table: list[str] | None = None) -> list[str]:
    return [str(name) for name in Places.read(TABLE if table is None else table).names_of(path)]


@pytest.mark.parametrize(
    "path",
    [
        "/volumes/footage/P1-A/a.mov",
        "/Volumes/Footage/P1-A/a.mov",
        r"B:\Video\Projects\P1-A\a.mov",
        "b:/video/projects/P1-A/a.mov",
    ],
)
def test_every_name_leads_to_every_other(path: str) -> None:
    found = {name.lower() for name in names(path)}
    assert found == {"/volumes/footage/p1-a/a.mov", r"b:\video\projects\p1-a\a.mov"}
    assert len(names(path)) == 3


def test_folders_are_compared_step_by_step() -> None:
    assert names("/volumes/footage2/a.mov") == ["/volumes/footage2/a.mov"]
    assert names("/volumes/footage") == ["/Volumes/Footage", "B:\\Video\\Projects", "/volumes/footage"]


def test_the_longest_folder_counts_first() -> None:
    table = ["/v=/mnt/all", "/v/fast=/mnt/ssd"]
    assert names("/v/fast/a.mov", table) == ["/mnt/ssd/a.mov", "/mnt/all/fast/a.mov", "/v/fast/a.mov"]


def test_shares_and_whole_drives_can_stand_in_the_table() -> None:
    assert names("/v/a.mov", [r"/v=\\nas\footage"])[0] == r"\\nas\footage\a.mov"
    assert names("/v/a.mov", ["/v=B:"])[0] == "B:\\a.mov"


def test_a_path_that_climbs_has_no_name() -> None:
    assert names("/volumes/footage/../../etc/passwd") == []


@pytest.mark.parametrize("line", ["", "/a", "a=b", "=/b", "/a=", "/a=b"])
def test_a_line_that_is_no_pair_is_told(line: str) -> None:
    with pytest.raises(ValueError, match="FROM=TO"):
        Places.read([line])


STEPS = st.lists(st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8), max_size=4)


@given(STEPS)
def test_there_and_back_is_the_same_file(steps: list[str]) -> None:
    inner = "/".join(["/volumes/footage", *steps])
    mac = names(inner)[0]
    assert mac == "/".join(["/Volumes/Footage", *steps]) and inner in names(mac)
