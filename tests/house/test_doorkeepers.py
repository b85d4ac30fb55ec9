"""Each outside thing has its rooms. A new library comes with a line here and one in pyproject.toml."""

from __future__ import annotations

import re
import sys
import tomllib
from fnmatch import fnmatch

from tests.house.code import HOUSE, ORDER, Use, attributes, imports

LIBRARIES = {
    "argon2": ("tools/*", "views/*"),
    "av": ("views/derived/*",),
    "blake3": ("cas/digest.py",),
    "cheroot": ("davfront/server.py",),
    "click": ("tools/*",),
    "defusedxml": ("davfront/*", "views/mhl/*"),
    "falcon": ("views/web/*",),
    "fusionscript": ("tools/agents/resolve/*",),
    "jinja2": ("views/web/render.py",),
    "lmdb": ("cas/index.py", "cas/heap.py"),
    "msgpack": ("cas/*", "views/*"),
    "msgspec": ("*",),
    "multipart": ("views/web/*",),
    "numpy": ("views/derived/*",),
    "PIL": ("views/derived/*",),
    "pi_heif": ("views/derived/*",),
    "platformdirs": ("tools/config.py",),
    "prometheus_client": ("views/web/*",),
    "rich": ("tools/progress.py",),
    "spectree": ("views/web/*",),
    "tomlkit": ("tools/config.py",),
    "urllib3": ("tools/agents/*",),
    "watchfiles": ("views/hints.py",),
    "wsgidav": ("davfront/*",),
    "xxhash": ("cas/digest.py",),
}
STANDARD = {
    "hashlib": (
        "cas/digest.py",
        "views/naming.py",
        "tools/agents/resolve/clips.py",
    ),  # naming shortens long names with it; content is hashed in digest only, and by agents, which import nothing compiled
    "http.client": ("tools/agents/*",),
    "sqlite3": ("views/derived/*", "views/importing/*", "views/old_world.py"),
    "subprocess": ("views/derived/*", "tools/agents/*"),
    "tomllib": ("tools/config.py",),
    "urllib.request": ("tools/agents/*",),
}
NAMES = {
    "os.environ": ("tools/config.py",),
    "os.getenv": ("tools/config.py",),
    "os.link": ("cas/system.py",),
    "os.rename": ("cas/system.py",),
    "os.replace": ("cas/system.py",),
    "os.fsync": ("cas/system.py",),
    "os.fdatasync": ("cas/system.py",),
    "time.time": ("cas/system.py", "davfront/reply.py"),  # the Date header
    "time.time_ns": ("cas/system.py",),
    "datetime.now": ("cas/system.py",),
    "datetime.utcnow": (),
}
TYPES_ONLY = {"fusionscript"}  # asked for by the tests' extra: the thing itself comes with Resolve
DISTRIBUTIONS = {"argon2": "argon2-cffi", "PIL": "pillow", "pi_heif": "pi-heif", "prometheus_client": "prometheus-client"}


def stray(uses: list[Use], rooms: dict[str, tuple[str, ...]]) -> list[Use]:
    """Uses of a kept thing outside its rooms."""
    return [
        use
        for use in uses
        for thing, doors in rooms.items()
        if (use.what == thing or use.what.startswith(f"{thing}."))
        and not any(fnmatch(use.room, door) for door in doors)
    ]


def test_each_library_stays_in_its_rooms() -> None:
    wrong = stray(list(imports()), LIBRARIES | STANDARD)
    assert not wrong, "\n".join(map(str, wrong))


def test_environment_clock_and_lasting_acts_stay_in_their_rooms() -> None:
    wrong = stray([*attributes(), *imports()], NAMES)
    assert not wrong, "\n".join(map(str, wrong))


def test_every_library_has_a_doorkeeper_and_is_asked_for() -> None:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = project["dependencies"] + extras["media"] + extras["share"]
    named = {re.split(r"[^\w.-]", line)[0].lower() for line in asked}
    outside = {use.what.split(".")[0] for use in imports()} - set(ORDER) - sys.stdlib_module_names
    assert outside <= set(LIBRARIES), "without a doorkeeper: " + ", ".join(sorted(outside - set(LIBRARIES)))
    unasked = {name for name in outside - TYPES_ONLY if DISTRIBUTIONS.get(name, name).lower() not in named}
    assert not unasked, "used, but not in pyproject.toml: " + ", ".join(sorted(unasked))
