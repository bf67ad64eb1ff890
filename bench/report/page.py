"""The page of a record, or of one against another: a single file of HTML that asks nothing of any network."""

import base64
import hashlib
import itertools
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from bench.console.escape import escaped
from bench.report import cells
from bench.report.document import Document, Items, Panel, Picture, Section, Table
from bench.report.terminal import prose

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
"""Nothing is fetched, and no script runs but the page's own.  SVG has its styles in attributes, which no hash allows."""
FEWEST_TO_SORT = 3
THEME = {"#222222": "currentColor", "#999999": "var(--line)", "#e5e5e5": "var(--grid)", "#ffffff": "var(--paper)"}
"""What a page may show dark: all of a picture but the colours of the libraries."""


def page(title: str, sections: Sequence[Section], **told: Any) -> bytes:
    """Return the page; the same record gives the same bytes.

    `told`: `facts`, `caveats` and `summary`, sentences; `good`, whether all is.
    """
    script = _file("page.js")
    written = _template().render(
        title=title,
        sections=[section.visible(short=False) for section in sections],
        policy=POLICY.format(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()),
        style=_own(_file("page.css")),
        script=_own(script),
        number=itertools.count(1).__next__,
        **told,
    )
    return written.encode()


@cache
def _template() -> jinja2.Template:
    made = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, finalize=_harmless
    )
    kinds = {"sentence": str, "items": Items, "table": Table, "picture": Picture, "document": Document}
    made.tests |= {name: (lambda part, kind=kind: type(part) is kind) for name, kind in kinds.items()}
    made.filters |= {"said": _said, "cell": _cell, "svg": _svg, "rendered": _rendered, "broken": _broken}
    made.globals |= {"fewest_to_sort": FEWEST_TO_SORT, "numeric": _numeric, "attributes": _attributes}
    return made.from_string(_file("page.html.j2"))


def _file(file: str) -> str:
    return (resources.files("bench.report") / file).read_text()


def _own(text: str) -> Markup:
    """Mark what this package wrote, and not whoever wrote the record."""
    return Markup(text)  # noqa: S704


def _harmless(shown: Any) -> Any:
    """Put every name on one line, none so long that it pushes the page apart; Markup is escaped already."""
    return prose(shown) if isinstance(shown, str) and not isinstance(shown, Markup) else shown


def _said(text: str) -> Markup:
    """Return a sentence in which what stands between backquotes is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(prose(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(escaped(part)) if i % 2 else escape(prose(part))
        for i, part in enumerate(parts)
    )


def _cell(cell: cells.Cell) -> Markup:
    """Return the value, and fainter what explains it."""
    main = escape(prose(cell.main))
    main = Markup("<code>{}</code>").format(main) if isinstance(cell, cells.Name) else main
    return main + (Markup(' <span class="aside">{}</span>').format(prose(cell.aside)) if cell.aside else "")


def _attributes(table: Table, column: int, cell: cells.Cell) -> Markup:
    """Return the classes of the cell for the style sheet, the number that it is sorted by, and the reason of an empty one."""
    classes = [type(cell).__name__.lower(), "number" if _numeric(table, column) else ""]
    classes += [f"shade-{cell.shade}"] if isinstance(cell, cells.Heat) else []
    classes += [cell.verdict or ""] if isinstance(cell, cells.Ratio) else []
    made = Markup('class="{}"').format(" ".join(filter(None, classes)))
    if cell.key is not None:
        made += Markup(' data-key="{:.9g}"').format(min(cell.key, 1e300))
    reason = cell.reason if isinstance(cell, cells.Status) else ""
    return made + (Markup(' title="{}"').format(prose(reason)) if reason else "")


def _numeric(table: Table, column: int) -> bool:
    return any(isinstance(row[column], cells.Number) for row in table.rows)


def _broken(problem: str) -> Markup:
    """Return a problem's name, which may go on on the next line behind its workload."""
    return Markup("/<wbr>").join(prose(problem).split("/"))


def _svg(panel: Panel) -> Markup:
    """Return the drawing in the page's own colours, with ids that no other drawing has."""
    svg = re.sub("|".join(THEME), lambda colour: THEME[colour[0]], panel.svg)
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{panel.name}-", svg)
    svg = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', "", svg, count=1)
    return _own(svg.replace("<svg ", Markup('<svg role="img" aria-label="{}" ').format(prose(panel.alt)), 1))


def _rendered(document: Document) -> Markup:
    """Return a text of this project as HTML: headings below the section's, and no links, which are of its folder."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(document.source)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
        token.children = [c for c in token.children or [] if c.type not in ("link_open", "link_close")] or None
    body = parser.renderer.render(tokens, parser.options, {})
    framed = '<div class="region" role="region" tabindex="0" aria-label="table {}"><table>'
    number = itertools.count(1)
    body = re.sub("<table>", lambda _: framed.format(next(number)), body)
    return _own(body.replace("</table>", "</table></div>"))
