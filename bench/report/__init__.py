"""The report of a record, which it reads and nothing else: the answers first, then the evidence.

`sections` is THE list of what is said; `terminal`, `markdown` and `page` render it, and `pictures` draws it.
"""
