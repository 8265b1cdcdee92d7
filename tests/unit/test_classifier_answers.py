"""The classifier's answers: order, calibration, thresholds, evidence, and any text at all."""

import math
from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silofrei.routing.classifier.corpus_rows import Row
from silofrei.routing.classifier.lexicon import read_terms
from silofrei.routing.classifier.model import CHUNK_TEXTS, Classifier, LinearClassifier, TextInput, load_classifier
from silofrei.schemas.classification import Classification
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Label, Sentiment

TEXTS = {
    Label.SERVICE: "Mein Zug ist schon wieder ausgefallen und die Hotline geht nicht ran, ich will eine Erstattung",
    Label.SALES: "Was kostet das Jahresabo für zwei Personen, und gibt es Rabatt für Studenten?",
    Label.HR: "Wir suchen ab sofort Mechatroniker (m/w/d) in Vollzeit, jetzt bewerben! #jobs",
    Label.PR: "Nach dem Skandal: Aufsichtsrat fordert Rücktritt des Vorstands, Aktie bricht ein",
    Label.NONE: "Gute Nacht ihr Lieben, schlaft schön",
}
DEFAULT = load_classifier(Thresholds())
ANY = Thresholds(service=0, sales=0, hr=0, pr=0, none=0, secondary=0.3)

anything = st.text(st.characters(exclude_categories=()), max_size=80)
# Phrases that the lexicon knows, with all that may stand between their words.
PHRASES = [term.split(" ") for rows in read_terms().values() for term in rows if " " in term][::7]
BETWEEN = (" ", "\ud800", " \udfff", "\0", "\x01", "ß", "\u0308", "\u200d", "\u00ad", "😀", "\n", "\ufdfd", "İ", "ﬁ")
hinted = st.lists(
    st.tuples(st.sampled_from(PHRASES), st.sampled_from(BETWEEN), st.sampled_from(BETWEEN)), min_size=1, max_size=4
).map(lambda parts: "".join(inner.join(phrase) + after for phrase, inner, after in parts))


@pytest.fixture(scope="module")
def classifier() -> LinearClassifier:
    return load_classifier(ANY)


def answer(classifier: Classifier, text: str, *, explain: bool = True) -> Classification:
    return classifier.classify([TextInput(text)], explain=explain)[0]


@pytest.mark.parametrize("label", TEXTS)
def test_clear_texts(classifier: LinearClassifier, label: Label) -> None:
    found = answer(classifier, TEXTS[label])
    assert found.label is label
    assert not found.abstained


