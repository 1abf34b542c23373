"""The registry of operators: `@op` adds one; the plan looks it up by name once per allocation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ..graph import Shape

if TYPE_CHECKING:
    from .context import OpContext

Step = Callable[[], None]
Prepare = Callable[["OpContext"], Sequence[Shape | None]]
Bind = Callable[["OpContext"], Step]
B = TypeVar("B", bound=Bind)


@dataclass(frozen=True, slots=True)
class Op:
    """One operator.

    `prepare(ctx)` checks the node and returns the shape of each output (their types are the
    file's); None for an output whose shape only its step knows, which then calls `ctx.publish`.
    `bind(ctx)` returns the step that `invoke` runs: all look-ups, packing and allocation are done
    in it. `pure`: the outputs depend on the inputs alone, so that a node of constants is computed
    once. `view`: the output is the input's elements in the same order, so that both may share
    memory. `of_shapes`: the outputs depend on the shapes of the inputs alone, and are known as soon
    as these are. `anew(ctx)` takes the place of `bind` where shapes depend on data, so that such a
    node is prepared and bound once: its step looks inputs up whenever it runs, checks their shapes
    and values as `prepare` does, and gives outputs their memory (`ctx.define`, `ctx.publish`).
    """

    name: str
    prepare: Prepare
    bind: Bind
    versions: tuple[int, int]
    pure: bool
    view: bool
    of_shapes: bool = False
    anew: Bind | None = None


BUILTIN: dict[str, Op] = {}
CUSTOM: dict[str, Op] = {}


def register(
    table: dict[str, Op],
    names: tuple[str, ...],
    prepare: Prepare,
    versions: tuple[int, int],
    pure: bool,
    view: bool = False,
    of_shapes: bool = False,
    anew: Bind | None = None,
) -> Callable[[B], B]:
    """A decorator that enters a `bind` into `table` under each of `names`."""

    def add(bind: B) -> B:
        for name in names:
            if name in table:
                raise ValueError(f"operator {name} is registered twice")
            table[name] = Op(name, prepare, bind, versions, pure, view, of_shapes, anew)
        return bind

    return add


def op(
    *names: str,
    prepare: Prepare,
    versions: tuple[int, int] = (1, 1),
    custom: bool = False,
    pure: bool = True,
    view: bool = False,
    of_shapes: bool = False,
    anew: Bind | None = None,
) -> Callable[[B], B]:
    """Registers the decorated `bind` under each of `names`: schema names, or custom codes where
    `custom`."""
    table = CUSTOM if custom else BUILTIN
    return register(table, names, prepare, versions, pure, view, of_shapes, anew)
