"""Make the races of another command short: `python -m pytest bench/ -p tests.little`."""

from tests.running import race_little

race_little()
