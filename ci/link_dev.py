"""Links in build/dev that lay packages out as they are imported, for type checkers and editors."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def packages() -> dict[str, Path]:
    """{package: its folder} of every package that pyproject.toml lists."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file)["tool"]["setuptools"]
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


if __name__ == "__main__":
    link(ROOT / "build" / "dev")
