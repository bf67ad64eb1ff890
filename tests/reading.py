"""Take the sentences out of Markdown, to see how long they are."""

import re
from statistics import mean

from markdown_it import MarkdownIt
from markdown_it.token import Token

MEAN_WORDS, MOST_WORDS = 17, 30
"""What a reader in a second language still follows: the mean length of a text's sentences, and the length of any."""

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_NOT_READ = {"heading_open": "heading_close", "table_open": "table_close"}
_ABBREVIATED = re.compile(r"\b(al|cf|e\.g|i\.e|vs)\.")
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")


def sentences(markdown: str) -> list[str]:
    """Return the sentences of all paragraphs and list items; tables, code and headings are skipped."""
    found: list[str] = []
    until = ""
    for token in _MARKDOWN.parse(markdown):
        if until:
            until = "" if token.type == until else until
        elif token.type in _NOT_READ:
            until = _NOT_READ[token.type]
        elif token.type == "inline":
            text = _ABBREVIATED.sub(r"\1", " ".join(_text(token).split()))
            found += [part for part in _END.split(text) if words(part)]
    return found


def words(sentence: str) -> int:
    """Return how many words the sentence has; a number is a word, a dash is none."""
    return sum(any(map(str.isalnum, part)) for part in sentence.split())


def too_long(markdown: str) -> list[str]:
    """Return a line for each sentence above MOST_WORDS, and one for a mean above MEAN_WORDS."""
    lengths = {sentence: words(sentence) for sentence in sentences(markdown)}
    told = [f"{length} words: {sentence}" for sentence, length in lengths.items() if length > MOST_WORDS]
    average = mean(lengths.values()) if lengths else 0
    return told + ([f"{average:.1f} words a sentence on average"] if average > MEAN_WORDS else [])


def _text(token: Token) -> str:
    """Return what is read of a paragraph: code counts as one word, and pictures and HTML are skipped."""
    if token.type == "code_inline":
        return token.content.replace(" ", "_").rstrip(".!?")
    if token.type in ("softbreak", "hardbreak"):
        return " "
    if token.type == "inline":
        return "".join(_text(child) for child in token.children or ())
    return token.content if token.type == "text" else ""
