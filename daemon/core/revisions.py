"""This is where two revisions of a sync are held against each other: parts `name=digest` with semicolons. Pure."""


def changed_parts(before: str, after: str) -> list[str]:
    """The names of the parts of *after* that *before* does not have like that."""
    known = before.split(";")
    return [part.partition("=")[0] for part in after.split(";") if part not in known]


def remapped(before: str, after: str) -> frozenset[str]:
    """The parts of a mapping that changed. Of one that was never compared, or told as a whole, nothing is known."""
    return frozenset(changed_parts(before, after)) if "=" in before else frozenset()


def told_mapping(before: str, after: str) -> str:
    """What changed in a mapping, in a person's words."""
    names = sorted({part.partition(".")[0] for part in remapped(before, after)})
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"the mapping of {', '.join(names[:5])}{more}" if names else "the mapping"
