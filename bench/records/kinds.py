"""The kinds of numbers that a record holds, and the kinds of parts that it is made of."""

from typing import Annotated

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]
Nanoseconds = Annotated[int, Meta(gt=0, le=2**63 - 1)]


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A part of a record.  Reading refuses unknown fields, and writing refuses numbers that are not finite."""


class Fixed(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A part that does not change once it was found."""
