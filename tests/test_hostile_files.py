"""Files made to harm: each loads as what it says, or raises ModelError at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
import pytest
from litegpu import Interpreter, Limits
from litegpu.dtypes import encode_strings
from litegpu.errors import LimitError, ModelError
from litegpu.graph import (
    ABSENT,
    Graph,
    Model,
    Node,
    Quantization,
    Signature,
    SparseDimension,
    Sparsity,
    Tensor,
)
from litegpu.schema import options as o
from litegpu.schema import tables
from litegpu.schema.decode import Decoder
from litegpu.schema.encode import encode
from litegpu.schema.enums import DimensionType
from litegpu.schema.enums import TensorType as T
from litegpu.schema.reader import IDENTIFIER, read_model
from litegpu.schema.writer import write_model

from . import models as small
from .difference import difference
from .flatbuffer_walk import Place, patched, walk, word
from .hostile import SECONDS, load, loads_or_refuses, refused

LIMITS = Limits(tensor_bytes=1 << 20, total_bytes=1 << 24, invoke_seconds=1)


def rich() -> bytes:
    """A file that uses every kind of table once."""
    diagonal = Sparsity(
        (0, 1),
        (),
        (SparseDimension(2), SparseDimension(0, np.array([0, 1, 2], "i4"), np.array([0, 1], "i4"))),
    )
    int8 = Quantization(np.array([0.5, 1], "f4"), np.array([3, 0]), 1)
    tensors = (
        Tensor("x", (2, 2), T.INT8, (-1, 2), int8),
        replace(small.constant("w", np.array([1, 2], "f4")), shape=(2, 2), sparsity=diagonal),
        Tensor("s", (1,), T.STRING, data=encode_strings(np.array([b"abc"], object))),
        Tensor("y", (1, 2), T.FLOAT32),
        Tensor("z", (2,), T.FLOAT32),
    )
    nodes = (
        Node("RESHAPE", 1, (0, ABSENT), (3,), o.ReshapeOptions(new_shape=(1, 2))),
        Node("Custom", 1, (3,), (4,), b"options", custom=True, intermediates=(3,)),
    )
    signature = Signature("serve", {"in": 0}, {"out": 4})
    graph = Graph(tensors, nodes, (0,), (4,), "main")
    return write_model(Model((graph,), (signature,), {"m": b"meta"}, "description"))


RICH = rich()
PLACES = list(walk(RICH, tables.Model))


def test_the_rich_file_loads() -> None:
    load(RICH)
    assert len(PLACES) > 100


@pytest.mark.parametrize("content", [small.chain(), RICH], ids=["chain", "rich"])
def test_truncated_at_every_byte(content: bytes) -> None:
    whole = load(content)
    for length in range(len(content)):
        model = loads_or_refuses(content[:length])
        # Only padding may be missing.
        assert model is None or (len(content) - length < 16 and not difference(model, whole))


@pytest.mark.parametrize("seed", range(10))
def test_random_bytes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    original = np.frombuffer(RICH, np.uint8)
    for _ in range(150):
        broken = original.copy()
        where = rng.integers(0, broken.size, rng.integers(1, 5))
        broken[where] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))], where.size)
        loads_or_refuses(broken.tobytes())


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_through_the_interpreter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    original = np.frombuffer(small.chain(), np.uint8)
    for _ in range(50):
        broken = original.copy()
        broken[rng.integers(0, broken.size, 2)] = rng.integers(0, 256, 2)
        try:
            interpreter = Interpreter(model_content=broken.tobytes(), limits=LIMITS)
            interpreter.allocate_tensors()
            interpreter.invoke()
        except (ValueError, RuntimeError):
            continue


@pytest.mark.parametrize("place", PLACES, ids=lambda p: f"{p.path}-{p.role}")
def test_each_offset_and_length_broken(place: Place) -> None:
    old = word(RICH, place.at)
    ends = [len(RICH) - place.at + d for d in (-4, -1, 0, 1)]
    for value in [0, 1, 3, 2**31 - 1, 2**31, 2**32 - 1, 2**30, 2**29, old + 1, old - 1, *ends]:
        loads_or_refuses(patched(RICH, place.at, value))
    if place.role == "vtable":
        refused(patched(RICH, place.at, 2**31 - 1), "valid Flatbuffer.*outside the file")
    else:
        refused(patched(RICH, place.at, 2**32 - 1), "valid Flatbuffer")


def test_messages_say_where() -> None:
    place = next(p for p in PLACES if p.path.endswith("tensors[3].shape") and p.role == "length")
    refused(
        patched(RICH, place.at, 99_999_999),
        r"The model is not a valid Flatbuffer buffer: subgraphs\[0\]\.tensors\[3\]\.shape: "
        rf"the vector at byte {place.at} has 99999999 items of 4 bytes; the file has {len(RICH)}",
    )


@pytest.mark.parametrize(
    "content",
    [b"x", b"TFL3", bytes(7), bytes(8), RICH[:4] + b"TFL2" + RICH[8:], b"\xff" * 64, b"TFL3" * 50],
    ids=range(7),
)
def test_what_is_no_model(content: bytes) -> None:
    refused(content, "The model is not a valid Flatbuffer buffer")


def test_no_bytes() -> None:
    with pytest.raises(ModelError, match="not a valid Flatbuffer buffer"):
        read_model(b"")


def test_a_string_without_end() -> None:
    at = RICH.index(b"description")
    refused(RICH[: at + 11] + b"!" + RICH[at + 12 :], "description: the string .* does not end")


def bomb(graphs: int, tensors: int, name: int, rank: int) -> bytes:
    """Vectors that repeat one table, whose name and shape are long."""
    builder = flatbuffers.Builder()
    text, shape = builder.CreateString("n" * name), builder.CreateNumpyVector(np.ones(rank, "i4"))

    def table(slots: dict[int, int]) -> int:
        builder.StartObject(11)
        for slot, offset in slots.items():
            builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        return int(builder.EndObject())

    def repeated(offset: int, count: int) -> int:
        builder.StartVector(4, count, 4)
        for _ in range(count):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    graph = table({0: repeated(table({0: shape, 3: text}), tensors)})
    subgraphs, buffers = repeated(graph, graphs), repeated(table({}), 1)
    builder.StartObject(10)
    builder.PrependUint32Slot(0, 3, 0)
    builder.PrependUOffsetTRelativeSlot(2, subgraphs, 0)
    builder.PrependUOffsetTRelativeSlot(4, buffers, 0)
    builder.Finish(builder.EndObject(), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


@pytest.mark.parametrize(
    ("graphs", "tensors", "name", "rank"),
    [
        (50_000, 50_000, 1, 1),
        (1, 50_000, 100_000, 1),
        (1, 50_000, 1, 100_000),
        (50_000, 1, 1, 50_000),
    ],
)
def test_overlapping_tables_are_bounded(graphs: int, tensors: int, name: int, rank: int) -> None:
    refused(bomb(graphs, tensors, name, rank), "overlap")


def edited(content: bytes, **fields: Any) -> bytes:
    """The file with some fields of its root table replaced."""
    return bytes(encode(replace(file_of(content), **fields), IDENTIFIER))


def file_of(content: bytes) -> tables.Model:
    return Decoder(content).root(tables.Model, IDENTIFIER)


def test_metadata_that_share_a_buffer_are_bounded() -> None:
    content = write_model(replace(read_model(small.chain()), metadata={"m": bytes(1_000_000)}))
    entries = file_of(content).metadata
    assert entries is not None
    many = tuple(replace(entries[0], name=str(i)) for i in range(1000))
    refused(edited(content, metadata=many), "overlap")


STRINGS = 100_000


def string_tensors(content: bytes, buffers: list[tables.Buffer], *numbers: int) -> bytes:
    """`content` with more buffers, and an unread tensor of STRINGS strings for each number."""
    file = file_of(content)
    assert file.buffers is not None
    assert file.subgraphs is not None
    graph = file.subgraphs[0]
    assert graph.tensors is not None
    added = [
        tables.Tensor(np.array([STRINGS], "i4"), T.STRING, len(file.buffers) + number, "s")
        for number in numbers
    ]
    return edited(
        content,
        buffers=(*file.buffers, *buffers),
        subgraphs=(replace(graph, tensors=(*graph.tensors, *added)),),
    )


EMPTY_STRINGS = encode_strings(np.full(STRINGS, b"", object))


def test_strings_that_share_a_buffer_are_checked_and_decoded_once() -> None:
    content = string_tensors(small.chain(), [tables.Buffer(EMPTY_STRINGS)], *[0] * 5000)
    start = time.process_time()
    interpreter = Interpreter(model_content=content, limits=LIMITS)
    interpreter.allocate_tensors()
    interpreter.invoke()
    assert time.process_time() - start < SECONDS


def test_strings_in_overlapping_buffers_are_checked_once() -> None:
    count = 5000

    def sized(at: int) -> bytes:
        buffers = [tables.Buffer(None, at, EMPTY_STRINGS.size + i) for i in range(count)]
        return string_tensors(small.chain(), buffers, *range(count))

    content = sized(len(sized(2))) + EMPTY_STRINGS.tobytes() + bytes(count)
    start = time.process_time()
    interpreter = Interpreter(model_content=content, limits=LIMITS)
    with pytest.raises(LimitError, match=r"constant 's' cannot be decoded.* limits.total_bytes is"):
        interpreter.allocate_tensors()
    assert time.process_time() - start < SECONDS


def with_code(**fields: Any) -> bytes:
    return edited(small.chain(), operator_codes=(tables.OperatorCode(**fields),))


def with_buffer(**fields: Any) -> bytes:
    buffers = file_of(small.chain()).buffers
    assert buffers is not None
    return edited(small.chain(), buffers=(buffers[0], tables.Buffer(**fields), *buffers[2:]))


def with_tensor(index: int, content: bytes = b"", **fields: Any) -> bytes:
    content = content or small.chain()
    graphs = file_of(content).subgraphs
    assert graphs is not None
    old = graphs[0].tensors
    assert old is not None
    changed = (*old[:index], replace(old[index], **fields), *old[index + 1 :])
    return edited(content, subgraphs=(replace(graphs[0], tensors=changed),))


def with_quantization(**fields: Any) -> bytes:
    return with_tensor(0, quantization=tables.QuantizationParameters(**fields))


def with_level(**fields: Any) -> bytes:
    level = tables.DimensionMetadata(DimensionType.SPARSE_CSR, **fields)
    sparsity = tables.SparsityParameters(np.zeros(1, "i4"), None, (level,))
    return with_tensor(1, sparsity=sparsity)


def with_signature(**fields: Any) -> bytes:
    signatures = file_of(small.one_signature()).signature_defs
    assert signatures is not None
    return edited(small.one_signature(), signature_defs=(replace(signatures[0], **fields),))


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "version": (
        lambda: edited(small.chain(), version=2),
        "Model provided is schema version 2 not equal to supported version 3.",
    ),
    "no subgraphs": (lambda: edited(small.chain(), subgraphs=None), "No subgraph in the model."),
    "empty subgraphs": (lambda: edited(small.chain(), subgraphs=()), "No subgraph in the model."),
    "no buffers": (lambda: edited(small.chain(), buffers=None), "No buffers in the model."),
    "no tensors": (
        lambda: edited(small.chain(), subgraphs=(tables.SubGraph(),)),
        "Did not get tensors in subgraph 0",
    ),
    "no operator codes": (
        lambda: edited(small.chain(), operator_codes=None),
        "Missing registration for opcode_index 0; there are 0 .*Subgraph 0, node 0",
    ),
    "unknown operator": (
        lambda: with_code(builtin_code=4000),
        "Op builtin_code out of range: 4000",
    ),
    "negative operator": (
        lambda: with_code(deprecated_builtin_code=-1, builtin_code=-1),
        "Op builtin_code out of range: -1",
    ),
    "custom operator without code": (
        lambda: with_code(builtin_code=32),
        "CUSTOM builtin_code has no custom_code",
    ),
    "buffer index": (
        lambda: with_tensor(1, buffer=2**32 - 1),
        "out of range buffer 4294967295 .only 3 buffers",
    ),
    "buffer beyond the file": (
        lambda: with_buffer(offset=100, size=10_000),
        "Constant buffer 1 specified an out of range offset.",
    ),
    "buffer offset near 2^64": (
        lambda: with_buffer(offset=2**64 - 8, size=16),
        "Constant buffer 1 specified an out of range offset.",
    ),
    "buffer without data": (lambda: with_buffer(), "Input tensor 1 lacks data"),
    "variable with data": (
        lambda: with_tensor(1, is_variable=True),
        "A variable tensor with buffer",
    ),
    "two kinds of data": (lambda: with_tensor(1, external_buffer=3), "both hold the data"),
    "tensor type": (
        lambda: with_tensor(1, type=99),
        r"subgraphs\[0\].tensors\[1\].type: 99 is not a member of TensorType",
    ),
    "scale without zero point": (
        lambda: with_quantization(scale=[1.0]),
        "Quantization parameters has non-null scale but null zero_point.*tensor 0 .'x'",
    ),
    "scale with an empty zero point": (
        lambda: with_quantization(scale=[1.0], zero_point=[]),
        "QuantizationParam has 0 zero_point values and 1 scale values",
    ),
    "two quantized axes": (
        lambda: with_quantization(
            details=tables.MultiAxisQuantization(1, -1, 2, np.array([0, 1], "i4"))
        ),
        "2 quantized dimensions .0, 1.; one is supported",
    ),
    "no quantized axis": (
        lambda: with_quantization(details=tables.MultiAxisQuantization(1, -1, 2)),
        "0 quantized dimensions",
    ),
    "sparsity without levels": (
        lambda: with_tensor(1, sparsity=tables.SparsityParameters()),
        "traversal_order or dim_metadata is missing",
    ),
    "level without indices": (
        lambda: with_level(array_segments=tables.Int32Vector(np.arange(2))),
        "The 0th sparse dimension has invalid parameters",
    ),
    "level with empty vectors": (
        lambda: with_level(
            array_segments=tables.Uint8Vector(), array_indices=tables.Uint16Vector()
        ),
        "The 0th sparse dimension has invalid parameters",
    ),
    "signature without key": (
        lambda: with_signature(signature_key=None),
        "Missing exported method name for SignatureDef",
    ),
    "signature of no subgraph": (
        lambda: with_signature(subgraph_index=3),
        "Signature 'serve' is of subgraph 3; the model has 1",
    ),
    "signature of no tensor": (
        lambda: with_signature(inputs=(tables.TensorMap("x", 2**32 - 1),)),
        "input 'x' is tensor 4294967295; the inputs of subgraph 0 are .0.",
    ),
    "metadata of no buffer": (
        lambda: edited(small.chain(), metadata=(tables.Metadata("m", 50),)),
        "Metadata 'm' specifies out of range buffer 50",
    ),
}


@pytest.mark.parametrize(("make", "message"), FILES.values(), ids=FILES.keys())
def test_what_no_file_may_be(make: Callable[[], bytes], message: str) -> None:
    refused(make(), message)
