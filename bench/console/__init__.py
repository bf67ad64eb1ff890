"""The terminal: how commands end, what Ctrl-C does, the line of progress, and text from outside made harmless."""
