"""A backend whose import can be seen: it leaves a file at the path that the environment names."""

import os
from pathlib import Path

from tests.faults.backends import Wrong

Path(os.environ["FAULTS_TRACE"]).write_text("imported")
factory = Wrong
