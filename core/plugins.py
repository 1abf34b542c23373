"""Finding delegates: by name, entry point, module or file; and those that run by default."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import os
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .delegate import Delegate, Executable, Policy, Slot
from .errors import DelegateLoadError
from .graph import Graph, Node
from .partition import Partition
from .warning import warn

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

Factory = Callable[..., Delegate]

GROUP = "litegpu.delegates"
"""The entry-point group in which packages name their delegates' factories."""

DEFAULTS = ("cuda", "opencl")
"""Delegates that run by default where they are installed and find a real GPU: the first that does.
"""

INSTALL = {"cuda": "'litegpu[cuda13]' or 'litegpu[cuda12]'", "opencl": "'litegpu[opencl]'"}

_registered: dict[str, Factory] = {}


def register_delegate(name: str, factory: Factory) -> None:
    """Makes `load_delegate(name, options)` call `factory(**options)`."""
    _registered[name] = factory


class LoadedDelegate:
    """A delegate with its user's policy; what `experimental_delegates` takes. It has the delegate's
    protocol."""

    def __init__(
        self, library: str, options: Mapping[str, Any], delegate: Delegate, policy: Policy
    ) -> None:
        self.library = library
        self.options = dict(options)
        self.delegate = delegate
        self.policy = policy
        self.name = delegate.name

    def refusal(self, graph: Graph, node: Node) -> str | None:
        return self.delegate.refusal(graph, node)

    def compile(self, graph: Graph, part: Partition) -> Executable:
        return self.delegate.compile(graph, part)

    def __reduce__(self) -> tuple[Any, ...]:
        return load_delegate, (self.library, self.options)


def load_delegate(
    library: str | os.PathLike[str], options: Mapping[str, Any] | None = None
) -> LoadedDelegate:
    """The delegate that `library` names, made with `options`.

    `library` is a registered name or entry point ("cuda"), "package.module:callable", or the path
    of a .py file that defines `create_delegate`. The callable is called with the options as
    keywords, without those of `Policy`, which every delegate has. Raises DelegateLoadError (an
    OSError and a ValueError) when nothing is found, an option is unknown or bad, or the callable
    fails.
    """
    name = os.fspath(library)
    given = dict(options) if options else {}
    factory = _find(name)
    try:
        policy, own = Policy.take(given)
        _check_options(name, factory, own)
        delegate = factory(**own)
    except DelegateLoadError:
        raise
    except Exception as error:
        raise DelegateLoadError(f"Failed to load delegate from {name}\n{error}") from error
    missing = missing_members(delegate)
    if missing:
        raise DelegateLoadError(
            f"Failed to load delegate from {name}\nit has no {', '.join(missing)}"
        )
    return LoadedDelegate(name, given, delegate, policy)


def as_delegate(given: Any) -> Any:
    """The delegate of this name, as `load_delegate` finds it, or a delegate as it is; TypeError
    for anything else."""
    if isinstance(given, str):
        return load_delegate(given)
    missing = missing_members(given)
    if missing:
        raise TypeError(
            f"a delegate or the name of one expected; {type(given).__name__!r} object has no "
            f"attribute {missing[0]!r}"
        )
    return given


def missing_members(delegate: Any) -> list[str]:
    """The members of the protocol that an object lacks."""
    return [name for name in ("name", "refusal", "compile") if not hasattr(delegate, name)]


@functools.cache
def _installed() -> EntryPoints:
    """The factories that installed packages name."""
    # Slow to import, and not every program asks.
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def _find(name: str) -> Factory:
    if name in _registered:
        return _registered[name]
    for point in _installed().select(name=name):
        return _import(name, point.load)
    if name.endswith(".py"):
        return _import(name, lambda: _from_file(Path(name)))
    if ":" in name:
        module, _, attribute = name.partition(":")
        return _import(name, lambda: getattr(importlib.import_module(module), attribute))
    known = sorted({*_registered, *(point.name for point in _installed())})
    hint = f" Install it with: pip install {INSTALL[name]}." if name in INSTALL else ""
    raise DelegateLoadError(
        f"No delegate is called {name!r}; installed: {', '.join(known) or 'none'}.{hint} "
        "A delegate can also be given as 'package.module:callable' or as the path of a .py file."
    )


def _import(name: str, load: Callable[[], Factory]) -> Factory:
    try:
        return load()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise DelegateLoadError(f"Failed to load delegate from {name}\n{reason}") from error


def _from_file(path: Path) -> Factory:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: cannot open file: No such file")
    name = f"litegpu_delegate_{path.stem}_{zlib.crc32(bytes(path.resolve())):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    factory: Factory = module.create_delegate
    return factory


def _check_options(name: str, factory: Factory, options: Mapping[str, Any]) -> None:
    """Refuses options that the factory does not name."""
    parameters = inspect.signature(factory).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    known = {p.name for p in parameters}
    unknown = sorted(set(options) - known)
    if unknown:
        policy = Policy.__dataclass_fields__
        raise DelegateLoadError(
            f"delegate {name} has no option {unknown[0]!r}; it has "
            f"{', '.join(sorted({*known, *policy}))}"
        )


def default_delegates() -> list[LoadedDelegate]:
    """The delegates that run when none are given: the first of `DEFAULTS` that finds a real GPU.

    A factory says so by an attribute `finds_gpu`, a callable. One that fails is passed over with a
    warning. The environment variable LITEGPU_DEFAULT_DELEGATES (names separated by commas, empty
    for none) overrides the choice.
    """
    chosen = os.environ.get("LITEGPU_DEFAULT_DELEGATES")
    if chosen is not None:
        return [load_delegate(name.strip()) for name in chosen.split(",") if name.strip()]
    for name in DEFAULTS:
        for point in _installed().select(name=name):
            try:
                finds_gpu = getattr(point.load(), "finds_gpu", None)
                if finds_gpu is not None and finds_gpu():
                    return [load_delegate(name)]
            except Exception as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                warn(f"the default delegate {name!r} is installed, but fails: {reason}")
    return []


def operators_by_delegate() -> dict[str, frozenset[str]]:
    """The operators that each installed delegate takes in at least one form, where its factory says
    so by an attribute `operators`, a callable."""
    found = {}
    for point in sorted(_installed(), key=lambda point: point.name):
        operators = getattr(_import(point.name, point.load), "operators", None)
        if operators is not None:
            found[point.name] = frozenset(operators())
    return found


def slots(delegates: Sequence[Any]) -> list[Slot]:
    """The delegates of one interpreter, each with a name of its own that is not "cpu";
    AttributeError where one lacks the protocol."""
    found: list[Slot] = []
    for delegate in delegates:
        missing = missing_members(delegate)
        if missing:
            raise AttributeError(
                f"{type(delegate).__name__!r} object has no attribute {missing[0]!r}"
            )
        loaded = isinstance(delegate, LoadedDelegate)
        taken = ["cpu", *(slot.name.split("#")[0] for slot in found)]
        same = taken.count(delegate.name)
        found.append(
            Slot(
                delegate.delegate if loaded else delegate,
                delegate.policy if loaded else Policy(),
                f"{delegate.name}#{same + 1}" if same else str(delegate.name),
            )
        )
    return found


def warn_of_unused(delegates: Sequence[Any], resolver: str) -> None:
    """Says that a debugging resolver turns the delegates off that were passed."""
    names = ", ".join(str(getattr(d, "name", d)) for d in delegates)
    warn(f"{resolver} runs no delegate; these were passed and are not used: {names}")
