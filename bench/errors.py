"""The error that a person sees as one sentence."""


class UsageError(Exception):
    """What a person asked for cannot be done; the message says why and names the remedy."""
