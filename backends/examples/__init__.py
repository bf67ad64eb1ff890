"""One-file backends from outside the suite, raced by their full names: `--backend backends.examples.gram:factory`."""
