"""What a lowering sees and records. No device is needed: a dry run is the same call."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from litegpu.delegate import Unsupported
from litegpu.dtypes import NUMPY, decode
from litegpu.graph import ABSENT, Array, Graph, Node, Shape, Tensor
from litegpu.partition import Partition
from litegpu.schema.enums import TensorType

from ..device import DeviceInfo
from ..fusion import Fusion, Tail
from ..program import FLAG, Argument, Constant, Kernel, Launch, Memory, Program, Ref
from .plans import Plans, Question
from .tiles import Arithmetic, Plan, Problem

if TYPE_CHECKING:
    from ..emit import Emit

C_TYPES = {
    TensorType.FLOAT32: "float",
    TensorType.FLOAT16: "half",
    TensorType.INT8: "char",
    TensorType.UINT8: "uchar",
    TensorType.INT16: "short",
    TensorType.UINT16: "ushort",
    TensorType.INT32: "int",
    TensorType.UINT32: "uint",
    TensorType.INT64: "long",
    TensorType.BOOL: "uchar",
    TensorType.INT4: "char",
}
"""OpenCL C's names of element types, which common.cuh gives to CUDA too. 4-bit values lie one
per byte."""


CONVERT = """
KERNEL convert(GLOBAL const IN_T* RESTRICT x, GLOBAL OUT_T* RESTRICT y, int n) {
  int i = THREAD_X;
  if (i < n) STORE(OUT_T, y, i, LOAD(IN_T, x, i));
}
"""


Value = Ref | int | float | np.generic
"""What lowerings pass to kernels."""


@dataclass(frozen=True, slots=True)
class Options:
    """The delegate's own options, as far as lowerings know them.

    `precision`: "fp32", "tf32" (products by devices that have it) or "fp16". `plans`: how products
    are cut into tiles on CUDA.
    """

    precision: str = "fp32"
    plans: Plans = field(default_factory=Plans, compare=False)

    def stored(self, tensor: Tensor) -> TensorType:
        """The type in which a tensor lies on the device: its own, but variables', which keep
        theirs, is `computed`."""
        return tensor.dtype if tensor.is_variable else self.computed(tensor.dtype)

    def computed(self, dtype: TensorType) -> TensorType:
        """The type that kernels read and write: FLOAT16 for FLOAT32 where the precision is
        "fp16"."""
        narrow = self.precision == "fp16" and dtype == TensorType.FLOAT32
        return TensorType.FLOAT16 if narrow else dtype

    def narrowed(self, tensor: Tensor) -> bool:
        """Whether a tensor lies on the device in a smaller type than its own."""
        return self.stored(tensor) != tensor.dtype


class Lowering:
    """Records the launches of one partition. `i` and `j` are positions in the present node's
    inputs, outputs."""

    def __init__(
        self, graph: Graph, info: DeviceInfo, options: Options, part: Partition | None = None
    ) -> None:
        self.graph = graph
        self.info = info
        self.options = options
        self.dry = part is None
        self.fusion = None if part is None else Fusion(graph, part)
        self.program = Program()
        self.node = Node("", 1, (), ())
        self._constants: dict[tuple[object, ...], Ref] = {}
        self._digests: dict[int, bytes] = {}

    def require(self, condition: bool, reason: str) -> None:
        """Raises Unsupported with `reason` unless `condition`."""
        if not condition:
            raise Unsupported(reason)

    # The node.

    def has(self, i: int) -> bool:
        return i < len(self.node.inputs) and self.node.inputs[i] != ABSENT

    def tensor(self, i: int = 0) -> Tensor:
        self.require(self.has(i), f"input {i} is absent")
        return self.graph.tensors[self.node.inputs[i]]

    def output_tensor(self, j: int = 0) -> Tensor:
        self.require(j < len(self.node.outputs), f"output {j} is absent")
        return self.graph.tensors[self.node.outputs[j]]

    def shape(self, i: int = 0) -> Shape:
        return self.tensor(i).shape

    def dtype(self, i: int = 0) -> TensorType:
        return self.tensor(i).dtype

    def ctype(self, i: int = 0) -> str:
        """C's name of the type of what `input` gives."""
        return C_TYPES[self.options.computed(self.dtype(i))]

    def output_ctype(self, j: int = 0) -> str:
        """C's name of the type of what `output` gives."""
        return C_TYPES[self.options.computed(self.output_tensor(j).dtype)]

    def require_dtype(self, i: int, *allowed: TensorType) -> TensorType:
        dtype = self.dtype(i)
        names = ", ".join(t.name for t in allowed)
        self.require(dtype in allowed, f"input {i} is {dtype.name}; the kernel takes {names}")
        return dtype

    def is_constant(self, i: int) -> bool:
        return self.tensor(i).data is not None

    def values(self, i: int) -> Array:
        """The values of a constant input; raises Unsupported where it is computed at run time."""
        tensor = self.tensor(i)
        if tensor.data is None:
            raise Unsupported(
                f"input {i} ({tensor.name!r}) is computed at run time; a constant expected"
            )
        self.require(tensor.sparsity is None, f"input {i} is sparse")
        return decode(tensor.data, tensor.dtype, tensor.shape)

    def plan(self, problem: Problem, arithmetic: Arithmetic) -> Plan:
        """How a product of the present node is cut into tiles."""
        node = self.node
        shapes = tuple(self.graph.tensors[t].shape for t in node.inputs if t != ABSENT)
        question = Question(node.op, repr(node.options), shapes, problem, arithmetic)
        return self.options.plans.choose(question)

    # Memory.

    def input(self, i: int = 0) -> Ref:
        """Input `i`, row-major, of elements of `ctype(i)`; constants are uploaded."""
        return self._input(i, self.options.computed(self.dtype(i)))

    def wide_input(self, i: int = 0) -> Ref:
        """Input `i`, row-major, of elements of its own type whatever the precision."""
        return self._input(i, self.dtype(i))

    def state(self, i: int) -> Ref:
        """The memory of variable input `i`, of its own type, which kernels update."""
        self.require(self.tensor(i).is_variable, f"input {i} is no variable")
        return Ref(Memory.TENSOR, self.node.inputs[i])

    def _input(self, i: int, wanted: TensorType) -> Ref:
        tensor = self.tensor(i)
        if tensor.data is not None:
            dtype = NUMPY[wanted]
            return self.packed(i, dtype.str, self.narrow if dtype == np.float16 else as_it_is)
        ref = Ref(Memory.TENSOR, self.program.root(self.node.inputs[i]))
        stored = self.options.stored(tensor)
        if stored == wanted:
            return ref
        converted = self.scratch(byte_size(tensor.shape, wanted))
        self.convert(ref, C_TYPES[stored], converted, C_TYPES[wanted], tensor.shape)
        return converted

    def convert(self, x: Ref, source: str, y: Ref, target: str, shape: Shape) -> None:
        """Records the launch that copies elements of the C type `source` as ones of `target`."""
        defines = {"IN_T": source, "OUT_T": target}
        count = elements(shape)
        self.launch("convert", "convert", [count], [x, y, count], defines, body=CONVERT)

    def unpadded(self, i: int = 0) -> tuple[Ref, Shape, int, int]:
        """Input `i` without the zeros that an absorbed PAD adds: its buffer and shape, and the rows
        and columns of zeros before it."""
        border = None if self.fusion is None else self.fusion.borders.get(self.node.inputs[i])
        if border is None:
            return self.input(i), self.shape(i), 0, 0
        ref = Ref(Memory.TENSOR, self.program.root(border.source))
        return ref, self.graph.tensors[border.source].shape, border.top, border.left

    def output(self, j: int = 0) -> Ref:
        """The buffer of output `j`, of elements of `output_ctype(j)`."""
        tensor = self.output_tensor(j)
        as_computed = self.options.stored(tensor) == self.options.computed(tensor.dtype)
        self.require(as_computed, f"output {j} is a variable")
        return Ref(Memory.TENSOR, self.node.outputs[j])

    def packed(self, i: int, tag: object, pack: Callable[[Array], Array]) -> Ref:
        """A constant made from input `i`: `pack(values)`, called once per content and `tag`."""
        tensor = self.tensor(i)
        self.values(i) if self.dry else None
        if tensor.data is None:
            raise Unsupported(
                f"input {i} ({tensor.name!r}) is computed at run time; a constant expected"
            )
        values = tensor.data
        key = (self._digest(values), tensor.dtype, tensor.shape, tag)
        return self._constant(key, lambda: pack(decode(values, tensor.dtype, tensor.shape)))

    def narrow(self, array: Array) -> Array:
        """Packed values of a FLOAT32 tensor as kernels read them; too large ones are infinite."""
        if self.options.computed(TensorType.FLOAT32) == TensorType.FLOAT32:
            return array
        with np.errstate(over="ignore"):
            return array.astype(np.float16) if array.dtype == np.float32 else array

    def constant(self, array: Array) -> Ref:
        """A small constant that the lowering computed: a table, a list of sizes, multipliers."""
        key = (hashlib.blake2b(array.tobytes()).digest(), array.dtype.str, array.shape)
        return self._constant(key, lambda: array)

    def computed(self, key: tuple[object, ...], make: Callable[[], Array]) -> Ref:
        """A constant that `make` computes when the partition is compiled; `key` names all it
        depends on."""
        return self._constant(key, make)

    def _constant(self, key: tuple[object, ...], make: Callable[[], Array]) -> Ref:
        ref = self._constants.get(key)
        if ref is None:
            ref = self._constants[key] = Ref(Memory.CONSTANT, len(self.program.constants))
            self.program.constants.append(Constant(key, make))
        return ref

    def _digest(self, data: Array) -> bytes:
        if self.dry:
            return b""
        found = self._digests.get(id(data))
        if found is None:
            found = self._digests[id(data)] = hashlib.blake2b(
                np.ascontiguousarray(data).data
            ).digest()
        return found

    def scratch(self, size: int) -> Ref:
        """`size` bytes for the launches of this node."""
        self.program.scratch.append(size)
        return Ref(Memory.SCRATCH, len(self.program.scratch) - 1)

    def flag(self) -> Ref:
        """Where kernels RAISE what the CPU raises an error for, such as an index out of range: the
        CPU then runs the partition in place of the device."""
        return FLAG

    def alias(self, j: int = 0, i: int = 0) -> None:
        """Lets output `j` have the bits of input `i`: the same memory without a launch, but where
        one of them is narrowed."""
        pair = self.tensor(i), self.output_tensor(j)
        narrow = [self.options.narrowed(tensor) for tensor in pair]
        if narrow[0] != narrow[1]:
            types = ["half" if n else "float" for n in narrow]
            x = Ref(Memory.TENSOR, self.program.root(self.node.inputs[i]))
            self.convert(x, types[0], self.output(j), types[1], pair[narrow.index(True)].shape)
            return
        self.program.aliases[self.node.outputs[j]] = self.program.root(self.node.inputs[i])

    # Launches.

    def launch(
        self,
        stem: str,
        entry: str,
        threads: Sequence[int],
        args: Sequence[Value],
        defines: Mapping[str, object] | None = None,
        block: Sequence[int] | None = None,
        prelude: str = "",
        body: str = "",
    ) -> None:
        """Records one launch. Python ints are passed as int32, floats as float32."""
        if any(n == 0 for n in threads):
            return
        self.require(all(n < 2**31 for n in threads), "the tensor has 2^31 elements or more")
        listed = tuple(sorted((k, str(v)) for k, v in (defines or {}).items()))
        kernel = Kernel(stem, entry, listed, prelude, body)
        shape = None if block is None else tuple(block)
        packed = tuple(_argument(arg) for arg in args)
        self.program.launches.append(Launch(kernel, tuple(threads), shape, packed))

    def tail(
        self, value_type: str = "float", j: int = 0, value: Callable[[Emit], str] | None = None
    ) -> Tail:
        """What the kernel of this node does to its values, and where it writes them.

        `value_type` is the C type of the value before: "float", or "int" for stored integers.
        `value`, where given, is an expression of the kernel's value `v` for element `i`.
        Elementwise nodes that follow are fused in, and are not lowered any more.
        """
        from ..chains import follow

        return follow(self, j, value_type, value)


def _argument(arg: Value) -> Argument:
    if isinstance(arg, Ref | np.generic):
        return arg
    return np.int32(arg) if isinstance(arg, int) else np.float32(arg)


def elements(shape: Shape) -> int:
    return math.prod(shape)


def as_it_is(values: Array) -> Array:
    return values


def byte_size(shape: Shape, dtype: TensorType) -> int:
    """Bytes of a tensor on the device; at least one, as no buffer is empty."""
    return max(1, elements(shape) * NUMPY[dtype].itemsize)
