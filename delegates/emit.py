"""C text of one generated kernel: collects its buffers and scalars while expressions are
written."""

from __future__ import annotations

import numpy as np
from litegpu.graph import Shape

from .lowering.context import Lowering, elements
from .program import FLAG, Argument, Ref


class Emit:
    """Arguments of a generated kernel, named in the order in which expressions ask for them.

    Values that differ from node to node are arguments, not text, so that equal texts are one
    kernel. `element` is the text of the element's number.
    """

    def __init__(self, low: Lowering, prefix: str = "e") -> None:
        self.low = low
        self.args: list[Argument] = []
        self.declarations: list[str] = []
        self.element = "i"
        self._prefix = prefix
        self._names: dict[tuple[Ref, str], str] = {}

    def buffer(self, ref: Ref, ctype: str) -> str:
        """The name of a read-only buffer of elements of `ctype`."""
        found = self._names.get((ref, ctype))
        if found is None:
            found = self._names[ref, ctype] = self._name()
            self.args.append(ref)
            self.declarations.append(f"GLOBAL const {ctype}* RESTRICT {found}")
        return found

    def flag(self) -> str:
        """The name of the flag that says that data are wrong."""
        if FLAG not in self.args:
            self.args.append(FLAG)
            self.declarations.append("GLOBAL int* data_flag")
        return "data_flag"

    def integer(self, value: int) -> str:
        name = self._name()
        self.args.append(np.int32(value))
        self.declarations.append(f"int {name}")
        return name

    def real(self, value: float) -> str:
        name = self._name()
        self.args.append(np.float32(value))
        self.declarations.append(f"float {name}")
        return name

    def mark(self) -> int:
        """A state to which `restore` goes back."""
        return len(self.args)

    def restore(self, mark: int) -> None:
        del self.args[mark:], self.declarations[mark:]
        self._names = {k: v for k, v in self._names.items() if int(v[len(self._prefix) :]) < mark}

    def _name(self) -> str:
        return f"{self._prefix}{len(self.args)}"

    def index(self, shape: Shape, out: Shape, i: str) -> str:
        """The index into a tensor of `shape`, broadcast to `out`, of the output's element `i`."""
        if elements(shape) <= 1:
            return "0"
        aligned = (1,) * (len(out) - len(shape)) + shape
        if aligned == out:
            return i
        first = next(k for k, n in enumerate(aligned) if n > 1)
        last = max(k for k, n in enumerate(aligned) if n > 1)
        inner = elements(out[last + 1 :])
        if aligned[first : last + 1] == out[first : last + 1]:
            position = i if inner == 1 else f"({i}) / {self.integer(inner)}"
            if all(n == 1 for n in out[:first]):
                return position
            return f"({position}) % {self.integer(elements(aligned))}"
        strides, step = [], 1
        for n in reversed(aligned):
            strides.append(0 if n == 1 else step)
            step *= n
        table = np.array([[*out], strides[::-1]], np.int32)
        sizes = self.buffer(self.low.constant(table), "int")
        return f"broadcast_index({i}, {sizes}, {len(out)})"
