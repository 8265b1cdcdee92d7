"""The figures of a report: what is counted, and for which department a ticket counts.

A ticket belongs to a period by the moment it was opened. `opened`, `first_touch` and `ping_pong` count for the
department that it was first routed to; `first_claim` for the one that took it first; everything else for the one that
owns it now (or did at the end). The line of totals counts every ticket once.
"""

from typing import Literal

from pydantic import AwareDatetime, Field, computed_field

from silofrei.schemas.base import BrandName, Contract
from silofrei.schemas.names import DiscardReason, Outcome


class Spread(Contract):
    """How a length of time spreads over tickets, in seconds; None where there are none. Quantiles interpolate."""

    count: int = 0
    median: float | None = None
    p90: float | None = None


class Share(Contract):
    """So many of so many."""

    part: int = 0
    whole: int = 0

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator above a property
    @property
    def share(self) -> float | None:
        """From 0 to 1; None of nothing."""
        return self.part / self.whole if self.whole else None


class Figures(Contract):
    """One department's line, or that of the totals."""

    opened: int = 0
    """Tickets opened in the period: the volume."""
    mentions: int = 0
    """Mentions in these tickets."""
    handed_in: int = 0
    handed_out: int = 0
    """Hand-overs to and from the department."""
    open_now: int = 0
    overdue_now: int = 0
    """Open tickets, and those of them past their deadline."""
    resolved: int = 0
    """Tickets that were resolved by somebody."""
    withdrawn: int = 0
    """Tickets that ended because the author deleted all mentions."""
    first_claim: Spread = Spread()
    """From opened to first taken; stands for the first response until replies are recorded."""
    resolution: Spread = Spread()
    """From opened to resolved; withdrawn tickets are nobody's work and left out."""
    deadlines: Share = Share()
    """Resolved by their deadline, of all that were resolved or are past it. A ticket that was withdrawn before its
    deadline does not count; one withdrawn after it was missed."""
    first_touch: Share = Share()
    """Never handed over, of those that somebody has taken: routed right the first time."""
    ping_pong: int = 0
    """Tickets that came back to a department that had handed them over."""
    outcomes: dict[Outcome, int] = Field(default_factory=dict)
    """Resolved tickets by how they ended; leads and applications among them."""


class DepartmentFigures(Contract):
    """A department's figures."""

    department: str
    figures: Figures


class HandOver(Contract):
    """How often tickets went from one department to another."""

    from_department: str
    to_department: str
    count: int


class Report(Contract):
    """What happened across the departments of a brand, recomputed from the events of the ledger."""

    v: Literal[1] = 1
    brand: BrandName
    since: AwareDatetime | None
    until: AwareDatetime | None
    """Tickets opened from `since` up to `until`, which is exclusive; None is without bound."""
    as_of: AwareDatetime
    """What "now" means in the figures."""
    last_event_at: AwareDatetime | None = None
    """The newest event of the brand in the ledger: how fresh the figures are."""
    departments: tuple[DepartmentFigures, ...] = ()
    """The configured ones in their order, then others that the events name."""
    total: Figures = Figures()
    handovers: tuple[HandOver, ...] = ()
    """The hand-over matrix: pairs that occurred, the most frequent first."""
    discarded: dict[DiscardReason, int] = Field(default_factory=dict)
    """Mentions of the period that needed nobody, by reason."""
    lost: int = 0
    """Offsets that Kafka had deleted before the ledger read them, of all brands and times; 0 where all is well."""
