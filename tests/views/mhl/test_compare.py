"""What the next generation tells: new, renamed, gone and replaced files, each once and in the standard's words."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cas.digest import Hasher, c4, quick_sum
from views.mhl.compare import File, Folder, Told, compare
from views.mhl.history import History
from views.mhl.words import FolderNote, Generation, Sums, folder_sums, render

AT = 1_790_000_000 * 10**9


def sums(data: str) -> Sums:
    hasher = Hasher(["xxh128", "sha512"])
    hasher.update(data.encode())
    found = hasher.finish()
    return Sums(found.digest, found.extra["xxh128"], found.extra["sha512"])


def file(path: str, id: int, data: str) -> File:
    return File(path, id, len(data), AT, sums(data), AT)


class Project:
    """A history that grows: `say` writes the next generation as it would lie on the disk, and reads it again."""

    def __init__(self) -> None:
        self.history = History()

    def say(self, *files: File, folders: tuple[tuple[str, int], ...] = (), everything: bool = False) -> Told:
        places = [Folder(path, id, AT) for path, id in (*folders, ("", 1))]
        told = compare(self.history, files, places, everything=everything)
        generation = Generation(AT, "set", "1", "in-place", told.root, ["ascmhl"], told.files, told.folders)
        self.history.take(self.history.last + 1, b"".join(render(generation)))
        return told


def words(told: Told) -> list[tuple[str, str, str]]:
    return [(note.path, note.action, note.previous) for note in told.files]


def test_a_file_is_original_once_and_then_told_no_more() -> None:
    project = Project()
    assert words(project.say(file("a", 20, "A"))) == [("a", "original", "")]
    assert words(project.say(file("a", 20, "A"))) == []
    assert words(project.say(file("a", 20, "A"), file("b", 21, "B"))) == [("b", "original", "")]
    assert words(project.say(file("a", 20, "A"), file("b", 21, "B"), everything=True)) == [
        ("a", "verified", ""), ("b", "verified", ""),
    ]  # fmt: skip


def test_a_renamed_file_is_told_with_the_name_it_began_with() -> None:
    project = Project()
    project.say(file("a", 20, "A"))
    told = project.say(file("b", 20, "A"))
    assert words(told) == [("b", "verified", "a")] and told.gone == ["a"]
    assert words(project.say(file("c", 20, "A"))) == [("c", "verified", "a")]
    back = project.say(file("a", 20, "A"))
    assert words(back) == [] and back.gone == ["b", "c"]  # it is where it began, and stands there as original


def test_a_rename_is_seen_by_content_when_ids_were_lost() -> None:
    project = Project()
    project.say(file("a", 20, "A"), file("empty", 21, ""))
    told = project.say(file("b", 99, "A"), file("nothing", 98, ""))
    assert words(told) == [("b", "verified", "a"), ("nothing", "original", "")]


def test_two_files_that_swapped_their_names_are_followed() -> None:
    project = Project()
    project.say(file("a", 20, "A"), file("b", 21, "B"))
    assert words(project.say(file("a", 21, "B"), file("b", 20, "A"))) == [("a", "verified", "b"), ("b", "verified", "a")]


def test_a_second_name_of_a_content_is_a_file_of_its_own() -> None:
    project = Project()
    project.say(file("a", 20, "A"))
    assert words(project.say(file("a", 20, "A"), file("copy", 21, "A"))) == [("copy", "original", "")]


def test_other_bytes_under_a_name_are_not_what_was_there_at_first() -> None:
    project = Project()
    project.say(file("a", 20, "A"))
    told = project.say(file("a", 20, "other"))
    assert words(told) == [("a", "failed", "")] and told.replaced == ["a"]
    assert words(project.say(file("a", 20, "other"))) == []
    assert words(project.say(file("a", 20, "A"))) == [("a", "verified", "")]


def test_a_name_that_became_free_is_a_new_file() -> None:
    project = Project()
    project.say(file("a", 20, "A"))
    told = project.say(file("b", 20, "A"), file("a", 22, "new"))
    assert words(told) == [("b", "verified", "a"), ("a", "original", "")] and not told.replaced
    assert words(project.say(file("b", 20, "A"), file("a", 22, "new"), everything=True)) == [
        ("b", "verified", ""), ("a", "verified", ""),
    ]  # fmt: skip


def test_what_is_gone_is_told_once_for_a_whole_folder_and_forgotten_when_it_is_back() -> None:
    project = Project()
    there = file("day/a", 20, "A"), file("day/b", 21, "B"), file("c", 22, "C")
    project.say(*there, folders=(("day", 10),))
    assert project.say(there[2]).gone == ["day"]
    back = project.say(*there, folders=(("day", 10),))
    assert back.gone == [] and words(back) == []


def test_a_folder_takes_its_files_along() -> None:
    project = Project()
    project.say(file("day/a", 20, "A"), folders=(("day", 10),))
    told = project.say(file("night/a", 20, "A"), folders=(("night", 10),))
    assert words(told) == [("night/a", "verified", "day/a")]
    assert [(folder.path, folder.previous) for folder in told.folders] == [("night", "day")]


def test_folders_are_told_when_something_below_them_changed() -> None:
    project = Project()
    folders = (("day", 10), ("day/one", 11), ("day/two", 12))
    project.say(file("day/one/a", 20, "A"), folders=folders)
    told = project.say(file("day/one/a", 20, "A"), file("day/two/b", 21, "B"), folders=folders)
    assert [folder.path for folder in told.folders] == ["day", "day/two"]


def test_sums_of_folders_are_those_of_the_reference() -> None:
    """ascmhl 1.2, DirectoryHashContext: sums sorted as text; names count in the structure alone."""
    a, b = quick_sum(b"A"), quick_sum(b"B")
    content, structure = folder_sums([("a", a), ("b", b)], [])
    assert content == quick_sum(b"".join(sorted((a, b))))
    assert structure == quick_sum(b"".join(sorted((quick_sum(b"a" + a), quick_sum(b"b" + b)))))
    assert folder_sums([("x", a), ("y", b)], [])[0] == content != folder_sums([("x", a)], [])[0]
    outer = folder_sums([], [("day", content, structure)])
    assert outer == (quick_sum(content), quick_sum(quick_sum(b"day" + structure)))
    assert folder_sums([], []) == (quick_sum(b""), quick_sum(b""))


def test_generations_of_another_program_are_followed_too() -> None:
    theirs = f"""<?xml version="1.0" encoding="UTF-8"?>
