"""What a delegate is: the protocol that third parties implement, and how their nodes are chosen.

A delegate says of each node whether it takes it, compiles partitions of the nodes that it took, and
runs them. `docs/delegates.md` shows one in about fifty lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, runtime_checkable

from .graph import Array, Graph, Node
from .partition import Partition


class Unsupported(Exception):
    """The node cannot run here; the message is the reason."""


class DeviceLost(Exception):
    """The delegate's device is gone, and none of its partitions can run any more.

    Delegates raise it from any method; they are not called again by that interpreter.
    """


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node is not on a delegate.

    `code` is stable: constant, dynamic_shape, stateful, excluded, unsupported, refusal_failed,
    cost, too_small, too_many, compile_failed, run_failed, device_lost.
    """

    code: str
    reason: str


class BadData(Exception):
    """The inputs make an operator fail. Delegates raise it in `run`; the CPU then does this one
    run, and says what is wrong."""


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Bytes of a device's memory: in use now, and the most that were in use at a time."""

    now: int
    peak: int


class Executable(Protocol):
    """A compiled partition."""

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Reads `inputs` and writes every element of `outputs`, in the order of the partition's
        tensors.

        Inputs are read-only but for variable tensors, which are updated in place. The arrays must
        not be kept: their memory is used for other tensors afterwards.
        """
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """A piece of what a partition's run took on the device.

    `kind` is "kernel", or "upload" or "download" of `bytes`; `name` is the kernel's or the
    tensor's; `nodes` are those that a kernel computes. `start` counts from the begin of the run;
    None: it began when the one before was done.
    """

    kind: str
    name: str
    seconds: float
    nodes: tuple[int, ...] = ()
    bytes: int = 0
    start: float | None = None


class Keeping(Executable, Protocol):
    """An executable that can leave outputs where its delegate's other partitions find them; the two
    members are optional, but come together."""

    def keep(self, outputs: Sequence[int]) -> None:
        """From now on `run` need not write the outputs at these positions, which only partitions of
        this delegate read: the inputs that these are given hold no values then."""
        ...

    def fetch(self, output: int, array: Array) -> None:
        """Writes an output as the last `run` has made it."""
        ...


class DeviceValue(Protocol):
    """An array that lies on a delegate's device, and is the delegate's own."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> Any:
        """NumPy's."""
        ...

    def copy_to(self, array: Array) -> None:
        """Writes the values to the host."""
        ...


class Exchanging(Executable, Protocol):
    """An executable whose inputs and outputs may stay on the device; the members are optional.

    The delegate has `adopt(value)`, which gives a `DeviceValue` of another library's array, or None
    where it does not read it. If it also has `keeps_outputs`, true, `keep` may name outputs of the
    graph, which `export` then gives to the user.
    """

    def give(self, input: int, value: DeviceValue | None) -> bool:
        """From now on `run` reads this value, which `adopt` gave, in place of the input at this
        position, or the input again; False where it cannot."""
        ...

    def export(self, output: int) -> Any:
        """An array on the device, of its own, with an output as the last `run` has made it."""
        ...


