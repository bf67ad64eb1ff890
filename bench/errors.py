"""The errors that a person sees."""


class UsageError(Exception):
    """What a person asked for cannot be done; the message says why and names the remedy."""
