"""Figures as SVG to stand inside a page: in the page's own colours and font, every series marked, no id twice."""

import io
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree
from zlib import crc32

import numpy as np

from bench.report.findings import Findings
from bench.report.look import FAINT, INK, Drawing, linear_axis
from bench.report.text import Chart, Key

RC: dict[Any, Any] = {"svg.fonttype": "none", "path.simplify_threshold": 0.3}
NAMESPACE = "http://www.w3.org/2000/svg"
HREF = "{http://www.w3.org/1999/xlink}href"
THEME = {
    INK: "currentColor",
    FAINT: "var(--line)",
    "#e5e5e5": "var(--grid)",
    "#eeeeee": "var(--band)",
    "#ffffff": "var(--paper)",
}
"""What a page may show dark: everything but the colours of the series."""
PIXELS = 96 / 72
TOP, FOOT = 0.48, 0.42
"""Inches: above a panel's title and below its axis's label, title and legend go."""


def chart(drawing: Drawing, f: Findings, what: str, file: str) -> Chart:
    """The same figure as its PNG `file`, without title and legend; afterwards its axes are linear."""
    sheet, name = drawing.sheet, file.removesuffix(".png")
    place = {"dtype": f.dtype, "device": f.device} | ({"workload": drawing.workload} if drawing.workload else {})
    title = sheet.headings[0].get_text()
    legend = [Key(_swatch(line), name, line.get_gid() or "") for line, name in sheet.keys]
    for heading in sheet.headings:
        heading.remove()
    scales = {"log": _svg(sheet, f"{name}-log")}
    if sheet.scaled:
        for axis in sheet.scaled:
            linear_axis(axis)
        scales["linear"] = _svg(sheet, f"{name}-linear")
    return Chart(what, title, place, scales, legend)


def _svg(sheet: Any, figure: str) -> str:
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    sheet.figure.savefig(buffer, format="svg", metadata=nothing)
    root = ElementTree.fromstring(_themed(buffer.getvalue()))  # noqa: S314 - written by matplotlib a line ago
    _crop(root, sheet)
    for parent in root.iter():
        for child in [c for c in parent if c.tag in (f"{{{NAMESPACE}}}style", f"{{{NAMESPACE}}}metadata")]:
            parent.remove(child)
    _mark(root)
    _rename(root, figure)
    _shorten(root)
    ElementTree.register_namespace("", NAMESPACE)
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode"))


def _themed(text: str) -> str:
    return re.sub(r"#[0-9a-f]{6}\b", lambda colour: THEME.get(colour[0], colour[0]), text)


def _crop(root: ElementTree.Element, sheet: Any) -> None:
    """To the panels, in pixels of the page."""
    width, height = (float(x) for x in root.attrib["viewBox"].split()[2:])
    foot = max(0.0, sheet.bottom - FOOT) if sheet.keys else 0.0
    top, high = 72 * TOP, height - 72 * (TOP + foot)
    root.attrib.clear()
    root.attrib |= {"viewBox": f"0 {top:.0f} {width:.0f} {high:.0f}", "aria-hidden": "true"}
    root.attrib |= {"width": f"{width * PIXELS:.0f}", "height": f"{high * PIXELS:.0f}"}


def _mark(root: ElementTree.Element) -> None:
    """`data-entrant` on everything drawn of one; a collection holds several, one after the other."""
    for group in root.iter(f"{{{NAMESPACE}}}g"):
        marks = group.get("id", "").split()
        if marks and marks[0].startswith("entrant-"):
            children = [group] if len(marks) == 1 else [c for c in group if not c.tag.endswith("defs")]
            for child, mark in zip(children, marks, strict=True):
                child.set("data-entrant", mark)


def _rename(root: ElementTree.Element, figure: str) -> None:
    """Only what is referred to keeps an id, a short one, and no other figure of the page has the same."""
    used = dict.fromkeys(name for element in root.iter() for name in _references(element))
    ids = {name: f"s{crc32(figure.encode()):08x}-{i}" for i, name in enumerate(used)}
    for element in root.iter():
        name = element.attrib.pop("id", "")
        if name in ids:
            element.set("id", ids[name])
        for attribute in {HREF, "clip-path"} & element.attrib.keys():
            value = element.attrib.pop(attribute)
            element.set(attribute.rpartition("}")[2], re.sub(r"#([^)]+)", lambda name: f"#{ids[name[1]]}", value))


def _references(element: ElementTree.Element) -> Iterator[str]:
    for attribute in (HREF, "clip-path"):
        yield from re.findall(r"#([^)]+)", element.get(attribute, ""))


def _shorten(root: ElementTree.Element) -> None:
    """A tenth of a point is enough, and the page's font is the page's business."""
    for element in root.iter():
        for attribute in {"d", "x", "y"} & element.attrib.keys():
            tenths = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}", element.attrib[attribute])
            element.set(attribute, " ".join(tenths.replace(".0 ", " ").split()))
        if element.get("transform", "").startswith("rotate(-0 "):
            element.attrib.pop("transform")
        if "style" in element.attrib:
            drawn = re.sub(
                r"(?:font-family|stroke-linecap|stroke-linejoin): [^;]+(?:; |$)", "", element.attrib["style"]
            )
            element.set("style", re.sub(r"([:;]) ", r"\1", drawn))


def _swatch(line: Any) -> str:
    """What a legend shows of a line: a dash, a marker, or both."""
    from matplotlib.colors import to_hex
    from matplotlib.markers import MarkerStyle

    drawn, colour = "", to_hex(line.get_color())
    if line.get_linestyle() in ("-", "--"):
        dashes = ' stroke-dasharray="5 3"' if line.get_linestyle() == "--" else ""
        drawn += f'<path d="M0 7H22" stroke="{colour}"{dashes}/>'
    if line.get_marker() not in ("", "None"):
        style = MarkerStyle(line.get_marker())
        # An outline in a box of 1 x 1 around 0, y upwards, as matplotlib has its markers.
        outline = style.get_path().transformed(style.get_transform()).to_polygons(closed_only=False)
        scaled = [np.asarray(part) * (9, -9) + (11, 7) for part in outline]
        points = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in part) for part in scaled)
        drawn += f'<path d="{points}" fill="{to_hex(line.get_markerfacecolor())}" stroke="{colour}"/>'
    return _themed(f'<svg viewBox="0 0 22 14" width="22" height="14" aria-hidden="true">{drawn}</svg>')
