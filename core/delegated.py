"""The step that runs a partition on its delegate, and on the CPU once the delegate has failed."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .delegate import (
    BadData,
    DelegateWarning,
    DeviceLost,
    DeviceValue,
    Executable,
    Refusal,
    Seen,
    Slot,
    Timing,
)
from .errors import InvokeError
from .graph import Array
from .ops.registry import Step
from .partition import Partition
from .warning import warn

if TYPE_CHECKING:
    from .workspace import Workspace

OWN_REFERENCES = 2
"""References to an attribute's only value, as sys.getrefcount counts them."""


class BrokenContract(Exception):
    """What a delegate did that `Executable.run` forbids."""


class Lent:
    """A tensor's memory as a delegate sees it: every view of it, and every view of those, hangs on
    one array, whose references tell whether any is still held."""

    def __init__(self, array: Array, writeable: bool) -> None:
        self.array = array
        self._writeable = writeable
        if array.dtype.hasobject:
            self._root = array.view()
        else:
            memory = array.reshape(-1).view(np.uint8).data
            self._root = np.asarray(memory if writeable else memory.toreadonly())

    def view(self) -> Array:
        found = self._root.view(self.array.dtype).reshape(self.array.shape)
        found.flags.writeable = self._writeable
        return found

    def held(self) -> bool:
        return sys.getrefcount(self._root) > OWN_REFERENCES


