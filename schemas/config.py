"""The company's configuration, `silofrei.toml`: departments, deadlines, thresholds and rules by name.

Built-in defaults make an empty file valid. `load_config` checks everything at start; an error names the key, what
is wrong and the fix.
"""

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from silofrei.schemas.base import BrandName, Contract, DepartmentName
from silofrei.schemas.decision import RuleName
from silofrei.schemas.names import TRIAGE, Channel, Label, MentionKind, Priority, Sentiment
from silofrei.schemas.settings import ConfigurationError

_UNITS = {"m": 60, "h": 3600, "d": 86_400}


def parse_duration(value: object) -> timedelta:
    """The duration that `value` means: a number and m, h or d, such as '30m', '4h' or '2d'.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d{1,5})([mhd])", value) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError("write a duration as a number and m, h or d, such as '30m', '4h' or '2d'")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _priority(value: object) -> Priority:
    names = {priority.name.lower(): priority for priority in Priority}
    if isinstance(value, Priority):
        return value
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"write one of {', '.join(names)}")
    return names[value]


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
PriorityName = Annotated[Priority, BeforeValidator(_priority)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Title(Contract):
    """A department's name as people read it."""

    de: str
    en: str


class Department(Contract):
    """One department: its names, its usual deadline, and whether others may look into its queue."""

    title: Title
    deadline: Duration = timedelta(hours=8)
    confidential: bool = False


class ChannelRules(Contract):
    """What one channel asks for: a deadline that is shorter than the departments' wins."""

    deadline: Duration


class SecondaryThresholds(Contract):
    """Least probability that a department should see a mention too which another one has to answer."""

    service: Probability = 0.25
    sales: Probability = 0.25
    hr: Probability = 0.2
    pr: Probability = 0.3

    def of(self, label: Label) -> float:
        """The threshold of a department."""
        return float(getattr(self, label.value))


class Thresholds(Contract):
    """Least probability to route without a person, per label; below it the mention goes to triage.

    `urgent`: from this probability that somebody has to look today, a ticket's priority is high.
    """

    service: Probability = 0.45
    sales: Probability = 0.45
    hr: Probability = 0.45
    pr: Probability = 0.45
    none: Probability = 0.6
    urgent: Probability = 0.6
    secondary: SecondaryThresholds = SecondaryThresholds()

    @field_validator("secondary", mode="before")
    @classmethod
    def _one_for_all(cls, given: object) -> object:
        """A single number stands for every department."""
        if isinstance(given, int | float) and not isinstance(given, bool):
            return dict.fromkeys(SecondaryThresholds.model_fields, given)
        return given

    def of(self, label: Label) -> float:
        """The threshold of `label`."""
        return float(getattr(self, label.value))


Phrase = Annotated[str, Field(min_length=2, max_length=100)]


class OwnWords(Contract):
    """What the classifier cannot know of a company's language; in any case, German and English texts alike."""

    names: tuple[Phrase, ...] = ()
    """Words that name the company, its brands and products: who is meant, not what; they are passed over."""
    service: tuple[Phrase, ...] = ()
    """Words and phrases of up to four words that speak strongly for a label, and so for the others below."""
    sales: tuple[Phrase, ...] = ()
    hr: tuple[Phrase, ...] = ()
    pr: tuple[Phrase, ...] = ()
    none: tuple[Phrase, ...] = ()
    """What only looks like the company: homonyms, a club or a street of the same name."""

    def of(self, label: Label) -> tuple[str, ...]:
        """The words and phrases of `label`."""
        found: tuple[str, ...] = getattr(self, label.value)
        return found


class When(Contract):
    """What a rule looks for; all that is given must hold, an empty `when` always holds."""

    channels: tuple[Channel, ...] = ()
    kinds: tuple[MentionKind, ...] = ()
    labels: tuple[Label, ...] = ()
    words: tuple[Annotated[str, Field(min_length=2)], ...] = ()
    """Any of these words or phrases, in any case, at word borders."""
    min_followers: Annotated[int, Field(ge=0)] | None = None
    min_score: Probability | None = None
    min_urgency: Probability | None = None
    """Least probability that somebody has to look today."""
    sentiments: tuple[Sentiment, ...] = ()
    """The likeliest mood of the author."""
    max_rating: Annotated[float, Field(ge=0, le=5)] | None = None


