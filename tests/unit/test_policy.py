"""The policy: which rule holds, what it changes, and what the classifier decides where no rule speaks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from silofrei.routing.policy import Policy
from silofrei.schemas.classification import Classification, Mood, Scores
from silofrei.schemas.config import Config, parse_config
from silofrei.schemas.decision import DiscardDecision, RoutingDecision
from silofrei.schemas.mention import Author, Mention
from silofrei.schemas.names import Channel, DiscardReason, Label, Language, MentionKind, Priority

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def mention(**changes: Any) -> Mention:
    values: dict[str, Any] = {
        "id": "x:1",
        "brand": "demo",
        "channel": Channel.X,
        "kind": MentionKind.POST,
        "author": Author(id="7"),
        "text": "Mein Zug fällt aus",
        "created_at": NOW - timedelta(minutes=10),
        "received_at": NOW - timedelta(minutes=1),
        "thread_id": "x:1",
    }
    return Mention(**{**values, **changes})


ANGRY = Mood(negative=0.5, neutral=0.3, positive=0.2)


def classified(label: Label = Label.SERVICE, score: float = 0.8, **changes: Any) -> Classification:
    rest = (1 - score) / 4
    scores = Scores(**{one.value: score if one is label else rest for one in Label})
    values: dict[str, Any] = {"language": Language.GERMAN, "abstained": False, "model": "test-1"}
    return Classification(label=label, scores=scores, **{**values, **changes})


def decide(rules: str = "", said: Mention | None = None, what: Classification | None = None) -> Any:
    return Policy(parse_config(rules, "test")).decide(said or mention(), what or classified(), NOW)


def rule(when: str, then: str = "department = 'pr'", name: str = "mine") -> str:
    return f"[[rules]]\nname = '{name}'\nwhen = {{ {when} }}\nthen = {{ {then} }}\n"


def holds(when: str, said: Mention | None = None, what: Classification | None = None) -> bool:
    return bool(decide(rule(when), said, what).rule == "mine")


# --- Without rules


@pytest.mark.parametrize("label", [label for label in Label if label is not Label.NONE])
def test_a_sure_label_goes_to_its_department(label: Label) -> None:
    decision = decide(what=classified(label))
    assert (decision.department, decision.rule) == (label.value, "model")


def test_an_unsure_label_goes_to_triage() -> None:
    decision = decide(what=classified(Label.SALES, 0.3, abstained=True))
    assert (decision.department, decision.rule) == ("triage", "unsure")


def test_an_unsure_none_goes_to_triage_too() -> None:
    assert decide(what=classified(Label.NONE, 0.4, abstained=True)).department == "triage"


def test_none_is_discarded() -> None:
    assert decide(what=classified(Label.NONE)) == DiscardDecision(
        reason=DiscardReason.NOT_ACTIONABLE, rule="model-none"
    )


def test_secondary_labels_collaborate_without_the_owner_and_none() -> None:
    secondary = (Label.PR, Label.NONE, Label.SERVICE, Label.HR)
    assert decide(what=classified(secondary=secondary)).collaborators == ("pr", "hr")


@pytest.mark.parametrize(
    ("changes", "priority"),
    [
        ({}, Priority.NORMAL),
        ({"kind": MentionKind.REVIEW, "rating": 2.0}, Priority.HIGH),
        ({"kind": MentionKind.REVIEW, "rating": 2.1}, Priority.NORMAL),
        ({"kind": MentionKind.REVIEW}, Priority.NORMAL),
        ({"kind": MentionKind.COMMENT, "rating": 1.0}, Priority.NORMAL),
        ({"author": Author(id="7", followers=100_000)}, Priority.HIGH),
        ({"author": Author(id="7", followers=99_999)}, Priority.NORMAL),
    ],
)
def test_priority_without_a_rule(changes: dict[str, Any], priority: Priority) -> None:
    assert decide(said=mention(**changes)).priority is priority


@pytest.mark.parametrize(
    ("urgency", "priority"), [(None, Priority.NORMAL), (0.59, Priority.NORMAL), (0.6, Priority.HIGH)]
)
def test_what_must_be_seen_today_goes_first(urgency: float | None, priority: Priority) -> None:
    assert decide(what=classified(urgency=urgency)).priority is priority


def test_a_company_says_how_sure_urgency_must_be() -> None:
    assert decide("[thresholds]\nurgent = 0.9", what=classified(urgency=0.8)).priority is Priority.NORMAL


# --- Deadlines


def test_the_departments_deadline_counts_from_the_receipt() -> None:
    said = mention()
    assert decide(said=said).due_at == said.received_at + timedelta(hours=4)


def test_a_receipt_ahead_of_now_counts_as_now() -> None:
    assert decide(said=mention(received_at=NOW + timedelta(days=1))).due_at == NOW + timedelta(hours=4)


@pytest.mark.parametrize(
    ("channel", "by_rule", "minutes"),
    [
        ("30m", None, 30),  # the channel's is shorter
        ("2d", None, 240),  # the department's is shorter
        (None, "15m", 15),  # the rule's stands in for the department's, shorter
        (None, "2d", 2880),  # ... or longer
        ("30m", "2d", 30),  # ... but the channel's wins where it is shorter
        ("30m", "15m", 15),
    ],
)
def test_which_deadline_wins(channel: str | None, by_rule: str | None, minutes: int) -> None:
    rules = rule("", f"deadline = '{by_rule}'") if by_rule else ""
    config = (f"channels.x.deadline = '{channel}'\n" if channel else "") + rules
    said = mention()
    assert decide(config, said).due_at == said.received_at + timedelta(minutes=minutes)


def test_triage_has_a_deadline_of_its_own() -> None:
    said = mention()
    decision = decide("triage = { title = { de = 'S', en = 'T' }, deadline = '7m' }", said, classified(abstained=True))
    assert decision.due_at == said.received_at + timedelta(minutes=7)


# --- What rules look for


def test_an_empty_when_always_holds() -> None:
    assert holds("")


def test_channels() -> None:
    assert holds("channels = ['mastodon', 'x']")
    assert not holds("channels = ['mastodon']")


def test_kinds() -> None:
    assert holds("kinds = ['post']")
    assert not holds("kinds = ['review', 'message']")


def test_labels() -> None:
    assert holds("labels = ['service', 'hr']")
    assert not holds("labels = ['hr']")


def test_an_unsure_label_is_no_label() -> None:
    assert not holds("labels = ['service']", what=classified(score=0.4, abstained=True))


def test_a_rule_may_set_its_own_bar_for_an_unsure_label() -> None:
    unsure = classified(score=0.4, abstained=True)
    assert holds("labels = ['service'], min_score = 0.35", what=unsure)
    assert not holds("labels = ['service'], min_score = 0.45", what=unsure)
    assert not holds("labels = ['hr'], min_score = 0.1", what=unsure)


def test_min_score_alone_asks_the_best_label() -> None:
    assert holds("min_score = 0.8")
    assert not holds("min_score = 0.81")


def test_min_followers() -> None:
    assert holds("min_followers = 500", mention(author=Author(id="7", followers=500)))
    assert not holds("min_followers = 500", mention(author=Author(id="7", followers=499)))
    assert not holds("min_followers = 500", mention(author=Author(id="7")))
    assert holds("min_followers = 0", mention(author=Author(id="7")))


def test_min_urgency() -> None:
    assert holds("min_urgency = 0.5", what=classified(urgency=0.5))
    assert not holds("min_urgency = 0.5", what=classified(urgency=0.4))
    assert not holds("min_urgency = 0.5", what=classified())


def test_sentiments_are_the_likeliest_mood() -> None:
    assert holds("sentiments = ['negative']", what=classified(mood=ANGRY))
    assert not holds("sentiments = ['neutral', 'positive']", what=classified(mood=ANGRY))
    assert not holds("sentiments = ['negative']", what=classified())


def test_max_rating() -> None:
    assert holds("max_rating = 2", mention(rating=2.0))
    assert not holds("max_rating = 2", mention(rating=2.5))
    assert not holds("max_rating = 2", mention())
    assert holds("max_rating = 0", mention(rating=0))


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("anwalt", "Jetzt rede ich mit meinem Anwalt."),
        ("ANWALT", "anwalt"),
        ("kündigen", "Ich werde KÜNDIGEN!"),
        ("kündigen", "Ich werde ku\u0308ndigen"),  # u and a combining diaeresis
        ("ku\u0308ndigen", "kündigen"),
        ("öl", "(Öl)"),
        ("straße", "Haupt-STRASSE 5"),
        ("strasse", "Straße"),
        ("class action", "a class\n  action suit"),
        ("#fail", "so ein #FAIL, wirklich"),
        ("c++", "Sucht ihr C++?"),
        ("a.b", "a.b"),
    ],
)
def test_words_are_found(word: str, text: str) -> None:
    assert holds(f"words = ['{word}']", mention(text=text))


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("anwalt", "Rechtsanwalt"),
        ("anwalt", "Anwaltskosten"),
        ("kündig", "kündigen"),
        ("öl", "Möl"),
        ("öl", "Öle"),
        ("recht", "Brecht"),
        ("echt", "Ächt"),
        ("hr", "Führ"),
        ("class action", "classaction"),
        ("a.b", "axb"),
        ("  ", "a  b"),
    ],
)
def test_words_are_not_found_inside_others(word: str, text: str) -> None:
    assert not holds(f"words = ['{word}']", mention(text=text))


def test_any_of_the_words_suffices() -> None:
    assert holds("words = ['streik', 'ausfall', 'fällt aus']")


def test_all_conditions_of_a_rule_must_hold() -> None:
    assert holds("channels = ['x'], labels = ['service'], words = ['zug']")
    assert not holds("channels = ['x'], labels = ['service'], words = ['bus']")
    assert not holds("channels = ['facebook'], labels = ['service'], words = ['zug']")


# --- What rules do


def test_the_first_rule_that_holds_decides() -> None:
    rules = rule("words = ['bus']", name="bus") + rule("words = ['zug']", name="train") + rule("", name="all")
    assert decide(rules).rule == "train"


def test_a_rule_overrides_the_models_department() -> None:
    assert decide(rule("", "department = 'hr'")).department == "hr"


def test_a_rule_rescues_what_the_model_would_discard() -> None:
    decision = decide(rule(""), what=classified(Label.NONE))
    assert isinstance(decision, RoutingDecision)
    assert decision.department == "pr"


def test_a_rule_without_department_leaves_it_to_the_model() -> None:
    decision = decide(rule("", "priority = 'critical'"))
    assert (decision.department, decision.priority, decision.rule) == ("service", Priority.CRITICAL, "mine")
    unsure = decide(rule("", "priority = 'critical'"), what=classified(abstained=True))
    assert (unsure.department, unsure.rule) == ("triage", "mine")


def test_a_rule_without_department_does_not_rescue_a_none() -> None:
    decision = decide(rule("", "priority = 'critical'"), what=classified(Label.NONE))
    assert decision == DiscardDecision(reason=DiscardReason.NOT_ACTIONABLE, rule="model-none")


def test_a_rule_may_lower_the_priority() -> None:
    said = mention(author=Author(id="7", followers=1_000_000))
    assert decide(rule("", "priority = 'low'"), said).priority is Priority.LOW


def test_a_rules_collaborators_follow_the_models() -> None:
    rules = rule("", "collaborators = ['pr', 'service', 'triage', 'sales']")
    assert decide(rules, what=classified(secondary=(Label.SALES,))).collaborators == ("sales", "pr", "triage")


def test_a_rule_discards() -> None:
    assert decide(rule("", "discard = true")) == DiscardDecision(reason=DiscardReason.RULE, rule="mine")


def test_a_company_has_departments_of_its_own() -> None:
    own = "[departments.purchasing]\ntitle = { de = 'Einkauf', en = 'Purchasing' }\ndeadline = '3d'\n"
    said = mention()
    decision = decide(own + rule("", "department = 'purchasing'"), said)
    assert (decision.department, decision.due_at) == ("purchasing", said.received_at + timedelta(days=3))


def test_the_same_input_gives_the_same_decision() -> None:
    policy = Policy(Config())
    assert policy.decide(mention(), classified(), NOW) == policy.decide(mention(), classified(), NOW)


# --- Many rules: only those that could hold are asked, and the answer is that of asking all


def test_of_many_rules_the_first_that_holds_decides_whatever_it_looks_for() -> None:
    whens = [
        "words = ['Zug kaputt', 'c++']",
        "words = ['!!']",
        "channels = ['x'], words = ['Zug']",
        "labels = ['sales']",
        "kinds = ['review']",
        "words = ['  ']",
        "words = ['#fail', 'fällt']",
        "min_followers = 10",
        "",
    ]
    texts = ["Mein Zug fällt aus", "Zug   kaputt", "c++ !!", "#fail", "Zugbegleiter", "FÄLLT", "hallo", ""]
    many = Policy(parse_config("".join(rule(when, name=f"r{n}") for n, when in enumerate(whens)), "test"))
    alone = [Policy(parse_config(rule(when, name=f"r{n}"), "test")) for n, when in enumerate(whens)]
    for text in texts:
        for label in (Label.SERVICE, Label.SALES):
            for kind in (MentionKind.POST, MentionKind.REVIEW):
                said, what = mention(text=text, kind=kind), classified(label)
                found = (policy.decide(said, what, NOW).rule for policy in alone)
                first = next(name for name in found if name != "model")
                assert many.decide(said, what, NOW).rule == first


def test_a_rule_is_found_among_hundreds() -> None:
    rules = "".join(rule(f"words = ['wort{n}', 'two words {n}']", name=f"r{n}") for n in range(500))
    policy = Policy(parse_config(rules, "test"))
    assert policy.decide(mention(text="Das ist Wort417, und two  words 12."), classified(), NOW).rule == "r12"
    assert policy.decide(mention(text="Wort500 und two words"), classified(), NOW).rule == "model"
