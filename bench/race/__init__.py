"""The race of one problem in one generation, by its steps: prepare, check, rounds.  Each returns what it found."""
