"""Text from outside as one harmless line: names, paths and reasons come from records that anyone may have written."""

import unicodedata

_RIGHT_TO_LEFT = {"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "PDF", "PDI", "FSI"}


def inert(text: str) -> str:
    """`text` on one line: what could break a line, turn the writing round or hide is spelt out as an escape."""
    return "".join(c if _is_plain(c) else c.encode("unicode_escape").decode("ascii") for c in text)


def _is_plain(c: str) -> bool:
    """Wide characters are not plain: two columns each, they push a table out of line."""
    return (c.isascii() and c.isprintable()) or (
        c.isprintable()
        and unicodedata.category(c)[0] in "LNPS"
        and unicodedata.east_asian_width(c) not in "WF"
        and unicodedata.bidirectional(c) not in _RIGHT_TO_LEFT
    )
