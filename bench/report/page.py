"""The page of a record, or of one against another: a single file of HTML that asks nothing of any network."""

import base64
import hashlib
import itertools
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from bench.console import escaped
from bench.report.document import Cell, Document, Heat, Name, Number, Panel, Section, Table
from bench.report.terminal import prose

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
"""Nothing is fetched, and no script runs but the page's own.  SVG has its styles in attributes, which no hash allows."""
THEME = {"#222222": "currentColor", "#999999": "var(--line)", "#e5e5e5": "var(--grid)", "#ffffff": "var(--paper)"}
"""What a page may show dark: all of a picture but the colours of the libraries."""
FRAME = Markup('<div class="region" role="region" tabindex="0" aria-label="{}">')


def page(title: str, sections: Sequence[Section], **told: Any) -> bytes:
    """Return the page, the same for the same record; `told` is `facts`, `caveats`, `summary`, and `good`: if all is."""
    folder = resources.files("bench.report")
    template, style, script = ((folder / f"page.{kind}").read_text() for kind in ("html.j2", "css", "js"))
    made = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_harmless)
    made.filters |= {"said": _said, "cell": _cell, "svg": _svg, "rendered": _rendered, "broken": _broken}
    made.globals |= {"frame": FRAME.format, "attributes": _attributes, "kind": lambda part: type(part).__name__}
    policy = POLICY.format(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode())
    told |= {"title": title, "policy": policy, "style": _own(style), "script": _own(script)}
    return made.from_string(template).render(sections=sections, **told).encode()


def _own(text: str) -> Markup:
    """Mark what this package wrote, and not whoever wrote the record."""
    return Markup(text)  # noqa: S704


def _harmless(shown: Any) -> Any:
    """Put every name on one line, none so long that it pushes the page apart; Markup is escaped already."""
    return prose(shown) if isinstance(shown, str) and not isinstance(shown, Markup) else shown


def _said(text: str) -> Markup:
    """Return a sentence in which what stands between backquotes is code."""
    parts = text.split("`") if text.count("`") % 2 == 0 else [text]
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(escaped(p)) if i % 2 else escape(prose(p)) for i, p in enumerate(parts))


def _cell(cell: Cell) -> Markup:
    """Return the value, and fainter what explains it."""
    main = Markup("<code>{}</code>").format(prose(cell.main)) if isinstance(cell, Name) else escape(prose(cell.main))
    return main + (Markup(' <span class="aside">{}</span>').format(prose(cell.aside)) if cell.aside else "")


def _broken(text: str) -> Markup:
    """Return a problem's name, which may go on on the next line behind its workload."""
    return Markup("/<wbr>").join(prose(text).split("/"))


def _attributes(table: Table, column: int, cell: Cell | None = None) -> Markup:
    """Return the classes of a cell, or of a header, the number that it is sorted by, and the reason of an empty one."""
    numbers = any(isinstance(row[column], Number) for row in table.rows)
    classes = ["number" if numbers else "", type(cell).__name__.lower() if cell else "", getattr(cell, "verdict", "")]
    made = Markup('class="{}"').format(" ".join(filter(None, classes)))
    made += Markup(' style="--shade: {}"').format(cell.shade) if isinstance(cell, Heat) else ""
    made += Markup(' data-key="{:.9g}"').format(min(cell.key, 1e300)) if cell and cell.key is not None else ""
    reason = prose(getattr(cell, "reason", ""))
    return made + (Markup(' title="{}"').format(reason) if reason else "")


def _svg(panel: Panel) -> Markup:
    """Return the drawing in the page's own colours, with ids that no other drawing has."""
    svg = re.sub("|".join(THEME), lambda colour: THEME[colour[0]], panel.svg)
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{panel.name}-", svg)
    svg = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', "", svg, count=1)
    return _own(svg.replace("<svg ", Markup('<svg role="img" aria-label="{}" ').format(prose(panel.alt)), 1))


def _rendered(document: Document) -> Markup:
    """Return a text of this project as HTML: headings below the section's, and no links, which are of its folder."""
    number = itertools.count(1)
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(document.source)
    body = re.sub(r"</?a\b[^>]*>", "", body).replace("<th></th>", "<td></td>").replace("</table>", "</table></div>")
    body = re.sub("<table>", lambda _: FRAME.format(f"Table {next(number)} of {document.path}") + "<table>", body)
    return _own(re.sub(r"(</?h)(\d)>", lambda found: f"{found[1]}{min(6, int(found[2]) + 2)}>", body))
