"""Pages out of templates. The only room that knows jinja2: one environment, all escaped, no template from anywhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")


def render(template: str, **values: object) -> str:
    """A page. `values` are plain data and are escaped wherever they are put; a name that is missing raises."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("views.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["size"] = size
    found.filters["many"] = many
    found.filters["when"] = when
    found.filters["moment"] = moment
    return found


def size(count_bytes: int) -> str:
    """Bytes in the units that drives are sold in, as static/words.js tells them too: 1234567 is 1.2 MB."""
    amount, unit = float(count_bytes), 0
    while amount >= 999.5 and unit < len(UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.0f} {UNITS[unit]}" if unit == 0 or amount >= 99.95 else f"{amount:.1f} {UNITS[unit]}"


def many(count: int, thing: str) -> str:
    """1 clip, 2,000 clips."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def when(at_ns: int) -> str:
    """2026-01-18 20:15 UTC; "" for never."""
    return f"{datetime.fromtimestamp(at_ns // 10**9, UTC):%Y-%m-%d %H:%M} UTC" if at_ns else ""


def moment(iso: str) -> str:
    """A time of an answer, in the same words."""
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
