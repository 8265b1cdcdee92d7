"""Fills a Redis, and where asked a ledger, with what a morning and a week bring: `desk_morning.py REDIS_URL [LEDGER]`.

A script rather than a fixture, so that tests of the running system need not import any of its packages.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq

from silofrei.routing.queue import Effect, TicketQueue
from silofrei.schemas.classification import Classification, Evidence, Scores
from silofrei.schemas.decision import RoutingDecision
from silofrei.schemas.event import TicketClaimed, TicketEvent, TicketOpened, TicketResolved, TicketTransferred
from silofrei.schemas.ledger import EVENTS_FOLDER, Part, partition_folder
from silofrei.schemas.mention import Author, Engagement, Media, Mention, MentionCreated, MentionDeleted, MentionEdited
from silofrei.schemas.names import TRIAGE, Channel, Label, Language, MentionKind, Outcome, Priority
from silofrei.schemas.settings import load_settings
from silofrei.streams.ledger_rows import ledger_row, ledger_table

BRAND = "demo"
ATTACK = '<script>document.title="owned"</script> "><img src=x onerror="document.title=\'owned\'"> {{7*7}} & Grüße'


def mention(native: str, text: str, author: Author, now: datetime, *, ago: float, **more: Any) -> Mention:
    """A mention that was posted `ago` minutes before `now`."""
    channel = more.pop("channel", Channel.FACEBOOK)
    posted = now - timedelta(minutes=ago)
    values: dict[str, Any] = {
        "id": f"{channel.value}:{native}",
        "thread_id": f"{channel.value}:{more.pop('thread', native)}",
        "kind": MentionKind.COMMENT,
        "permalink": f"https://social.example/{channel.value}/{native}",
        "language": "de",
    }
    return Mention(
        brand=BRAND, channel=channel, author=author, text=text, created_at=posted, received_at=posted, **(values | more)
    )


def routed(
    said: Mention,
    department: str,
    scores: tuple[float, float, float, float, float],
    *,
    due: float,
    words: tuple[str, ...] = (),
    rule: str = "model",
    priority: Priority = Priority.NORMAL,
    collaborators: tuple[str, ...] = (),
) -> Effect:
    """What opens or continues a ticket: due in so many minutes, with the words that spoke for the best label."""
    values = dict(zip(("service", "sales", "hr", "pr", "none"), scores, strict=True))
    label = Label(max(values, key=lambda name: values[name]))
    evidence = tuple(
        Evidence(start=said.text.index(word), end=said.text.index(word) + len(word), text=word, label=label, weight=w)
        for word, w in zip(words, (2.1, 1.6, 1.2, 0.9, 0.5), strict=False)
    )
    classification = Classification(
        label=label,
        scores=Scores(**values),
        language=Language.ENGLISH if said.language == "en" else Language.GERMAN,
        abstained=rule == "unsure",
        evidence=evidence,
        model="linear-2026.11-1a2b3c4d",
    )
    decision = RoutingDecision(
        department=department,
        collaborators=collaborators,
        priority=priority,
        due_at=datetime.now(UTC) + timedelta(minutes=due),
        rule=rule,
    )
    return Effect(MentionCreated(mention=said), classification, decision)


def morning(now: datetime) -> list[Effect]:
    """Tickets as a morning brings them, German and English, in all queues."""
    jana = Author(id="9001", handle="jana.k", name="Jana Krämer", followers=212)
    tom = Author(id="9002", handle="tomwrites", name="Tom Ashworth", followers=184_000)
    review = Author(id="9003", name="Bernd S.")
    mallory = Author(id="9004", handle="mallory", name="<b>Mallory</b>")
    anyone = Author(id="9005", handle="k_loewe", name="Kira Löwe", followers=57)
    rail = mention(
        "101",
        "Seit drei Tagen warte ich auf mein Paket, die Sendungsverfolgung steht still und am Telefon hängt man ewig. "
        "Bestellung 48812, bitte kümmert euch endlich!",
        jana,
        now,
        ago=252,
        engagement=Engagement(likes=14, replies=3),
    )
    follow = mention("102", "Hallo? Ist da jemand?", jana, now, ago=31, thread="101")
    taken_back = mention("103", "Ihr seid echt das Letzte.", jana, now, ago=30, thread="101")
    mended = mention("102", "Hallo, ist da jemand? Ich brauche das Paket bis Freitag.", jana, now, ago=31, thread="101")
    effects = [
        routed(
            rail,
            "service",
            (0.91, 0.04, 0.01, 0.03, 0.01),
            due=-12,
            words=("warte ich auf mein Paket", "Sendungsverfolgung", "Bestellung"),
            priority=Priority.HIGH,
            collaborators=("pr",),
        ),
        routed(follow, "service", (0.6, 0.1, 0.1, 0.1, 0.1), due=120),
        routed(taken_back, "service", (0.6, 0.1, 0.1, 0.1, 0.1), due=120),
        Effect(MentionEdited(mention=mended, revision="2"), *_again(mended)),
        Effect(MentionDeleted(mention_id="facebook:103", brand=BRAND, channel=Channel.FACEBOOK, deleted_at=now)),
        routed(
            mention("110", ATTACK, mallory, now, ago=44, permalink="javascript:alert(1)"),
            "service",
            (0.52, 0.2, 0.08, 0.1, 0.1),
            due=16,
            words=("script",),
        ),
        routed(
            mention(
                "111",
                "The app logs me out every single time I open it. Pixel 9, newest version. Anyone there?",
                Author(id="9006", handle="@dee_codes", name="Dee"),
                now,
                ago=75,
                channel=Channel.X,
                language="en",
                kind=MentionKind.POST,
            ),
            "service",
            (0.88, 0.03, 0.01, 0.05, 0.03),
            due=48,
            words=("logs me out", "app"),
        ),
        routed(
            mention(
                "112",
                "Akku nach vier Monaten tot, Umtausch abgelehnt. Nie wieder.",
                review,
                now,
                ago=130,
                channel=Channel.TRUSTPILOT,
                kind=MentionKind.REVIEW,
                rating=1.0,
            ),
            "service",
            (0.82, 0.08, 0.0, 0.06, 0.04),
            due=110,
            words=("Umtausch abgelehnt", "Akku"),
            priority=Priority.HIGH,
        ),
        routed(
            mention(
                "113",
                "Wie stelle ich denn die Sprache der Anzeige um? In der Anleitung finde ich nichts.",
                anyone,
                now,
                ago=9,
                channel=Channel.MASTODON,
                kind=MentionKind.POST,
            ),
            "service",
            (0.79, 0.12, 0.01, 0.02, 0.06),
            due=231,
            words=("Anleitung", "stelle ich"),
        ),
        routed(
            mention(
                "120",
                "Gibt's das Trekkingrad auch in Rahmenhöhe 58? Und liefert ihr nach Österreich?",
                anyone,
                now,
                ago=22,
                channel=Channel.INSTAGRAM,
            ),
            "sales",
            (0.07, 0.86, 0.01, 0.02, 0.04),
            due=458,
            words=("Gibt's", "liefert ihr"),
        ),
        routed(
            mention(
                "121",
                "We need 40 bikes for our staff by May. Who do I talk to about a corporate rate?",
                Author(id="9007", handle="northmill", name="Northmill Logistics", followers=3120),
                now,
                ago=61,
                language="en",
                kind=MentionKind.MESSAGE,
                media=(Media(type="file", url="https://a.example/f"),),
            ),
            "sales",
            (0.05, 0.9, 0.02, 0.02, 0.01),
            due=200,
            words=("corporate rate", "We need 40"),
            priority=Priority.HIGH,
            rule="big-orders",
        ),
        routed(
            mention(
                "130",
                "Ich habe mich vor sechs Wochen beworben und nie eine Antwort bekommen. Ist die Stelle noch frei?",
                Author(id="9008", name="M. Yıldız"),
                now,
                ago=300,
                kind=MentionKind.MESSAGE,
            ),
            "hr",
            (0.06, 0.02, 0.88, 0.02, 0.02),
            due=2300,
            words=("beworben", "Stelle"),
        ),
        routed(
            mention(
                "140",
                "Writing about the recall for Saturday's paper. Who can give me a statement by 4 pm?",
                tom,
                now,
                ago=18,
                channel=Channel.X,
                language="en",
                kind=MentionKind.POST,
                engagement=Engagement(likes=312, shares=87, replies=41),
            ),
            "pr",
            (0.08, 0.01, 0.02, 0.86, 0.03),
            due=75,
            words=("statement", "recall"),
            priority=Priority.CRITICAL,
            rule="press-first",
            collaborators=("service",),
        ),
        routed(
            mention(
                "150",
                "Na toll. Und jetzt?",
                Author(id="9010", handle="ohne_namen"),
                now,
                ago=11,
                channel=Channel.MASTODON,
                kind=MentionKind.POST,
            ),
            TRIAGE,
            (0.31, 0.12, 0.06, 0.28, 0.23),
            due=49,
            rule="unsure",
        ),
    ]
    many = [
        routed(
            mention(
                f"16{n:02}",
                f"Zug {2300 + n} wieder {n + 5} Minuten zu spät, Anschluss in Fulda weg.",
                Author(id=f"92{n:02}", handle=f"pendler_{n}"),
                now,
                ago=20 + n,
            ),
            "service",
            (0.83, 0.02, 0.0, 0.12, 0.03),
            due=130 + 7 * n,
            words=("zu spät",),
        )
        for n in range(60)
    ]
    return effects + many


def _again(said: Mention) -> tuple[Classification | None, Any]:
    effect = routed(said, "service", (0.7, 0.1, 0.1, 0.05, 0.05), due=120)
    return effect.classification, effect.decision


def week(now: datetime) -> list[TicketEvent]:
    """What happened in the week before: 240 tickets, some handed over, most resolved, some in time."""
    chance = Random(7)  # noqa: S311 - the same week each time
    said = mention("900", "Text", Author(id="1"), now, ago=1)
    events: list[TicketEvent] = []
    for number in range(240):
        department = chance.choices(("service", "sales", "hr", "pr", TRIAGE), (60, 22, 6, 8, 10))[0]
        opened = now - timedelta(minutes=chance.uniform(30, 9500))
        due = opened + timedelta(hours=4)
        common: dict[str, Any] = {"brand": BRAND, "ticket_id": f"t-{number}"}
        story: list[tuple[type, datetime, dict[str, Any]]] = [
            (
                TicketOpened,
                opened,
                {
                    "channel": said.channel,
                    "thread_id": said.thread_id,
                    "priority": Priority.NORMAL,
                    "due_at": due,
                    "rule": "model",
                    "mention": said,
                },
            )
        ]
        at, token = opened, 0

        def taken(department: str) -> None:
            nonlocal at, token
            at, token = at + timedelta(minutes=chance.expovariate(1 / 35)), token + 1
            fields = {"department": department, "holder": "anna@desk", "token": token}
            story.append((TicketClaimed, at, fields | {"lease_until": at + timedelta(minutes=15)}))  # noqa: B023
            at += timedelta(minutes=chance.expovariate(1 / 50))

        taken(department)
        first = department
        while chance.random() < (0.95 if department == TRIAGE else 0.12):
            target = chance.choice([name for name in ("service", "sales", "hr", "pr") if name != department])
            fields = {"department": target, "from_department": department, "holder": "anna@desk", "reason": "theirs"}
            story.append((TicketTransferred, at, fields))
            department = target
            taken(department)
        if chance.random() < 0.85:
            outcome = chance.choice([Outcome.ANSWERED, Outcome.SOLVED, Outcome.SOLVED, Outcome.LEAD, Outcome.NO_ACTION])
            story.append((TicketResolved, at, {"department": department, "holder": "anna@desk", "outcome": outcome}))
        for seq, (kind, moment, fields) in enumerate(story, 1):
            values = {"department": first} | fields | common
            events.append(kind(event_id=f"t-{number}:{seq}", seq=seq, at=moment, **values))
    return events


def write_ledger(folder: Path, events: list[TicketEvent]) -> None:
    """Put events into the ledger as its writer would."""
    rows = [ledger_row(offset, event.model_dump_json().encode()) for offset, event in enumerate(events)]
    place = folder / EVENTS_FOLDER / partition_folder(0)
    place.mkdir(parents=True)
    pq.write_table(ledger_table(rows), place / Part(0, len(rows)).name)


async def fill(redis_url: str) -> None:
    """Put the morning's tickets into the queues."""
    queue = TicketQueue.connect(load_settings(redis=redis_url, _env_file=None))
    await queue.begin_epoch(BRAND)
    await queue.apply(BRAND, morning(datetime.now(UTC)))
    await queue.close()


if __name__ == "__main__":
    asyncio.run(fill(sys.argv[1]))
    if len(sys.argv) > 2:
        write_ledger(Path(sys.argv[2]), week(datetime.now(UTC)))
