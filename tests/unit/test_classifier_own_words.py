"""A company's own words: names that are passed over, terms that speak for a label, and how mistakes are told."""

import pytest

from silofrei.routing.classifier.model import LinearClassifier, TextInput, load_classifier
from silofrei.routing.classifier.own_words import PULL, vocabulary
from silofrei.schemas.classification import Classification
from silofrei.schemas.config import OwnWords, Thresholds
from silofrei.schemas.names import Label
from silofrei.schemas.settings import ConfigurationError

PLAIN = load_classifier(Thresholds())


def taught(**words: tuple[str, ...]) -> LinearClassifier:
    return load_classifier(Thresholds(), words=OwnWords(**words))


def answer(classifier: LinearClassifier, text: str) -> Classification:
    return classifier.classify([TextInput(text)])[0]


def test_a_homonym_of_the_brand_is_told_by_a_phrase_and_stands_in_the_evidence() -> None:
    text = "Grandioser Abend mit dem Nordwind Orchester, die Zugabe war so laut"
    classifier = taught(none=("Nordwind Orchester",), names=("Nordwind",))
    found = answer(classifier, text)
    assert found.label is Label.NONE
    assert found.scores.none > answer(PLAIN, text).scores.none
    (span,) = [one for one in found.evidence if "Orchester" in one.text]
    assert (span.text, span.label) == ("Nordwind Orchester", Label.NONE)
    assert span.weight >= PULL - 1


@pytest.mark.parametrize("text", ["AZUBI-TAG am Freitag!", "the azubi tag on Friday"])
def test_a_term_counts_in_both_languages_and_in_any_case(text: str) -> None:
    assert answer(taught(hr=("Azubi-Tag",)), text).label is Label.HR


def test_a_term_counts_once_however_often_it_stands_there() -> None:
    classifier = taught(sales=("blau",))
    once, often = (
        answer(classifier, "blau ist es heute"),
        answer(taught(sales=("blau", "es heute")), "blau ist es heute"),
    )
    assert often.scores == once.scores


def test_names_are_passed_over() -> None:
    classifier = taught(names=("Strike", "Jobs"))
    assert answer(classifier, "Strike Jobs Bewerbung").scores == answer(classifier, "Jobs Strike Bewerbung").scores
    assert answer(classifier, "Jobs Jobs Strike").evidence == ()
    assert answer(PLAIN, "Jobs Jobs Strike").evidence != ()


def test_other_texts_are_answered_as_before() -> None:
    classifier = taught(none=("Nordwind Orchester",), names=("Nordwind",))
    text = "Mein Paket ist seit drei Tagen verschwunden"
    assert answer(classifier, text) == answer(PLAIN, text)


@pytest.mark.parametrize(
    ("phrase", "told"),
    [("eins zwei drei vier fünf", r"\[words\] hr: .* has 5 words; 1 to 4 are read"), ("!!!", "has 0 words")],
)
def test_what_is_no_phrase_is_told(phrase: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        vocabulary(OwnWords(hr=(phrase,)))
