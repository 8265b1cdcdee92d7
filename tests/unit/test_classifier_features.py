"""What the classifier sees of a text: folding, words, n-grams, hints and style."""

import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from silofrei.routing.classifier.concepts import CONCEPTS, NUMBERS
from silofrei.routing.classifier.features import BITS, DENSE, HINTED, RANKS, SCALE, WORD_BITS, Features, bayes, extract
from silofrei.routing.classifier.hashing import Words, adjacent, find, hashed, ngrams
from silofrei.routing.classifier.lexicon import LABELS, Lexicon, Term, compile_lexicon
from silofrei.routing.classifier.style import STYLES, style
from silofrei.routing.classifier.text import MAX_CHARS, Batch, batch, fold
from silofrei.schemas.names import Label, Language

LATE, DEFECT = NUMBERS["dl"], NUMBERS["df"]
SERVICE, SALES = LABELS.index(Label.SERVICE), LABELS.index(Label.SALES)


def tokens(texts: Batch) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in range(texts.size)]
    for owner, start, end in zip(texts.token_text, texts.token_starts, texts.token_ends, strict=True):
        found[owner].append("".join(map(chr, texts.codes[start:end])))
    return found


def lexicon() -> Lexicon:
    return compile_lexicon(
        {
            Language.GERMAN: {
                "störung": Term((3, 0, 0, 0, 0), (DEFECT,)),
                "ab wann": Term((0, 3, 0, 0, 0)),
                "ab": Term((0, 1, 0, 0, 0)),
                "strasse": Term((1, 0, 0, 0, 0)),
                "die": Term((0, 0, 0, 0, 0)),
                "seit 3 tagen": Term((3, 0, 0, 0, 0), (LATE, DEFECT)),
                "die bahn": Term((0, 0, 0, 3, 0)),
            },
            Language.ENGLISH: {
                "die": Term((0, 0, 0, 0, 3)),
                "can't log in": Term((3, 0, 0, 0, 0)),
                "turing": Term((0, 0, 0, 3, 0)),
            },
        },
        "bahn\nkesto",
    )


