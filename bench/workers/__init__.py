"""Workers: one process for each entrant, what it is asked and what it answers, its environment, cores and memory."""
