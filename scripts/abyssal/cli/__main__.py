"""``python -m abyssal.cli``: the same as the ``abyssal`` command."""

import sys

from abyssal.cli import main

sys.exit(main())
