"""SOFTMAX and LOG_SOFTMAX over the last axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.dtypes import INTEGER_RANGE, NUMPY
from litegpu.errors import OpError
from litegpu.graph import Node
from litegpu.ops.softmax_quantized import EXP, INVERSE, Differences
from litegpu.schema.enums import TensorType as T
from litegpu.schema.options import SoftmaxOptions

from .context import C_TYPES, Lowering, elements
from .quantization import multiplier, per_tensor
from .registry import lowers

SHARE, MOST_LANES = 8, 512
"""GPUs give a row so many lanes that none has more than SHARE columns, but at most MOST_LANES."""

MOST_BYTES = 4095
"""Columns whose fixed-point sum fits 32 bits."""


@lowers("SOFTMAX")
def softmax(low: Lowering, node: Node) -> None:
    dtype = low.require_dtype(0, T.FLOAT32, T.UINT8, T.INT8, T.INT16)
    beta = (node.options or SoftmaxOptions()).beta
    if dtype == T.FLOAT32:
        real(low, beta, is_log=False)
    elif dtype == T.INT16:
        shorts(low, beta)
    else:
        softmax_bytes(low, beta)


@lowers("LOG_SOFTMAX")
def log_softmax(low: Lowering, node: Node) -> None:
    if low.require_dtype(0, T.FLOAT32, T.UINT8, T.INT8) == T.FLOAT32:
        real(low, 1.0, is_log=True)
    else:
        log_softmax_bytes(low)


def table_of(low: Lowering) -> tuple[int, int]:
    """(rows, columns) of the input."""
    shape = low.shape(0)
    low.require(len(shape) > 0, "the input has rank 0")
    return elements(shape[:-1]) if shape[-1] else 0, shape[-1]


def real(low: Lowering, beta: float, is_log: bool) -> None:
    rows, columns = table_of(low)
    args: list[Any] = [low.input(), low.output(), rows, columns, np.float32(beta)]
    defines: dict[str, object] = {"LOG": int(is_log), "T": low.ctype()}
    if low.info.is_cpu:
        low.launch("softmax", "softmax_rows", [rows], args, {**defines, "CPU_DEVICE": 1})
        return
    lanes = 32
    while lanes * SHARE < columns and 2 * lanes <= min(MOST_LANES, low.info.max_block):
        lanes *= 2
    defines["BLOCK"] = lanes
    # A block may hold several warps, each with a row of its own.
    block = None if lanes == low.info.warp else [lanes]
    low.launch("softmax", "softmax_rows", [rows * lanes], args, defines, block)


def quantized_types(low: Lowering) -> dict[str, object]:
    return {"T": C_TYPES[low.dtype(0)], "Y": C_TYPES[low.output_tensor().dtype]}


def differences(beta: float, scale: float) -> Differences:
    try:
        return Differences(beta, scale)
    except OpError as error:
        raise Unsupported(str(error)) from None


def int32s(low: Lowering, name: str, key: tuple[object, ...], make: Callable[[], Any]) -> Any:
    """A table of int32 that is made when it is needed."""
    return low.computed(("softmax", name, *key), lambda: np.asarray(make()).astype(np.int32))


def softmax_bytes(low: Lowering, beta: float) -> None:
    rows, columns = table_of(low)
    target = low.output_tensor()
    low.require(target.dtype in (T.UINT8, T.INT8, T.INT16), f"the output is {target.dtype.name}")
    scale = per_tensor(low.tensor(0))[0]
    table = differences(beta, scale)
    lowest, highest = INTEGER_RANGE[target.dtype]
    powers = int32s(low, "exp", (beta, scale), lambda: table.exp)
    addends = int32s(low, "addend", (beta, scale), lambda: table.addend)
    bits = 8 * NUMPY[target.dtype].itemsize
    low.launch(
        "softmax_quantized",
        "softmax_bytes",
        [rows * low.info.warp],
        [low.input(), low.output(), powers, addends, rows, columns, bits, lowest, highest],
        quantized_types(low),
    )


def log_softmax_bytes(low: Lowering) -> None:
    rows, columns = table_of(low)
    low.require(columns <= MOST_BYTES, f"{columns} columns; at most {MOST_BYTES} are summed")
    scale = per_tensor(low.tensor(0))[0]
    table = differences(1.0, scale)
    inverse = multiplier((1 << (31 - table.shift)) / table.multiplier)
    scaled = int32s(low, "scaled", (1.0, scale), lambda: table.scaled)
    addends = int32s(low, "addend", (1.0, scale), lambda: table.addend)
    limits = (table.least - 1, *INTEGER_RANGE[low.dtype(0)])
    low.launch(
        "softmax_quantized",
        "log_softmax_bytes",
        [rows * low.info.warp],
        [low.input(), low.output(), scaled, addends, rows, columns, *inverse, *limits],
        quantized_types(low),
    )


def shorts(low: Lowering, beta: float) -> None:
    rows, columns = table_of(low)
    product = np.float32(per_tensor(low.tensor(0))[0]) * np.float32(beta)
    scaling = multiplier(float(product) / (10.0 / 65535.0))
    powers = int32s(low, "exp16", (), lambda: EXP)
    inverses = int32s(low, "inverse16", (), lambda: INVERSE)
    low.launch(
        "softmax_quantized",
        "softmax_shorts",
        [rows * low.info.warp],
        [low.input(), low.output(), powers, inverses, rows, columns, *scaling],
        quantized_types(low),
    )
