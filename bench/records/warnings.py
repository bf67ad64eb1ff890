"""Tell, in a sentence each, what a run itself has to warn of."""

from bench.records.schema import Record


def warnings(record: Record) -> list[str]:
    """Return the warnings of the run: variables that were set, races without their whole core, and what it noted."""
    variables = [
        f"{name}={value} was set, which may change what a library computes with: others may see other times; unset it."
        for name, value in record.environment.items()
    ]
    causes = dict.fromkeys(race.cause for race in record.races if race.starved)
    again = sum(race.attempts > 1 and not race.starved for race in record.races)
    repeated = f"{again} of {len(record.races)} races were repeated: at first an entrant got less than its core."
    starved = [_starved(record, cause) for cause in causes]
    return [*variables, *starved, *([repeated] if again else []), *record.warnings]


def _starved(record: Record, cause: str) -> str:
    races = [race for race in record.races if race.starved and race.cause == cause]
    labels = list(dict.fromkeys(label for race in races for label in race.starved))
    least = min(share for race in races for share in race.starved.values())
    others = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    return (
        f"In {len(races)} of {len(record.races)} races {', '.join(labels[:3])}{others} got less than the racing core,"
        f" {least:.2g} of it at the least, and those samples are left out: {cause}."
    )
