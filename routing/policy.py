"""Policy: from a classified mention to a decision, by the company's rules. Pure: no clock, no I/O.

The first rule whose `when` holds decides and its name is returned; without one the classifier decides:
`unsure` sends to triage, `model-none` discards, `model` goes to the label's department. What a rule leaves out stays
as the classifier and the defaults say.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from silofrei.schemas.classification import Classification
from silofrei.schemas.config import Config, Rule, When
from silofrei.schemas.decision import Decision, DiscardDecision, RoutingDecision
from silofrei.schemas.mention import Mention
from silofrei.schemas.names import TRIAGE, Channel, DiscardReason, Label, MentionKind, Priority

UNSURE = "unsure"
"""Rule name of a decision for triage because the classifier abstained."""
MODEL = "model"
"""Rule name of a decision for the label's department."""
MODEL_NONE = "model-none"
"""Rule name of a discard because the classifier says that nobody has to act."""

BAD_RATING = 2.0
"""Reviews with at most so many stars are urgent."""
WIDE_AUDIENCE = 100_000
"""Mentions of authors with at least so many followers are urgent."""

_Condition = Callable[["_Case"], bool]
_Kind = tuple[Channel, MentionKind, Label]
_WORD = re.compile(r"\w+")


class _Case:
    """One mention under decision; its text is folded once, for all rules that look for words."""

    def __init__(self, mention: Mention, classification: Classification) -> None:
        self.mention = mention
        self.classification = classification
        self._folded: str | None = None

    @property
    def folded(self) -> str:
        if self._folded is None:
            self._folded = _fold(self.mention.text)
        return self._folded

    @property
    def spoken(self) -> set[str]:
        """The words of the text."""
        return set(_WORD.findall(self.folded))


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    conditions: tuple[_Condition, ...]

    def holds(self, case: _Case) -> bool:
        return all(condition(case) for condition in self.conditions)


class _Narrowed(NamedTuple):
    """Numbers of the rules that may hold for mentions of one kind.

    Attributes:
        always: to be asked whatever the text says.
        by_word: to be asked where this word stands in the text.
    """

    always: tuple[int, ...]
    by_word: Mapping[str, Sequence[int]]


class Policy:
    """The rules of one configuration, compiled once.

    Args:
        config: departments, deadlines and rules.
    """

    def __init__(self, config: Config) -> None:
        self._urgent = config.thresholds.urgent
        self._rules = tuple(_Compiled(rule, tuple(_conditions(rule.when))) for rule in config.rules)
        self._narrowed: dict[_Kind, _Narrowed] = {}
        self._deadlines = {name: config.department(name).deadline for name in config.queue_names()}
        self._channels = {channel: rules.deadline for channel, rules in config.channels.items()}

    def decide(self, mention: Mention, classification: Classification, now: datetime) -> Decision:
        """Who must act on `mention`, by when, and which rule says so.

        Args:
            mention: what was said.
            classification: what the classifier makes of it.
            now: the current moment. Deadlines count from the receipt, not from the author's clock, and a receipt that
                lies ahead of `now` counts as now.
        """
        case = _Case(mention, classification)
        rule = self._rule(case) if self._rules else None
        if rule is not None and rule.then.discard:
            return DiscardDecision(reason=DiscardReason.RULE, rule=rule.name)
        department, name = _by_model(classification)
        if rule is not None and rule.then.department is not None:
            department = rule.then.department
        if department is None:
            # Also under a rule that only sets, say, a priority: that nobody has to act is the model's word.
            return DiscardDecision(reason=DiscardReason.NOT_ACTIONABLE, rule=MODEL_NONE)
        then = rule.then if rule is not None else None
        return RoutingDecision(
            department=department,
            collaborators=_collaborators(department, classification, then.collaborators if then else ()),
            priority=then.priority if then and then.priority is not None else self._priority(case),
            due_at=min(mention.received_at, now) + self._deadline(mention, department, then.deadline if then else None),
            rule=rule.name if rule is not None else name,
        )

    def _rule(self, case: _Case) -> Rule | None:
        """The first rule that holds. Of hundreds, only those are asked that could hold for such a mention."""
        kind = case.mention.channel, case.mention.kind, case.classification.label
        narrowed = self._narrowed.get(kind)
        if narrowed is None:
            narrowed = self._narrowed[kind] = _narrow(self._rules, kind)
        numbers = narrowed.always
        if narrowed.by_word:
            found = {number for word in case.spoken & narrowed.by_word.keys() for number in narrowed.by_word[word]}
            if found:
                numbers = tuple(sorted(found.union(numbers)))
        return next((self._rules[number].rule for number in numbers if self._rules[number].holds(case)), None)

    def _priority(self, case: _Case) -> Priority:
        mention, urgency = case.mention, case.classification.urgency
        bad = mention.kind is MentionKind.REVIEW and mention.rating is not None and mention.rating <= BAD_RATING
        wide = (mention.author.followers or 0) >= WIDE_AUDIENCE
        urgent = urgency is not None and urgency >= self._urgent
        return Priority.HIGH if bad or wide or urgent else Priority.NORMAL

    def _deadline(self, mention: Mention, department: str, by_rule: timedelta | None) -> timedelta:
        """The rule's deadline, else the department's; the channel's where that is shorter."""
        deadline = by_rule or self._deadlines[department]
        return min(deadline, self._channels.get(mention.channel, deadline))


