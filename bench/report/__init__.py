"""The report of a record: the answers first, then the evidence.  It reads records alone.

`units`, `cells`, `document`     numbers as text; typed cells; sections, tables and pictures without any formatting
`findings`                       what a record says of one group of entrants, as plain data
`answer`, `cost`, `times`, `startup`, `conditions`, `trust`, `lab`, `run`
                                 one question each: sentences and tables
`pictures`                       the same findings drawn, as SVG
`sections`                       THE list of sections, for terminal, Markdown and page
`terminal`, `markdown`, `page`   the three renderings
`verdict`                        one line on a run, and its exit code
`compare`                        two records
"""
