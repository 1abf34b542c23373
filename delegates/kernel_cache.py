"""Compiled kernels on disk, shared by processes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path


def default_directory() -> Path:
    """$LITEGPU_CACHE_DIR, or litegpu's folder in the user's cache directory."""
    chosen = os.environ.get("LITEGPU_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base) / "litegpu" if base else Path.home() / ".cache" / "litegpu"


class KernelCache:
    """Binaries by everything that they depend on. A folder that cannot be written is no cache,
    and no error."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or default_directory()

    def path(self, parts: Sequence[str]) -> Path:
        """Where the binary made from `parts` (source, options, device, driver) lies."""
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return self._directory / key[:2] / f"{key}.bin"

    def load(self, parts: Sequence[str]) -> bytes | None:
        try:
            return self.path(parts).read_bytes()
        except OSError:
            return None

    def store(self, parts: Sequence[str], binary: bytes) -> None:
        """Writes the binary whole or not at all, whatever other processes do."""
        path = self.path(parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(binary)
            os.replace(file.name, path)
        except OSError:
            return
