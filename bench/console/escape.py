"""Make text from outside harmless: names, paths and reasons come from records that anyone may have written."""


def escaped(text: str) -> str:
    """Return `text` on one line, with every character that is not printable written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
