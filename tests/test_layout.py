"""What holds of the source as a whole: who may import whom, what is public, what is packaged."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import litegpu
import pytest

ROOT = Path(__file__).resolve().parents[1]

FOLDERS = {
    "core": "litegpu",
    "delegates": "litegpu.delegates",
    "kernels_cuda": "litegpu.kernels_cuda",
    "kernels_opencl": "litegpu.kernels_opencl",
}
"""Folders with Python sources, and the packages as which they are imported."""

PUBLIC = [
    "Cost",
    "CustomOps",
    "Delegate",
    "DelegateLoadError",
    "DelegateWarning",
    "DeviceLost",
    "Executable",
    "Interpreter",
    "InterpreterWithCustomOps",
    "InvokeError",
    "LimitError",
    "Limits",
    "ModelError",
    "OpResolverType",
    "Partition",
    "PrepareError",
    "ResizeError",
    "SignatureRunner",
    "Unsupported",
    "benchmark",
    "bisect",
    "compare",
    "extract",
    "load_delegate",
    "profile",
    "register_delegate",
]

GRAPH_ONLY = ("partition", "memory", "delegate")
"""Modules that know only the graph (and one another)."""

GROUND = ("graph", "errors", "dtypes", "limits", "schema")
"""What operators may import beside each other."""

TOP = ("interpreter", "signature", "custom_ops", "cli")
"""What nothing under the interpreter may import."""

CONFINED = {
    "cupy": {"litegpu.delegates.cuda"},
    "pyopencl": {"litegpu.delegates.opencl"},
    "PIL": {"litegpu.pictures"},
    "jinja2": {"litegpu.report.html"},
}
"""Packages that few modules may import."""


def module_name(path: Path) -> str:
    """The name as which a source is imported: core/ops/conv.py is litegpu.ops.conv."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join((FOLDERS[parts[0]], *parts[1:]))
    return name.removesuffix(".__init__")


@cache
def sources() -> dict[str, Path]:
    """{module: file} of all that is packaged."""
    return {module_name(p): p for f in FOLDERS for p in sorted((ROOT / f).rglob("*.py"))}


def imports(path: Path, name: str) -> Iterator[str]:
    """Absolute names of what a source imports when it runs, not for type checkers alone."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in run_time(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if node.level else []
            parts = parts[: len(parts) - node.level + 1] if node.level else parts
            base = ".".join([*parts, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield full if full in sources() else base


def run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from run_time(node)


def imports_within(name: str) -> set[str]:
    """The modules of litegpu that a module imports, less the prefix."""
    found = imports(sources()[name], name)
    return {i.removeprefix("litegpu.") for i in found if i.startswith("litegpu")}


def is_one_of(module: str, names: tuple[str, ...]) -> bool:
    return any(module == n or module.startswith(f"{n}.") for n in names)


ALL = sorted(sources())
CORE = [n for n in ALL if sources()[n].is_relative_to(ROOT / "core")]


def test_walk_sees_imports() -> None:
    assert {"graph", "ops.registry", "placement"} <= imports_within("litegpu.plan")
    assert "session" not in imports_within("litegpu.plan"), "imported for type checkers alone"
    assert {"ops", "errors", "interpreter"} <= imports_within("litegpu")
    assert "schema.enums" in imports_within("litegpu.graph")


def test_nobody_imports_core() -> None:
    python = [p for f in (*FOLDERS, "tests", "ci") for p in (ROOT / f).rglob("*.py")]
    assert len(python) > len(ALL)
    for path in python:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert not any(n.split(".")[0] in FOLDERS for n in names), f"{path}: {names}"


@pytest.mark.parametrize("name", CORE)
def test_core_is_imported_relatively_and_never_imports_delegates(name: str) -> None:
    for node in ast.walk(ast.parse(sources()[name].read_text())):
        if isinstance(node, ast.Import):
            assert not any(a.name.split(".")[0] == "litegpu" for a in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level or (node.module or "").split(".")[0] != "litegpu"
    others = ("delegates", "kernels_cuda", "kernels_opencl")
    assert not any(is_one_of(i, others) for i in imports_within(name))


def test_graph_knows_only_the_schema() -> None:
    assert all(is_one_of(i, ("schema",)) for i in imports_within("litegpu.graph"))


@pytest.mark.parametrize("name", GRAPH_ONLY)
def test_partition_memory_and_delegate_know_only_the_graph(name: str) -> None:
    assert imports_within(f"litegpu.{name}") <= {"graph", *GRAPH_ONLY}


@pytest.mark.parametrize("name", [n for n in CORE if n.startswith("litegpu.ops")])
def test_operators_know_only_the_ground(name: str) -> None:
    assert all(is_one_of(i, (*GROUND, "ops")) for i in imports_within(name))


@pytest.mark.parametrize("name", [n for n in CORE if n.startswith("litegpu.schema")])
def test_schema_knows_only_the_ground(name: str) -> None:
    assert all(is_one_of(i, GROUND) for i in imports_within(name))


def test_plan_does_not_know_the_interpreter() -> None:
    seen: set[str] = set()
    waiting = {"plan"}
    while waiting:
        name = waiting.pop()
        seen.add(name)
        waiting |= {i for i in imports_within(f"litegpu.{name}") if i != "litegpu"} - seen
    assert {"graph", "placement", "workspace"} <= seen
    assert not any(is_one_of(i, TOP) for i in seen)


@pytest.mark.parametrize("package", CONFINED)
def test_optional_packages_are_confined(package: str) -> None:
    users = {
        name
        for name, path in sources().items()
        if any(i.split(".")[0] == package for i in imports(path, name))
    }
    assert users <= CONFINED[package]


@pytest.mark.parametrize("package", ["rich", "typer"])
def test_rich_and_typer_are_the_command_lines_alone(package: str) -> None:
    users = {
        n for n, p in sources().items() if any(is_one_of(i, (package,)) for i in imports(p, n))
    }
    assert users
    assert all(user.startswith("litegpu.cli") for user in users)


def test_public_names() -> None:
    assert sorted(litegpu.__all__) == PUBLIC
    assert all(getattr(litegpu, name).__doc__ for name in PUBLIC)


def settings() -> dict[str, object]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: dict[str, object] = tomllib.load(file)["tool"]["setuptools"]
    return found


def test_every_package_is_listed() -> None:
    found = [n for n, p in sources().items() if p.name == "__init__.py"]
    assert sorted(found) == sorted(settings()["packages"])  # type: ignore[call-overload]


def test_packages_lie_where_the_mapping_says() -> None:
    mapping = {package: folder for folder, package in FOLDERS.items() if (ROOT / folder).exists()}
    assert settings()["package-dir"] == mapping


def test_every_folder_of_sources_is_a_package() -> None:
    folders = {path.parent for path in sources().values()}
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_every_module_can_be_imported() -> None:
    names = [m.name for m in pkgutil.walk_packages(litegpu.__path__, "litegpu.")]
    assert len(names) > 50
    for name in names:
        importlib.import_module(name)


def test_modules_stay_under_400_lines() -> None:
    long = {n: len(p.read_text().splitlines()) for n, p in sources().items()}
    assert {n: lines for n, lines in long.items() if lines > 400} == {}