<hashlist version="2.0" xmlns="urn:ASC:MHL:v2.0"><creatorinfo><tool version="1.2">ascmhl</tool></creatorinfo>
<processinfo><process>in-place</process><ignore><pattern>.DS_Store</pattern><pattern>*.lrv</pattern></ignore></processinfo>
<hashes>
<hash><path size="1">a</path><c4 action="original">{c4(sums("A").sha512)}</c4></hash>
<hash><path size="1">b</path><xxh64 action="original">0000000000000000</xxh64></hash>
</hashes></hashlist>"""
    project = Project()
    project.history.take(1, theirs.encode())
    assert project.history.theirs == [".DS_Store", "*.lrv"]
    told = project.say(file("a", 20, "A"), file("b", 21, "B"))
    assert words(told) == [("b", "original", "")]  # a sum of a kind we do not compute: ours is the first of its own
    assert words(project.say(file("a", 20, "A"), file("b", 21, "B"), everything=True)) == [
        ("a", "verified", ""), ("b", "verified", ""),
    ]  # fmt: skip


names = st.sampled_from(["a", "b", "c", "d"])
trees = st.dictionaries(names, st.tuples(st.sampled_from([20, 21, 22]), st.sampled_from(["A", "B", "C", ""])), max_size=4)


@settings(max_examples=150, deadline=None)
@given(states=st.lists(trees, max_size=6))
def test_whatever_happens_every_file_has_an_original_and_nothing_gone_is_missed(
    states: list[dict[str, tuple[int, str]]],
) -> None:
    """What the reference tool's `diff` asks for."""
    project, ever = Project(), set[str]()
    for tree in states:
        files = [file(path, id, data) for path, (id, data) in tree.items()]
        told = project.say(*files)
        ever |= tree.keys()
        assert set(told.gone) == ever - tree.keys()
        assert {path for path in tree if not project.history.paths[path].origin} == set()
        assert all(project.history.paths[path].origin in project.history.originals for path in tree)
        again = compare(project.history, files, [Folder("", 1, AT)], everything=False)
        assert not again.files and not again.folders


def test_a_manifest_that_attacks_its_reader_is_refused() -> None:
    from defusedxml.common import DefusedXmlException

    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><hashlist>&a;</hashlist>'
    try:
        History().take(1, bomb)
    except DefusedXmlException:
        return
    raise AssertionError("a manifest with entities was read")


def test_the_root_is_told_also_when_nothing_else_is() -> None:
    told = Project().say()
    assert told.root == FolderNote("", AT, quick_sum(b""), quick_sum(b""), "", 1) and not told.folders
