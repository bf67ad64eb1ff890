"""The report of a record: the answers first, then the evidence.  It reads records alone.

`sections` is THE list of what is said; `terminal`, `markdown` and `page` render it.  Each of `answer`, `cost`, `times`,
`startup`, `conditions`, `trust`, `lab` and `run` has one question's sentences and tables, from `findings`, as a `document` of
typed `cells`; `pictures` draws the same.  `verdict` is the one line on a run, `compare` what two records say.
"""
