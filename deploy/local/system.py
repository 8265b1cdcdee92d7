"""A whole Silofrei on one machine: broker, Redis and our processes, started in order and stopped together.

It prints nothing: what a person may want to know goes to the caller as `Event`s.
"""

import asyncio
import secrets
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from silofrei.deploy.local.child import Child
from silofrei.deploy.local.epochs import begin_epochs
from silofrei.deploy.local.instance import DataLock, Instance, remove_instance, write_instance
from silofrei.deploy.local.processes import desk_port, our_processes
from silofrei.deploy.local.stores import pick_kafka, start_stores
from silofrei.deploy.local.supervisor import Report, Supervisor, note
from silofrei.deploy.prometheus.targets import TARGETS, lay_out, write_targets
from silofrei.schemas.config import Config
from silofrei.schemas.settings import Settings
from silofrei.streams.topics import provision

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Work = Callable[[Instance], Awaitable[Any]]


def _now() -> datetime:
    return datetime.now(UTC)


def _is_heard(number: signal.Signals) -> bool:
    return signal.getsignal(number) is not signal.SIG_IGN


class LocalSystem:
    """Everything of one Silofrei on this machine, on one data folder.

    Use `run`, or `start` and `stop`, in an event loop of the main thread.

    Args:
        settings: of the system; addresses, ledger and the security of what is ours are set by it.
        config: the company's configuration.
        report: told of all that happens, in the event loop; must return at once.
        kafka: `auto`, `local`, `memory`, or bootstrap servers.
        redis: URL of a Redis; without one it brings its own.
        workers: how many workers.
        clock: the current moment.
    """

    def __init__(
        self,
        settings: Settings,
        config: Config,
        *,
        report: Report,
        kafka: str = "auto",
        redis: str | None = None,
        workers: int = 1,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.settings = settings.model_copy(update={"data": settings.data.absolute()})
        """The settings of the system; those of its processes once it runs."""
        self._config = config
        self._kafka = kafka
        self._redis = redis
        self._workers = workers
        self._report = report
        self._clock = clock
        self._lock: DataLock | None = None
        self._supervisor: Supervisor | None = None

    async def run(self, work: Work | None = None) -> bool:
        """Starts everything, does `work`, and stops everything.

        SIGINT, SIGTERM and SIGHUP end it cleanly; a second one kills what has not ended.

        Args:
            work: what to do while it runs; without it, runs until a signal.

        Returns:
            Whether `work` came to its end; False where a signal ended it.

        Raises:
            ConfigurationError: something is wrong or missing, or a part ended that cannot be replaced.
        """
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()

        def end() -> None:
            if asked.is_set() and self._supervisor is not None:
                self._supervisor.kill()
            asked.set()

        # Under nohup a hang-up is to be ignored, and stays so.
        numbers = [number for number in _SIGNALS if number != signal.SIGHUP or _is_heard(number)]
        for number in numbers:
            loop.add_signal_handler(number, end)
        broken = self._supervise().broken
        life = asyncio.create_task(self._live(work), name="life")
        signalled = asyncio.create_task(asked.wait(), name="signal")
        first: list[asyncio.Future[Any]] = [life, signalled, broken]
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if broken.done():
                raise broken.result()
            if life.done():
                life.result()
            return life.done()
        finally:
            for task in (life, signalled):
                task.cancel()
            await asyncio.gather(life, signalled, return_exceptions=True)
            await self.stop()
            for number in numbers:
                loop.remove_signal_handler(number)

    async def start(self) -> Instance:
        """Starts everything and waits until it is ready.

        Returns:
            Where everything is; commands in other shells find the same in DATA/instance.json.

        Raises:
            ConfigurationError: something is wrong or missing; call `stop` all the same.
        """
        supervisor = self._supervise()
        self._lock = DataLock(self.settings.data)
        choice = await pick_kafka(self._kafka, self._report)
        self.settings = await start_stores(self.settings, choice, self._redis, supervisor, self._report)
        await self._prepare_stores()
        self._settle_desk()
        processes = our_processes(self.settings, self.settings.data / "logs", self._workers)
        await supervisor.start(*(process.child for process in processes))
        targets = [process.target for process in processes if process.target is not None]
        instance = Instance.of_this_process(
            self._clock(),
            kafka_kind=choice.kind.value,
            kafka=self.settings.kafka,
            redis=self.settings.redis,
            ledger=self.settings.ledger_folder,
            desk_host=self.settings.desk_host,
            desk_port=self.settings.desk_port,
            topic_prefix=self.settings.topic_prefix,
            config=self.settings.config and self.settings.config.absolute(),
            metrics={target.instance: target.address for target in targets},
            prometheus=lay_out(self.settings.data / "prometheus", targets),
        )
        write_instance(self.settings.data, instance)
        return instance

    async def stop(self) -> None:
        """Stops everything: our processes, then broker and Redis. Harmless where nothing runs."""
        if self._lock is not None:
            remove_instance(self.settings.data)
        if self._supervisor is not None:
            await self._supervisor.stop()
            self._supervisor = None
        if self._lock is not None:
            if (self.settings.data / "prometheus").is_dir():
                write_targets(self.settings.data / "prometheus" / TARGETS, ())
            self._lock.release()
            self._lock = None

    async def add(self, child: Child) -> None:
        """Runs one more child with the system; it is stopped before all others.

        Raises:
            LocalError: it did not start.
        """
        await self._supervise().start(child)

    def pids(self) -> dict[str, int]:
        """The process ids of all children that run, by name."""
        return self._supervisor.pids() if self._supervisor is not None else {}

    def _supervise(self) -> Supervisor:
        if self._supervisor is None:
            self._supervisor = Supervisor(self._report)
        return self._supervisor

    async def _live(self, work: Work | None) -> None:
        instance = await self.start()
        await (work(instance) if work is not None else asyncio.Event().wait())

    async def _prepare_stores(self) -> None:
        for topic in await asyncio.to_thread(provision, self.settings, self._config):
            for problem in topic.problems:
                self._report(note(problem))
        for problem in await begin_epochs(self.settings, self._config):
            self._report(note(problem))

    def _settle_desk(self) -> None:
        wanted = self.settings.desk_port
        port = desk_port(self.settings)
        if wanted not in (0, port):
            self._report(note(f"Port {wanted} is taken; the desk is at port {port}."))
        # One secret for its life, so that a form still works after the desk was restarted.
        secret = self.settings.desk_secret or SecretStr(secrets.token_urlsafe(32))
        self.settings = self.settings.model_copy(update={"desk_port": port, "desk_secret": secret})
