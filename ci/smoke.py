"""Shows that an installed wheel is whole: imports all of it, runs a model, calls the command line.

    python smoke.py MODEL IMAGE LABELS

Run it outside of the repository, in an environment that has nothing but the wheel.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import litegpu
import numpy as np

DELEGATE = "litegpu.reference_delegate:ReferenceDelegate"


def import_all() -> int:
    """The number of modules of the package, all of which can be imported."""
    names = [m.name for m in pkgutil.walk_packages(litegpu.__path__, "litegpu.")]
    for name in names:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    return len(names)


def scores(model: str) -> np.ndarray:
    """What the classifier says of a grey picture."""
    interpreter = litegpu.Interpreter(model_path=model)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    interpreter.set_tensor(given["index"], np.zeros(given["shape"], given["dtype"]))
    interpreter.invoke()
    (made,) = interpreter.get_output_details()
    scale, zero_point = made["quantization"]
    found = interpreter.get_tensor(made["index"]).astype(np.float32)
    return np.asarray((found - zero_point) * scale)


def command(*arguments: str) -> str:
    """What `litegpu ARGUMENTS` prints."""
    program = str(Path(sys.executable).with_name("litegpu"))
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"litegpu {' '.join(arguments)} failed: {done.stderr}")
    return done.stdout


def main(model: str, image: str, labels: str) -> None:
    folder = Path(litegpu.__file__).parent
    if "site-packages" not in folder.parts:
        raise SystemExit(f"litegpu is imported from {folder}, not from an installed wheel")
    if not (folder / "py.typed").exists():
        raise SystemExit("py.typed is missing")
    modules = import_all()
    total = float(scores(model).sum())
    if not 0.95 < total < 1.05:
        raise SystemExit(f"the scores sum to {total}, not to 1")
    operators = json.loads(command("ops", "--json"))["operators"]
    nodes = json.loads(command("inspect", model, "--json"))["subgraphs"][0]["nodes"]
    printed = command("run", model, "--input", image, "--labels", labels, "--runs", "2")
    if "cat" not in printed:
        raise SystemExit(f"the cat was not found:\n{printed}")
    page = Path("page.html")
    command("compare", model, "--delegate", DELEGATE, "--html", str(page))
    if "</html>" not in page.read_text():
        raise SystemExit("the page of a comparison is not whole")
    print(
        f"smoke: litegpu {litegpu.__version__} from {folder}: {modules} modules, "
        f"{len(operators)} operators; a model of {len(nodes)} nodes runs"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
