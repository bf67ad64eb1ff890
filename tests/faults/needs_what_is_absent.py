"""A backend whose framework is not there."""

import no_such_framework  # noqa: F401
