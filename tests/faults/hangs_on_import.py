"""A backend whose library never finishes to load."""

import time

time.sleep(3600)
