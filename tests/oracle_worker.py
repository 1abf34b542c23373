"""The process in which LiteRT runs: reads pickled requests from stdin, writes pickled replies to
stdout."""

from __future__ import annotations

import importlib
import os
import pickle
import struct
import sys
import warnings
from typing import Any

import ml_dtypes  # noqa: F401  LiteRT returns bfloat16 only where NumPy knows the type.
import numpy as np
from ai_edge_litert import interpreter as litert


def run(request: dict[str, Any]) -> list[Any]:
    resolver = getattr(litert.OpResolverType, request["resolver"])
    interpreter = litert.Interpreter(
        model_content=request["model"], experimental_op_resolver_type=resolver
    )
    details = interpreter.get_input_details()
    for detail, value in zip(details, request["inputs"], strict=True):
        if list(detail["shape"]) != list(value.shape):
            interpreter.resize_tensor_input(detail["index"], list(value.shape))
    interpreter.allocate_tensors()
    for _ in range(request["invokes"]):
        for detail, value in zip(details, request["inputs"], strict=True):
            interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
    return [np.array(interpreter.get_tensor(d["index"])) for d in interpreter.get_output_details()]


def answer(request: dict[str, Any]) -> tuple[str, Any]:
    try:
        if "function" in request:
            function = getattr(importlib.import_module(request["module"]), request["function"])
            return "ok", function(litert, **request["arguments"])
        return "ok", run(request)
    except Exception as error:
        return "error", f"{type(error).__name__}: {error}"


def main() -> None:
    warnings.filterwarnings("ignore")
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while header := sys.stdin.buffer.read(8):
        request = pickle.loads(sys.stdin.buffer.read(*struct.unpack("<q", header)))
        reply = pickle.dumps(answer(request))
        replies.write(struct.pack("<q", len(reply)) + reply)
        replies.flush()


if __name__ == "__main__":
    main()
