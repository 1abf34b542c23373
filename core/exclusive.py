"""One thread at a time: what keeps two threads from mixing their tensors in one interpreter."""

from __future__ import annotations

import threading

from .errors import InvokeError


class Exclusive:
    """A context that one thread may be in, as often as it likes; InvokeError for any other."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise InvokeError(
                "Another thread is running this interpreter; use one interpreter per thread."
            )

    def __exit__(self, *_: object) -> None:
        self._lock.release()
