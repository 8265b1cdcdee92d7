"""The pages that people read: overview, queue, ticket, and who they are."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from starlette.responses import RedirectResponse, Response

from silofrei.desk.forms import CheckedForm, Form, checked_form, local_path
from silofrei.desk.frame import CurrentView, View
from silofrei.desk.handover_view import steps
from silofrei.desk.ticket_view import Card, bars, card, entries, held_by
from silofrei.desk.visitor import MINE_COOKIE, NAME_COOKIE, clean_name, remember
from silofrei.desk.words import tone
from silofrei.routing.opinion.mixing import took_part
from silofrei.routing.queue.codes import Refused
from silofrei.schemas.ticket import NOTE_LIMIT, REASON_LIMIT, Ticket

router = APIRouter(include_in_schema=False)
PAGE = 50
"""Tickets on one page of a queue."""

_BLANK = Form({})
_FIELDS = ("outcome", "note", "to", "reason", "misrouted")


@dataclass(frozen=True, slots=True)
class Line:
    """One department in the overview."""

    name: str
    next: Card | None
    oldest: timedelta


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong on a ticket's page, what to do, and what the person had typed."""

    what: str
    remedy: str
    typed: str = ""


@router.get("/")
async def overview(view: CurrentView) -> Response:
    """All departments at a glance, and the tickets that the person holds."""
    queue, brand, names = view.desk.queue, view.visitor.brand, view.desk.config.queue_names()
    depths, tops, held = await asyncio.gather(
        queue.depths(brand, names),
        asyncio.gather(*(queue.waiting(brand, name, limit=1) for name in names)),
        _held(view),
    )
    lines = [
        Line(
            name=name,
            next=card(top[0], view.now, view.may_open) if top else None,
            oldest=timedelta(seconds=depths[name].oldest_age_seconds),
        )
        for name, top in zip(names, tops, strict=True)
    ]
    return await view.render("overview.html", lines=lines, mine=_cards(view, held))


@router.get("/queue/{department}")
async def queue_page(view: CurrentView, department: str, page: Annotated[int, Query(ge=1, le=100_000)] = 1) -> Response:
    """One department's queue, most urgent first; below it who works on what."""
    known_department(view, department)
    if not view.may_open(department):
        return await gate(view, department)
    queue, brand = view.desk.queue, view.visitor.brand
    depths, waiting, claimed = await asyncio.gather(
        queue.depths(brand, [department]),
        queue.waiting(brand, department, limit=PAGE, offset=(page - 1) * PAGE),
        queue.claimed(brand, department, limit=PAGE),
    )
    return await view.render(
        "queue.html",
        department=department,
        waiting=_cards(view, waiting),
        claimed=_cards(view, claimed),
        page=page,
        pages=max(1, -(-depths[department].waiting // PAGE)),
        first=(page - 1) * PAGE + 1,
    )


@router.get("/ticket/{ticket_id}")
async def show_ticket(view: CurrentView, ticket_id: str) -> Response:
    """One ticket with its thread, why it is here, and what its holder can do."""
    return await ticket_page(view, ticket_id)


@router.get("/me")
async def me(view: CurrentView, next: str = "/") -> Response:  # noqa: A002 - the name in the address
    """Who the person is and where they work, as far as they say."""
    return await view.render("me.html", next=local_path(next), error="")


@router.post("/me", dependencies=[Depends(checked_form)])
async def save_me(view: CurrentView, form: CheckedForm) -> Response:
    """Remember the name and, where the form lists them, the departments."""
    name, target = clean_name(form.one("name")), local_path(form.one("next") or "/")
    if not name:
        return await view.render("me.html", 422, next=target, error=view.words("me.missing"))
    said = "saved" if view.visitor.name else "welcome"
    response = RedirectResponse(view.link(target.partition("?")[0], said=said), status_code=303)
    remember(response, **{NAME_COOKIE: name})
    if form.one("departments"):
        remember(response, **{MINE_COOKIE: _departments(view, form.many("mine"))})
    return response


@router.post("/me/departments", dependencies=[Depends(checked_form)])
async def join_department(view: CurrentView, form: CheckedForm) -> Response:
    """Add a department to the person's own; opens a confidential one."""
    response = RedirectResponse(view.link(local_path(form.one("next") or "/").partition("?")[0]), status_code=303)
    remember(response, **{MINE_COOKIE: _departments(view, [*view.visitor.mine, *form.many("mine")])})
    return response


async def ticket_page(
    view: View,
    ticket_id: str,
    status: int = 200,
    *,
    refused: Refused | None = None,
    form: Form = _BLANK,
    errors: Mapping[str, str] | None = None,
    open_form: str = "resolve",
) -> Response:
    """The page of a ticket as it is now.

    Args:
        view: the request.
        ticket_id: the ticket.
        status: HTTP status; a refusal makes it 409.
        refused: what the queue said to the step before, shown on top.
        form: what the person had filled in.
        errors: mistakes in that form by field.
        open_form: which form stands open.

    Raises:
        HTTPException: 404, there is no such ticket.
    """
    found = await view.desk.queue.ticket(view.visitor.brand, ticket_id)
    if found is None:
        raise HTTPException(404, "ticket")
    if not view.may_open(found.department):
        return await gate(view, found.department)
    held = held_by(found, view.visitor.holder)
    problem = refused and Problem(
        what=view.words.name(refused.code, "refused"),
        remedy=view.words.name(refused.code, "remedy"),
        typed=form.typed,
    )
    evidence = found.classification.evidence if found.classification else ()
    return await view.render(
        "ticket.html",
        409 if refused else status,
        ticket=found,
        thread=entries(found),
        scores=bars(found.classification) if found.classification else (),
        evidence=sorted((piece for piece in evidence if piece.weight > 0), key=lambda piece: -piece.weight)[:8],
        second_opinion=found.classification is not None and took_part(found.classification),
        tone=tone(found.due_at, found.opened_at, view.now),
        held=held,
        handovers=steps(found, view.may_open, held=held),
        problem=problem,
        errors={name: (errors or {}).get(name, "") for name in _FIELDS},
        form={name: form.one(name) for name in _FIELDS},
        open=open_form,
        reason_limit=REASON_LIMIT,
        note_limit=NOTE_LIMIT,
        here=f"/ticket/{ticket_id}",
    )


async def gate(view: View, department: str) -> Response:
    """Asks whether the person works in a confidential department, and says that nobody checks."""
    return await view.render("gate.html", 403, department=department, here=f"/queue/{department}")


def known_department(view: View, department: str) -> None:
    """Refuse a department that is not configured.

    Raises:
        HTTPException: 404.
    """
    if department not in view.desk.config.queue_names():
        raise HTTPException(404, "department")


def _departments(view: View, names: list[str]) -> str:
    return ".".join(name for name in view.desk.config.queue_names() if name in names)


def _cards(view: View, tickets: list[Ticket]) -> list[Card]:
    return [card(ticket, view.now, view.may_open) for ticket in tickets]


async def _held(view: View) -> list[Ticket]:
    """The tickets that the person works on, in all queues that are open to them; a name alone proves nothing."""
    if not view.visitor.name:
        return []
    names = [name for name in view.desk.config.queue_names() if view.may_open(name)]
    found = await asyncio.gather(*(view.desk.queue.claimed(view.visitor.brand, name, limit=200) for name in names))
    return [ticket for tickets in found for ticket in tickets if held_by(ticket, view.visitor.holder)]
