"""The JSON API: the queues and tickets, read-only until sign-in exists; and what probes and the pages' counters ask.

Confidential departments are left out, because nothing here can know who asks, and so are the reasons of hand-overs from
or to them. Fencing tokens never leave.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field

from silofrei.desk.frame import CurrentView, View
from silofrei.desk.handover_view import open_to
from silofrei.routing.queue.codes import Unavailable
from silofrei.schemas.base import Moment
from silofrei.schemas.config import Title
from silofrei.schemas.ticket import Ticket

router = APIRouter()


class Counts(BaseModel):
    """How full one queue is."""

    waiting: int
    claimed: int
    overdue: int


class QueueSummary(Counts):
    """One queue of a brand."""

    department: str
    title: Title
    confidential: bool
    oldest_age_seconds: float
    next_due_at: Moment | None


class Health(BaseModel):
    """Whether the desk runs, and whether it reaches Redis."""

    status: Literal["ok", "degraded"]
    redis: Literal["up", "away"]


Brand = Annotated[str | None, Query(description="Brand; the first configured one by default.")]
Json = dict[str, Any]


@router.get("/healthz")
async def healthz(view: CurrentView) -> Health:
    """Always 200 while the desk runs: restarting it would not bring Redis back."""
    try:
        await view.desk.queue.ping()
    except Unavailable:
        return Health(status="degraded", redis="away")
    return Health(status="ok", redis="up")


@router.get("/counts", include_in_schema=False)
async def counts(view: CurrentView) -> dict[str, Counts]:
    """How full each queue is; the pages ask for it every few seconds."""
    depths = await view.desk.queue.depths(view.visitor.brand, view.desk.config.queue_names())
    return {name: Counts(waiting=it.waiting, claimed=it.claimed, overdue=it.overdue) for name, it in depths.items()}


@router.get("/api/queues")
async def queues(view: CurrentView, brand: Brand = None) -> list[QueueSummary]:
    """All queues of a brand."""
    name_of_brand, config = _brand(view, brand), view.desk.config
    depths = await view.desk.queue.depths(name_of_brand, config.queue_names())
    summaries = []
    for name in config.queue_names():
        top = await view.desk.queue.waiting(name_of_brand, name, limit=1)
        depth, department = depths[name], config.department(name)
        summaries.append(
            QueueSummary(
                department=name,
                title=department.title,
                confidential=department.confidential,
                waiting=depth.waiting,
                claimed=depth.claimed,
                overdue=depth.overdue,
                oldest_age_seconds=depth.oldest_age_seconds,
                next_due_at=top[0].due_at if top else None,
            )
        )
    return summaries


@router.get("/api/queue/{department}")
async def queue(
    view: CurrentView,
    department: str,
    brand: Brand = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most tickets in the answer.")] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="Tickets to leave out at the start.")] = 0,
) -> list[Json]:
    """Waiting tickets, most urgent first."""
    if department not in view.desk.config.queue_names():
        known = ", ".join(view.desk.config.queue_names())
        raise HTTPException(404, f"unknown department '{department}'; use one of {known}")
    _open(view, department)
    found = await view.desk.queue.waiting(_brand(view, brand), department, limit=limit, offset=offset)
    return [_as_json(view, ticket) for ticket in found]


@router.get("/api/ticket/{ticket_id}")
async def ticket(view: CurrentView, ticket_id: Annotated[str, Field(max_length=512)], brand: Brand = None) -> Json:
    """One ticket with all of its mentions; a hand-over from or to a confidential department is without its reason."""
    name_of_brand = _brand(view, brand)
    found = await view.desk.queue.ticket(name_of_brand, ticket_id)
    if found is None:
        raise HTTPException(404, f"there is no ticket {ticket_id} of brand {name_of_brand}")
    _open(view, found.department)
    return _as_json(view, found)


def _brand(view: View, brand: str | None) -> str:
    if brand is not None and brand not in view.desk.config.brands:
        raise HTTPException(404, f"unknown brand '{brand}'; use one of {', '.join(view.desk.config.brands)}")
    return brand or view.desk.config.brands[0]


def _open(view: View, department: str) -> None:
    if _confidential(view, department):
        raise HTTPException(
            403, f"'{department}' is confidential; until sign-in exists the API gives its numbers only (/api/queues)"
        )


def _confidential(view: View, department: str) -> bool:
    try:
        return view.desk.config.department(department).confidential
    except KeyError:
        return False


def _as_json(view: View, ticket: Ticket) -> Json:
    """A ticket for a reader: whoever has the fencing token could act in the holder's name."""
    shown = ticket.model_dump(mode="json", exclude={"lease": {"token"}})
    for handover, as_json in zip(ticket.handovers, shown["handovers"], strict=True):
        if not open_to(handover, lambda department: not _confidential(view, department)):
            as_json["reason"] = ""
    return shown
