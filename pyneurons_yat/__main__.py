"""The command line; `command_line` says what it can do."""

import sys

from .command_line import main

if __name__ == "__main__":
    sys.exit(main())
