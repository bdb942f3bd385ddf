"""How far another clock is from ours, as well as one question can tell."""

from dataclasses import dataclass

from .finding import Finding, fail, ok, warn

NOTED, WRONG = 2.0, 5.0
"""Seconds. Five is the leeway that tokens get: beyond it fresh ones are refused and expired ones accepted."""
SYNCHRONISE = "Keep the time of both machines by NTP (timedatectl set-ntp true)."


@dataclass(frozen=True, slots=True)
class Skew:
    """``seconds`` that the other clock is ahead, at least; 0 when the question's own duration explains it."""

    seconds: float

    def finding(self, area: str, whose: str) -> Finding:
        where = "ahead of" if self.seconds > 0 else "behind"
        said = f"The clock of {whose} is {abs(self.seconds):.1f} s {where} ours."
        if abs(self.seconds) >= WRONG:
            return fail(area, "clock", said, SYNCHRONISE)
        if abs(self.seconds) >= NOTED:
            return warn(area, "clock", said, SYNCHRONISE)
        return ok(area, "clock", f"The clocks of {whose} and of this machine agree.")


def skew(theirs: float, asked: float, answered: float) -> Skew:
    """All in Unix seconds: their clock's answer, ours before the question and after it."""
    if theirs < asked:
        return Skew(theirs - asked)
    return Skew(max(0.0, theirs - answered))
