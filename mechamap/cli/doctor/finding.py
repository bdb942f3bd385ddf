"""What an examination found."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """FAIL: something does not work or is unsafe. WARN: it works, and an operator should know."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing examined.

    Attributes:
        area: heading it stands under.
        name: what was examined, in a word or two.
        said: one sentence.
        mend: how to mend it; empty when there is nothing to do.
    """

    area: str
    name: str
    status: Status
    said: str
    mend: str = ""


def ok(area: str, name: str, said: str) -> Finding:
    return Finding(area, name, Status.OK, said)


def warn(area: str, name: str, said: str, mend: str = "") -> Finding:
    return Finding(area, name, Status.WARN, said, mend)


def fail(area: str, name: str, said: str, mend: str = "") -> Finding:
    return Finding(area, name, Status.FAIL, said, mend)


def graver(production: bool, area: str, name: str, said: str, mend: str = "") -> Finding:
    """A failure in production; while developing, a warning."""
    return Finding(area, name, Status.FAIL if production else Status.WARN, said, mend)


def worst(findings: Iterable[Finding]) -> Status:
    """The gravest status among them."""
    order = list(Status)
    return max((finding.status for finding in findings), key=order.index, default=Status.OK)
