"""Elementwise operators: kernels generated from expressions, whole chains of nodes at once."""

from __future__ import annotations

from litegpu.graph import Node
from litegpu.schema.enums import TensorType

from ..chains import express, extend
from ..emit import Emit
from ..expressions import ELEMENTWISE
from ..program import Memory, Ref
from .context import C_TYPES, Lowering, elements
from .registry import lowers

BODY = """
KERNEL elementwise({arguments}) {{
  int i = THREAD_X;
  if (i < n) STORE({ctype}, y, i, {text});
}}
"""


@lowers(*ELEMENTWISE)
def elementwise(low: Lowering, node: Node) -> None:
    """One work item an element: y[i] = expression of the operands' elements."""
    target = low.output_tensor()
    low.require(target.dtype in C_TYPES, f"the output is {target.dtype.name}")
    low.require(target.dtype != TensorType.FLOAT16, "float16 arithmetic has no GPU kernel")
    emit = Emit(low)
    text, tensor = extend(emit, express(emit, node, "i"), 0, "i")
    target = low.graph.tensors[tensor]
    ctype = C_TYPES[low.options.computed(target.dtype)]
    arguments = ", ".join([*emit.declarations, f"GLOBAL {ctype}* RESTRICT y", "int n"])
    body = BODY.format(arguments=arguments, ctype=ctype, text=text)
    count = elements(target.shape)
    output = Ref(Memory.TENSOR, tensor)
    low.launch("elementwise", "elementwise", [count], [*emit.args, output, count], body=body)
