"""The ledger: `tickets.events` as Parquet files, every offset exactly once.

Owns: the rhythm, from records to files. ledger_reader.py reads, ledger_rows.py says what may go in, and ledger_files.py
writes; how far the ledger has come is known from its files alone. One process reads all partitions: there is no group
to rebalance, and the lock on the folder keeps a second writer away. Kafka away: it waits, for ever.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from silofrei.routing.metrics import DEPENDENCY_UP, LEDGER_ROWS, RETRIES, Dependency
from silofrei.schemas.settings import Settings
from silofrei.streams.backoff import Backoff
from silofrei.streams.ledger_files import LedgerFiles
from silofrei.streams.ledger_reader import LedgerReader
from silofrei.streams.ledger_rows import UNREADABLE, ledger_row
from silofrei.streams.metrics_port import serve_metrics
from silofrei.streams.topics import Topics, require_topic

log = logging.getLogger(__name__)

_ASK_MS = 250
"""Longest wait for new records; also how soon a stop is noticed."""
_FETCH_RECORDS = 5000
_LOOK_SECONDS = 5.0
"""How often the lag is measured while nothing comes."""
_LAST_SECONDS = 3.0
"""Longest wait for Kafka when ending; all that counts is in the files by then."""


@dataclass(frozen=True, slots=True)
class Flush:
    """When rows become files: at so many rows, or so many seconds after the first."""

    rows: int = 20_000
    seconds: float = 2.0


class Ledger:
    """The writer of one ledger.

    Args:
        settings: where Kafka is.
        files: the opened files.
        flush: how many rows and seconds go into a file.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        settings: Settings,
        files: LedgerFiles,
        *,
        flush: Flush = Flush(),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._files = files
        self._flush_when = flush
        self._monotonic = monotonic
        self._rows: dict[int, list[dict[str, Any]]] = {}
        self._since: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the topic until `stop`; what was read by then is written.

        Raises:
            LedgerError: topic and files do not belong together, or the files cannot be written.
        """
        backoff = Backoff(self._settings.retry_cap)
        while not stop.is_set():
            reader = LedgerReader(self._settings, self._files)
            try:
                await self._follow(reader, stop, backoff)
            except (KafkaError, OSError, TimeoutError) as error:
                DEPENDENCY_UP.labels(Dependency.KAFKA).set(0)
                RETRIES.labels(Dependency.KAFKA).inc()
                log.warning("kafka is away: %s; trying again", str(error) or type(error).__name__)
                await backoff.pause(stop)
            finally:
                # Rows that were read are good whatever became of the connection.
                await self._write()
                await reader.close()

    async def _follow(self, reader: LedgerReader, stop: asyncio.Event, backoff: Backoff) -> None:
        await reader.open()
        looked = self._monotonic()
        while not stop.is_set() and not reader.outgrown:
            DEPENDENCY_UP.labels(Dependency.KAFKA).set(1)
            backoff.reset()
            self._take(await reader.fetch(_ASK_MS, _FETCH_RECORDS))
            due = self._due()
            if due:
                await self._write()
            if due or self._monotonic() - looked >= _LOOK_SECONDS:
                await reader.show_lag()
                looked = self._monotonic()
        await self._write()
        await reader.show_lag(_LAST_SECONDS)

    def _take(self, fetched: Mapping[int, Sequence[ConsumerRecord]]) -> None:
        for partition, records in fetched.items():
            added = [ledger_row(record.offset, record.value) for record in records]
            self._rows.setdefault(partition, []).extend(added)
            unreadable = [row["offset"] for row in added if row["type"] == UNREADABLE]
            if unreadable:
                log.error(
                    "partition %d: %d records, the first at offset %d, are no events that this version reads; "
                    "their offsets are kept, reports leave them out",
                    partition,
                    len(unreadable),
                    unreadable[0],
                )
        if self._since is None and any(self._rows.values()):
            self._since = self._monotonic()

    def _due(self) -> bool:
        if self._since is None:
            return False
        waited = self._monotonic() - self._since
        return waited >= self._flush_when.seconds or sum(map(len, self._rows.values())) >= self._flush_when.rows

    async def _write(self) -> None:
        rows, self._rows, self._since = self._rows, {}, None
        if rows:
            await asyncio.to_thread(self._write_files, rows)

    def _write_files(self, rows: dict[int, list[dict[str, Any]]]) -> None:
        for partition, added in rows.items():
            self._files.write(partition, added[-1]["offset"] + 1, added)
            LEDGER_ROWS.inc(len(added))
            joined = self._files.join_small(partition)
            if joined:
                log.info("partition %d: joined small files into %s", partition, joined.name)


def run_ledger(settings: Settings) -> int:
    """Write the ledger until SIGTERM or SIGINT; 0 then.

    Raises:
        LedgerError: the ledger cannot go on by itself.
        ConfigurationError: no broker answers, the topic is missing, or the metrics port is taken.
    """
    # What is wrong from the start shall be told at once; later outages are waited for.
    require_topic(settings, Topics(settings).events)
    serve_metrics(settings)
    with LedgerFiles(settings.ledger_folder, Topics(settings).events).opened() as files:
        asyncio.run(_until_stopped(Ledger(settings, files)))
    return 0


async def _until_stopped(ledger: Ledger) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await ledger.run(stop)
