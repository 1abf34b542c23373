"""Reading and writing model files."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litegpu import Interpreter
from litegpu.errors import ModelError
from litegpu.graph import Graph, Model, Node, Quantization, Tensor
from litegpu.schema import enums, tables
from litegpu.schema import table as kinds
from litegpu.schema.decode import Decoder
from litegpu.schema.encode import encode
from litegpu.schema.enums import BuiltinOperator, TensorType
from litegpu.schema.options import AddOptions, RangeOptions
from litegpu.schema.reader import IDENTIFIER, open_model, read_model
from litegpu.schema.unions import OPTIONS_OF, BuiltinOptions, BuiltinOptions2
from litegpu.schema.writer import write_model
from litegpu.verify import verify

from . import models as small
from .difference import difference
from .random_models import instances, models
from .shared import MODELS, model_ids

OPTION_TABLES = [cls for cls in BuiltinOptions + BuiltinOptions2 if cls is not None]
DEPRECATED = {"new_height", "new_width"}
"""Slots that the schema keeps without giving access to them."""

QUICK = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
SMALL = [
    small.chain,
    small.scalar,
    small.two_inputs,
    small.quantized,
    small.strings,
    small.two_signatures,
    small.one_signature,
    small.custom,
    small.gather,
]


def as_file(file: tables.Model) -> bytes:
    return bytes(encode(file, IDENTIFIER))


def as_tables(content: bytes) -> tables.Model:
    return Decoder(content).root(tables.Model, IDENTIFIER)


def one_tensor(tensor: Tensor) -> Model:
    return Model((Graph((tensor,), (), (), (0,), ""),))


@QUICK
@given(models(), st.sampled_from([2**31, 0]))
def test_random_models_survive(model: Model, inline_bytes: int) -> None:
    content = write_model(model, inline_bytes=inline_bytes)
    assert content[4:8] == b"TFL3"
    assert difference(model, read_model(content)) == ""


@pytest.mark.parametrize("cls", OPTION_TABLES, ids=lambda c: c.__name__)
def test_options_are_what_the_schema_says(cls: type) -> None:
    """LiteRT's generated code reads every field that we write, under its own name."""

    @settings(QUICK, max_examples=8)
    @given(instances(cls))
    def agrees(options: Any) -> None:
        content = encode(options, IDENTIFIER)
        theirs = getattr(generated, cls.__name__ + "T").InitFromPackedBuf(content)
        names = [name for name, _, _ in kinds.fields(cls) if name not in DEPRECATED]
        assert [re.sub(r"_(\w)", lambda m: m[1].upper(), name) for name in names] == [*vars(theirs)]
        for name, found in zip(names, vars(theirs).values(), strict=True):
            assert _plain(found) == _plain(getattr(options, name)), name
        assert difference(options, Decoder(bytes(content)).root(cls, IDENTIFIER)) == ""

    agrees()


def _plain(value: Any) -> Any:
    """Strings, vectors and numbers of either side in one form; what is empty counts as absent."""
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, np.ndarray | tuple | list):
        value = [v.item() if isinstance(v, np.generic) else int(v) for v in value]
    return None if value in (b"", []) else value


@pytest.mark.parametrize("name", ["BuiltinOptions", "BuiltinOptions2"])
def test_unions_are_numbered_as_in_the_schema(name: str) -> None:
    members = {"BuiltinOptions": BuiltinOptions, "BuiltinOptions2": BuiltinOptions2}[name]
    theirs = {v: k for k, v in vars(getattr(generated, name)).items() if isinstance(v, int)}
    assert {i: "NONE" if c is None else c.__name__ for i, c in enumerate(members)} == theirs


@pytest.mark.parametrize(
    "members",
    [v for v in vars(enums).values() if isinstance(v, type) and v.__module__ == enums.__name__],
    ids=lambda e: e.__name__,
)
def test_enumerations_are_those_of_the_schema(members: Any) -> None:
    theirs = vars(getattr(generated, members.__name__))
    expected = {k: v for k, v in theirs.items() if isinstance(v, int)}
    ours = {k: int(v) for k, v in members.__members__.items()}
    assert {k: ours[k] for k in expected} == expected


def test_every_options_table_belongs_to_an_operator() -> None:
    assert set(OPTION_TABLES) == set(OPTIONS_OF.values())
    assert set(OPTIONS_OF) <= set(BuiltinOperator.__members__)


