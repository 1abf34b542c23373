"""The delegate in docs/delegates.md runs, and the page names what the code has."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import litegpu
import numpy as np
import pytest
from litegpu.delegate import Policy
from litegpu.dtypes import decode
from litegpu.explanation import GraphPlace, NodePlace, PartitionPlace
from litegpu.graph import Graph, Model, Tensor
from litegpu.schema.enums import TensorType
from litegpu.schema.reader import open_model
from litegpu.schema.writer import write_model
from litegpu.testing import check_delegate
from PIL import Image

from .tolerance import WHOLE_MODEL

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "ci" / "data"
PAGE = (ROOT / "docs" / "delegates.md").read_text()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The page's delegate, saved as it says."""
    [code] = re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M)
    path = tmp_path / "numpy_delegate.py"
    path.write_text(code)
    return path


def test_the_delegate_passes_the_kit(file: Path) -> None:
    report = check_delegate(litegpu.load_delegate(file))
    assert report.ok, str(report)
    claimed = {op: found.claimed for op, found in report.ops.items() if found.claimed}
    assert claimed == {"CONV_2D": 8, "FULLY_CONNECTED": 2}, "all that are float32"


def as_float(model: Model) -> Model:
    """The quantised model with real numbers for the integers that stand for them."""

    def real(tensor: Tensor) -> Tensor:
        if tensor.quant is None or not tensor.quant.scale.size:
            return tensor
        data = tensor.data
        if data is not None:
            scale, zero = (
                np.moveaxis(v.reshape(-1, *[1] * (len(tensor.shape) - 1)), 0, tensor.quant.axis)
                for v in (tensor.quant.scale, tensor.quant.zero_point)
            )
            values = (decode(data, tensor.dtype, tensor.shape) - zero) * scale
            data = values.astype(np.float32).reshape(-1).view(np.uint8)
        return dataclasses.replace(tensor, dtype=TensorType.FLOAT32, quant=None, data=data)

    def converted(graph: Graph) -> Graph:
        return dataclasses.replace(graph, tensors=tuple(map(real, graph.tensors)))

    return dataclasses.replace(model, graphs=tuple(map(converted, model.graphs)))


def scores(content: bytes, image: Any, **options: Any) -> tuple[Any, litegpu.Interpreter]:
    it = litegpu.Interpreter(model_content=content, **options)
    it.allocate_tensors()
    it.set_tensor(it.get_input_details()[0]["index"], image)
    it.invoke()
    return it.get_tensor(it.get_output_details()[0]["index"]), it


def test_the_delegate_classifies_the_cat(file: Path) -> None:
    """The shipped model with float weights: ten of its nodes run on the delegate."""
    model = open_model(DATA / "image_classification.tflite")
    scale = model.graphs[0].tensors[model.graphs[0].inputs[0]].quant
    assert scale is not None
    size = model.graphs[0].tensors[model.graphs[0].inputs[0]].shape[1:3]
    pixels = np.asarray(Image.open(DATA / "cat.png").convert("RGB").resize(size), np.float32)
    image = ((pixels - 128 - scale.zero_point) * scale.scale)[None].astype(np.float32)
    content = write_model(as_float(model))
    expected, _ = scores(content, image, experimental_delegates=[])
    delegate = litegpu.load_delegate(file, {"name": "mine"})
    got, it = scores(content, image, experimental_delegates=[delegate])
    np.testing.assert_allclose(got, expected, atol=WHOLE_MODEL)
    assert (DATA / "labels.txt").read_text().split("\n")[int(got.argmax())] == "cat"
    nodes = it.explain().subgraphs[0].nodes
    assert {n.op for n in nodes if n.owner == "mine"} == {"CONV_2D", "FULLY_CONNECTED"}
    assert [n.op for n in nodes if n.owner == "mine"].count("CONV_2D") == 9


def table(heading: str, column: int = 0) -> list[str]:
    """The names in code type in one column of the table under a heading row."""
    _, _, rest = PAGE.partition(f"\n| {heading} |")
    assert rest, heading
    rows = [line.split("|")[1:] for line in rest.split("\n\n")[0].splitlines()[2:]]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row[column])]


def test_refusal_codes_are_those_of_the_code() -> None:
    source = "".join(path.read_text() for path in (ROOT / "core").glob("*.py"))
    used = set(re.findall(r'Refusal\(\s*"(\w+)"', source)) | {"run_failed"}
    assert set(table("code")) == used
    documented = litegpu.delegate.Refusal.__doc__
    assert documented is not None
    assert all(code in documented for code in used)


def test_options_are_those_of_the_policy() -> None:
    assert table("option") == [f.name for f in dataclasses.fields(Policy)]


def test_layout_of_explanations_is_current() -> None:
    for kind in (GraphPlace, PartitionPlace, NodePlace):
        for field in dataclasses.fields(kind):
            assert f"`{field.name}`" in PAGE
