"""SIGTERM, the signal of a cluster's time limit, as a question that a loop can ask."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def termination_requests() -> Iterator[Callable[[], bool]]:
    """Keep SIGTERM from ending the process; yield a function that says whether it has come.

    To be entered in the main thread. What was in force before is restored at the end.
    """
    requests: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        requests.append(number)

    previous = signal.signal(signal.SIGTERM, note)
    try:
        yield lambda: bool(requests)
    finally:
        signal.signal(signal.SIGTERM, previous)
