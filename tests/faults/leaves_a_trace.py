"""A backend whose import can be seen: it leaves a file."""

import os
from pathlib import Path

from tests.faults.backends import NAMED, Wrong

Path(os.environ[NAMED]).write_text("imported")
factory = Wrong
