"""The terminal: how commands end, what Ctrl-C does, the line of progress, and text from outside made harmless."""


def escaped(text: str) -> str:
    """Return `text` on one line, every character that is not printable as an escape: anyone may have written a record."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
