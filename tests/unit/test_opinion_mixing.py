"""Both views together stay a distribution, abstain where they must, and say that there were two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silofrei.routing.opinion.answer import Opinion
from silofrei.routing.opinion.mixing import mix
from silofrei.schemas.classification import Classification, Evidence, Scores
from silofrei.schemas.config import Thresholds
from silofrei.schemas.names import Label, Language

SURE = st.floats(min_value=0, max_value=1)
EVIDENCE = (Evidence(start=0, end=3, text="Rad", label=Label.SERVICE, weight=1.5),)


def local(language: Language = Language.GERMAN, **scores: float) -> Classification:
    given = {label.value: scores.get(label.value, 0.0) for label in Label}
    return Classification(
        label=max(Label, key=lambda label: given[label.value]),
        scores=Scores(**given),
        language=language,
        abstained=True,
        evidence=EVIDENCE,
        model="linear-1",
    )


def test_the_weight_is_as_documented_and_the_second_model_is_named() -> None:
    mixed = mix(local(service=0.4, sales=0.35, pr=0.25), Opinion(Label.SALES, 0.9), Thresholds(), "m-7b")
    assert mixed.label is Label.SALES
    assert mixed.scores.sales == pytest.approx(0.6 * 0.35 + 0.4 * 0.9)
    assert mixed.scores.service == pytest.approx(0.6 * 0.4 + 0.4 * 0.025)
    assert mixed.scores.hr == pytest.approx(0.4 * 0.025)
    assert mixed.abstained is False
    assert mixed.model == "linear-1+m-7b"
    assert (mixed.evidence, mixed.language) == (EVIDENCE, Language.GERMAN)


@given(st.lists(SURE, min_size=5, max_size=5).filter(any), st.sampled_from(Label), SURE, st.sampled_from(Language))
def test_whatever_comes_together_stays_a_distribution_with_its_best_label(
    weights: list[float], label: Label, confidence: float, language: Language
) -> None:
    total = sum(weights)
    scores = {one.value: weight / total for one, weight in zip(Label, weights, strict=True)}
    mixed = mix(local(language, **scores), Opinion(label, confidence), Thresholds(), "m")
    found = {one: mixed.scores.of(one) for one in Label}
    assert sum(found.values()) == pytest.approx(1)
    assert found[mixed.label] == max(found.values())
    assert mixed.abstained is (found[mixed.label] < Thresholds().of(mixed.label))
    assert mixed.label not in mixed.secondary
    assert Label.NONE not in mixed.secondary
    assert Classification.model_validate(mixed.model_dump()) == mixed


@pytest.mark.parametrize("label", Label)
def test_an_opinion_alone_moves_no_text_that_the_local_model_thinks_is_another(label: Label) -> None:
    others = [one for one in Label if one is not label][:3]
    mixed = mix(local(**{one.value: 1 / 3 for one in others}), Opinion(label, 1.0), Thresholds(), "m")
    assert mixed.abstained


def test_no_text_is_discarded_unless_the_local_model_leaned_to_that() -> None:
    sure = Opinion(Label.NONE, 1.0)
    assert mix(local(none=0.32, service=0.44, pr=0.24), sure, Thresholds(), "m").abstained
    assert not mix(local(none=0.5, service=0.3, pr=0.2), sure, Thresholds(), "m").abstained


def test_an_unsure_opinion_leaves_an_unsure_text_in_triage() -> None:
    assert mix(local(service=0.4, sales=0.35, pr=0.25), Opinion(Label.SALES, 0.4), Thresholds(), "m").abstained


def test_the_companys_thresholds_hold() -> None:
    given = local(service=0.4, sales=0.35, pr=0.25), Opinion(Label.SALES, 0.9)
    assert mix(*given, Thresholds(sales=0.6), "m").abstained


def test_who_else_should_see_it_is_the_local_models_word_and_never_the_lead() -> None:
    given = local(service=0.4, sales=0.35, pr=0.25).model_copy(update={"secondary": (Label.SALES, Label.PR)})
    assert mix(given, Opinion(Label.SALES, 0.9), Thresholds(), "m").secondary == (Label.PR,)
    foreign = given.model_copy(update={"language": Language.OTHER})
    assert mix(foreign, Opinion(Label.SALES, 0.9), Thresholds(), "m").secondary == ()


@pytest.mark.parametrize("language", [Language.OTHER, Language.UNDETERMINED])
def test_in_a_language_that_the_local_model_does_not_know_its_view_counts_for_nothing(language: Language) -> None:
    # It is as sure as it is wrong there.
    mixed = mix(local(language, service=0.95, pr=0.05), Opinion(Label.HR, 0.95), Thresholds(), "m")
    assert (mixed.label, mixed.abstained) == (Label.HR, False)
    assert mixed.scores.service == pytest.approx(0.12 + 0.4 * 0.0125)
    assert mix(local(language, none=0.95, pr=0.05), Opinion(Label.NONE, 1.0), Thresholds(), "m").abstained
