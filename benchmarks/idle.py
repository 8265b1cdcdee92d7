"""What a whole local system uses while nothing comes in: all processes of `silofrei up`, without the broker."""

import sys
import tempfile
import time
from typing import Any

from benchmarks.stage import Processes, Stage

_SETTLE_SECONDS = 15.0


def measure(stage: Stage, seconds: float) -> dict[str, Any]:
    """The section `idle` of results.json.

    Args:
        stage: the services; of them the broker alone is used.
        seconds: how long is looked.
    """
    with tempfile.TemporaryDirectory(prefix="silofrei-idle-") as folder:
        command = (
            sys.executable,
            "-m",
            "silofrei.deploy.cli.main",
            "up",
            "--kafka",
            stage.settings.kafka,
            "--data",
            folder,
        )
        settings = stage.settings.model_copy(update={"topic_prefix": "idle.", "desk_port": 0})
        with Processes([command], settings) as processes:
            time.sleep(_SETTLE_SECONDS)
            processes.check()
            used, began = processes.cpu(), time.monotonic()
            time.sleep(seconds)
            processes.check()
            share = (processes.cpu() - used) / (time.monotonic() - began)
    print(f"  idle: {share:.2%} of a core", flush=True)
    return {"core_share": round(share, 4), "seconds": seconds}
