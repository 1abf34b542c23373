"""RNN, and its unidirectional and bidirectional sequence forms: h = activation(W x + R h + b)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import OpError
from ..graph import Array, Shape
from ..schema.enums import TensorType
from ..schema.options import BidirectionalSequenceRNNOptions, RNNOptions, SequenceRNNOptions
from .checks import options_of, require_inputs, require_rank
from .context import OpContext
from .lstm_cell import require
from .recurrent import functions, product_with, row_product, time_major
from .registry import Step, op

WEIGHT_TYPES = (TensorType.FLOAT32, TensorType.INT8, TensorType.UINT8)


@dataclass(frozen=True, slots=True)
class Layer:
    """Its tensors: input weights, recurrent weights, bias, state from `first`; weights of aux."""

    first: int
    aux: int | None = None

    def units(self, ctx: OpContext) -> int:
        return ctx.shape(self.first)[0]


SINGLE = Layer(1)
FORWARD, BACKWARD = Layer(1, 10), Layer(5, 11)
AUX_INPUT = 9


def check_layer(ctx: OpContext, layer: Layer, batch: int, depth: int) -> None:
    """Raises OpError unless the tensors of the layer fit each other."""
    first = layer.first
    ctx.require_dtype(0, TensorType.FLOAT32)
    kind = ctx.require_dtype(first, *WEIGHT_TYPES)
    require_rank(ctx, first, 2)
    units = layer.units(ctx)
    require(ctx, first, (units, depth), kind)
    require(ctx, first + 1, (units, units), kind)
    require(ctx, first + 2, (units,), TensorType.FLOAT32)
    require(ctx, first + 3, (batch, units), TensorType.FLOAT32)
    ctx.require(
        ctx.tensor(first + 3).is_variable, f"input {first + 3} is a state; it must be a variable"
    )


def check_outputs(ctx: OpContext, count: int) -> None:
    found = len(ctx.node.outputs)
    ctx.require(found == count, f"the node has {found} outputs; expected {count}")
    for j in range(count):
        ctx.require(ctx.output_dtype(j) == TensorType.FLOAT32, f"output {j} must be float32")


def bind_layer(
    ctx: OpContext,
    layer: Layer,
    options: Any,
    x: Array,
    aux: Array | None,
    y: Array,
    reverse: bool = False,
) -> Step:
    """The step that runs the layer over `x` [time, batch, depth] into `y` [time, batch, units]."""
    first, asymmetric = layer.first, options.asymmetric_quantize_inputs
    sources = [(x, product_with(ctx, [first], asymmetric))]
    if aux is not None and layer.aux is not None:
        sources.append((aux, product_with(ctx, [layer.aux], asymmetric)))
    recurrent = product_with(ctx, [first + 1], asymmetric)
    bias, h = ctx.value(first + 2), ctx.input(first + 3)
    apply = functions(options.fused_activation_function, ctx.dtype(first))
    times = range(len(x))[::-1] if reverse else range(len(x))

    def step() -> None:
        inputs = bias
        for source, product in sources:
            inputs = inputs + row_product(product, source)
        for t in times:
            np.add(inputs[t], recurrent(h), out=h)
            apply.activation(h)
            y[t] = h

    return step


def prepare_rnn(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 5)
    check_outputs(ctx, 1)
    require_rank(ctx, 0, 2)
    options_of(ctx, RNNOptions)
    batch, depth = ctx.shape(0)
    check_layer(ctx, SINGLE, batch, depth)
    return [(batch, SINGLE.units(ctx))]


@op("RNN", prepare=prepare_rnn, versions=(1, 3), pure=False)
def rnn(ctx: OpContext) -> Step:
    options = options_of(ctx, RNNOptions)
    return bind_layer(ctx, SINGLE, options, ctx.input(0)[None], None, ctx.output(0)[None])


def prepare_sequence(ctx: OpContext) -> list[Shape]:
    require_inputs(ctx, 5)
    check_outputs(ctx, 1)
    require_rank(ctx, 0, 3)
    options = options_of(ctx, SequenceRNNOptions)
    shape = ctx.shape(0)
    check_layer(ctx, SINGLE, shape[1 if options.time_major else 0], shape[2])
    return [(*shape[:2], SINGLE.units(ctx))]


@op("UNIDIRECTIONAL_SEQUENCE_RNN", prepare=prepare_sequence, versions=(1, 3), pure=False)
def sequence_rnn(ctx: OpContext) -> Step:
    options = options_of(ctx, SequenceRNNOptions)
    x = time_major(ctx.input(0), options.time_major)
    return bind_layer(ctx, SINGLE, options, x, None, time_major(ctx.output(0), options.time_major))


def prepare_bidirectional(ctx: OpContext) -> list[Shape]:
    options = options_of(ctx, BidirectionalSequenceRNNOptions)
    require_inputs(ctx, 12)
    check_outputs(ctx, 1 if options.merge_outputs else 2)
    require_rank(ctx, 0, 3)
    shape = ctx.shape(0)
    for layer in (FORWARD, BACKWARD):
        check_layer(ctx, layer, shape[1 if options.time_major else 0], shape[2])
    ctx.require(ctx.dtype(FORWARD.first) == ctx.dtype(BACKWARD.first), "weights differ in type")
    _check_aux(ctx)
    units = [FORWARD.units(ctx), BACKWARD.units(ctx)]
    return [(*shape[:2], n) for n in ([sum(units)] if options.merge_outputs else units)]


def _check_aux(ctx: OpContext) -> None:
    crossed = ctx.has(10)
    ctx.require(
        crossed == ctx.has(11), "auxiliary weights must be given for both layers or neither"
    )
    if not ctx.has(AUX_INPUT):
        ctx.require(not crossed, f"auxiliary weights without an auxiliary input ({AUX_INPUT})")
        return
    ctx.require_dtype(AUX_INPUT, TensorType.FLOAT32)
    shape = ctx.shape(AUX_INPUT)
    fits = len(shape) == 3 and shape[:2] == ctx.shape(0)[:2]
    if not fits or (not crossed and shape != ctx.shape(0)):
        raise OpError(f"auxiliary input has shape {list(shape)}; the input {list(ctx.shape(0))}")
    if crossed:
        for layer, i in ((FORWARD, 10), (BACKWARD, 11)):
            require(ctx, i, (layer.units(ctx), shape[2]), ctx.dtype(layer.first))


@op("BIDIRECTIONAL_SEQUENCE_RNN", prepare=prepare_bidirectional, versions=(1, 3), pure=False)
def bidirectional_rnn(ctx: OpContext) -> Step:
    options = options_of(ctx, BidirectionalSequenceRNNOptions)
    x = time_major(ctx.input(0), options.time_major)
    aux = time_major(ctx.input(AUX_INPUT), options.time_major) if ctx.has(AUX_INPUT) else None
    crossing = aux if ctx.has(10) else None
    # The reference feeds an auxiliary input without weights to the backward layer in time-major
    # order only.
    behind = aux if aux is not None and crossing is None and options.time_major else x
    y = time_major(ctx.output(0), options.time_major)
    split = FORWARD.units(ctx)
    y_behind = (
        y[..., split:] if options.merge_outputs else time_major(ctx.output(1), options.time_major)
    )
    forward = bind_layer(ctx, FORWARD, options, x, crossing, y[..., :split])
    backward = bind_layer(ctx, BACKWARD, options, behind, crossing, y_behind, reverse=True)
    hybrid = ctx.dtype(FORWARD.first) != TensorType.FLOAT32
    # The reference runs time-major hybrid layers over the sequence once per time step.
    passes = len(x) if hybrid and options.time_major else 1

    def step() -> None:
        for _ in range(passes):
            forward()
            backward()

    return step
