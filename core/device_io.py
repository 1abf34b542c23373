"""Inputs and outputs of a graph that lie on a delegate's device, and need not come to the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .delegate import DeviceValue, Slot
from .delegated import Delegated
from .dtypes import NUMPY, PACKED_BITS
from .graph import Array

if TYPE_CHECKING:
    from .plan import ExecutionPlan


def adopted(slots: Sequence[Slot], value: Any) -> DeviceValue | None:
    """A delegate's own copy of an array of another library that lies on its device."""
    if not (hasattr(value, "__dlpack_device__") or hasattr(value, "__cuda_array_interface__")):
        return None
    if isinstance(value, np.ndarray):
        return None
    adopters = (getattr(slot.delegate, "adopt", None) for slot in slots if slot.dead is None)
    found = (adopt(value) for adopt in adopters if adopt is not None)
    return next((value for value in found if value is not None), None)


def on_host(value: DeviceValue) -> Array:
    array = np.empty(value.shape, value.dtype)
    value.copy_to(array)
    return array


def set_input(plan: ExecutionPlan, tensor: int, value: Array | DeviceValue) -> None:
    """Sets an input of the graph: on the device if it lies there and only delegates that know it
    read it, else on the host."""
    if not isinstance(value, np.ndarray) and _give(plan, tensor, value):
        plan.space.kept.keep(tensor, value.copy_to)
        return
    plan.space.kept.forget([tensor])
    take_back(plan, tensor)
    np.copyto(plan.space.array(tensor), value if isinstance(value, np.ndarray) else on_host(value))


def fits(plan: ExecutionPlan, tensor: int, value: DeviceValue) -> bool:
    """Whether a value is just what an input takes; what is not goes the way of other arrays."""
    dtype = plan.graph.tensors[tensor].dtype
    same = value.dtype == NUMPY[dtype] and value.shape == plan.shapes[tensor]
    return same and dtype not in PACKED_BITS and tensor in plan.graph.inputs


def take_back(plan: ExecutionPlan, tensor: int) -> None:
    """Lets the host's memory of an input hold its value, from now on."""
    plan.space.kept.recall([tensor])
    for step in plan.steps:
        if isinstance(step, Delegated):
            step.give(tensor, None)


def exported(plan: ExecutionPlan, tensor: int) -> Any | None:
    """An array on the device with the value of an output that a delegate keeps there; None where
    none does."""
    if tensor not in plan.space.kept:
        return None
    steps = (step for step in plan.steps if isinstance(step, Delegated))
    return next((step.export(tensor) for step in steps if tensor in step.part.outputs), None)


def _give(plan: ExecutionPlan, tensor: int, value: DeviceValue) -> bool:
    """Lets all readers of an input read a value on the device; False where one cannot."""
    readers = {n for n, node in enumerate(plan.graph.nodes) if tensor in node.inputs}
    steps = [s for s in plan.steps if isinstance(s, Delegated) and tensor in s.part.inputs]
    delegated = {n for step in steps if not step.fell_back for n in step.part.nodes}
    if not readers or readers - delegated or not fits(plan, tensor, value):
        return False
    return all(step.give(tensor, value) for step in steps)
