"""The plan of a run: what was asked for, who races, and the record that the run begins or goes on with."""