def hints(text: str, language: Language = Language.GERMAN) -> np.ndarray:
    texts = batch([fold(text).text])
    words, terms = Words(texts), lexicon()
    hits = terms.hits(texts, words, np.array([language is Language.ENGLISH]), terms.named(words))
    return hits.hints.sum(axis=0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don’t PANIC: 'quoted' 42nd", ["don't", "panic", "quoted", "00nd"]),
        ("Große Buße", ["grosse", "busse"]),
        ("A\u0308rger mit dem Café", ["ärger", "mit", "dem", "café"]),
        ("🚆🚆 fährt nicht", ["fährt", "nicht"]),
        ("@DB_Info #Streik4711", ["streik0000"]),
        (".@kesto: rt@kesto", ["rt"]),
        ("a\ud800b", ["a", "b"]),
        (
            "siehe https://t.example/x?q=1 oder www.bahn.example, mail an info@firma.example!",
            ["siehe", "oder", "mail", "an"],
        ),
        ("\x00\x01\x02", []),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert tokens(batch([fold(text).text])) == [words]


@given(st.text(alphabet="ab@./:\n ", max_size=14) | st.text(alphabet="wht@.s:/p ", max_size=20))
def test_addresses_are_blanked_as_their_plain_form_says(text: str) -> None:
    # Plain, but on hostile texts it takes the third power of their length.
    plain = re.compile(r"https?://\S+|\bwww\.\S+|\S+@\S+\.\S+|(@\w+)")
    blanked = plain.sub(lambda found: ("@" if found[1] else "\x01") + " " * (len(found[0]) - 1), text)
    assert fold(text).text == (blanked if "://" in text or "www." in text or "@" in text else text)


@pytest.mark.parametrize(
    "piece",
    ["@", "a@", "a@b", "@a.", "@.", "www.", "http://", "://", "x", "ß@", "a\u0308", "@\u0308", "'", "#", "\ud800@"],
)
def test_a_hostile_text_takes_no_longer_than_its_length(piece: str) -> None:
    text = (piece * MAX_CHARS)[: MAX_CHARS - 1] + "@"
    began = time.process_time()
    batch([fold(text).text])
    assert time.process_time() - began < 1.0, "more than a few milliseconds: some pattern goes back and forth"


def test_every_text_keeps_its_own_words() -> None:
    texts = batch([fold(text).text for text in ("eins zwei", "", "😀", "drei")])
    assert tokens(texts) == [["eins", "zwei"], [], [], ["drei"]]


def test_a_long_text_is_judged_by_its_beginning() -> None:
    assert len(fold("x" * (3 * MAX_CHARS)).text) == MAX_CHARS


@given(st.text(max_size=60))
def test_folded_places_lead_back_into_the_text(text: str) -> None:
    folded = fold(text)
    places = [folded.original(place) for place in range(len(folded.text) + 1)]
    assert places == sorted(places)
    assert places[0] == 0
    assert places[-1] == len(text)


@given(st.lists(st.text(alphabet="abcdeäß ", max_size=12), min_size=1, max_size=6))
def test_a_words_hash_does_not_hang_on_its_neighbours(texts: list[str]) -> None:
    together = batch([fold(text).text for text in texts])
    alone = [Words(batch([fold(text).text])).hashes.tolist() for text in texts]
    assert Words(together).hashes.tolist() == [value for hashes in alone for value in hashes]


def test_the_hash_of_an_ending_is_that_of_the_word() -> None:
    texts = batch(["netzstörung störung"])
    words = Words(texts)
    ending = words.stretch(texts.token_ends[:1] - 7, texts.token_ends[:1])
    assert ending[0] == words.hashes[1]
    assert words.hashes[0] != words.hashes[1]
    assert find(hashed("störung"), ending).tolist() == [0]


def test_ngrams_stay_in_their_word_and_text() -> None:
    texts = batch(["ab cd", "ef"])
    (trigrams,) = ngrams(texts, (3,), BITS)
    shown = ["".join(map(chr, texts.codes[place : place + 3])) for place in np.flatnonzero(trigrams)]
    assert shown == [" ab", "ab ", " cd", "cd ", " ef", "ef "]


def test_equal_ngrams_have_equal_buckets() -> None:
    first, second = (ngrams(batch([text]), (3, 5), BITS) for text in ("die bahn", "eine bahn"))
    for order in range(2):
        assert set(first[order].tolist()) & set(second[order].tolist()) - {0}


def test_words_with_a_sentence_between_are_no_phrase() -> None:
    assert adjacent(batch(["ab wann. -- Gut"])).tolist() == [True, False, False]


def test_hints_of_words_and_phrases_add_up() -> None:
    assert hints("Ab wann?")[SALES] == 4
    assert hints("wann ab")[SALES] == 1


def test_digits_are_all_alike() -> None:
    assert hints("seit 7 Tagen")[SERVICE] == 3


def test_a_german_compound_is_known_by_its_end_then_by_its_beginning() -> None:
    assert hints("Signalstörung")[SERVICE] == 3
    assert hints("Störungsmelder")[SERVICE] == 3
    assert hints("Straßenfest")[SERVICE] == 1
    assert hints("Kuchen").sum() == 0


def test_an_english_word_is_not_taken_apart() -> None:
    assert hints("manufacturing", Language.ENGLISH).sum() == 0


def test_each_language_has_its_own_hints() -> None:
    assert hints("die").sum() == 0
    assert hints("die", Language.ENGLISH).sum() == 3
    assert hints("I can’t log in", Language.ENGLISH)[SERVICE] == 3


def test_style_tells_how_a_text_is_written() -> None:
    plain, loud = "ein satz", "@firma WO ist mein GELD? 20 € weg! #skandal https://x.example"
    texts = batch([fold(text).text for text in (plain, loud, "RT @x: hallo")])
    found = style(texts, Words(texts))
    assert found.shape == (3, STYLES)
    assert found[0, :10].sum() == 0
    assert (found[1, [0, 1, 3, 4, 5, 6, 7]] == 1).all()
    assert found[2, 8] == 1
    assert found[:2, 8].sum() == 0


def test_a_batch_without_any_word_has_features() -> None:
    texts = batch(["", "😀"])
    features = extract(texts, Words(texts), lexicon(), np.zeros(2, dtype=np.bool_))
    assert features.dense.shape == (2, DENSE)
    assert len(features.hits.token) == 0


def seen(*given: str) -> tuple[Batch, Features]:
    texts = batch([fold(text).text for text in given])
    return texts, extract(texts, Words(texts), lexicon(), np.zeros(len(given), dtype=np.bool_))


def test_names_say_nothing() -> None:
    texts, features = seen("die Bahn, kesto", "die Kesto", "die")
    assert (features.words > 0).tolist() == (features.whole > 0).tolist() == [True, False, False, True, False, True]
    shown = {"".join(map(chr, texts.codes[place : place + 3])) for place in np.flatnonzero(features.grams[0])}
    assert shown == {" di", "die", "ie "}
    assert features.dense[0, : len(LABELS)].tolist() == [0] * len(LABELS), "the phrase holds a name"
    assert hints("Seilbahn").sum() == 0


def test_concepts_count_by_their_rank_over_the_root_of_the_words() -> None:
    _, features = seen("seit 4 tagen störung", "hallo")
    concepts = features.dense[:, HINTED : HINTED + len(CONCEPTS)] / SCALE
    assert concepts[0, LATE - 1] == pytest.approx(RANKS[0] / 2)
    assert concepts[0, DEFECT - 1] == pytest.approx((RANKS[1] + RANKS[0]) / 2)
    assert np.count_nonzero(concepts) == 2


def test_bayes_adds_up_the_words_over_the_root_of_their_number() -> None:
    texts, features = seen("störung störung heute die", "", "kesto")
    table = np.zeros((1 << WORD_BITS, len(LABELS)), dtype=np.float32)
    table[features.whole[0], SERVICE] = 3
    found = bayes(table, texts, features)
    assert found[0, SERVICE] == pytest.approx(2 * 3 / 2)
    assert found.sum() == found[0, SERVICE]