@pytest.mark.parametrize("path", MODELS, ids=model_ids)
def test_real_models_survive(path: Path) -> None:
    model = open_model(path)
    verify(model)
    content = write_model(model)
    assert difference(model, read_model(content)) == ""


def test_constants_are_views_of_the_file() -> None:
    content = small.chain()
    data = read_model(content).graphs[0].tensors[1].data
    assert data is not None
    assert not data.flags.writeable
    assert np.shares_memory(data, np.frombuffer(content, np.uint8))


def test_a_mapped_model_outlives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(small.chain())
    model = open_model(path)
    path.unlink()
    data = model.graphs[0].tensors[1].data
    assert data is not None
    assert data.view(np.float32).tolist() == [1, 1, 1]


def test_equal_data_is_stored_once_and_aligned() -> None:
    values = np.arange(12, dtype=np.float32)
    tensors = tuple(small.constant(f"c{i}", values) for i in range(3))
    content = write_model(Model((Graph(tensors, (), (), (0,)),)))
    file = as_tables(content)
    assert file.buffers is not None
    assert file.subgraphs is not None
    assert file.buffers[0].data is None
    assert len(file.buffers) == 2
    assert [t.buffer for t in file.subgraphs[0].tensors or ()] == [1, 1, 1]
    assert content.index(values.tobytes()) % 16 == 0
    outside = write_model(Model((Graph(tensors, (), (), (0,)),)), inline_bytes=0)
    assert outside.index(values.tobytes()) % 16 == 0


def test_operator_codes_are_shared_and_readable_by_old_runtimes() -> None:
    nodes = tuple(
        Node(op, v, (), ()) for op, v in [("ADD", 1), ("CUMSUM", 1), ("ADD", 1), ("ADD", 2)]
    )
    tensor = Tensor("x", (), TensorType.FLOAT32)
    codes = as_tables(write_model(Model((Graph((tensor,), nodes, (), (0,)),)))).operator_codes
    assert codes is not None
    found = [(c.deprecated_builtin_code, c.builtin_code, c.version) for c in codes]
    assert found == [(0, 0, 1), (127, 128, 1), (0, 0, 2)]


def test_old_files_have_the_code_in_the_deprecated_field() -> None:
    file = as_tables(small.chain())
    code = tables.OperatorCode(deprecated_builtin_code=BuiltinOperator.MUL)
    model = read_model(as_file(replace(file, operator_codes=(code,))))
    assert {n.op for n in model.graphs[0].nodes} == {"MUL"}


def test_minus_zero_is_not_the_default() -> None:
    for value in (-0.0, 0.0, float("inf")):
        content = bytes(encode(tables.QuantizationParameters(scale=np.array([value])), IDENTIFIER))
        found = Decoder(content).root(tables.QuantizationParameters, IDENTIFIER).scale
        assert found is not None
        assert struct.pack("f", found[0]) == struct.pack("f", value)


def test_names_that_are_not_utf8_are_readable() -> None:
    content = small.chain().replace(b"hidden", b"hidd\xffn")
    assert read_model(content).graphs[0].tensors[2].name == "hidd\\xffn"


def test_large_custom_options_lie_behind_the_tables() -> None:
    options = b"options behind the tables"
    file = as_tables(small.custom())
    assert file.subgraphs is not None
    graph = file.subgraphs[0]
    assert graph.operators is not None

    def located(offset: int) -> bytes:
        node = replace(
            graph.operators[0],  # type: ignore[index]
            large_custom_options_offset=offset,
            large_custom_options_size=len(options),
        )
        return as_file(replace(file, subgraphs=(replace(graph, operators=(node,)),)))

    content = located(len(located(2**40))) + options
    assert read_model(content).graphs[0].nodes[0].options == options
    with pytest.raises(ModelError, match=r"Custom Option Offset .* out of range"):
        read_model(content[:-1])


def test_padding_after_a_constant_is_left_out() -> None:
    tensor = small.constant("c", np.arange(4, dtype=np.float32))
    longer = replace(tensor, shape=(3,))
    found = read_model(write_model(one_tensor(longer)))
    verify(found)
    data = found.graphs[0].tensors[0].data
    assert data is not None
    assert data.view(np.float32).tolist() == [0, 1, 2]


def test_a_constant_without_elements_needs_no_bytes() -> None:
    x, none, y = (Tensor(name, (0, 2), TensorType.FLOAT32) for name in ("x", "none", "y"))
    content = write_model(Model((Graph((x, none, y), (small.add_node(0, 1, 2),), (0,), (2,)),)))
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.invoke()
    assert interpreter.get_tensor(2).shape == (0, 2)


