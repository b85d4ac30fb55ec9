"""Real media for tests: made here, never shipped.

`make_samples` fills a folder the way a phone and three cameras would.
"""

from .big import make_big_file
from .make import Sample, make_samples

__all__ = ["Sample", "make_big_file", "make_samples"]
