"""Agreement: whether backends compute the same as the reference, and how closely they must."""
