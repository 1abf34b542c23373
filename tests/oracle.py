"""LiteRT as the oracle, always in a subprocess: it may abort. One worker serves all cases of a
test process."""

from __future__ import annotations

import atexit
import importlib.util
import pickle
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

RESOLVERS = {"ref": "BUILTIN_REF", "opt": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "xnnpack": "AUTO"}


class OracleError(RuntimeError):
    """LiteRT refused the model or its inputs; the message is its own."""


class OracleCrash(RuntimeError):
    """LiteRT's process died."""


class _Worker:
    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: dict[str, Any]) -> Any:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.oracle_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        message = pickle.dumps(request)
        try:
            self._process.stdin.write(struct.pack("<q", len(message)) + message)
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        header = self._process.stdout.read(8)
        if len(header) < 8:
            status = self._process.wait()
            self._process = None
            raise OracleCrash(f"LiteRT's process ended with status {status}")
        kind, value = pickle.loads(self._process.stdout.read(*struct.unpack("<q", header)))
        if kind == "error":
            raise OracleError(value)
        return value

    def close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()


_worker = _Worker()
atexit.register(_worker.close)


def is_installed() -> bool:
    return importlib.util.find_spec("ai_edge_litert") is not None


def run(model: bytes, inputs: Sequence[Any], resolver: str = "ref", invokes: int = 1) -> list[Any]:
    """Outputs of LiteRT after `invokes` invokes on the same inputs (resized to the inputs' shapes).

    Raises OracleError where LiteRT raises, OracleCrash where it dies.
    """
    if not is_installed():
        pytest.skip("ai-edge-litert is not installed")
    request = {
        "model": model,
        "inputs": list(inputs),
        "resolver": RESOLVERS[resolver],
        "invokes": invokes,
    }
    result: list[Any] = _worker.ask(request)
    return result


def evaluate(module: str, function: str, **arguments: Any) -> Any:
    """`module.function(litert, **arguments)` called in LiteRT's process; arguments and result
    are pickled."""
    if not is_installed():
        pytest.skip("ai-edge-litert is not installed")
    return _worker.ask({"module": module, "function": function, "arguments": arguments})
