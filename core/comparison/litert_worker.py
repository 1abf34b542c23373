"""The process in which LiteRT is the reference: reads pickled requests from stdin, writes pickled
replies to stdout."""

from __future__ import annotations

import os
import pickle
import struct
import sys
from typing import Any, BinaryIO

import numpy as np


class Peer:
    """LiteRT's interpreter with its reference kernels, all tensors kept."""

    def __init__(self, request: dict[str, Any]) -> None:
        # bfloat16 comes back only where NumPy knows the type.
        import ml_dtypes  # noqa: F401
        from ai_edge_litert import interpreter as litert

        self._graph: int = request["graph"]
        self._signature: str | None = request["signature"]
        self._names: dict[int, str] = request["names"]
        self._variables: list[int] = request["variables"]
        self._tensors: list[int] = request["tensors"]
        self._interpreter = litert.Interpreter(
            model_content=request["model"],
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
        self._shapes: dict[int, tuple[int, ...]] = {}

    def run(self, inputs: dict[int, Any], reset: bool) -> tuple[dict[int, Any], dict[int, Any]]:
        """Every tensor that LiteRT shows after a run, and the variables before it."""
        if reset and self._shapes:
            self._interpreter.reset_all_variables()
        if self._signature is None:
            self._run_main(inputs)
        else:
            before = self._values(self._variables)
            runner = self._interpreter.get_signature_runner(self._signature)
            runner(**{self._names[t]: value for t, value in inputs.items()})
            return self._values(self._tensors), before
        return self._values(self._tensors), self._before

    def _run_main(self, inputs: dict[int, Any]) -> None:
        shapes = {t: value.shape for t, value in inputs.items()}
        if shapes != self._shapes:
            for t, shape in shapes.items():
                self._interpreter.resize_tensor_input(t, list(shape))
            self._interpreter.allocate_tensors()
            self._shapes = shapes
        for t, value in inputs.items():
            self._interpreter.set_tensor(t, value)
        self._before = self._values(self._variables)
        self._interpreter.invoke()

    def _values(self, tensors: Any) -> dict[int, Any]:
        found = {}
        for t in tensors:
            try:
                found[t] = np.array(self._interpreter.get_tensor(t, self._graph))
            except (ValueError, RuntimeError):
                # It has no memory: LiteRT did not need it.
                continue
        return found


MOST_BYTES = 1 << 36
"""More than all tensors of a model may take."""


def write(stream: BinaryIO, message: Any) -> None:
    data = pickle.dumps(message)
    stream.write(struct.pack("<q", len(data)) + data)
    stream.flush()


def read(stream: BinaryIO) -> Any:
    """The next message; EOFError where the stream has ended."""
    header = stream.read(8)
    if len(header) < 8:
        raise EOFError
    (size,) = struct.unpack("<q", header)
    if not 0 <= size <= MOST_BYTES:
        raise ValueError(f"a message of {size} bytes")
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return pickle.loads(data)


def main() -> None:
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    peer: Peer | None = None
    while True:
        try:
            request = read(sys.stdin.buffer)
        except EOFError:
            return
        try:
            if peer is None:
                peer = Peer(request)
                write(replies, ("ok", None))
            else:
                write(replies, ("ok", peer.run(**request)))
        except Exception as error:
            write(replies, ("error", f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    main()
