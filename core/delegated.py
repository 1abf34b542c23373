"""The step that runs a partition on its delegate, and on the CPU once the delegate has failed."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .delegate import DelegateWarning, DeviceLost, Executable, Slot
from .errors import InvokeError
from .graph import Array
from .ops.registry import Step
from .partition import Partition

if TYPE_CHECKING:
    from .workspace import Workspace

OWN_REFERENCES = 2
"""References to a view that is held by one tuple, as sys.getrefcount counts them."""


class BrokenContract(Exception):
    """What a delegate did that `Executable.run` forbids."""


class Delegated:
    """Runs a partition. A failure is never a partial result: variables are restored, and the CPU
    runs it all."""

    def __init__(
        self,
        space: Workspace,
        part: Partition,
        executable: Executable,
        slot: Slot,
        cpu_steps: Callable[[], Sequence[Step]],
    ) -> None:
        self._space = space
        self._part = part
        self._executable = executable
        self._slot = slot
        self._cpu_steps = cpu_steps
        self._fallback: Sequence[Step] | None = None
        self._checked = False
        tensors = space.graph.tensors
        self._variables = [t for t in part.inputs if tensors[t].is_variable]

    def __call__(self) -> None:
        if self._fallback is None and self._slot.dead is not None:
            self._give_up(DeviceLost(self._slot.dead))
        if self._fallback is None:
            state = [self._space.array(t).copy() for t in self._variables]
            try:
                self._run()
            except Exception as error:
                for t, values in zip(self._variables, state, strict=True):
                    np.copyto(self._space.array(t), values)
                if isinstance(error, DeviceLost):
                    self._slot.dead = str(error)
                self._give_up(error)
        if self._fallback is not None:
            for step in self._fallback:
                step()

    def _run(self) -> None:
        inputs = tuple(self._input(t) for t in self._part.inputs)
        outputs = tuple(self._space.array(t).view() for t in self._part.outputs)
        before = None if self._checked else [x.copy() for x in inputs]
        run: Callable[..., object] = self._executable.run
        result = run(inputs, outputs)
        if result is not None:
            raise BrokenContract(
                f"run returned {type(result).__name__}; it must write into the outputs it is given"
            )
        for what, views in (("input", inputs), ("output", outputs)):
            for position in range(len(views)):
                if sys.getrefcount(views[position]) > OWN_REFERENCES:
                    raise BrokenContract(
                        f"run kept {what} {position}, whose memory is used for other tensors"
                    )
        if before is not None:
            self._check_untouched(before)
            self._checked = True

    def _input(self, tensor: int) -> Array:
        view = self._space.array(tensor).view()
        view.flags.writeable = tensor in self._variables
        return view

    def _check_untouched(self, before: Sequence[Array]) -> None:
        for t, values in zip(self._part.inputs, before, strict=True):
            same = values.tobytes() == self._space.array(t).tobytes()
            if t not in self._variables and not same and not values.dtype.hasobject:
                np.copyto(self._space.array(t), values)
                raise BrokenContract(f"run wrote to its input, tensor {t}")

    def _give_up(self, error: Exception) -> None:
        """From now on the CPU runs the partition; says so once, or raises under
        fallback="raise"."""
        nodes = self._part.nodes
        if self._slot.policy.fallback == "raise":
            raise InvokeError(
                f"delegate {self._slot.name!r} failed to run nodes {list(nodes)}: "
                f"{type(error).__name__}: {error}"
            ) from error
        warnings.warn(DelegateWarning(self._slot.name, nodes, error, "run"), stacklevel=2)
        self._fallback = self._cpu_steps()
