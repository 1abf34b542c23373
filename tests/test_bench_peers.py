"""The networks of the benchmarks in other frameworks: the same results, of the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter

from ci.bench.networks import NETWORKS, network

from .tolerance import WHOLE_MODEL

SMALL = {"length": 16, "layers": 1}, {"size": 32}
BATCH = 2


def sizes(name: str) -> dict[str, int]:
    return SMALL[0] if name.startswith("bert") else SMALL[1]


def run_litegpu(name: str) -> tuple[Any, Any]:
    """(input, output) on the CPU."""
    content = network(name, False, BATCH, **sizes(name))
    interpreter = Interpreter(model_content=content, experimental_delegates=[])
    interpreter.allocate_tensors()
    (detail,) = interpreter.get_input_details()
    x = np.random.default_rng(0).normal(0, 0.5, detail["shape"]).astype(np.float32)
    interpreter.set_tensor(detail["index"], x)
    interpreter.invoke()
    return x, interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def run_torch(name: str, x: Any, exact: bool = True) -> Any:
    torch = pytest.importorskip("torch")
    from ci.bench import peers_torch

    module = peers_torch.network(name, BATCH, exact, **sizes(name))
    with torch.inference_mode():
        return module(torch.from_numpy(x)).numpy()


def run_jax(name: str, x: Any) -> Any:
    jax = pytest.importorskip("jax")
    from ci.bench import peers_jax

    made = peers_jax.Network(name, BATCH, **sizes(name))
    with jax.default_matmul_precision("highest"):
        return np.asarray(jax.jit(made)(made.weights, x))


@pytest.mark.parametrize("run", [run_torch, run_jax])
@pytest.mark.parametrize("name", NETWORKS)
def test_peers_compute_the_same(name: str, run: Callable[[str, Any], Any]) -> None:
    x, expected = run_litegpu(name)
    got = run(name, x)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    assert np.abs(got - expected).max() <= WHOLE_MODEL * np.abs(expected).max()


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_built_for_any_batch(name: str) -> None:
    """Rows of a batch are computed apart from each other."""
    x, expected = run_litegpu(name)
    content = network(name, False, 1, **sizes(name))
    interpreter = Interpreter(model_content=content, experimental_delegates=[])
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[:1])
    interpreter.invoke()
    got = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.abs(got - expected[:1]).max() <= WHOLE_MODEL * np.abs(expected[:1]).max()


@pytest.mark.parametrize("name", [name for name in NETWORKS if not name.startswith("bert")])
def test_usual_padding_costs_the_same(name: str) -> None:
    """Without the asymmetric padding of TensorFlow, shapes stay what they are."""
    x = np.ones((BATCH, 32, 32, 3), np.float32)
    assert run_torch(name, x, exact=False).shape == run_torch(name, x).shape == (BATCH, 1000)
