"""Links in build/dev that lay packages out as they are imported, for type checkers and editors; and
for Python itself where nothing can be installed, as delegates are found there, too."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def packages() -> dict[str, Path]:
    """{package: its folder} of every package that pyproject.toml lists."""
    settings = project()["tool"]["setuptools"]
    folders: dict[str, str] = settings["package-dir"]
    found: dict[str, Path] = {}
    for name in settings["packages"]:
        parent, _, leaf = name.rpartition(".")
        found[name] = ROOT / folders[name] if name in folders else found[parent] / leaf
    return found


def link(target: Path) -> None:
    """Makes `target` anew: a folder for each package that has others within, links for the rest."""
    shutil.rmtree(target, ignore_errors=True)
    for name, folder in packages().items():
        place = target.joinpath(*name.split("."))
        if place.exists():
            continue
        place.mkdir(parents=True)
        for item in folder.iterdir():
            if item.name != "__pycache__":
                (place / item.name).symlink_to(item)


def describe(target: Path) -> None:
    """Writes what an installation would say of entry points."""
    about = target / "litegpu-0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: litegpu\nVersion: 0\n")
    lines = []
    for group, points in project()["project"]["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {place}" for name, place in points.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    link(ROOT / "build" / "dev")
    describe(ROOT / "build" / "dev")
