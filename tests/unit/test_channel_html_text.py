import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silofrei.streams.channels.html_text import text_of


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("no markup", "no markup"),
        ("<p>eins</p><p>zwei<br>drei<br/>vier</p>", "eins\n\nzwei\ndrei\nvier"),
        ("<p>Licht &amp; Luft &lt;3 &#8230; &euro;5</p>", "Licht & Luft <3 … €5"),
        ("3 < 4 und 5 > 2", "3 < 4 und 5 > 2"),
        ("<p>offen <b>fett", "offen fett"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<p>vorher</p><script>alert(1)</script><style>p{}</style><p>nachher</p>", "vorher\n\nnachher"),
        ("<p>a <!-- geheim --> b</p>", "a b"),
        ('<p title="a > b">x</p>', "x"),
        (
            '<p>siehe <a href="https://nordwind.example/hilfe/schloss"><span class="invisible">https://</span>'
            '<span class="ellipsis">nordwind.example/hilfe/sch</span><span class="invisible">loss</span></a></p>',
            "siehe https://nordwind.example/hilfe/schloss",
        ),
        (
            '<p>#<span>Radreise</span> mit <span class="h-card">@<span>nordwind</span></span></p>',
            "#Radreise mit @nordwind",
        ),
    ],
)
def test_a_fragment_as_a_person_reads_it(html, text):
    assert text_of(html) == text


@settings(deadline=None)
@given(st.text(st.sampled_from("<>/!-?[]='\"&#;ap brscript \n\0é😀")))
def test_whatever_comes_in_text_comes_out(html):
    assert isinstance(text_of(html), str)


@pytest.mark.parametrize("part", ["<", "<a ", "<!--", "</", "<![", "<?", '<p class="', "<a b='>", "&#", "<a ''''''"])
def test_hostile_markup_costs_no_more_than_other_text(part):
    start = time.perf_counter()
    text_of(part * (200_000 // len(part)))
    assert time.perf_counter() - start < 5
