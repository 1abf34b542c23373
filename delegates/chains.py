"""Chains of elementwise nodes as one C expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from litegpu.delegate import Unsupported
from litegpu.graph import Node
from litegpu.schema.enums import TensorType

from .emit import Emit
from .expressions import ELEMENTWISE, expression
from .fusion import Tail
from .lowering.context import C_TYPES, Lowering
from .program import Memory, Ref

LONGEST = 2000
"""Characters of a value that may be written twice."""


def operands(emit: Emit, node: Node, i: str, known: Mapping[int, str]) -> list[str]:
    """C texts of the node's operands at output element `i`; `known` ones by tensor."""
    low = emit.low
    out = low.output_tensor().shape
    found = []
    for position, t in enumerate(node.inputs):
        if t in known:
            found.append(known[t])
            continue
        tensor = low.tensor(position)
        low.require(tensor.dtype in C_TYPES, f"input {position} is {tensor.dtype.name}")
        ctype = low.ctype(position)
        name = emit.buffer(low.input(position), ctype)
        shape = tensor.shape
        if node.op == "SELECT" and position == 0 and len(shape) == 1:
            # Unlike others, SELECT spreads a vector of conditions over the first axis.
            shape = shape + (1,) * (len(out) - 1)
        index = emit.index(shape, out, i)
        found.append(f"LOAD({ctype}, {name}, {index})")
    return found


def express(emit: Emit, node: Node, i: str) -> str:
    """The present node's value at output element `i`."""
    emit.element = i
    return expression(emit, node, operands(emit, node, i, {}))


def extend(emit: Emit, text: str, j: int, i: str) -> tuple[str, int]:
    """`text`, the value of the present node's output `j`, continued through the nodes that can be
    fused; and the tensor that it is then."""
    low = emit.low
    emit.element = i
    tensor = low.node.outputs[j]
    if low.fusion is None:
        return text, tensor
    first = low.node
    while followers := low.fusion.followers(tensor):
        if len(followers) > 1 and len(text) > LONGEST:
            break
        known, mark = {tensor: text}, emit.mark()
        try:
            for n in followers:
                node = low.node = low.graph.nodes[n]
                _require_elementwise(low)
                known[node.outputs[0]] = expression(emit, node, operands(emit, node, i, known))
        except Unsupported:
            emit.restore(mark)
            break
        low.fusion.fused.update(followers)
        tensor = low.node.outputs[0]
        text = known[tensor]
    low.node = first
    return text, tensor


def _require_elementwise(low: Lowering) -> None:
    low.require(low.node.op in ELEMENTWISE, f"{low.node.op} is not elementwise")
    target = low.output_tensor()
    low.require(target.dtype in C_TYPES, "the output has no C type")
    computed = target.dtype != TensorType.FLOAT16 or low.node.op == "CAST"
    low.require(computed, "float16 is not computed")


def follow(
    low: Lowering, j: int, value_type: str, first: Callable[[Emit], str] | None = None
) -> Tail:
    """The tail of the present node's kernel, whose values are of a C type; `first` is the
    expression that it begins with."""
    emit = Emit(low)
    # Kernels may sum in double, of which functions such as sqrt make another choice.
    value = "((float)(v))" if value_type == "float" else "(v)"
    text, tensor = extend(emit, value if first is None else first(emit), j, "(i)")
    ctype = C_TYPES[low.options.computed(low.graph.tensors[tensor].dtype)]
    output = Ref(Memory.TENSOR, tensor)
    lines = [f"#define OUT_T {ctype}"]
    if text != value:
        extra = "".join(f", {declaration}" for declaration in emit.declarations)
        lines += [f"#define EPILOGUE(v, i) ({text})", f"#define EPILOGUE_ARGS {extra}"]
    return Tail(output, "\n".join(lines) + "\n", emit.args)
