"""Runs a command that cannot outlive its parent: `python -I -S tied.py PARENT COMMAND [ARGUMENT ...]`.

A program of its own, not a function between fork and exec, because that is not safe beside threads. Linux ends the
command with SIGKILL when the thread that started it is gone, whatever ended that; elsewhere only a clean stop does.
SIGKILL because nothing less is certain, and because everything we start must survive it anyway.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: list[str]) -> int:
    """Ties this process to its parent and becomes the command.

    Args:
        arguments: the parent's process id, then the command and its arguments.

    Returns:
        An exit code where it did not become the command.
    """
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):  # it died before the line above
            return 1
    try:
        os.execvp(command[0], command)  # noqa: S606 # the command is ours, and no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