class Timed(Executable, Protocol):
    """An executable that tells `litegpu.profile` what takes how long; the member is optional."""

    def run_timed(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Sequence[Timing]:
        """Does what `run` does, however slowly, and says what took how long, in order."""
        ...


Seen = Callable[[int, Array], None]
"""Is told of a tensor by its index in the graph and its values, which are valid during the call
alone."""


class Observable(Executable, Protocol):
    """An executable into which `litegpu.compare` can look; the three members are optional, but
    come together.

    `groups` are the nodes of the partition that the device computes as one (mostly single nodes, or
    fused chains), in the order of running, with the tensors that exist at their borders.
    """

    groups: Sequence[Partition]

    def observe(self, inputs: Sequence[Array], outputs: Sequence[Array], seen: Seen) -> None:
        """Does what `run` does, bit for bit, and shows every tensor that the groups make, in the
        type and shape of the graph."""
        ...

    def run_group(self, group: int, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Runs one of the groups as `run` does a partition, with the launches of a whole run."""
        ...


@runtime_checkable
class Delegate(Protocol):
    """What every delegate has.

    It may also have `cost`, a `Cost`, by which small partitions stay on the CPU; `description`, a
    text that says on what it runs; and `memory_use()`, which gives a `MemoryUse`.
    """

    name: str

    def refusal(self, graph: Graph, node: Node) -> str | None:
        """Why the node cannot run here, or None where it can; pure and repeatable.

        In `graph` every tensor has the shape that it will have, and constants have `data`, also
        those that the file computes from others.
        """
        ...

    def compile(self, graph: Graph, part: Partition) -> Executable:
        """The partition, ready to run; any exception leaves it to the CPU."""
        ...


@dataclass(frozen=True, slots=True)
class Cost:
    """A linear model of what a partition costs beside the CPU.

    It is worth its transfers when cpu * (1 - 1 / speedup) > seconds_per_partition + bytes *
    seconds_per_byte, where `cpu` is the estimate of `cost.cpu_seconds` and `bytes` are those that
    cross its border.
    """

    speedup: float
    seconds_per_partition: float
    seconds_per_byte: float

    def __post_init__(self) -> None:
        if self.speedup <= 0:
            raise ValueError(f"Cost.speedup is {self.speedup}; a number > 0 expected")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a user decides about any delegate; the options of `load_delegate` that are not the
    delegate's own.

    `fallback`: "cpu" runs a partition that fails on the CPU, with one warning; "raise" raises.
    `min_nodes_per_partition` and `max_delegated_partitions`, where given, replace the choice by
    cost. `exclude_ops` are operator names; `exclude_nodes` and `only_nodes` node indices of the
    main graph.
    """

    fallback: str = "cpu"
    min_nodes_per_partition: int | None = None
    max_delegated_partitions: int | None = None
    exclude_ops: frozenset[str] = frozenset()
    exclude_nodes: frozenset[int] = frozenset()
    only_nodes: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if self.fallback not in ("cpu", "raise"):
            raise ValueError(f"option fallback is {self.fallback!r}; 'cpu' or 'raise' expected")
        for name in ("min_nodes_per_partition", "max_delegated_partitions"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 0):
                raise ValueError(f"option {name} is {value!r}; an int >= 0 expected")

    @classmethod
    def take(cls, options: Mapping[str, Any]) -> tuple[Policy, dict[str, Any]]:
        """The policy in `options`, and the options that are left for the delegate itself."""
        rest = dict(options)
        own = {f.name: rest.pop(f.name) for f in fields(cls) if f.name in rest}
        for name in ("exclude_ops", "exclude_nodes", "only_nodes"):
            if own.get(name) is not None:
                own[name] = _members(name, own[name])
        return cls(**own), rest


def _members(name: str, value: Any) -> frozenset[Any]:
    kind = str if name == "exclude_ops" else int
    items = value.split(",") if isinstance(value, str) else value
    items = [items] if isinstance(items, int) else items
    try:
        return frozenset(kind(item) for item in items)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"option {name} is {value!r}; a list of {kind.__name__} expected"
        ) from error


@dataclass(slots=True)
class Slot:
    """A delegate within one interpreter: its policy, and whether its device is gone."""

    delegate: Delegate
    policy: Policy = field(default_factory=Policy)
    name: str = ""
    dead: str | None = None

    def note(self, error: Exception) -> None:
        """Marks the delegate as dead where the error says so."""
        if isinstance(error, DeviceLost):
            self.dead = str(error)


class DelegateWarning(UserWarning):
    """A partition runs on the CPU instead of on a delegate: which delegate, which nodes, and the
    cause."""

    def __init__(
        self, delegate: str, nodes: tuple[int, ...], cause: BaseException, when: str
    ) -> None:
        text = f"{type(cause).__name__}: {cause}"
        listed = ", ".join(map(str, nodes[:8])) + (", …" if len(nodes) > 8 else "")
        super().__init__(
            f"delegate {delegate!r} failed to {when} nodes {listed}; the CPU runs them. {text}"
        )
        self.delegate = delegate
        self.nodes = nodes
        self.cause = cause
