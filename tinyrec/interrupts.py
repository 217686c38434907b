"""Ctrl-C and SIGTERM as a wish: what is at hand is finished first."""

import signal
import threading
from contextlib import contextmanager

WISHES = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


@contextmanager
def asked_to_stop(terminate: bool):
    """Meanwhile Ctrl-C (and, with `terminate`, SIGTERM) only adds its name to the list yielded.

    The second time it raises KeyboardInterrupt. In other threads than the main one nothing changes.
    """
    asked = []

    def note(number, frame):
        if asked:
            raise KeyboardInterrupt
        asked.append(WISHES[number])

    main = threading.current_thread() is threading.main_thread()
    signals = [signal.SIGINT, *([signal.SIGTERM] if terminate else [])] if main else []
    before = {number: signal.signal(number, note) for number in signals}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