def test_answers_come_in_the_order_of_the_texts(classifier: LinearClassifier) -> None:
    texts = list(TEXTS.values()) * (CHUNK_TEXTS // 2)
    found = classifier.classify([TextInput(text) for text in texts], explain=False)
    assert [one.label for one in found] == list(TEXTS) * (CHUNK_TEXTS // 2)


def test_no_text_no_answer(classifier: LinearClassifier) -> None:
    assert classifier.classify([]) == []


@pytest.mark.parametrize(("size", "first"), [(1, 0), (2, 20), (7, 40), (64, 60)])
def test_an_answer_does_not_hang_on_the_other_texts_to_the_last_digit(
    classifier: LinearClassifier, corpus: Sequence[Row], size: int, first: int
) -> None:
    texts = [row.text for row in corpus[first::80]] + ["", "😀", "\0", "ok", "x" * 20_000, *TEXTS.values()]
    texts = [texts[place] for place in np.random.default_rng(size).permutation(len(texts))]
    inputs = [TextInput(text, language) for text, language in zip(texts, cycle(("de", None, "fr")), strict=False)]
    together = classifier.classify(inputs)
    apart = [one for start in range(0, len(inputs), size) for one in classifier.classify(inputs[start : start + size])]
    assert apart == together


def test_the_same_texts_get_the_same_answers(classifier: LinearClassifier) -> None:
    inputs = [TextInput(text) for text in TEXTS.values()]
    assert classifier.classify(inputs) == load_classifier(ANY).classify(inputs)


def test_every_answer_names_the_model(classifier: LinearClassifier) -> None:
    assert answer(classifier, "Hallo").model == classifier.model
    assert classifier.model.startswith("linear-")


@pytest.mark.parametrize("label", TEXTS)
def test_below_its_threshold_it_abstains_and_still_names_the_best(label: Label) -> None:
    sure = load_classifier(ANY.model_copy(update={label.value: 1.0}))
    found = answer(sure, TEXTS[label])
    assert (found.label, found.abstained) == (label, True)
    other = next(one for one in TEXTS if one is not label)
    assert not answer(sure, TEXTS[other]).abstained


STRIKE = "Strike tomorrow: our union demands better pay and the board refuses to talk"


def test_other_departments_see_it_from_their_own_threshold_on() -> None:
    every = answer(load_classifier(Thresholds(secondary=0)), STRIKE)
    assert set(every.secondary) == set(Label) - {every.label, Label.NONE}
    assert answer(load_classifier(Thresholds(secondary=1.0)), STRIKE).secondary == ()
    for label in every.secondary:
        one = answer(
            load_classifier(Thresholds(secondary={"service": 0, "sales": 0, "hr": 0, "pr": 0, label: 1})), STRIKE
        )
        assert one.secondary == tuple(other for other in every.secondary if other is not label)


def test_hr_and_pr_both_see_a_strike() -> None:
    found = answer(load_classifier(Thresholds()), STRIKE)
    assert {found.label, *found.secondary} == {Label.HR, Label.PR}


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("Frechheit, seit drei Wochen kein Paket und die Hotline legt einfach auf", Sentiment.NEGATIVE),
        ("Nie wieder! The app is a disgrace and support ignores me", Sentiment.NEGATIVE),
        ("Habt ihr sonntags geöffnet?", Sentiment.NEUTRAL),
        ("Do you ship to Norway?", Sentiment.NEUTRAL),
        ("Vielen Dank an das tolle Team, super freundlich und schnell geholfen!", Sentiment.POSITIVE),
        ("Thank you so much, wonderful service and a lovely crew!", Sentiment.POSITIVE),
    ],
)
def test_the_mood_of_clear_texts(classifier: LinearClassifier, text: str, sentiment: Sentiment) -> None:
    mood = answer(classifier, text).mood
    assert mood is not None
    assert mood.likeliest is sentiment
    assert sum(mood.of(one) for one in Sentiment) == pytest.approx(1)


@pytest.mark.parametrize(
    ("waits", "does_not"),
    [
        ("Wir stehen seit zwei Stunden am Bahnhof, kein Bus kommt, was sollen wir tun?", "Schöne Züge habt ihr da"),
        ("My account was hacked and someone is ordering things right now, please help", "I like the new advert"),
    ],
)
def test_who_waits_is_more_urgent_than_who_does_not(classifier: LinearClassifier, waits: str, does_not: str) -> None:
    now, later = answer(classifier, waits).urgency, answer(classifier, does_not).urgency
    assert now is not None
    assert later is not None
    assert now > 0.5 > 0.2 > later


@pytest.mark.parametrize("text", ["", "😀", "Bonjour, où est mon colis ? Je l'attends depuis une semaine"])
def test_mood_and_urgency_are_not_guessed(classifier: LinearClassifier, text: str) -> None:
    found = answer(classifier, text)
    assert (found.mood, found.urgency) == (None, None)


def test_evidence_is_what_a_person_would_point_at(classifier: LinearClassifier) -> None:
    shown = {one.text for one in answer(classifier, "Was kostet das Abo? Gibts Rabatt für Studenten?").evidence}
    assert "Rabatt für Studenten" in shown
    assert any("Abo" in text or "kostet" in text for text in shown)


