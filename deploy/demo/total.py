"""The sum of one round of the demo: what went in, where it came out, and whether both are the same.

What went in is counted from the feed's own rows, what came out from the topics: two sources that know nothing of each
other.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from silofrei.deploy.demo.feed import Expected
from silofrei.schemas.dead_letter import DeadLetter
from silofrei.schemas.event import MentionAppended, MentionDiscarded, TicketEvent, TicketOpened
from silofrei.schemas.names import TRIAGE


@dataclass(frozen=True, slots=True)
class Total:
    """One round.

    Attributes:
        deliveries: records that the feed holds.
        mentions: mentions that the feed holds, each once.
        tickets: tickets opened, by queue.
        in_tickets: mentions that opened or joined a ticket, by the queue at that moment.
        discarded: mentions that need nobody.
        more_than_once: ids of mentions that came out twice.
        dead_letters: dead letters by reason.
        dead_letters_expected: the same, counted from the feed.
        p50_ms: median time from receipt to queue, milliseconds.
        p99_ms: its 99th percentile.
    """

    deliveries: int
    mentions: int
    tickets: Mapping[str, int]
    in_tickets: Mapping[str, int]
    discarded: int
    more_than_once: Sequence[str]
    dead_letters: Mapping[str, int]
    dead_letters_expected: Mapping[str, int]
    p50_ms: float
    p99_ms: float

    @property
    def out(self) -> int:
        """Mentions that came out as a ticket or a discard."""
        return sum(self.in_tickets.values()) + self.discarded

    @property
    def balanced(self) -> bool:
        """Whether each mention and each poisoned delivery came out exactly once."""
        return (
            self.out == self.mentions
            and not self.more_than_once
            and dict(self.dead_letters) == dict(self.dead_letters_expected)
        )

    def as_json(self) -> str:
        """One line for programs."""
        return json.dumps({**asdict(self), "out": self.out, "balanced": self.balanced})

    def as_text(self) -> str:
        """A table for people."""
        dead = sum(self.dead_letters.values())
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.dead_letters.items())
        lines = [
            "",
            f"  in   {self.mentions:>5} mentions in {self.deliveries} deliveries "
            f"(with {sum(self.dead_letters_expected.values())} poisoned ones)",
            "",
            f"  {'out':<14}{'mentions':>9}{'tickets':>9}",
        ]
        for queue, count in self.in_tickets.items():
            lines.append(f"  {queue:<14}{count:>9}{self.tickets.get(queue, 0):>9}")
        lines += [
            f"  {'discarded':<14}{self.discarded:>9}",
            f"  {'sum':<14}{self.out:>9}{sum(self.tickets.values()):>9}",
            "",
            f"  {'dead letters':<14}{dead:>9}   ({reasons})",
            "",
            f"  latency from receipt to queue: p50 {self.p50_ms:.0f} ms, p99 {self.p99_ms:.0f} ms",
            "  (the whole feed at once, so most mentions wait behind others)",
            "",
            f"  in = out: {'yes' if self.balanced else 'NO'}",
        ]
        if self.more_than_once:
            lines.append(f"  more than once: {', '.join(self.more_than_once[:10])}")
        if dict(self.dead_letters) != dict(self.dead_letters_expected):
            lines.append(f"  dead letters expected: {dict(self.dead_letters_expected)}")
        return "\n".join(lines)


def add_up(
    expected: Expected, events: Iterable[TicketEvent], letters: Iterable[DeadLetter], queues: Sequence[str]
) -> Total:
    """The total of a round.

    Args:
        expected: what the feed holds.
        events: what lies in `tickets.events`; repeats by event id are dropped.
        letters: the dead letters, each once.
        queues: names of all queues.
    """
    seen: set[str] = set()
    places: Counter[str] = Counter()
    in_tickets: Counter[str] = Counter()
    tickets: Counter[str] = Counter()
    discarded = 0
    waits = []
    for event in events:
        if event.event_id in seen:
            continue
        seen.add(event.event_id)
        if not isinstance(event, TicketOpened | MentionAppended | MentionDiscarded):
            continue
        places[event.mention.id] += 1
        waits.append((event.at - event.mention.received_at).total_seconds() * 1000)
        if isinstance(event, MentionDiscarded):
            discarded += 1
        else:
            in_tickets[event.department] += 1
            tickets[event.department] += isinstance(event, TicketOpened)
    waits.sort()
    ordered = [name for name in queues if name != TRIAGE] + [TRIAGE]
    return Total(
        deliveries=expected.deliveries,
        mentions=expected.created,
        tickets={name: tickets[name] for name in ordered},
        in_tickets={name: in_tickets[name] for name in ordered},
        discarded=discarded,
        more_than_once=[mention for mention, count in places.items() if count > 1],
        dead_letters=dict(sorted(Counter(letter.reason.value for letter in letters).items())),
        dead_letters_expected=dict(sorted((reason.value, n) for reason, n in expected.dead_letters.items())),
        p50_ms=_quantile(waits, 0.5),
        p99_ms=_quantile(waits, 0.99),
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
