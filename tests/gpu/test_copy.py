"""Moves of tensors larger than tiles, chunks and blocks, by the kernels for CPUs and for GPUs."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
from litegpu import DelegateLoadError, Interpreter, load_delegate
from litegpu.delegates.lowering.copy import Axis, merged, view, widest
from litegpu.delegates.program import FLAG
from litegpu.schema import options as o
from litegpu.schema.writer import write_model

from tests.cases import Case, const, feeds, given, model_of, out
from tests.devices import no_fallback
from tests.gpu.fakes import CUDA, lower
from tests.tolerance import assert_close

random = np.random.default_rng(5)


def floats(*shape: int) -> Any:
    return random.standard_normal(shape).astype(np.float32)


def integers(dtype: Any, *shape: int) -> Any:
    return random.integers(-100, 100, shape).astype(dtype)


def ints(*values: int) -> Any:
    return const(np.array(values, np.int32))


def transpose(x: Any, *axes: int) -> Case:
    y = np.transpose(x, axes)
    name = f"{x.dtype} {list(x.shape)} by {list(axes)}"
    return Case(name, "TRANSPOSE", [given(x), ints(*axes)], [out(x.dtype)], expected=[y])


X, WIDE = floats(3, 37, 41), integers(np.int8, 2, 5000)
LONG = floats(5, 3000)
TIES = np.tile(np.float32([3, np.nan, 1, 3, -np.inf]), (2, 60))
ORDER = np.argsort(-TIES, 1, kind="stable")[:, :130]
TABLE, IDS = floats(900, 33), integers(np.int32, 700) % 900

CASES = [
    *(
        transpose(integers(dtype, *shape), *axes)
        for dtype in (np.int8, np.int16, np.float32, np.int64)
        for shape, axes in (
            ((45, 70), (1, 0)),
            ((2, 19, 50), (0, 2, 1)),
            ((2, 3, 17, 33), (0, 2, 3, 1)),
            ((2, 17, 33, 3), (0, 3, 1, 2)),
            ((9, 20, 16), (1, 0, 2)),
            ((7, 11, 13), (2, 1, 0)),
        )
    ),
    Case(
        "by three axes",
        "CONCATENATION",
        [given(X), const(X[:, :, :7]), given(X)],
        [out(np.float32)],
        o.ConcatenationOptions(axis=2),
        expected=[np.concatenate([X, X[:, :, :7], X], 2)],
    ),
    Case(
        "bytes",
        "STRIDED_SLICE",
        [given(WIDE), ints(0, 4990), ints(2, -5000), ints(1, -3)],
        [out(np.int8)],
        o.StridedSliceOptions(end_mask=2),
        expected=[WIDE[:, 4990::-3]],
    ),
    Case(
        "aligned",
        "SLICE",
        [given(WIDE), ints(0, 16), ints(2, 4960)],
        [out(np.int8)],
        expected=[WIDE[:, 16:4976]],
    ),
    Case(
        "not aligned",
        "SLICE",
        [given(WIDE), ints(0, 17), ints(2, 4961)],
        [out(np.int8)],
        expected=[WIDE[:, 17:4978]],
    ),
    Case(
        "start at run time",
        "SLICE",
        [given(X), given(np.array([1, 2, 30], np.int32)), ints(2, 33, 9)],
        [out(np.float32)],
        expected=[X[1:, 2:35, 30:39]],
    ),
    Case(
        "float",
        "PAD",
        [given(X), const(np.array([[1, 0], [2, 3], [0, 0]], np.int32))],
        [out(np.float32)],
        expected=[np.pad(X, [(1, 0), (2, 3), (0, 0)])],
    ),
    Case(
        "reflect",
        "MIRROR_PAD",
        [given(X), const(np.array([[2, 1], [0, 0], [40, 3]], np.int32))],
        [out(np.float32)],
        expected=[np.pad(X, [(2, 1), (0, 0), (40, 3)], "reflect")],
    ),
    Case(
        "float",
        "TILE",
        [given(X), ints(2, 1, 3)],
        [out(np.float32)],
        expected=[np.tile(X, (2, 1, 3))],
    ),
    Case("zeros", "ZEROS_LIKE", [given(WIDE)], [out(np.int8)], expected=[np.zeros_like(WIDE)]),
    Case(
        "rows",
        "GATHER",
        [given(TABLE), given(IDS)],
        [out(np.float32)],
        o.GatherOptions(axis=0),
        expected=[TABLE[IDS]],
    ),
    Case("long", "ARG_MAX", [given(LONG), ints(1)], [out(np.int64)], expected=[LONG.argmax(1)]),
    Case("across", "ARG_MIN", [given(LONG), ints(0)], [out(np.int64)], expected=[LONG.argmin(0)]),
    Case(
        "ties and NaN",
        "TOPK_V2",
        [given(TIES), ints(130)],
        [out(np.float32), out(np.int32)],
        expected=[np.take_along_axis(TIES, ORDER, 1), ORDER.astype(np.int32)],
    ),
]


@functools.cache
def delegate(kind: str) -> Any:
    """The OpenCL delegate, its device as it is or as if it were a GPU."""
    try:
        loaded = load_delegate("opencl")
    except DelegateLoadError as error:
        pytest.skip(str(error))
    gpu: Any = loaded.delegate
    gpu.poison = True
    gpu.device.info = dataclasses.replace(gpu.device.info, is_cpu=kind == "cpu")
    return loaded


def run(case: Case, kind: str) -> list[Any]:
    content = write_model(model_of(case))
    interpreter = Interpreter(model_content=content, experimental_delegates=[delegate(kind)])
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), feeds(case), strict=True):
        interpreter.set_tensor(detail["index"], value)
    with no_fallback():
        interpreter.invoke()
    owners = {node.owner for node in interpreter.explain().subgraphs[0].nodes}
    assert owners == {"opencl"}
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_moves(case: Case, kind: str) -> None:
    assert case.expected is not None
    for j, (got, wanted) in enumerate(zip(run(case, kind), case.expected, strict=True)):
        assert_close(got, np.asarray(wanted), f"{case}, output {j}")


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_wrong_index_is_the_cpus_error_and_the_next_run_is_on_the_device(kind: str) -> None:
    case = Case("", "GATHER", [given(TABLE), given(IDS)], [out(np.float32)], o.GatherOptions())
    content = write_model(model_of(case))
    interpreter = Interpreter(model_content=content, experimental_delegates=[delegate(kind)])
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, TABLE)
    with no_fallback():
        interpreter.set_tensor(1, np.full_like(IDS, 900))
        with pytest.raises(RuntimeError, match="index 900 is out of bounds"):
            interpreter.invoke()
        interpreter.set_tensor(1, IDS)
        interpreter.invoke()
    assert interpreter.explain().subgraphs[0].nodes[0].owner == "opencl"
    np.testing.assert_array_equal(interpreter.get_tensor(2), TABLE[IDS])


def test_axes_that_continue_each_other_are_one() -> None:
    whole = view(FLAG, (4, 5, 6), 4).array
    assert merged(whole.shape, whole.strides, whole.strides) == [Axis(120, 4, 4)]
    part = whole[:, 1:3]
    packed = view(FLAG, part.shape, 4).array
    assert merged(part.shape, part.strides, packed.strides) == [Axis(4, 120, 48), Axis(12, 4, 4)]


def test_units_are_as_wide_as_every_stride_allows() -> None:
    rows = [Axis(3, 64, 48), Axis(48, 1, 1)]
    assert widest(rows, 1, [0, 0], False) == 16
    assert widest(rows, 1, [4, 0], False) == 4
    assert widest([Axis(3, 63, 48), Axis(48, 1, 1)], 1, [0, 0], False) == 1
    assert widest([Axis(3, 64, 48), Axis(24, 2, 1)], 1, [0, 0], False) == 1


def test_tiles_are_few_enough_for_a_grid() -> None:
    """x: [8, columns] becomes [columns, 8]; blocks count 16 columns along the second dimension."""
    for columns, entry in ((16 * 65535, "copy_tiles"), (16 * 65535 + 16, "copy_strided")):
        axes = const(np.array([1, 0], np.int32))
        case = Case("", "TRANSPOSE", [given(np.zeros((8, columns), np.int8)), axes], [out(np.int8)])
        (lowered,) = lower(write_model(model_of(case)), CUDA, feeds(case)).lowered
        assert [launch.kernel.entry for launch in lowered.program.launches] == [entry]
