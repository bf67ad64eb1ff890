"""What a reader can take out of the page: the record, its samples as CSV, the report as Markdown."""

import base64
import csv
import gzip
import io
from typing import NamedTuple

from bench.records.schema import Record
from bench.report.units import slug

COLUMNS = ("entrant", "backend", "device", "dtype", "problem", "operation", "generation", "calls")


class Download(NamedTuple):
    """Compressed: without a script the reader gets the .gz, with one the file itself."""

    file: str
    what: str
    size: int
    href: str


def download(file: str, what: str, content: bytes) -> Download:
    packed = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
    return Download(file, what, len(content), f"data:application/gzip;base64,{packed}")


def of_record(record: Record, content: bytes) -> Download:
    """`content` is the record's file, byte for byte."""
    return download(f"{slug(record.id)}.json", "the record, all there is", content)


def of_samples(record: Record) -> Download:
    return download(f"{slug(record.id)}.csv", "every sample, a row for each generation", samples(record).encode())


def samples(record: Record) -> str:
    """CSV: nanoseconds of each sample in the order of the rounds, there and back."""
    entrants = {(e.label, e.dtype): e for e in record.entrants}
    most = max((len(s.nanoseconds) for c in record.cells for s in c.samples), default=0)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*COLUMNS, *(f"nanoseconds_{i}" for i in range(most))])
    for c in record.cells:
        e = entrants.get((c.entrant, c.dtype))
        who = [c.entrant, e.backend if e else "", e.device if e else "", c.dtype, c.problem]
        for s in c.samples:
            table.writerow([*who, s.operation, s.generation, s.calls, *s.nanoseconds])
    return text.getvalue()
