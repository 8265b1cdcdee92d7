"""Which Kafka `--kafka` leads to, and what people are told about it."""

import pytest

from silofrei.deploy.local.choice import KafkaKind, Means, choose_kafka
from silofrei.schemas.settings import ConfigurationError


def have(
    *,
    cached: bool = False,
    reachable: bool = False,
    no_local: str | None = None,
    no_fetch: str | None = None,
    no_memory: str | None = None,
) -> Means:
    return Means(lambda: cached, lambda: reachable, lambda: no_local, lambda: no_fetch, lambda: no_memory)


def test_auto_takes_the_real_one_when_its_jars_are_there() -> None:
    choice = choose_kafka("auto", "4.3.1", have(cached=True))
    assert choice.kind is KafkaKind.LOCAL
    assert not choice.fallback
    assert "Apache Kafka 4.3.1 on this machine, its jars are in the cache." in choice.why
    assert choice.why.endswith("What comes in is kept in the data folder.")


def test_auto_fetches_the_real_one_when_that_is_possible_and_may_fall_back() -> None:
    choice = choose_kafka("auto", "4.3.1", have(reachable=True))
    assert choice.kind is KafkaKind.LOCAL
    assert choice.fallback
    assert "fetched now, once" in choice.why


@pytest.mark.parametrize(
    ("means", "reason"),
    [
        (have(), "did not come within 5 s"),
        (have(reachable=True, no_fetch="jgo is not installed"), "jgo is not installed"),
        (have(cached=True, no_local="Kafka needs Java 17"), "Kafka needs Java 17"),
    ],
)
def test_auto_falls_back_to_memory_and_says_why_and_what_that_means(means: Means, reason: str) -> None:
    choice = choose_kafka("auto", "4.3.1", means)
    assert choice.kind is KafkaKind.MEMORY
    assert reason in choice.why
    assert "Nothing is kept" in choice.why


def test_auto_does_not_ask_the_network_where_that_cannot_help() -> None:
    def asked() -> bool:
        raise AssertionError

    never = Means(lambda: True, asked, lambda: None, lambda: None, lambda: None)
    assert choose_kafka("auto", "4.3.1", never).kind is KafkaKind.LOCAL
    no_java = Means(lambda: False, asked, lambda: "no Java", lambda: None, lambda: None)
    assert choose_kafka("auto", "4.3.1", no_java).kind is KafkaKind.MEMORY


def test_nothing_at_all_is_an_error_that_names_both_reasons() -> None:
    with pytest.raises(ConfigurationError, match=r"no Java here.*no confluent here"):
        choose_kafka("auto", "4.3.1", have(no_local="no Java here", no_memory="no confluent here"))


def test_local_never_falls_back() -> None:
    assert not choose_kafka("local", "4.3.1", have()).fallback
    with pytest.raises(ConfigurationError, match="--kafka local: no Java here"):
        choose_kafka("local", "4.3.1", have(cached=True, no_local="no Java here"))
    with pytest.raises(ConfigurationError, match="--kafka local: no jgo here"):
        choose_kafka("local", "4.3.1", have(no_fetch="no jgo here"))
    assert choose_kafka("local", "4.3.1", have(cached=True, no_fetch="no jgo here")).kind is KafkaKind.LOCAL


def test_memory_is_as_asked() -> None:
    choice = choose_kafka("memory", "4.3.1", have(cached=True))
    assert choice.kind is KafkaKind.MEMORY
    assert "as you asked" in choice.why


@pytest.mark.parametrize("address", ["kafka:9092", "10.0.0.1:9092,10.0.0.2:9093"])
def test_an_address_is_a_broker_of_theirs(address: str) -> None:
    choice = choose_kafka(address, "4.3.1", have())
    assert (choice.kind, choice.address) == (KafkaKind.EXTERNAL, address)


@pytest.mark.parametrize("nonsense", ["", "locale", "kafka", "kafka:", "a:1,b", "a b:1"])
def test_nonsense_is_refused(nonsense: str) -> None:
    with pytest.raises(ConfigurationError, match="write auto, memory, local, or the HOST:PORT"):
        choose_kafka(nonsense, "4.3.1", have(cached=True))
