"""Fetches Kafka's jars into the cache, with a bar: `python -m silofrei.deploy.local.fetch_kafka`."""

import sys

from rich.console import Console

from silofrei.deploy.local.child import LocalError
from silofrei.deploy.local.fetch_bar import FetchBar
from silofrei.deploy.local.jars import cache_folder, fetch, read_lock
from silofrei.deploy.local.supervisor import Event, EventKind


def main() -> int:
    """Fetches what is missing; exit code 1 with the reason where that cannot be."""
    console = Console(stderr=True)
    bar = FetchBar(console)
    try:
        lock = read_lock()

        def progress(done: int, total: int) -> None:
            text = f"Fetching Apache Kafka {lock.version}: {done / 1e6:.0f} of {total / 1e6:.0f} MB"
            bar.shows(Event(EventKind.FETCHING, "kafka", text, share=done / total))

        folder = fetch(lock, cache_folder(lock.version), progress)
    except LocalError as error:
        bar.close()
        console.print(str(error), highlight=False, markup=False)
        return 1
    console.print(f"Apache Kafka {lock.version} is in {folder}", highlight=False, markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
