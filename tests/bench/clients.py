"""Neutral clients: curl for one big thing, wrk for many small ones.

Neither is written in Python, so neither is the limit.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

LUA = Path(__file__).parent / "wrk"
PATIENCE_S = 300
FINDER_ASKS = (
    '<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:getlastmodified/>'
    "<D:getcontentlength/><D:creationdate/><D:resourcetype/></D:prop></D:propfind>"
)


class Spoilt(Exception):
    """A server gave an answer that is no success; its row would measure errors."""


def curl_seconds(url: str, *options: str) -> float:
    """How long one request took, from the first byte of the connection to the last byte of the answer."""
    command = ["curl", "-fsS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{time_total}", *options, url]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, text=True)
    if done.returncode:
        raise Spoilt(f"{url}: {done.stderr}")
    return float(done.stdout)


def put_seconds(url: str, file: Path) -> float:
    """Without `Expect`: waiting for 100 Continue would measure curl's patience."""
    return curl_seconds(url, "-T", str(file), "-H", "Expect:")


def listing_seconds(url: str) -> float:
    headers = ("-H", "Depth: 1", "-H", "Content-Type: text/xml")
    return curl_seconds(url, "-X", "PROPFIND", *headers, "--data-binary", FINDER_ASKS)


def wrk_per_second(url: str, script: str, connections: int, seconds: int, **settings: object) -> float:
    """Answers a second over kept-alive connections."""
    environment = {**os.environ, "BENCH_LUA": str(LUA)}
    environment |= {f"BENCH_{name.upper()}": str(value) for name, value in settings.items()}
    length = [f"-d{seconds}s", "-t1", f"-c{connections}", "--timeout", "30s"]
    command = ["wrk", *length, "-s", str(LUA / f"{script}.lua"), url]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, text=True, env=environment)
    tallies = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("TALLY")]
    if done.returncode or len(tallies) != 1:
        raise Spoilt(f"{url}: {done.stdout}{done.stderr}")
    requests, duration_us, errors = map(int, tallies[0])
    if errors or not requests:
        raise Spoilt(f"{url}: {errors} of {requests} answers were no success\n{done.stdout}")
    return requests / duration_us * 1e6
