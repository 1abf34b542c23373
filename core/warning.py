"""Warnings that point at the caller's line, whatever the depth at which litegpu notices."""

from __future__ import annotations

import os
import sys
import warnings

PACKAGE = os.path.dirname(__file__) + os.sep


def warn(message: Warning | str) -> None:
    """Warns at the line that called into this package; text is a UserWarning."""
    frame, level, found = sys._getframe().f_back, 2, 2
    while frame is not None:
        if frame.f_code.co_filename.startswith(PACKAGE):
            found = level + 1
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=found)
