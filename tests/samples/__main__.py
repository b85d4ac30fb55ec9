"""`python -m tests.samples FOLDER [COUNT] [SEED]`: the same clips by hand, for trying things out."""

import sys
from pathlib import Path

from . import make_samples

folder, numbers = Path(sys.argv[1]), [int(word) for word in sys.argv[2:4]]
print(f"{len(make_samples(folder, *numbers))} files in {folder}")
