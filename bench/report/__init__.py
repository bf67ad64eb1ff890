"""The report of a record, which it reads and nothing else; `sections` is THE list of what is said."""
