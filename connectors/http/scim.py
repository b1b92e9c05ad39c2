"""This is where a partial record becomes a SCIM PATCH, RFC 7644 3.5.2."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_ATTRIBUTE = re.compile(r"[A-Za-z$][\w$-]*\Z")


def scim_patch(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The PATCH body that puts *fields* into a resource. Lists replace lists whole; None and [] remove.

    An object is written attribute by attribute, so that its siblings stay. Raises ValueError for a name that SCIM has
    no path for.
    """
    return {"schemas": [PATCH_SCHEMA], "Operations": list(_operations(fields))}


def _operations(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in fields.items():
        if name == "schemas":
            continue
        extension = name.lower().startswith("urn:")
        if not extension and not _ATTRIBUTE.match(name):
            raise ValueError(f"'{name}' cannot be named in a SCIM path")
        if isinstance(value, Mapping) and value:
            joint = ":" if extension else "."
            yield from (_operation(name + joint + inner, part) for inner, part in value.items())
        else:
            yield _operation(name, value)


def _operation(path: str, value: Any) -> dict[str, Any]:
    if value is None or value == []:
        return {"op": "remove", "path": path}
    return {"op": "replace", "path": path, "value": value}