class Then(Contract):
    """What a rule does; what it leaves out stays as the classifier and the defaults say."""

    department: DepartmentName | None = None
    collaborators: tuple[DepartmentName, ...] = ()
    priority: PriorityName | None = None
    deadline: Duration | None = None
    discard: bool = False


class Rule(Contract):
    """A named rule; the first whose `when` holds decides."""

    name: RuleName
    when: When = When()
    then: Then


def _default_departments() -> dict[str, Department]:
    return {
        "service": Department(title=Title(de="Service", en="Service"), deadline=timedelta(hours=4)),
        "sales": Department(title=Title(de="Vertrieb", en="Sales"), deadline=timedelta(hours=8)),
        "hr": Department(title=Title(de="Personal", en="HR"), deadline=timedelta(days=2), confidential=True),
        "pr": Department(title=Title(de="Presse", en="PR"), deadline=timedelta(hours=8)),
    }


class Config(Contract):
    """The whole of `silofrei.toml`."""

    version: Literal[1] = 1
    brands: Annotated[tuple[BrandName, ...], Field(min_length=1)] = ("demo",)
    departments: dict[DepartmentName, Department] = Field(default_factory=_default_departments)
    """Those of the file stand beside the four defaults, or replace the default of the same name."""
    triage: Department = Department(title=Title(de="Sichtung", en="Triage"), deadline=timedelta(hours=1))
    channels: dict[Channel, ChannelRules] = Field(default_factory=dict)
    thresholds: Thresholds = Thresholds()
    words: OwnWords = OwnWords()
    rules: tuple[Rule, ...] = ()

    @field_validator("departments", mode="before")
    @classmethod
    def _over_defaults(cls, given: object) -> object:
        return {**_default_departments(), **given} if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _known_departments(self) -> Self:
        known = self.queue_names()
        if TRIAGE in self.departments:
            raise ValueError("departments.triage: 'triage' is always there; set its title and deadline under [triage]")
        seen: set[str] = set()
        for index, rule in enumerate(self.rules):
            where = f"rules[{index}] ({rule.name})"
            if rule.name in seen:
                raise ValueError(f"{where}: the name is taken by an earlier rule; give each rule a name of its own")
            seen.add(rule.name)
            for name in (rule.then.department, *rule.then.collaborators):
                if name is not None and name not in known:
                    raise ValueError(
                        f"{where}: unknown department '{name}'; use one of {', '.join(known)} "
                        f"or add [departments.{name}]"
                    )
            if rule.then.discard and rule.then.model_dump(exclude={"discard"}, exclude_defaults=True):
                raise ValueError(f"{where}: then.discard cannot stand beside other effects; remove one of them")
        return self

    def queue_names(self) -> tuple[str, ...]:
        """All queues: the departments in their order, then triage."""
        return (*self.departments, TRIAGE)

    def department(self, name: str) -> Department:
        """The department or queue with this name.

        Raises:
            KeyError: there is none.
        """
        return self.triage if name == TRIAGE else self.departments[name]


def parse_config(text: str, source: str) -> Config:
    """The configuration in `text` (TOML); `source` names it in errors.

    Raises:
        ConfigurationError: it is not TOML or a key is wrong; one line per mistake.
    """
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{source}: not valid TOML: {error}") from None
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError("\n".join(f"{source}: {line}" for line in _explain(error))) from None


def load_config(path: Path | None) -> Config:
    """The configuration at `path`; without one `./silofrei.toml` where it exists, else the built-in defaults.

    Raises:
        ConfigurationError: the file cannot be read or is wrong.
    """
    if path is None:
        path = Path("silofrei.toml")
        if not path.exists():
            return Config()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; check SILOFREI_CONFIG or --config") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: not UTF-8; save it as UTF-8") from None
    return parse_config(text, str(path))


def _explain(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        key = ""
        for part in problem["loc"]:
            key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "unknown key; check its spelling or remove it"
        shown = f" = {problem['input']!r}" if key and not isinstance(problem["input"], dict | list) else ""
        lines.append(f"{key}{shown}: {message}" if key else message)
    return lines
