"""What stands before every page: hosts, tokens, origins, forms and places to go on to."""

import pytest
from starlette.datastructures import Headers

from silofrei.desk.forms import Form, local_path
from silofrei.desk.guard import FormTokens, host_name, same_origin
from silofrei.desk.visitor import NAME_LIMIT, clean_name
from silofrei.schemas.loopback import is_loopback


@pytest.mark.parametrize("header", ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.8.9.1:80", "[::1]:8080", "[::1]"])
def test_names_that_mean_this_machine(header: str) -> None:
    assert is_loopback(host_name(header))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8080",
        "evil.example:127.0.0.1",
        "localhost@evil.example",
        "evil.example/localhost",
        "evil.example#localhost",
        "192.168.1.2:8080",
        "0.0.0.0:8080",
        "[::]:8080",
        "[::1",
        "2130706433",
    ],
)
def test_names_that_do_not(header: str) -> None:
    assert not is_loopback(host_name(header))


def test_a_token_belongs_to_one_session_and_one_key() -> None:
    tokens = FormTokens(b"key")
    session, other = tokens.session(None), tokens.session(None)
    assert session != other
    assert tokens.holds(session, tokens.token(session))
    assert not tokens.holds(other, tokens.token(session))
    assert not FormTokens(b"other").holds(session, tokens.token(session))
    assert not tokens.holds(session, "")
    assert not tokens.holds(session, "ü")
    assert not tokens.holds(None, tokens.token(""))
    assert not tokens.holds("", tokens.token(""))


def test_a_session_is_kept_unless_it_is_not_one_of_ours() -> None:
    tokens = FormTokens(b"key", random=lambda: "n" * 43)
    assert tokens.session("a" * 43) == "a" * 43
    for broken in (None, "", "a", "a" * 44, "a" * 42 + "\n", "ä" * 43):
        assert tokens.session(broken) == "n" * 43


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({}, True),
        ({"origin": "http://localhost:8080"}, True),
        ({"origin": "http://localhost:8080", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "http://localhost:9090"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
)
def test_where_a_form_comes_from(headers: dict[str, str], ours: bool) -> None:
    assert same_origin(Headers({"host": "localhost:8080", **headers})) is ours


@pytest.mark.parametrize("path", ["/", "/queue/service", "/ticket/t-1?brand=demo"])
def test_places_inside_the_desk(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path", ["", "queue", "//evil.example", "/\\evil.example", "https://evil.example", "/a\\b", "/a\nb", "javascript:x"]
)
def test_places_elsewhere_become_the_overview(path: str) -> None:
    assert local_path(path) == "/"


def test_fields_of_a_form() -> None:
    form = Form({"note": ["", " two\r\nlines "], "mine": ["hr", "pr"]})
    assert (form.one("note"), form.one("reason"), form.many("mine")) == ("two\nlines", "", ["hr", "pr"])
    assert form.typed == "two\nlines"


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("  Anna   Maria ", "Anna Maria"),
        ("Anna\r\nSet-Cookie: x", "Anna Set-Cookie: x"),
        ("\u202eannA\u0000\u200b", "annA"),
        ("A\u0308nne", "Änne"),
        (" \t ", ""),
        ("x" * 100, "x" * NAME_LIMIT),
    ],
)
def test_names_become_one_clean_line(typed: str, name: str) -> None:
    assert clean_name(typed) == name
