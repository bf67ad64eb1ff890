"""A backend whose library never finishes to load; it leaves a file where the environment names a path."""

import os
import time
from pathlib import Path

if trace := os.environ.get("FAULTS_TRACE"):
    Path(trace).touch()
time.sleep(600)
