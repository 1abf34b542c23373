"""What a comparison's sides get: random values, files, pictures, mappings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from litegpu.comparison.samples import Sample, open_any, source
from litegpu.entry import Entry, entry
from litegpu.graph import Graph, Model, Node, Quantization, Tensor
from litegpu.metadata import (
    IDENTIFIER,
    NAME,
    ModelMetadata,
    NormalizationOptions,
    ProcessUnit,
    SubGraphMetadata,
    TensorMetadata,
    normalization,
)
from litegpu.pictures import Normalization, Pixels
from litegpu.schema.encode import encode
from litegpu.schema.enums import TensorType
from litegpu.schema.writer import write_model

from . import models
from .models import F32
from .test_comparison import CLASSIFIER

CAT = Path(__file__).resolve().parents[1] / "ci" / "data" / "cat.png"
TWO = entry(open_any(models.two_signatures()), "plus")
CHAIN = entry(open_any(models.chain()), None)


def drawn(
    entered: Entry,
    inputs: Any = None,
    samples: int | None = None,
    seed: int = 0,
    pixels: Any = None,
) -> list[Sample]:
    found = source(entered, inputs, samples, seed, pixels)
    listed = list(found.samples)
    assert found.count in (None, len(listed))
    return listed


def test_random_values_hang_on_seed_and_sample_alone() -> None:
    three, five = drawn(CHAIN, "random", 3), drawn(CHAIN, None, 5)
    for a, b in zip(three, five, strict=False):
        assert np.array_equal(a[0], b[0])
    assert len({x[0].tobytes() for x in five}) == 5
    assert not np.array_equal(drawn(CHAIN, seed=1)[0][0], three[0][0])
    assert len(drawn(CHAIN)) == 1


def test_random_values_by_type() -> None:
    classifier = entry(open_any(CLASSIFIER), None)
    (sample,) = drawn(classifier)
    (image,) = sample.values()
    assert image.dtype == np.int8
    assert (image.min(), image.max()) == (-128, 127)
    (sample,) = drawn(entry(open_any(models.gather()), None))
    assert set(sample[1].tolist()) <= {0, 1}, "indices stay small"


def test_inputs_by_name_or_position_and_the_rest_random() -> None:
    u = np.array([1, 2], np.float32)
    for key in ("u", 0, "0"):
        (sample,) = drawn(TWO, {key: u})
        assert np.array_equal(sample[0], u)
        assert sample[1].shape == (2,)
    rows = drawn(TWO, ({"u": u * k, "v": u} for k in range(4)), 3)
    assert [row[0][0] for row in rows] == [0, 1, 2]
    with pytest.raises(ValueError, match="no input 'w'; its inputs: 0='u', 1='v'"):
        drawn(TWO, {"w": u})
    with pytest.raises(ValueError, match="expected type FLOAT32"):
        drawn(TWO, {"u": np.zeros(2, np.int8)})


def test_stacks_in_files(tmp_path: Path) -> None:
    stack = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    np.save(tmp_path / "stack.npy", stack)
    rows = drawn(CHAIN, tmp_path / "stack.npy")
    assert np.array_equal([row[0] for row in rows], stack)
    assert len(drawn(CHAIN, str(tmp_path / "stack.npy"), 2)) == 2
    np.save(tmp_path / "one.npy", stack[0])
    (row,) = drawn(CHAIN, tmp_path / "one.npy")
    assert np.array_equal(row[0], stack[0])
    np.savez(tmp_path / "both.npz", u=np.ones((5, 2), np.float32), v=np.zeros(2, np.float32))
    rows = drawn(TWO, tmp_path / "both.npz")
    assert len(rows) == 5
    assert all(row[1].tolist() == [0, 0] and row[0].tolist() == [1, 1] for row in rows)
    np.savez(tmp_path / "odd.npz", u=np.ones((5, 2), np.float32), v=np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match=r"the arrays hold \[3, 5\] samples"):
        drawn(TWO, tmp_path / "odd.npz")
    with pytest.raises(ValueError, match="the model has 2 inputs; use an"):
        drawn(TWO, tmp_path / "stack.npy")
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        drawn(TWO, tmp_path / "nothing.npz")


def test_a_batch_of_one_is_cut_from_a_longer_one(tmp_path: Path) -> None:
    classifier = entry(open_any(CLASSIFIER), None)
    batch = np.random.default_rng(0).integers(-128, 128, (6, 32, 32, 3)).astype(np.int8)
    np.save(tmp_path / "batch.npy", batch)
    rows = drawn(classifier, tmp_path / "batch.npy")
    assert len(rows) == 6
    (key,) = rows[0]
    assert np.array_equal(np.concatenate([row[key] for row in rows]), batch)


def test_files_hold_bfloat16_as_bytes(tmp_path: Path) -> None:
    tensors = (Tensor("x", (2, 3), TensorType.BFLOAT16), Tensor("y", (2, 3), TensorType.BFLOAT16))
    graph = Graph(tensors, (Node("RESHAPE", 1, (0,), (1,)),), (0,), (1,), "main")
    values = np.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16)
    np.savez(tmp_path / "x.npz", x=values)
    (row,) = drawn(entry(Model((graph,))), tmp_path / "x.npz")
    assert row[0].dtype == values.dtype
    np.testing.assert_array_equal(row[0], values)


# Pictures.


def pictured(dtype: TensorType, described: bool, quant: Quantization | None = None) -> bytes:
    """A model that takes a picture of 2 x 2, whose metadata say (p - [10, 20, 30]) / [1, 2, 4]."""
    tensors = (
        Tensor("image", (1, 2, 2, 3), dtype, quant=quant),
        Tensor("y", (1, 2, 2, 3), dtype, quant=quant),
    )
    graph = Graph(tensors, (Node("RESHAPE", 1, (0,), (1,)),), (0,), (1,), "main")
    options = NormalizationOptions(
        np.array([10, 20, 30], np.float32), np.array([1, 2, 4], np.float32)
    )
    units = (ProcessUnit(options),)
    metadata = ModelMetadata(
        subgraphs=(SubGraphMetadata(inputs=(TensorMetadata(process_units=units),)),)
    )
    data = bytes(encode(metadata, IDENTIFIER))
    return write_model(Model((graph,), metadata={NAME: data} if described else {}))


def plain_picture(folder: Path, name: str, value: tuple[int, int, int]) -> None:
    image = pytest.importorskip("PIL.Image")
    folder.mkdir(exist_ok=True)
    image.new("RGB", (5, 4), value).save(folder / name)


def test_pictures_are_normalised_as_the_metadata_say(tmp_path: Path) -> None:
    plain_picture(tmp_path, "b.png", (20, 40, 60))
    plain_picture(tmp_path, "a.jpg", (0, 0, 0))
    (tmp_path / "notes.txt").write_text("no picture")
    entered = entry(open_any(pictured(F32, described=True)), None)
    rows = drawn(entered, tmp_path)
    assert [row[0][0, 1, 1].tolist() for row in rows] == [[-10, -10, -7.5], [10, 10, 7.5]]
    (row,) = drawn(entered, tmp_path / "b.png", pixels=Pixels.BYTE)
    assert row[0][0, 0, 0].tolist() == [20, 40, 60]
    (row,) = drawn(entered, tmp_path / "b.png", pixels=Normalization((20,), (10,)))
    assert row[0][0, 0, 0].tolist() == [0, 2, 4]
    undescribed = entry(open_any(pictured(F32, described=False)), None)
    (row,) = drawn(undescribed, tmp_path / "b.png")
    np.testing.assert_allclose(row[0][0, 0, 0], np.array([20, 40, 60]) / 255, 1e-6)


def test_quantised_inputs_get_the_integers_of_the_normalised_values(tmp_path: Path) -> None:
    plain_picture(tmp_path, "a.png", (20, 40, 250))
    quant = Quantization(np.array([0.5], np.float32), np.array([3], np.int64))
    entered = entry(open_any(pictured(TensorType.INT8, True, quant)), None)
    (row,) = drawn(entered, tmp_path)
    assert row[0][0, 0, 0].tolist() == [23, 23, 113]


def test_metadata_that_say_nothing_or_nonsense() -> None:
    assert normalization(open_any(CLASSIFIER), 0, 0) is None
    described = open_any(pictured(F32, described=True))
    found = normalization(described, 0, 0)
    assert found == Normalization((10, 20, 30), (1, 2, 4))
    assert normalization(described, 0, 1) is None
    broken = Model(described.graphs, metadata={NAME: b"nonsense"})
    with pytest.raises(ValueError, match="TFLITE_METADATA cannot be read"):
        normalization(broken, 0, 0)


@pytest.mark.parametrize(("mean", "std"), [((), (1,)), ((0,), (0,)), ((0,), ())])
def test_bad_normalisation(mean: Any, std: Any) -> None:
    with pytest.raises(ValueError, match="std not 0"):
        Normalization(mean, std)


def test_pictures_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no input takes a picture"):
        drawn(CHAIN, CAT)
    with pytest.raises(ValueError, match="has no pictures"):
        drawn(CHAIN, tmp_path)
    entered = entry(open_any(pictured(F32, described=False)), None)
    with pytest.raises(ValueError, match="2 means or stds are given; the input has 3 channels"):
        drawn(entered, CAT, pixels=Normalization((1, 2), (1,)))


def test_arrays_are_taken_as_files_of_them_are() -> None:
    stack = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    np.testing.assert_array_equal([row[0] for row in drawn(CHAIN, stack)], stack)
    (row,) = drawn(CHAIN, stack[0])
    np.testing.assert_array_equal(row[0], stack[0])


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.npy", b""), ("x.npy", b"text of 9"), ("x.npz", b""), ("x.npz", b"PK\5\6" + bytes(17))],
)
def test_files_that_hold_no_arrays_are_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} .*no"):
        drawn(CHAIN, tmp_path / name)


@pytest.mark.parametrize("inputs", [5, [np.zeros(3)], [None]])
def test_inputs_of_other_types_are_refused(inputs: Any) -> None:
    with pytest.raises(TypeError, match="mapping"):
        drawn(CHAIN, inputs)


@pytest.mark.parametrize("samples", [0, 2.5, "3"])
def test_samples_are_counted_by_integers(samples: Any) -> None:
    with pytest.raises(ValueError, match="samples is"):
        drawn(CHAIN, samples=samples)


def test_pixels_that_nobody_knows_are_refused() -> None:
    with pytest.raises(ValueError, match="bogus"):
        drawn(CHAIN, CAT, pixels="bogus")
