"""What people see when something is in the way: a page that says what happened and what to do, never a traceback.

Under /api and for /counts the same comes as JSON: `{"error": ...}`.
"""

import logging
from collections.abc import Mapping
from types import MappingProxyType

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from silofrei.desk.forms import Form, FormRefused
from silofrei.desk.frame import Counts, view_of
from silofrei.desk.guard import HEADERS
from silofrei.routing.queue.codes import Refused, Unavailable

log = logging.getLogger(__name__)

RETRY = 5
"""Seconds until a page that met an absent Redis tries again."""


def add_problem_pages(app: FastAPI) -> None:
    """Answer every failure of `app` in a form that its reader understands."""
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(FormRefused, _form_refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


async def _unavailable(request: Request, error: Exception) -> Response:
    log.warning("Redis is away: %s", error)
    headers = {"Retry-After": str(RETRY)}
    if _wants_json(request):
        return JSONResponse({"error": "Redis does not answer; ask again soon"}, 503, headers)
    reading = request.method in ("GET", "HEAD")
    return await _page(
        request, 503, "away" if reading else "away_acting", retry=RETRY if reading else 0, headers=headers
    )


async def _refused(request: Request, error: Exception) -> Response:
    if _wants_json(request) or not isinstance(error, Refused):
        return JSONResponse({"error": str(error)}, 409)
    view = view_of(request)
    return await _page(
        request, 409, what=view.words.name(error.code, "refused"), remedy=view.words.name(error.code, "remedy")
    )


async def _form_refused(request: Request, error: Exception) -> Response:
    refused = error if isinstance(error, FormRefused) else FormRefused(400, "not_a_form")
    return await _page(request, refused.status, refused.reason, typed=refused.typed)


async def _http(request: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    headers = dict(getattr(error, "headers", None) or {})
    if _wants_json(request):
        return JSONResponse({"error": detail}, status, headers)
    if status == 404 and detail in ("ticket", "department"):
        return await _page(request, 404, f"no_{detail}")
    return await _page(request, status, {404: "no_page", 405: "no_method"}.get(status, "unexpected"), headers=headers)


async def _invalid(request: Request, error: Exception) -> Response:
    if _wants_json(request) and isinstance(error, RequestValidationError):
        problems = [f"{'.'.join(map(str, problem['loc'][1:]))}: {problem['msg']}" for problem in error.errors()]
        return JSONResponse({"error": "; ".join(problems)}, 422)
    return await _page(request, 422, "bad_address")


async def _unexpected(request: Request, error: Exception) -> Response:
    # Starlette raises it again after the answer is sent, so the server logs the traceback.
    if _wants_json(request):
        return JSONResponse({"error": "unexpected error; the desk's log has it"}, 500)
    # That answer does not pass the guard, so it brings the headers itself.
    return await _page(request, 500, "unexpected", headers=HEADERS)


async def _page(
    request: Request,
    status: int,
    reason: str = "",
    *,
    what: str = "",
    remedy: str = "",
    typed: str = "",
    retry: int = 0,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    view = view_of(request)
    form: Form | None = getattr(request.state, "form", None)
    response = await view.render(
        "problem.html",
        status,
        counts=Counts.LEFT_OUT if status in (500, 503) else Counts.IF_THERE,
        what=what or view.words(f"problem.{reason}.what"),
        remedy=remedy or view.words(f"problem.{reason}.remedy"),
        typed=typed or (form.typed if form else ""),
        retry=retry,
        again=_place(request),
    )
    response.headers.update(headers)
    return response


def _place(request: Request) -> str:
    """The page to go back to: the one that was asked for, or the ticket or queue that a form belongs to."""
    if request.method in ("GET", "HEAD"):
        return view_of(request).address
    parts = request.url.path.strip("/").split("/")
    return "/" + "/".join(parts[:2]) if len(parts) == 3 and parts[0] in ("ticket", "queue") else "/"


def _wants_json(request: Request) -> bool:
    return request.url.path.startswith("/api/") or request.url.path in ("/counts", "/healthz")
