"""The page of a record, or of one against another, as a single file of HTML that asks nothing of any network."""

import base64
import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup, escape

from bench.console.escape import escaped as inert
from bench.console.exit import GOOD
from bench.records.schema import Record
from bench.report import grids, leaders, parts, trust, units, words
from bench.report.downloads import Download
from bench.report.findings import Findings
from bench.report.look import key
from bench.report.parts import Block, Part
from bench.report.text import Section, Table, prose

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{}'; base-uri 'none'; form-action 'none'"
)
"""Nothing is fetched, and no script runs but the page's own.  The SVG has its styles in attributes, which no hash allows."""
FEWEST_TO_SORT = 3


class Page(NamedTuple):
    """What the template is told."""

    title: str
    caveats: Sequence[str]
    """What makes it no final result; stands above who won."""
    lead: Sequence[str]
    facts: str
    findings: Sequence[Block]
    verdict: str
    good: bool
    parts: Sequence[Part]
    downloads: Sequence[Download]
    choices: Mapping[str, Sequence[str]]
    """What there is to choose from: device, dtype, workload, operation."""
    entrants: Mapping[str, str]
    """Name by `look.key`."""
    problems: Sequence[str]


def page(
    title: str,
    record: Record,
    found: Sequence[Findings],
    shown: Sequence[Part],
    downloads: Sequence[Download],
    lead: Sequence[str] = (),
) -> Page:
    """`lead`: what stands first where two records are compared; without it, who won."""
    return Page(
        title,
        [] if lead else trust.caveats(record, found),
        lead or [sentence for f in found[:1] for sentence in leaders.headline(f)],
        parts.facts(record),
        [
            parts.of(f, Section(f.title if len(found) > 1 else "", items=words.findings(f), tables=_winners(f)))
            for f in found
        ],
        words.summary(record, found),
        words.exit_code(found) == GOOD,
        shown,
        downloads,
        _choices(found, shown),
        {key(e): e.label for e in record.entrants},
        list(dict.fromkeys(p for f in found for p in f.problems)),
    )


def _winners(f: Findings) -> list[Table]:
    table = leaders.winners(f)
    return [table] if table else []


def _choices(found: Sequence[Findings], shown: Sequence[Part]) -> dict[str, list[str]]:
    choices: dict[str, list[str]] = {
        "device": [f.device for f in found],
        "dtype": [f.dtype for f in found],
        "workload": [w for f in found for w in f.workloads],
        "operation": [b.place["operation"] for part in shown for b in part.blocks if "operation" in b.place],
    }
    return {what: list(dict.fromkeys(names)) for what, names in choices.items()}


def render(shown: Page) -> bytes:
    """The same page gives the same bytes."""
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).checksum()).decode()
    written = _template().render(
        page=shown,
        policy=POLICY.format(f"sha256-{digest}"),
        style=_trusted(_file("page.css")),
        script=_trusted(script),
        number=itertools.count(1).__next__,
        unique=_Unique(),
        workload=_Workloads(shown.problems),
    )
    return written.encode()


@cache
def _template() -> jinja2.Template:
    """Compiled once: that takes half as long again as a page of one problem."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, finalize=_inert
    )
    environment.globals |= {
        "numeric": _numeric,
        "value": units.value,
        "seconds": units.seconds,
        "bytes": units.bytes_,
        "fewest_to_sort": FEWEST_TO_SORT,
        "shades": grids.SHADES,
    }
    environment.filters |= {"cell": _cell, "broken": _broken, "command": _command, "said": _said, "trusted": _trusted}
    return environment.from_string(_file("page.html.j2"))


def _file(file: str) -> str:
    return (resources.files("bench.report") / file).read_text()


def _trusted(text: str) -> Markup:
    """Written by this package, not by whoever wrote the record."""
    return Markup(text)  # noqa: S704


def _inert(shown: Any) -> Any:
    """Every name on one line, none so long that it pushes the page apart; what is no Markup is escaped afterwards."""
    return prose(shown) if isinstance(shown, str) and not isinstance(shown, Markup) else shown


def _command(text: str) -> Markup:
    """Whole, however long: one that is cut cannot be run."""
    return escape(inert(text))


class _Unique:
    """A label for each region: the same words a second time get a number."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def __call__(self, text: str) -> str:
        text = prose(text)
        self.seen[text] = self.seen.get(text, 0) + 1
        return text if self.seen[text] == 1 else f"{text} ({self.seen[text]})"


class _Workloads:
    """The workload that a row, a column or a table is of; '' when of none or of several."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.known = {p: p.partition("/")[0] for p in problems}
        self.known |= {w: w for w in self.known.values()}

    def __call__(self, text: str) -> str:
        return self.known.get(text) or self.known.get(re.split(r"[:,] ", text)[0], "")


def _numeric(table: Table) -> list[bool]:
    """Of each column."""
    columns = list(zip(*table.rows, strict=True)) if table.rows else [()] * len(table.headers)
    return [units.numeric(column) for column in columns]


ASIDE = re.compile(r"(.+?) (\[[\d?][^]]*\]|/ [\d.]+ [num]?s|(?<=% )\(.*\))(.*)")
"""Behind a value: its interval, the second of two times, whose share it is."""


def _cell(text: str) -> Markup:
    """`2.31 [2.22, 2.40]`, the interval fainter than the value."""
    found = ASIDE.fullmatch(text)
    if not found:
        return escape(prose(text))
    value, aside, rest = map(prose, found.groups())
    kind = "aside" if aside.startswith("(") else "bounds"
    rest = Markup(' <span class="level">~</span>') if rest == " ~" else rest
    return Markup('{} <span class="{}">{}</span>{}').format(value, kind, aside, rest)


def _said(text: str) -> Markup:
    """A sentence; what stands between backquotes is code."""
    halves = [escape(part) for part in units.bound(prose(text)).split("`")]
    if len(halves) % 2 == 0:
        return escape(prose(text))
    return Markup("").join(Markup("<code>{}</code>").format(h) if i % 2 else h for i, h in enumerate(halves))


def _broken(text: str) -> Markup:
    """A problem's name, which may go on on the next line behind its workload."""
    return Markup("/<wbr>").join(prose(text).split("/"))
