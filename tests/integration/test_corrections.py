"""From a hand-over in the queue, over the relay and the real Kafka, to a file of corrections."""

import asyncio
import json
import stat

import pytest

from silofrei.routing.classifier.stored import read_model, write_model
from silofrei.routing.queue import TicketQueue
from silofrei.schemas.names import Outcome

pytestmark = pytest.mark.slow


async def hand_over(settings, moves):
    """Hand over the waiting tickets of a department, each as its text asks for."""
    queue = TicketQueue.connect(settings)
    try:
        for department in ("service", "sales", "hr", "pr", "triage"):
            while ticket := await queue.claim("demo", department, "anna"):
                text = ticket.mentions[0].mention.text
                to, misrouted = moves[text.split()[0]]
                if to == department:
                    await queue.resolve("demo", ticket.id, ticket.lease.token, Outcome.ANSWERED)
                else:
                    await queue.transfer("demo", ticket.id, ticket.lease.token, to, "theirs", misrouted=misrouted)
                    moves[text.split()[0]] = (to, False)
    finally:
        await queue.close()


def test_a_misrouted_ticket_becomes_a_correction_in_a_file_of_ones_own(surroundings, native, tmp_path):
    worker = surroundings.worker()
    relay = surroundings.relay()
    texts = {
        "Erstens": "Erstens ist mein Zug heute schon wieder ausgefallen, ich will eine Erstattung",
        "Zweitens": "Zweitens ist mein Zug heute schon wieder ausgefallen, ich will eine Erstattung",
        "Drittens": "Drittens ist mein Zug heute schon wieder ausgefallen, ich will eine Erstattung",
    }
    surroundings.send(*[native.mention(name, text=text) for name, text in texts.items()])
    surroundings.wait_for(lambda: surroundings.lag() == 0, 30, worker)
    moves = {"Erstens": ("pr", True), "Zweitens": ("pr", False), "Drittens": ("triage", True)}
    asyncio.run(hand_over(surroundings.settings, moves))
    surroundings.wait_for(
        lambda: sum(event["type"] == "ticket.transferred" for event in surroundings.events_on_kafka()) == 3, 30, relay
    )
    out = tmp_path / "corrections.jsonl"
    done = surroundings.command("model", "corrections", "--out", str(out))
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 corrections; left out: 1 that went to a department which is no label" in done.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    (line,) = out.read_text().splitlines()
    one = json.loads(line)
    assert (one["text"], one["label"], one["lang"], one["reason"]) == (texts["Erstens"], "pr", "de", "theirs")
    assert list(one) == ["text", "label", "secondary", "lang", "at", "ticket_id", "reason"]
    assert surroundings.command("model", "corrections").stdout == line + "\n"


def test_a_running_worker_takes_a_new_model_and_the_shadow_is_counted(surroundings, native, tmp_path):

    models = tmp_path / "own-data" / "models"
    write_model(models / "own", read_model().weights, {"name": "linear-own"})
    worker = surroundings.worker(data=tmp_path / "own-data", shadow_model="own")
    surroundings.send(native.mention("m1"))
    surroundings.wait_for(lambda: surroundings.lag() == 0, 30, worker)
    assert surroundings.command("model", "use", "own", data=tmp_path / "own-data").returncode == 0

    def by_own() -> bool:
        surroundings.send(native.mention(f"m{len(surroundings.mentions()) + 1}"))
        surroundings.wait_for(lambda: surroundings.lag() == 0, 30, worker)
        return any(
            (event.get("classification") or {}).get("model", "").startswith("linear-own-")
            for event in surroundings.events()
        )

    surroundings.wait_for(by_own, 20, worker)
    shadow = {name: value for name, value in worker.shown().items() if name.startswith("silofrei_shadow_decisions")}
    assert sum(value for name, value in shadow.items() if "_total" in name) == len(surroundings.mentions())
    assert "answers from now on" in worker.says()
    assert worker.stop(10) == 0
