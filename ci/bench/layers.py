"""A record of the layers of a network, from which other frameworks build the same one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec

from litegpu.graph import Array

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor: `power` is about the mean of its squares, `low`..`high` the range int8 covers."""

    index: int
    shape: tuple[int, ...]
    power: float
    low: float
    high: float

    @property
    def scale(self) -> float:
        return (self.high - self.low) / 255

    @property
    def zero_point(self) -> int:
        return round(-128 - self.low / self.scale)


@dataclass(frozen=True, slots=True)
class Layer:
    """`arguments`: what the layer was called with, by name: Values are its inputs. `weights`:
    float32 pairs of weights (in the layout of TensorFlow Lite) and bias, in the order of use."""

    kind: str
    arguments: dict[str, Any]
    weights: list[tuple[Array, Array]]
    output: Value


@dataclass(slots=True)
class Record:
    """The layers of a network so far. `drawn`: the weights that the present one has drawn; None
    between layers."""

    layers: list[Layer] = field(default_factory=list[Layer])
    drawn: list[tuple[Array, Array]] | None = None


def layer(
    add: Callable[Concatenate[Any, P], Value],
) -> Callable[Concatenate[Any, P], Value]:
    """Lets a function that adds to a network record itself as one layer, with all that it calls."""
    signature = inspect.signature(add)

    @functools.wraps(add)
    def recorded(net: Any, /, *args: P.args, **kwargs: P.kwargs) -> Value:
        record: Record = net.record
        if record.drawn is not None:
            return add(net, *args, **kwargs)
        weights = record.drawn = []
        output = add(net, *args, **kwargs)
        record.drawn = None
        bound = signature.bind(net, *args, **kwargs)
        bound.apply_defaults()
        arguments = dict(list(bound.arguments.items())[1:])
        record.layers.append(Layer(add.__name__, arguments, weights, output))
        return output

    return recorded
