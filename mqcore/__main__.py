"""`python -m mqcore` is the command `mqcore`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
