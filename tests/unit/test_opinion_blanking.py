"""What tells who somebody is goes out of a text, also where it is written so that a simple pattern misses it."""

import time

import pytest

from silofrei.routing.opinion.blanking import MOST_CHARS, blank, says_something


@pytest.mark.parametrize(
    ("text", "blanked"),
    [
        ("@nordwind_hilft wo bleibt mein Paket?", "[handle] wo bleibt mein Paket?"),
        ("Frag @max.muster@social.example mal", "Frag [handle] mal"),
        ("＠nordwind antwortet nicht", "[handle] antwortet nicht"),
        ("schreib an max.muster+bahn@mail.example.de bitte", "schreib an [email] bitte"),
        ("max@firma und o'brien@example.com", "[email] und [email]"),
        ("max.muster (at) example.de", "[email]"),
        ("max.muster[ät]example.de", "[email]"),
        ("Mail: mailto:max@example.de!", "Mail: [link]"),
        ("siehe https://example.de/t?id=77&mail=a@b.de jetzt", "siehe [link] jetzt"),
        ("siehe WWW.Example.de/konto", "siehe [link]"),
        ("xhttps://user:pass@host.example/a", "[link]"),
        ("日本https://example.jp/abc", "日本[link]"),
        ("auf example.de:8080/kunde/77 oder bit.ly/3xY.", "auf [link] oder [link]"),
        ("auf a.b.c.d.e.f.g.example.com, ja", "auf [link], ja"),
        ("ruf 0171 / 123 45 67 an", "ruf [number] an"),
        ("+49 (0)30 1234567", "[number]"),
        ("Tel.: +49-171-1234567.", "Tel.: [number]."),
        ("０１７１ １２３４５６７", "[number]"),
        ("0171\u200b123\u200d4567", "[number]"),
        ("0171\u00a0123\u202f4567", "[number]"),
        ("0171–123–4567", "[number]"),
        ("0️⃣1️⃣7️⃣1️⃣5️⃣", "[number]"),
        ("٠١٧١٢٣٤٥", "[number]"),
        ("Konto DE89 3704 0044 0532 0130 00 danke", "Konto [number] danke"),
        ("DE89370400440532013000", "[number]"),
        ("gb29nwbk60161331926819", "[number]"),
        ("GB29 NWBK 6016 1331 9268 19", "[number]"),
        ("GB29-NWBK-6016-1331-9268-19", "[number]"),
        ("Vorgang 4711234", "Vorgang [number]"),
        ("192.168.100.1", "[number]"),
    ],
)
def test_what_tells_who_somebody_is_is_blanked(text: str, blanked: str) -> None:
    assert blank(text) == blanked


@pytest.mark.parametrize(
    "text",
    [
        "Zug +40, Anschluss weg, danke für nichts",
        "Kostet das 1.299,00 € oder 999 Euro?",
        "um 14:30 oder 18 Uhr, Gleis 12",
        "z.B. und/oder usw. Ende.Und weiter.",
        "Wo ist der ICE 577? Wagen 12, Platz 61",
        "Was kostet das @ 3 Stück?",
        "Zeile eins\nZeile zwei",
    ],
)
def test_what_says_what_it_is_about_stays(text: str) -> None:
    assert blank(text) == text


@pytest.mark.parametrize("piece", ["a", "a.", "a@", "1", "1 ", "1 1", "@", "AB12 ", "http:", "a-", "(at)", "ﷺ", "a.b/"])
@pytest.mark.parametrize("size", [50_000])
def test_no_text_takes_long(piece: str, size: int) -> None:
    text = (piece * size)[:size]
    began = time.perf_counter()
    blank(text)
    assert time.perf_counter() - began < 1


def test_a_long_text_is_read_up_to_an_end() -> None:
    assert len(blank("ab " * 20_000)) == MOST_CHARS


@pytest.mark.parametrize(
    ("text", "words"), [("@a https://b.example 12345 a@b.de", False), ("😀 !!", False), ("@a hm", True)]
)
def test_a_text_of_which_no_words_are_left_says_nothing(text: str, words: bool) -> None:
    assert says_something(blank(text)) is words