@pytest.mark.parametrize(
    ("shape", "scales", "axis", "expected"),
    [((4,), 4, 3, 0), ((2, 2), 1, 7, 0), ((), 1, 2, 0), ((2, 3), 3, 1, 1)],
)
def test_an_axis_without_a_choice_may_be_wrong(
    shape: tuple[int, ...], scales: int, axis: int, expected: int
) -> None:
    quant = Quantization(np.ones(scales, np.float32), np.zeros(scales, np.int64), axis)
    model = read_model(
        write_model(one_tensor(Tensor("x", shape, TensorType.INT8, quant=quant, is_variable=True)))
    )
    verify(model)
    found = model.graphs[0].tensors[0].quant
    assert found is not None
    assert found.axis == expected


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda p: p / "nope.tflite",
            r"Could not open '.*nope.tflite'.The model allocation is null",
        ),
        (lambda p: p, r"Mmap of .* failed with error '19'.*The model allocation is null/empty"),
        (
            lambda p: (p / "empty").touch() or p / "empty",
            "mmap of size 0 requested.The model alloc",
        ),
    ],
)
def test_files_that_cannot_be_mapped(tmp_path: Path, make: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        open_model(make(tmp_path))


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node("NO_SUCH_OP", 1, (), ()), "NO_SUCH_OP.*not a builtin"),
        (Node("ADD", 1, (), (), object()), "object is not an options table"),
        (Node("ADD", 2**40, (), ()), "version"),
        (Node("ADD", 1, (2**31,), ()), "inputs|int"),
        (Node("RANGE", 1, (), (), AddOptions(fused_activation_function=300)), "AddOptions"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_written_is_refused(node: Node, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        write_model(Model((Graph((), (node,), (), ()),)))


def test_options_without_fields_are_kept() -> None:
    node = Node("RANGE", 1, (), (), RangeOptions())
    model = read_model(write_model(Model((Graph((), (node,), (), ()),))))
    assert isinstance(model.graphs[0].nodes[0].options, RangeOptions)


LITERT = """
import json, sys
from ai_edge_litert.interpreter import Interpreter, OpResolverType
found = []
for path in sys.argv[1:]:
    it = Interpreter(path, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    found.append({
        "tensors": [[d["name"], d["shape"], d["quantization_parameters"]["scales"]]
                    for d in it.get_tensor_details()],
        "ops": [[o["op_name"], o["inputs"]] for o in it._get_ops_details()],
        "signatures": it._get_full_signature_list(),
    })
print(json.dumps(found, default=lambda array: array.tolist()))
"""


def test_litert_loads_what_is_written(tmp_path: Path) -> None:
    contents = [make() for make in SMALL]
    written = [
        write_model(read_model(content), inline_bytes=limit)
        for content in contents
        for limit in (2**31, 0)
    ]
    paths = [tmp_path / f"{i}.tflite" for i in range(len(written))]
    for path, content in zip(paths, written, strict=True):
        path.write_bytes(content)
    command = [sys.executable, "-c", LITERT, *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(result.stdout.splitlines()[-1])
    for content, theirs in zip(written, found, strict=True):
        model = read_model(content)
        graph = model.graphs[0]
        scales = [[] if t.quant is None else t.quant.scale.tolist() for t in graph.tensors]
        ours = [[t.name, list(t.shape), s] for t, s in zip(graph.tensors, scales, strict=True)]
        assert theirs["tensors"] == ours
        assert theirs["ops"] == [[n.op, list(n.inputs)] for n in graph.nodes]
        assert theirs["signatures"] == {
            s.key: {"inputs": dict(s.inputs), "outputs": dict(s.outputs)} for s in model.signatures
        }


def test_constants_may_lie_beyond_4_gb(tmp_path: Path) -> None:
    """The file is a hole but for its tables and its last bytes."""
    offset = 5 << 30
    values = np.array([1, 2, 3], np.float32)
    file = as_tables(small.chain())
    assert file.buffers is not None
    far = tables.Buffer(offset=offset, size=values.nbytes)
    path = tmp_path / "model.tflite"
    with path.open("wb") as out:
        out.write(as_file(replace(file, buffers=(file.buffers[0], far, *file.buffers[2:]))))
        out.seek(offset)
        out.write(values.tobytes())
    data = open_model(path).graphs[0].tensors[1].data
    assert data is not None
    assert data.view(np.float32).tolist() == values.tolist()
