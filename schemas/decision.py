"""RoutingDecision: what the policy makes of a classified mention."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from silofrei.schemas.base import Contract, DepartmentName, Moment
from silofrei.schemas.names import DiscardReason, Priority

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,59}$")]


class RoutingDecision(Contract):
    """Which department must act, by when, and the name of the rule that says so."""

    v: Literal[1] = 1
    action: Literal["route"] = "route"
    department: DepartmentName
    collaborators: tuple[DepartmentName, ...] = ()
    priority: Priority
    due_at: Moment
    rule: RuleName


class DiscardDecision(Contract):
    """No department must act; the rule that says so is counted and kept."""

    v: Literal[1] = 1
    action: Literal["discard"] = "discard"
    reason: DiscardReason
    rule: RuleName


Decision = RoutingDecision | DiscardDecision
