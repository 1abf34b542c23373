"""Elementwise operators: kernels generated from expressions, whole chains of nodes at once."""

from __future__ import annotations

from litegpu.graph import Node
from litegpu.schema.enums import TensorType

from ..chains import express, extend
from ..emit import Emit
from ..expressions import ELEMENTWISE
from ..program import Memory, Ref
from .context import C_TYPES, Lowering, elements
from .copy import pack
from .registry import lowers

BODY = """
KERNEL elementwise({arguments}) {{
  int i = THREAD_X;
  if (i < n) STORE({ctype}, y, i, {text});
}}
"""

PACKED_BODY = """
#define VALUE(i) ({ctype})({text})
KERNEL elementwise({arguments}) {{
  int first = THREAD_X * EACH;
  if (first + EACH > n) {{
    for (int i = first; i < n; i++) y[i] = VALUE(i);
    return;
  }}
  Pack<{ctype}, EACH> made;
  for (int k = 0; k < EACH; k++) made.v[k] = VALUE((RunIndex<EACH>{{first, k}}));
  store_pack(y + first, made);
}}
"""
"""For CUDA: EACH neighbouring elements a thread."""

MOST_EACH = 8
"""Elements of a thread of CUDA: more would leave too few threads to hide the time of memory."""


@lowers(*ELEMENTWISE)
def elementwise(low: Lowering, node: Node) -> None:
    """y[i] = expression of the operands' elements."""
    target = low.output_tensor()
    low.require(target.dtype in C_TYPES, f"the output is {target.dtype.name}")
    computed = target.dtype != TensorType.FLOAT16 or node.op == "CAST"
    low.require(computed, "float16 arithmetic has no GPU kernel")
    emit = Emit(low)
    text, tensor = extend(emit, express(emit, node, "i"), 0, "i")
    target = low.graph.tensors[tensor]
    ctype = C_TYPES[low.options.computed(target.dtype)]
    arguments = ", ".join([*emit.declarations, f"GLOBAL {ctype}* RESTRICT y", "int n"])
    count = elements(target.shape)
    each = min(pack(low, target, count), MOST_EACH)
    template = PACKED_BODY if each > 1 else BODY
    body = template.format(arguments=arguments, ctype=ctype, text=text)
    args = [*emit.args, Ref(Memory.TENSOR, tensor), count]
    defines = {"EACH": each} if each > 1 else {"CPU_DEVICE": int(low.info.is_cpu)}
    low.launch("elementwise", "elementwise", [-(-count // each)], args, defines, body=body)
