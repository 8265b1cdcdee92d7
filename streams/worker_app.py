"""The worker as a Faust app: its settings, and the one agent that puts fetches into the line.

Owns: Faust's settings and the agent. Refuses: what is done with a fetch (line.py, apply.py) and the process
(worker.py).

Each setting answers a finding, see docs/decisions: no tables, no `take`, no exception out of the agent, acks only
through our own ledger.
"""

import asyncio
from functools import partial
from typing import Any, cast

import faust
from faust.types.auth import CredentialsT

from silofrei.schemas.settings import Settings
from silofrei.streams import transport
from silofrei.streams.apply import Router
from silofrei.streams.kafka_clients import CLIENT, ssl_context
from silofrei.streams.line import Line
from silofrei.streams.topics import Topics
from silofrei.streams.transport import BatchConsumer, BatchTransport, FetchSchema

_BUFFERED_FETCHES = 16
"""Fetches that wait in memory; each holds about `_FETCH_BYTES` at most, or one larger record."""
_FETCH_BYTES = 1_048_576


class WorkerApp(faust.App):
    """A Faust app without tables, so without folders of its own."""

    logger = transport.log

    def _create_directories(self) -> None:
        """Faust keeps tables there."""


def build_app(settings: Settings, router: Router) -> WorkerApp:
    """The app with its agent; it must be built and started within an event loop."""
    topics = Topics(settings)
    app = WorkerApp(
        topics.worker_group,
        broker=[f"kafka://{address}" for address in settings.kafka.split(",")],
        broker_client_id=CLIENT,
        broker_credentials=_credentials(settings),
        # One slot, one member: after a restart it has its partitions back at once, without a rebalance.
        consumer_group_instance_id=f"{topics.worker_group}-{settings.worker_slot}",
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=_FETCH_BYTES,
        broker_commit_interval=1.0,
        # A request that hangs on a dying broker holds its partitions back for so long.
        broker_request_timeout=30.0,
        broker_session_timeout=15.0,
        broker_heartbeat_interval=3.0,
        # A worker without partitions, or with full buffers, does not poll; it must not be thrown out for that.
        broker_max_poll_interval=604_800.0,
        broker_max_poll_records=settings.batch_records,
        stream_buffer_maxsize=_BUFFERED_FETCHES,
        stream_wait_empty=True,
        stream_publish_on_commit=False,
        processing_guarantee="at_least_once",
        producer_acks=-1,
        producer_request_timeout=30.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        # Its /table and /router would be public otherwise.
        web_enabled=False,
        cython_optimizations=True,
    )
    app.transport = BatchTransport(app.conf.broker, app)
    deliveries = app.topic(topics.raw, schema=FetchSchema())

    @app.agent(deliveries, concurrency=1, name="silofrei.route")
    async def route(stream: faust.StreamT[Any]) -> None:
        line = Line(
            router,
            consumer_of(app).ledger.settle,
            most_records=settings.batch_records,
            most_bytes=_FETCH_BYTES,
            retry_cap=settings.retry_cap,
        )
        working = asyncio.create_task(line.run())
        try:
            async for event in cast(faust.Stream[Any], stream).noack().events():
                await line.add(event.value, partial(stream.ack, event))
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    return app


def consumer_of(app: WorkerApp) -> BatchConsumer:
    """The app's consumer."""
    consumer = app.consumer
    if not isinstance(consumer, BatchConsumer):
        raise TypeError(f"the app has a {type(consumer).__name__}; set app.transport before its first use")
    return consumer


def _credentials(settings: Settings) -> CredentialsT | None:
    context = ssl_context(settings)
    if settings.kafka_security.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value() if settings.kafka_password else "",
            mechanism=settings.kafka_sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None
