"""This is where the settings of directories and their entries are described, and the unsafe ones refused at load."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.dn import parse_dn
from pydantic import Field, field_validator, model_validator

from connectors.definition import Duration, Facts, LocalPath, Secret, SystemFacts
from connectors.ldap import values

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
GUARD: Final = "entryCSN"
"""Changes with every write on OpenLDAP and its relatives; what the assertion is made on."""


class System(SystemFacts):
    """One directory."""

    url: str
    """ldap://host:389 (StartTLS), ldaps://host:636 or ldapi://%2Frun%2Fslapd%2Fldapi."""
    start_tls: bool = True
    """Whether ldap:// is encrypted before the login. Switching it off takes `tls: off_on_loopback` too."""
    tls: Literal["verified", "off_on_loopback"] = "verified"
    """Certificates and host names are always verified; only a server on this very host may go without."""
    ca: LocalPath | None = None
    """The authority's certificate (PEM). Default: those that the operating system trusts."""
    bind_dn: str | None = Field(default=None, min_length=1)
    """The login's distinguished name. Default: anonymous."""
    password: Secret | None = None
    """Its password."""
    base: str
    """The subtree in which everything lies. Records are looked for by id in all of it."""
    connect_timeout: Duration = 5.0
    """Seconds for a connection."""
    receive_timeout: Duration = 30.0
    """Seconds for an answer, and for each page of a listing."""
    page: int = Field(default=500, ge=1)
    """Entries per page. Servers commonly allow 500 to 1,000."""

    @model_validator(mode="after")
    def _encrypted(self) -> "System":
        if not self.url.startswith(("ldap://", "ldaps://", "ldapi://")):
            raise ValueError("an LDAP address starts with ldap://, ldaps:// or ldapi://")
        server = _parsed(self.url)
        plain = self.url.startswith("ldap://") and (not self.start_tls or self.tls == "off_on_loopback")
        if plain and not (self.tls == "off_on_loopback" and server.host in LOOPBACK):
            raise ValueError(
                "passwords travel encrypted: keep start_tls, or use ldaps://; only a server on 127.0.0.1, ::1 or "
                "localhost may go without, by `tls: off_on_loopback`"
            )
        if self.bind_dn is not None and self.password is None:
            raise ValueError("bind_dn needs a password: {secret: NAME}")
        return self

    @property
    def encrypts(self) -> bool:
        """Whether StartTLS comes before the login."""
        return self.url.startswith("ldap://") and self.tls == "verified"


class CursorFacts(Facts):
    """By which attribute a changed entry is noticed."""

    attribute: str = "modifyTimestamp"
    """A time (generalizedTime) that the server keeps."""
    overlap: Duration = 60.0
    """Seconds read again; the attribute counts whole seconds, and replicas differ."""
    lag: Duration = 0.0
    """Seconds of the recent past that are not trusted yet."""


class Relation(Facts):
    """Other entries that name an entry of this kind: groups with their members. Only what they name directly counts."""

    base: str | None = None
    """Where these entries are. Default: the system's base."""
    filter: str = "(objectClass=groupOfNames)"
    """Which entries they are (RFC 4515). `(objectClass=group)` in Active Directory."""
    attribute: str = "member"
    """Their attribute that holds distinguished names. Index it."""
    show: str = "cn"
    """How they are called in the list: an attribute of theirs that is unique here, or dn."""
    protect: tuple[str, ...] = ()
    """Those whose members are never changed: distinguished names, or filters in parentheses."""

    @field_validator("filter")
    @classmethod
    def _filter_parses(cls, value: str) -> str:
        return values.checked_filter(value)

    @field_validator("attribute", "show")
    @classmethod
    def _is_attribute(cls, value: str) -> str:
        values.equals(value, "x")
        return value

    @field_validator("protect")
    @classmethod
    def _protections_parse(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_checked_rule, value))


class Entity(Facts):
    """One kind of entry."""

    base: str | None = None
    """Where they are listed. Default: the system's base."""
    scope: Literal["subtree", "one"] = "subtree"
    """The whole subtree, or only what lies directly under the base."""
    filter: str = "(objectClass=*)"
    """Which entries these are (RFC 4515)."""
    object_classes: tuple[str, ...] = ()
    """The classes of a new entry."""
    id: str = "entryUUID"
    """The attribute that never changes: entryUUID, or objectGUID in Active Directory."""
    rdn: str = "cn"
    """The attribute that names an entry; writing it renames the entry."""
    parent: str | None = None
    """The container of a new entry. Default: the entity's base."""
    many: tuple[str, ...] = ()
    """Attributes that are lists; all others are scalars."""
    binary: tuple[str, ...] = ()
    """Attributes of octets; shown and written as base64."""
    booleans: tuple[str, ...] = ()
    """Attributes shown as true and false instead of TRUE and FALSE."""
    version: str | None = GUARD
    """The attribute that changes with every write."""
    cursor: CursorFacts | None = CursorFacts()
    """How changes are noticed; null: only full reads."""
    find: tuple[str, ...] = ("uid", "mail", "cn", "employeeNumber")
    """Attributes by which an entry can be looked up quickly; index them."""
    marker: str | None = None
    """The attribute that takes our marker at birth."""
    protect: tuple[str, ...] = ()
    """Entries never deleted: distinguished names, or filters in parentheses."""
    deactivate: Mapping[str, Any] | None = None
    """What a deactivated entry looks like: {employeeType: left}. `"@groups": []` takes it out of its groups, too."""
    relations: Mapping[str, Relation] = {}
    """Who names the entries of this kind, by the name that a field calls it: `"@groups"` for groups."""
    ignore_referrals: bool = False
    """A listing that meets a referral to another server is not complete, unless these are known to be harmless."""

    @field_validator("filter")
    @classmethod
    def _filter_parses(cls, value: str) -> str:
        return values.checked_filter(value)

    @field_validator("protect")
    @classmethod
    def _protections_parse(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_checked_rule, value))

    @model_validator(mode="after")
    def _related(self) -> "Entity":
        for name in self.deactivate or {}:
            if name.startswith("@") and name[1:] not in self.relations:
                known = ", ".join(f"@{known}" for known in self.relations) or "none"
                raise ValueError(f"deactivate: there is no relation '{name}'; known: {known}")
        return self


def _parsed(url: str) -> ldap3.Server:
    try:
        return ldap3.Server(url)
    except LDAPException as error:
        raise ValueError(f"'{url}' is not an LDAP address: {error}") from None


def _checked_rule(rule: str) -> str:
    values.checked_filter(rule) if rule.startswith("(") else _checked_dn(rule)
    return rule


def _checked_dn(text: str) -> None:
    try:
        parse_dn(text, strip=True)
    except LDAPException as error:
        raise ValueError(f"'{text}' is neither a filter in parentheses nor a distinguished name: {error}") from None
