"""Ctrl-C between samples: a first one ends a run when the sample is done, a second one at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interruption:
    """Within its context, `asked` says whether the user wants the run to end.

    Works in the main thread, where Python hears signals; elsewhere nothing changes.
    """

    def __init__(self) -> None:
        self.asked = False
        self._usual: object = None

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._usual = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if callable(self._usual) or isinstance(self._usual, int):
            signal.signal(signal.SIGINT, self._usual)

    def _note(self, _: int, __: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
