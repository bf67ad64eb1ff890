"""The report of one whole record, made once."""

import pytest

from bench.records.schema import Record
from bench.report import sections
from bench.report.document import Section
from tests.sample_record import sample_record


@pytest.fixture(scope="session")
def sample() -> Record:
    return sample_record()


@pytest.fixture(scope="session")
def report(sample: Record) -> list[Section]:
    return sections.report(sample)