def test_evidence_points_into_the_original_text(classifier: LinearClassifier) -> None:
    text = "🚆 Großer A\u0308rger:  Straßenbahn fällt aus, https://x.example/a Störung!  Erstattung?"
    found = answer(classifier, text)
    assert found.evidence
    assert {"Störung", "Erstattung"} & {one.text for one in found.evidence}
    for one in found.evidence:
        assert text[one.start : one.end] == one.text
        assert one.text == one.text.strip()
        assert one.label is found.label
        assert one.weight > 0


def test_evidence_is_in_the_order_of_the_text_and_does_not_overlap(classifier: LinearClassifier) -> None:
    for text in TEXTS.values():
        places = [place for one in answer(classifier, text).evidence for place in (one.start, one.end)]
        assert places == sorted(places)


def test_without_explaining_there_is_no_evidence_and_the_same_answer(classifier: LinearClassifier) -> None:
    for text in TEXTS.values():
        explained, bare = answer(classifier, text), answer(classifier, text, explain=False)
        assert bare.evidence == ()
        assert bare == explained.model_copy(update={"evidence": ()})


def test_a_text_without_words_is_as_good_as_even(classifier: LinearClassifier) -> None:
    for text in ("", "😀😀😀", "\ud83d", " \n\t"):
        found = answer(classifier, text)
        assert found.abstained
        assert found.evidence == ()
        assert max(found.scores.of(label) for label in Label) < 0.25


def test_a_huge_text_is_answered(classifier: LinearClassifier) -> None:
    for text in ("x" * 100_000, "Wo ist mein Paket? " * 6_000, "ß" * 100_000, "\U0001f600" * 100_000):
        found = answer(classifier, text)
        assert all(text[one.start : one.end] == one.text for one in found.evidence)


def test_a_lone_surrogate_only_parts_words(classifier: LinearClassifier) -> None:
    found = answer(classifier, "Rückerstattung\ud800 für Storno\udfff bitte")
    assert found.label is Label.SERVICE
    assert all("\ud800" not in one.text for one in found.evidence)
    found.model_dump_json()


def test_evidence_with_a_lone_surrogate_in_it_is_left_out(classifier: LinearClassifier) -> None:
    whole, torn = (
        answer(classifier, "Gibts Rabatt für Studenten?"),
        answer(classifier, "Gibts Rabatt\ud800für Studenten?"),
    )
    assert "Rabatt für Studenten" in {one.text for one in whole.evidence}
    assert torn.label is whole.label
    torn.model_dump_json()


def test_evidence_spells_as_the_text_does(classifier: LinearClassifier) -> None:
    text = "Mein Paket aus der GROẞEN STRAẞE ist beschädigt, u\u0308ble Sto\u0308rung, ich will Rückerstattung"
    shown = [text[one.start : one.end] for one in answer(classifier, text).evidence]
    assert shown
    for one in shown:  # whole words, with the marks that belong to them
        assert set(one.split()) <= {word.strip(",") for word in text.split()}


def test_hostile_texts_do_not_hold_up_the_stream(classifier: LinearClassifier) -> None:
    for text in ("@" * 10_000, "a@" * 5_000, "x" * 9_999 + "@", "www." * 2_500, "a\u0308" * 5_000, "@\udfff" * 5_000):
        assert len(classifier.classify([TextInput(text)])) == 1


@settings(deadline=None)
@given(st.lists(anything | hinted, min_size=1, max_size=5))
def test_any_text_gets_an_honest_answer(texts: list[str]) -> None:
    found = DEFAULT.classify([TextInput(text) for text in texts])
    assert len(found) == len(texts)
    for text, one in zip(texts, found, strict=True):
        scores = {label: one.scores.of(label) for label in Label}
        assert math.isclose(sum(scores.values()), 1, abs_tol=1e-9)
        assert scores[one.label] == max(scores.values())
        assert all(text[span.start : span.end] == span.text != "" for span in one.evidence)
        assert Classification.model_validate_json(one.model_dump_json()) == one
