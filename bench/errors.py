"""The error that a person sees as one sentence."""


class UsageError(Exception):
    """A person asked for something that cannot be done; the message says why and names the remedy."""
