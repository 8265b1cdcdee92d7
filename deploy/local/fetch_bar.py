"""A bar for the terminal while Kafka's jars are fetched."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from silofrei.deploy.local.supervisor import Event, EventKind


class FetchBar:
    """Shows the events of a download and leaves the others alone.

    Args:
        console: where to show it; a console that is no terminal gets one line at the begin instead.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def shows(self, event: Event) -> bool:
        """Takes the event where it is one of a download; closes the bar at the next one that is not."""
        if event.kind is not EventKind.FETCHING or event.share is None:
            self.close()
            return False
        if self._bar is None or self._task is None:
            self._bar = self._begin()
            if not self._console.is_terminal:
                self._console.print(f"{event.text} ...", highlight=False)
            self._task = self._bar.add_task(event.text, total=1.0)
        self._bar.update(self._task, completed=event.share, description=event.text)
        if event.share >= 1:
            self.close()
        return True

    def close(self) -> None:
        """Ends the bar, if there is one."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None

    def _begin(self) -> Progress:
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        bar.start()
        return bar
