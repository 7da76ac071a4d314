"""`python -m ganreg`."""

import sys

from ganreg.cli import main

sys.exit(main())
