"""Records: the schema of a run's JSON file, how it is kept on disk, what it says of the host, and calibrations."""
