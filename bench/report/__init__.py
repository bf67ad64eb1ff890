"""What a record says, in words, tables, pictures and a page.  It reads records alone and imports no framework.

`units`      numbers and names as short text, hostile ones made inert
`findings`   who is how much faster than whom: one dtype on one device, as plain data
`start`      what the first call costs, when it has paid for itself, and memory
`sweep`      time against size: the fit, the limit of the machine, where NumPy is overtaken
`trust`      how far the numbers can be trusted: control, calibration, warnings
`words`      the findings in sentences, the verdict, the exit code
`tables`, `scaling`, `device`, `lab`
             the findings as tables, each section with its heading and its note
`page`       the sections in their order
`text`       the same page for a terminal and as Markdown
`pictures`, `curves`, `look`, `svg`
             the same findings drawn, as PNG and for a page
`leaders`, `grids`, `parts`, `downloads`, `html`
             the same findings on a page of its own: who won, one quantity of every cell at a time, the parts in
             their order, what can be taken out; page.html.j2, page.css and page.js beside them
`compare`    two records
"""
