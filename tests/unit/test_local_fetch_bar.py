"""The bar while jars are fetched."""

import io

from rich.console import Console

from silofrei.deploy.local.fetch_bar import FetchBar
from silofrei.deploy.local.supervisor import Event, EventKind


def fetching(share: float) -> Event:
    return Event(EventKind.FETCHING, "kafka", f"Fetching: {share * 45:.0f} of 45 MB", share=share)


def test_shows_how_far_a_download_is_and_ends_with_it() -> None:
    out = io.StringIO()
    bar = FetchBar(Console(file=out, force_terminal=True, width=100))
    assert all(bar.shows(fetching(share)) for share in (0.0, 0.5, 1.0))
    assert "45 of 45 MB" in out.getvalue()
    assert "100 %" in out.getvalue()
    size = len(out.getvalue())
    assert not bar.shows(Event(EventKind.NOTE, "", "done"))
    assert len(out.getvalue()) == size


def test_is_one_line_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    bar = FetchBar(Console(file=out, width=100))
    assert all(bar.shows(fetching(share)) for share in (0.0, 0.5, 1.0))
    assert out.getvalue() == "Fetching: 0 of 45 MB ...\n"
