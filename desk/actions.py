"""What people do to tickets: take, extend, give back, hand over, resolve. Every route here takes a checked form.

A refusal of the queue becomes the ticket's page as it is now, with what happened, what to do, and what was typed.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import APIRouter, Depends
from starlette.responses import RedirectResponse, Response

from silofrei.desk.forms import CheckedForm, Form, checked_form
from silofrei.desk.frame import CurrentView, View
from silofrei.desk.pages import gate, known_department, ticket_page
from silofrei.desk.visitor import NAME_COOKIE, Visitor, clean_name, remember
from silofrei.routing.queue.codes import Refused, Unavailable
from silofrei.schemas.names import Outcome
from silofrei.schemas.ticket import NOTE_LIMIT, REASON_LIMIT, Ticket

# The dependency stands on the router, so that a new route cannot forget it.
router = APIRouter(dependencies=[Depends(checked_form)], include_in_schema=False)

_OUTCOMES = {outcome.value: outcome for outcome in Outcome if outcome is not Outcome.WITHDRAWN}


@router.post("/queue/{department}/take")
async def take(view: CurrentView, form: CheckedForm, department: str) -> Response:
    """Claim the most urgent ticket of a queue."""
    known_department(view, department)
    if not view.may_open(department):
        return await gate(view, department)
    return await _take_top(view, form, department)


@router.post("/ticket/{ticket_id}/claim")
async def claim(view: CurrentView, form: CheckedForm, ticket_id: str) -> Response:
    """Claim this ticket."""
    holder, name = _holder(view.visitor, form)
    if not holder:
        return _to(view, "/me", next=f"/ticket/{ticket_id}")
    ticket = await view.desk.queue.ticket(view.visitor.brand, ticket_id)
    if ticket is None or not view.may_open(ticket.department):
        return await ticket_page(view, ticket_id)
    try:
        taken = await view.desk.queue.claim(view.visitor.brand, ticket.department, holder, ticket_id=ticket_id)
    except Refused as refused:
        return await ticket_page(view, ticket_id, refused=refused)
    if taken is None:
        return await ticket_page(view, ticket_id)
    return _named(_to(view, f"/ticket/{ticket_id}", said="claimed"), name)


@router.post("/ticket/{ticket_id}/extend")
async def extend(view: CurrentView, form: CheckedForm, ticket_id: str) -> Response:
    """Let the lease begin anew."""
    return await _act(view, form, ticket_id, view.desk.queue.extend, said="extended", then=f"/ticket/{ticket_id}")


@router.post("/ticket/{ticket_id}/release")
async def release(view: CurrentView, form: CheckedForm, ticket_id: str) -> Response:
    """Give the ticket back to its queue."""
    reason = form.one("reason")
    if len(reason) > REASON_LIMIT:
        return await ticket_page(
            view, ticket_id, 422, form=form, errors={"reason": _too_long(view, REASON_LIMIT)}, open_form="release"
        )
    step = partial(view.desk.queue.release, reason=reason)
    return await _act(view, form, ticket_id, step, said="released")


@router.post("/ticket/{ticket_id}/transfer")
async def transfer(view: CurrentView, form: CheckedForm, ticket_id: str) -> Response:
    """Hand the ticket over to another department, which reads the reason."""
    to, reason = form.one("to"), form.one("reason")
    errors: dict[str, str] = {}
    if to not in view.desk.config.queue_names():
        errors["to"] = view.words("act.to_missing")
    if not reason:
        errors["reason"] = view.words("act.reason_missing")
    elif len(reason) > REASON_LIMIT:
        errors["reason"] = _too_long(view, REASON_LIMIT)
    if errors:
        return await ticket_page(view, ticket_id, 422, form=form, errors=errors, open_form="transfer")
    step = partial(view.desk.queue.transfer, to=to, reason=reason, misrouted=form.one("misrouted") == "yes")
    return await _act(view, form, ticket_id, step, said="transferred")


@router.post("/ticket/{ticket_id}/resolve")
async def resolve(view: CurrentView, form: CheckedForm, ticket_id: str) -> Response:
    """End the ticket with an outcome; `next=take` goes on with the queue's most urgent one."""
    outcome, note = _OUTCOMES.get(form.one("outcome")), form.one("note")
    errors: dict[str, str] = {}
    if outcome is None:
        errors["outcome"] = view.words("act.outcome_missing")
    if len(note) > NOTE_LIMIT:
        errors["note"] = _too_long(view, NOTE_LIMIT)
    if outcome is None or errors:
        return await ticket_page(view, ticket_id, 422, form=form, errors=errors, open_form="resolve")
    step = partial(view.desk.queue.resolve, outcome=outcome, note=note)
    ended = await _act(view, form, ticket_id, step, said="resolved")
    if form.one("next") != "take" or ended.status_code != 303:
        return ended
    try:
        ticket = await view.desk.queue.ticket(view.visitor.brand, ticket_id)
        return ended if ticket is None else await _take_top(view, form, ticket.department)
    except Unavailable:
        # The ticket is resolved; that must not read as a failure because the next one could not be fetched.
        return ended


async def _take_top(view: View, form: Form, department: str) -> Response:
    holder, name = _holder(view.visitor, form)
    if not holder:
        return _to(view, "/me", next=f"/queue/{department}")
    ticket = await view.desk.queue.claim(view.visitor.brand, department, holder)
    if ticket is None:
        return _named(_to(view, f"/queue/{department}", said="empty"), name)
    return _named(_to(view, f"/ticket/{ticket.id}", said="claimed"), name)


async def _act(
    view: View,
    form: Form,
    ticket_id: str,
    step: Callable[[str, str, int], Awaitable[Ticket]],
    *,
    said: str,
    then: str = "",
) -> Response:
    """Take one step with the form's fencing token.

    Args:
        view: the request.
        form: carries the token.
        ticket_id: the ticket.
        step: takes brand, ticket id and token.
        said: what the next page says of it.
        then: where to go; by default to the queue that the ticket was in.
    """
    token = form.one("token")
    if not (token.isascii() and token.isdigit() and len(token) <= 19):
        return await ticket_page(view, ticket_id)
    before = await view.desk.queue.ticket(view.visitor.brand, ticket_id)
    try:
        await step(view.visitor.brand, ticket_id, int(token))
    except Refused as refused:
        return await ticket_page(view, ticket_id, refused=refused, form=form)
    return _to(view, then or (f"/queue/{before.department}" if before else "/"), said=said)


def _holder(visitor: Visitor, form: Form) -> tuple[str, str]:
    """Who claims, and the name to remember where the form brought it."""
    if visitor.holder:
        return visitor.holder, ""
    name = clean_name(form.one("name"))
    return (f"{name}@desk", name) if name else ("", "")


def _named(response: Response, name: str) -> Response:
    if name:
        remember(response, **{NAME_COOKIE: name})
    return response


def _to(view: View, path: str, **query: str) -> Response:
    return RedirectResponse(view.link(path, **query), status_code=303)


def _too_long(view: View, limit: int) -> str:
    return view.words("act.too_long", limit=view.words.number(limit))
