"""`python -m tools` is the program `filmcan`."""

import sys

from tools.cli import main

if __name__ == "__main__":
    sys.exit(main())
