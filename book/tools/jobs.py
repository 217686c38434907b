"""Long jobs, one after the other or side by side; each result is kept as soon as it is there."""

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock


def run_all(
    jobs: dict[str, object],
    work: Callable,
    keep: Callable,
    at_a_time: int = 1,
    end: float = float("inf"),
) -> int:
    """keep(work(job)) for each job, by its name; returns how many failed.

    work runs in `at_a_time` threads and raises RuntimeError where it fails; `keep` is called by one
    thread at a time. No job begins after `end`, a time of time.monotonic.
    """
    lock, failed = Lock(), []

    def one(name):
        if time.monotonic() > end:
            return
        start = time.perf_counter()
        try:
            result = work(jobs[name])
        except RuntimeError as error:
            failed.append(name)
            print(f"{name}: FAILED\n{error}", file=sys.stderr, flush=True)
            return
        with lock:
            keep(result)
            print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)

    with ThreadPoolExecutor(at_a_time) as pool:
        try:
            list(pool.map(one, jobs))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return len(failed)