def _narrow(rules: Sequence[_Compiled], kind: _Kind) -> _Narrowed:
    channel, mention_kind, label = kind
    always: list[int] = []
    by_word: dict[str, list[int]] = {}
    for number, compiled in enumerate(rules):
        when = compiled.rule.when
        asked = ((when.channels, channel), (when.kinds, mention_kind), (when.labels, label))
        if any(wanted and given not in wanted for wanted, given in asked):
            continue
        leads = [_lead(word) for word in when.words]
        if not leads or None in leads:
            always.append(number)
            continue
        for lead in dict.fromkeys(leads):
            by_word.setdefault(str(lead), []).append(number)
    return _Narrowed(tuple(always), by_word)


def _lead(phrase: str) -> str | None:
    """A word that every text with this phrase has; None where it consists of signs alone."""
    return max(_WORD.findall(_fold(phrase)), key=len, default=None)


def _by_model(classification: Classification) -> tuple[str | None, str]:
    """Department (None: nobody) and rule name where no rule speaks."""
    if classification.abstained:
        return TRIAGE, UNSURE
    if classification.label is Label.NONE:
        return None, MODEL_NONE
    return classification.label.value, MODEL


def _collaborators(owner: str, classification: Classification, by_rule: Iterable[str]) -> tuple[str, ...]:
    """The other departments that should see it, each once, in the order of their weight."""
    seconds = (label.value for label in classification.secondary if label is not Label.NONE)
    return tuple(name for name in dict.fromkeys((*seconds, *by_rule)) if name != owner)


def _conditions(when: When) -> Iterable[_Condition]:
    """What must hold, the cheap conditions first."""
    if when.channels:
        yield lambda case: case.mention.channel in when.channels
    if when.kinds:
        yield lambda case: case.mention.kind in when.kinds
    if when.labels or when.min_score is not None:
        yield lambda case: _label_holds(when, case.classification)
    if (urgency := when.min_urgency) is not None:
        yield lambda case: (case.classification.urgency or 0.0) >= urgency
    if when.sentiments:
        yield lambda case: (mood := case.classification.mood) is not None and mood.likeliest in when.sentiments
    if (followers := when.min_followers) is not None:
        yield lambda case: (case.mention.author.followers or 0) >= followers
    if (rating := when.max_rating) is not None:
        yield lambda case: case.mention.rating is not None and case.mention.rating <= rating
    if when.words:
        search = _words(when.words).search
        yield lambda case: search(case.folded) is not None


def _label_holds(when: When, classification: Classification) -> bool:
    """Whether the best label is one of the rule's, and sure enough.

    A rule that gives no `min_score` of its own trusts the classifier's threshold: an unsure label is no label.
    """
    if when.labels and classification.label not in when.labels:
        return False
    if when.min_score is None:
        return not classification.abstained
    return classification.scores.of(classification.label) >= when.min_score


def _words(words: Iterable[str]) -> re.Pattern[str]:
    """Any of the words or phrases at word borders; a space in a phrase stands for any white space."""
    patterns = [r"\s+".join(re.escape(part) for part in _fold(word).split()) for word in words if word.strip()]
    if not patterns:
        return re.compile(r"(?!)")
    # Not \b, which fails beside signs that are part of a word, such as in "#fail" or "c++".
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)")


def _fold(text: str) -> str:
    """`text` without case, and with ü as one character however it was typed: `STRASSE` and `Straße` are one word."""
    return unicodedata.normalize("NFC", text.casefold())