class Delegated:
    """Runs a partition. A failure is never a partial result: variables are restored, and the CPU
    runs it all.

    `cpu_steps` gives the steps by node; `gave_up` is told why the CPU runs them from now on; `node`
    is the node that runs, the first where the delegate runs all.
    """

    def __init__(
        self,
        space: Workspace,
        part: Partition,
        executable: Executable,
        slot: Slot,
        cpu_steps: Callable[[], Mapping[int, Step]],
        gave_up: Callable[[Refusal], None],
    ) -> None:
        self.node = part.nodes[0]
        self._space = space
        self.part = part
        # It may have members beside those of every executable.
        self.executable: Any = executable
        self._slot = slot
        self._cpu_steps = cpu_steps
        self._gave_up = gave_up
        self._fallback: Mapping[int, Step] | None = None
        self._checked = False
        self._lent: dict[int, Lent] = {}
        self._seen: Seen | None = None
        self._timings: list[Timing] | None = None
        self._kept: tuple[int, ...] = ()
        tensors = space.graph.tensors
        self._variables = [t for t in part.inputs if tensors[t].is_variable]

    def __call__(self) -> None:
        if self._fallback is not None:
            self._run_on_cpu(self._fallback)
            return
        error = self._failure()
        if error is None:
            return
        if self._slot.policy.fallback == "raise" and not isinstance(error, BadData):
            raise InvokeError(
                f"delegate {self._slot.name!r} failed to run nodes {list(self.part.nodes)}: "
                f"{type(error).__name__}: {error}"
            ) from error
        steps = self._cpu_steps()
        self._run_on_cpu(steps)
        if not isinstance(error, BadData):
            self._give_up(error, steps)

    def keep(self, tensors: Collection[int]) -> None:
        """Lets the delegate keep outputs of which only its own partitions read."""
        found = tuple(j for j, t in enumerate(self.part.outputs) if t in tensors)
        if found != self._kept and hasattr(self.executable, "keep"):
            self.executable.keep(found)
            self._kept = found

    def give(self, tensor: int, value: DeviceValue | None) -> bool:
        """Lets the delegate read an input where it lies, or on the host again."""
        give = getattr(self.executable, "give", None)
        if give is None or tensor not in self.part.inputs:
            return False
        return bool(give(self.part.inputs.index(tensor), value))

    def export(self, tensor: int) -> Any:
        """The value of an output that the delegate keeps, on its device."""
        export: Callable[[int], Any] = self.executable.export
        return export(self.part.outputs.index(tensor))

    def observe(self, seen: Seen) -> None:
        """Runs as a call does, and shows the tensors that exist on the device alone where the
        delegate can."""
        self._seen = seen
        try:
            self()
        finally:
            self._seen = None

    def run_timed(self) -> list[Timing]:
        """Runs as a call does; what took how long on the device, as far as the delegate tells."""
        found = self._timings = []
        try:
            self()
        finally:
            self._timings = None
        return found

    @property
    def fell_back(self) -> bool:
        """Whether the CPU runs the partition from now on."""
        return self._fallback is not None

    def _run_on_cpu(self, steps: Mapping[int, Step]) -> None:
        self._space.kept.recall(self.part.inputs)
        self._space.kept.forget(self.part.outputs)
        for self.node, step in steps.items():
            step()

    def _failure(self) -> Exception | None:
        """What went wrong on the delegate, variables as they were before; None if nothing did."""
        if self._slot.dead is not None:
            return DeviceLost(self._slot.dead)
        state = [self._space.array(t).copy() for t in self._variables]
        try:
            self._run()
        except BaseException as error:
            # The traceback holds what this run was lent: later runs get views of their own.
            self._lent = {}
            for t, values in zip(self._variables, state, strict=True):
                np.copyto(self._space.array(t), values)
            if not isinstance(error, Exception):
                raise
            self._slot.note(error)
            return error
        return None

    def _run(self) -> None:
        part = self.part
        inputs = tuple(self._lend(t, t in self._variables) for t in part.inputs)
        outputs = tuple(self._lend(t, True) for t in part.outputs)
        before = None if self._checked else [x.copy() for x in inputs]
        run: Callable[..., object] = self.executable.run
        if self._seen is not None and hasattr(self.executable, "observe"):
            run = partial(self.executable.observe, seen=self._seen)
        elif self._timings is not None and hasattr(self.executable, "run_timed"):
            run = partial(self._timed, self._timings, self.executable.run_timed)
        result = run(inputs, outputs)
        if result is not None:
            raise BrokenContract(
                f"run returned {type(result).__name__}; it must write into the outputs it is given"
            )
        del inputs, outputs
        self._check_returned()
        if before is not None:
            self._check_untouched(before)
            self._checked = True
        self._note_kept()

    def _note_kept(self) -> None:
        self._space.kept.forget(self.part.outputs)
        if self._seen is None:
            for j in self._kept:
                fetch = partial(self.executable.fetch, j)
                self._space.kept.keep(self.part.outputs[j], fetch)

    def _timed(
        self,
        timings: list[Timing],
        run_timed: Callable[..., Sequence[Timing]],
        inputs: Sequence[Array],
        outputs: Sequence[Array],
    ) -> None:
        timings[:] = run_timed(inputs, outputs)

    def _lend(self, tensor: int, writeable: bool) -> Array:
        array = self._space.array(tensor)
        lent = self._lent.get(tensor)
        if lent is None or lent.array is not array:
            lent = self._lent[tensor] = Lent(array, writeable)
        return lent.view()

    def _check_returned(self) -> None:
        if not any(lent.held() for lent in self._lent.values()):
            return
        gc.collect()
        kept = [t for t, lent in self._lent.items() if lent.held()]
        if kept:
            raise BrokenContract(
                f"run kept the memory of tensor {kept[0]}, which is used for other tensors"
            )

    def _check_untouched(self, before: Sequence[Array]) -> None:
        for t, values in zip(self.part.inputs, before, strict=True):
            same = values.tobytes() == self._space.array(t).tobytes()
            if t not in self._variables and not same and not values.dtype.hasobject:
                np.copyto(self._space.array(t), values)
                raise BrokenContract(f"run wrote to its input, tensor {t}")

    def _give_up(self, error: Exception, steps: Mapping[int, Step]) -> None:
        """From now on the CPU runs the partition; says so once."""
        self._fallback = steps
        code = "device_lost" if isinstance(error, DeviceLost) else "run_failed"
        self._gave_up(Refusal(code, f"{type(error).__name__}: {error}"))
        warn(DelegateWarning(self._slot.name, self.part.nodes, error, "run"))
