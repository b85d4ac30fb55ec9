"""How a moment of the past is written in a path: a time in UTC, or the number of an event in the journal. Pure functions.

    2026-11-25T18-00-00Z            no colons: Windows cannot hold them; colons are understood all the same
    2026-11-25T18-00-00.125Z        as fine as it must be to tell two changes apart
    2026-11-25 18:00:00 UTC         as the pages show it
    2026-11-25                      the end of that day
    seq-1234                        after the event with this number
"""

from __future__ import annotations

import calendar
import re
import time

SECOND_NS = 10**9
DAY_S = 86_400
UNITS = ((SECOND_NS, 0), (10**6, 3), (10**3, 6), (1, 9))  # nanoseconds, digits behind the point
SEQ = re.compile(r"seq-([1-9][0-9]{0,17})")
TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt_ ](\d\d)[-:](\d\d)(?:[-:](\d\d)(?:[.,](\d{1,9}))?)?(?:[Zz]| ?UTC|\+00[-:]?00)?)?", re.ASCII
)


def name_of(at_ns: int, next_ns: int) -> str:
    """The shortest name of the moment just after a change at `at_ns`, before the next thing that happened at `next_ns` (or is
    only now going to): rounded up to a whole second, millisecond, microsecond, if nothing came between."""
    roundings = ((-(-at_ns // unit) * unit, digits) for unit, digits in UNITS)
    rounded, digits = next(found for found in roundings if found[0] < max(next_ns, at_ns + 1))
    second, rest = divmod(rounded, SECOND_NS)
    text = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime(second))
    return text + (f".{rest:09}"[: digits + 1] if digits else "") + "Z"


def seq_of(text: str) -> int | None:
    """The number in `seq-1234`; None for anything else."""
    found = SEQ.fullmatch(text)
    return int(found[1]) if found else None


def time_of(text: str) -> int | None:
    """The nanosecond that a time means, the last one of a day; None for what is no time."""
    found = TIME.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    at_ns = calendar.timegm((year, month, day, hour, minute, second)) * SECOND_NS
    if found[4] is None:
        return at_ns + DAY_S * SECOND_NS - 1
    return at_ns + int((found[7] or "").ljust(9, "0"))
