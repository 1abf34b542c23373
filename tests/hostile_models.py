"""Well-formed models that no interpreter may run, and models that only look so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from litegpu.graph import Graph, Model, Node, Tensor
from litegpu.ops.registry import BUILTIN
from litegpu.schema import options as o
from litegpu.schema import options2 as o2
from litegpu.schema.enums import ActivationFunctionType, TensorType

from . import models as small
from .cases import Arg, Case, const, given, model_of, out


def main(*tensors: Tensor, node: Node, inputs: tuple[int, ...] = (0,)) -> Graph:
    return Graph(tensors, (node,), inputs, node.outputs, "main")


F32, I32, BOOL = TensorType.FLOAT32, TensorType.INT32, TensorType.BOOL
X, Y = Tensor("x", (2,), F32), Tensor("y", (2,), F32)


def loop(condition: int, body: int, *more: Graph) -> Model:
    options = o.WhileOptions(cond_subgraph_index=condition, body_subgraph_index=body)
    return Model((main(X, Y, node=Node("WHILE", 1, (0,), (1,), options)), *more))


def always() -> Graph:
    yes = small.constant("yes", np.array([True]), BOOL)
    return Graph((X, replace(yes, shape=())), (), (0,), (1,), "always")


def same() -> Graph:
    return Graph((X, Y), (small.add_node(0, 0, 1),), (0,), (1,), "same")


def branches(target: int, *more: Graph, given: tuple[int, ...] = (1,)) -> Model:
    """Both branches are the subgraph `target`, which is given these tensors."""
    options = o.IfOptions(then_subgraph_index=target, else_subgraph_index=target)
    node = Node("IF", 1, (0, *given), (2,), options)
    return Model((main(Tensor("c", (), BOOL), X, Y, node=node, inputs=(0, 1)), *more))


def nested(depth: int) -> Model:
    """Subgraph i calls subgraph i + 1."""
    calls = [
        main(X, Y, node=Node("CALL", 1, (0,), (1,), o.CallOptions(subgraph=i + 1)))
        for i in range(depth)
    ]
    return Model((*calls, same()))


def once(called: int) -> Model:
    node = Node("CALL_ONCE", 1, (), (), o.CallOnceOptions(init_subgraph_index=called))
    inner = Graph((), (node,), (), (), "inner")
    return Model((replace(same(), nodes=(node, *same().nodes)), inner))


def f32(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


NHWC, ONE_F32 = given(f32(1, 4, 4, 2)), [out(np.float32)]
FILTER, NO_BIAS = const(f32(3, 2, 2, 2)), const(f32(0))
TALL = 2**31 - 1


def conv(*inputs: Arg, **options: Any) -> Model:
    spec = {"stride_w": 1, "stride_h": 1} | options
    return model_of(Case("", "CONV_2D", inputs, ONE_F32, o.Conv2DOptions(**spec), 3))


def depthwise(*inputs: Arg) -> Model:
    options = o.DepthwiseConv2DOptions(stride_w=1, stride_h=1, depth_multiplier=1)
    return model_of(Case("", "DEPTHWISE_CONV_2D", inputs, ONE_F32, options))


def dense(*inputs: Arg, **options: Any) -> Model:
    kind = o.FullyConnectedOptions(**options)
    return model_of(Case("", "FULLY_CONNECTED", inputs, ONE_F32, kind))


def one(op: str, *inputs: Arg, options: Any = None, dtype: Any = np.float32) -> Model:
    return model_of(Case("", op, inputs, [out(dtype)], options, BUILTIN[op].versions[0]))


def upscaled(*inputs: Arg) -> Model:
    options = o.TransposeConvOptions(stride_w=1, stride_h=1)
    return model_of(Case("", "TRANSPOSE_CONV", inputs, ONE_F32, options))


def ints(*values: int) -> Arg:
    return const(np.array(values, np.int32))


def small_step(start: float, limit: float, delta: float) -> Model:
    return one("RANGE", *(const(np.float32(v)) for v in (start, limit, delta)))


ATTACKS: dict[str, tuple[Model, str]] = {
    "zero attribute: dilation of CONV_2D": (
        conv(NHWC, FILTER, dilation_w_factor=0), "dilation"
    ),
    "zero attribute: filter of DEPTHWISE_CONV_2D": (
        depthwise(NHWC, const(f32(1, 0, 2, 2))), "empty"
    ),
    "zero dimension: bias of CONV_2D": (conv(NHWC, FILTER, NO_BIAS), "bias"),
    "zero dimension: bias of DEPTHWISE_CONV_2D": (
        depthwise(NHWC, const(f32(1, 2, 2, 2)), NO_BIAS), "bias"
    ),
    "zero dimension: bias of FULLY_CONNECTED": (
        dense(given(f32(2, 3)), const(f32(4, 3)), NO_BIAS), "bias"
    ),
    "zero dimension: bias of TRANSPOSE_CONV": (
        upscaled(ints(1, 5, 5, 3), FILTER, NHWC, NO_BIAS), "bias"
    ),
    **{
        f"operands: empty one of {op}": (
            one(op, given(f32(0)), given(f32(2)), options=o.MaximumMinimumOptions()), "broadcast"
        )
        for op in ("MINIMUM", "MAXIMUM")
    },
    "overflow: CONCATENATION": (
        one(
            "CONCATENATION", given(f32(TALL, 0)), given(f32(TALL, 0)),
            options=o.ConcatenationOptions(axis=0),
        ),
        r"4294967294|sizes must be",
    ),
    "overflow: PACK of empty tensors": (
        one(
            "PACK", *[given(f32(2**30, 0))] * 2,
            options=o.PackOptions(values_count=3, axis=0),
        ),
        "inputs",
    ),
    "exhaustion: RANGE by a tiny step": (small_step(0, 1, 1e-30), "RANGE"),
    "exhaustion: RANGE to infinity": (small_step(0, np.inf, 1), "RANGE"),
    "exhaustion: RANGE by NaN": (small_step(0, 1, np.nan), "RANGE"),
    "exhaustion: RESHAPE to rank 33": (
        one("RESHAPE", given(f32(1)), ints(*[1] * 33), options=o.ReshapeOptions()),
        "RESHAPE",
    ),
    "exhaustion: BROADCAST_TO of rank 31": (
        one("BROADCAST_TO", given(f32(1)), ints(*[2] * 31)), "limits.tensor_bytes"
    ),
    "exhaustion: EXPAND_DIMS of rank 32": (
        one("EXPAND_DIMS", given(f32(*[1] * 32)), ints(0)), "EXPAND_DIMS"
    ),
    "exhaustion: TILE to terabytes": (
        one("TILE", given(f32(1, 1)), ints(2**20, 2**20)), "limits.tensor_bytes"
    ),
    "loops: the condition is its own subgraph": (loop(0, 1, same()), "itself"),
    "loops: the body is its own subgraph": (loop(1, 0, always()), "itself"),
    "loops: endless": (loop(1, 2, always(), same()), "limits.loop_iterations|invoke_seconds"),
    "loops: IF of itself": (branches(0, given=(0, 1)), "itself"),
    "loops: subgraphs that call each other": (
        branches(1, *branches(0, given=(0, 1)).graphs, given=(0, 1)), "itself"
    ),
    "loops: deep calls": (nested(40), "limits.call_depth"),
    "loops: CALL_ONCE of itself": (once(1), "itself"),
    "loops: CALL_ONCE of the main graph": (once(0), "takes 1 inputs"),
    "missing: no such activation": (
        dense(
            given(f32(2, 3)), const(f32(4, 3)),
            fused_activation_function=ActivationFunctionType.SIGN_BIT,
        ),
        "activation|SIGN_BIT",
    ),
    "missing: STABLEHLO_CASE without branches": (
        Model(
            (main(Tensor("i", (), I32), X, Y, node=Node(
                "STABLEHLO_CASE", 1, (0, 1), (2,), o2.StablehloCaseOptions()
            ), inputs=(0, 1)),)
        ),
        "STABLEHLO_CASE",
    ),
}  # fmt: skip

HARMLESS: dict[str, tuple[Model, Any]] = {
    "ONE_HOT of nothing": (
        one("ONE_HOT", given(np.zeros((0, 2), np.int32)), ints(3), const(np.float32(1)),
            const(np.float32(0)), options=o.OneHotOptions(axis=-1)),
        f32(0, 2, 3),
    ),
    "ONE_HOT in no classes": (
        one("ONE_HOT", given(np.zeros(2, np.int32)), ints(0), const(np.float32(1)),
            const(np.float32(0)), options=o.OneHotOptions(axis=-1)),
        f32(2, 0),
    ),
    "FULLY_CONNECTED without columns": (dense(given(f32(2, 3)), const(f32(4, 0))), f32(2, 4)),
    "MAXIMUM of nothing": (
        one("MAXIMUM", given(f32(0)), given(f32(1)), options=o.MaximumMinimumOptions()), f32(0)
    ),
    "IF that is not recursive": (branches(1, same()), f32(2)),
    "calls within the depth": (nested(20), f32(2)),
}  # fmt: skip
