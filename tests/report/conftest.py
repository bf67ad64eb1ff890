"""What is said of the whole record."""

import pytest

from bench.records.schema import Record
from tests.reported import reported


@pytest.fixture(scope="session")
def page(whole: Record, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What is printed of the whole record, and its report.md."""
    return reported(whole, tmp_path_factory.mktemp("whole"))[1:]
