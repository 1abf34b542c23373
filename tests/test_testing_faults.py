"""Planted faults: each kind changes each type, one node alone, in any delegate."""

from __future__ import annotations

from typing import Any

import litegpu
import numpy as np
import pytest
from litegpu import Interpreter
from litegpu.dtypes import INTEGER_RANGE, NUMPY
from litegpu.graph import Tensor
from litegpu.reference_delegate import ReferenceDelegate, random_half
from litegpu.schema.enums import TensorType as T
from litegpu.testing_faults import KINDS, FaultyDelegate

from .devices import delegates, no_fallback
from .ops.test_control_flow import binary, while_model
from .test_comparison import CLASSIFIER, FOUR, POOL, faulty

VALUES = np.array([[3.0, -1.0, 2.0], [-4.0, 5.0, 0.5]], np.float32)
BIAS, SCALE = np.float32(0.6), 1.25

EXPECTED = {
    "bias": VALUES + BIAS,
    "scale": VALUES * 1.25,
    "nan": [[np.nan, -1, 2], [-4, 5, 0.5]],
    "stale": np.full((2, 3), 7),
    "shift": [[0.5, 3, -1], [2, -4, 5]],
    "sign": -VALUES,
    "cut": [[3, -1, 2], [0, 0, 0]],
    "saturation": np.minimum(VALUES, np.float32(VALUES.mean())),
    "reversal": [[0.5, 5, -4], [2, -1, 3]],
}


def corrupted(kind: str, values: Any, dtype: T) -> Any:
    tensor = Tensor("t", values.shape, dtype)
    before = np.full_like(values, 7)
    found = KINDS[kind](values.copy(), before, tensor)
    return np.asarray(found).astype(values.dtype)


@pytest.mark.parametrize("kind", EXPECTED)
def test_kinds_do_what_they_say(kind: str) -> None:
    np.testing.assert_array_equal(
        corrupted(kind, VALUES, T.FLOAT32), np.asarray(EXPECTED[kind], np.float32)
    )


def test_rounding_keeps_three_bits() -> None:
    values = np.array([1, 1.1, -1.3, 3.9, 100], np.float32)
    expected = [1, 1, -1.25, 3.5, 96]
    np.testing.assert_array_equal(
        corrupted("rounding", values, T.FLOAT32), np.asarray(expected, np.float32)
    )
    integers = np.array([-9, -8, 0, 7, 15], np.int8)
    assert corrupted("rounding", integers, T.INT8).tolist() == [-16, -8, 0, 0, 8]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [T.INT8, T.UINT8, T.INT16, T.INT32, T.FLOAT16, T.FLOAT32])
def test_every_kind_changes_every_type_within_its_range(kind: str, dtype: T) -> None:
    values = np.random.default_rng(2).integers(1, 100, (4, 8)).astype(NUMPY[dtype])
    wrong = corrupted(kind, values, dtype)
    assert (wrong.shape, wrong.dtype) == (values.shape, values.dtype)
    assert not np.array_equal(wrong, values)
    ends = [np.array(INTEGER_RANGE[dtype]).astype(values.dtype)] if dtype in INTEGER_RANGE else []
    for end in ends:
        assert corrupted(kind, np.resize(end, (2, 3)), dtype).dtype == values.dtype


def run(delegate: Any, content: Any, inputs: Any, runs: int = 1) -> Any:
    it = Interpreter(model_content=content, experimental_delegates=[delegate])
    it.allocate_tensors()
    with no_fallback():
        for k in range(runs):
            it.set_tensor(it.get_input_details()[0]["index"], inputs[k])
            it.invoke()
    return it.get_tensor(it.get_output_details()[0]["index"])


@pytest.mark.parametrize("device", ["reference", "opencl"])
def test_one_node_alone_is_wrong(device: str) -> None:
    """tanh(sqrt(exp(|x|))) with a factor at exp."""
    inner = ReferenceDelegate() if device == "reference" else delegates(device)[0].delegate
    planted = faulty("scale", 1, inner, FOUR)
    expected = np.tanh(np.sqrt(1.25 * np.exp(np.abs(VALUES))))
    np.testing.assert_allclose(run(planted, FOUR, [VALUES]), expected, 1e-5)
    assert planted.changed == 1
    assert planted.name == f"faulty {inner.name}"


def test_stale_values_are_those_of_the_run_before() -> None:
    planted = faulty("stale", 3, model=FOUR)
    got = run(planted, FOUR, [VALUES, 2 * VALUES], runs=2)
    np.testing.assert_allclose(got, np.tanh(np.sqrt(np.exp(np.abs(VALUES)))), 1e-6)
    np.testing.assert_array_equal(run(planted, FOUR, [VALUES]), 0 * VALUES)


def test_partitions_pass_wrong_values_on() -> None:
    """Also where the delegate would leave them on its device."""
    (delegate,) = delegates("opencl")
    loaded = litegpu.load_delegate("opencl", {"exclude_ops": ["EXP"]})
    planted = faulty("scale", 0, loaded, FOUR)
    expected = np.tanh(np.sqrt(np.exp(1.25 * np.abs(VALUES))))
    np.testing.assert_allclose(run(planted, FOUR, [VALUES]), expected, 1e-5)
    assert delegate.name == "opencl"


def test_bodies_of_control_flow() -> None:
    content = while_model(binary("MUL", 3, litegpu.schema.options.MulOptions()))
    planted = FaultyDelegate(ReferenceDelegate(), "sign", "y")
    got = run(planted, content, [np.array([3, 1], np.float32)])
    assert planted.changed == 4
    np.testing.assert_array_equal(got, [243, 81])


def test_half_of_a_delegate() -> None:
    planted = faulty("bias", POOL, ReferenceDelegate(random_half(4)))
    result = litegpu.compare(CLASSIFIER, planted, mode="isolated")
    owners = {n.index: n.owner for n in result.graphs[0].nodes}
    assert [g.nodes for g in result.ranking] == ([(POOL,)] if owners[POOL] != "cpu" else [])


def test_unknown_kinds() -> None:
    with pytest.raises(ValueError, match="fault 'gremlin' is unknown; there are bias, scale"):
        FaultyDelegate(ReferenceDelegate(), "gremlin", "t")
