"""JAX, that is XLA, as a runtime of the benchmarks."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from litegpu.graph import Array

from . import peers_jax
from .runtimes import Case, Missing, network_input

TYPES = {"fp32": jnp.float32, "tf32": jnp.float32, "fp16": jnp.float16}
PRODUCTS = {"fp32": "highest", "tf32": "tensorfloat32", "fp16": "default"}
"""JAX's names of how products of matrices are computed."""


class Jax:
    def __init__(self, device: str) -> None:
        try:
            self._device = jax.devices(device)[0]
        except RuntimeError as error:
            raise Missing(str(error).partition("\n")[0]) from error

    def version(self) -> str:
        return str(jax.__version__)

    def prepare(self, case: Case) -> JaxRunner:
        if case.precision not in TYPES or not case.is_network:
            raise ValueError("not compared")
        network = peers_jax.Network(case.model, case.batch)
        with jax.default_matmul_precision(PRODUCTS[case.precision]):
            return JaxRunner(network, self._device, TYPES[case.precision])


class JaxRunner:
    def __init__(self, network: peers_jax.Network, device: Any, dtype: Any) -> None:
        self.facts: dict[str, Any] = {}
        self._device, self._dtype = device, dtype
        self._given = network_input(network.shape)
        weights = [[w.astype(dtype) for w in layer] for layer in network.weights]
        self._weights = jax.device_put(weights, device)
        self._x = self._sent()
        self._run = jax.jit(network).lower(self._weights, self._x).compile()
        self.on_device()

    def _sent(self) -> Any:
        return jax.device_put(self._given, self._device).astype(self._dtype)

    def on_device(self) -> None:
        self._run(self._weights, self._x).block_until_ready()

    def from_host(self) -> Array:
        return np.asarray(self._run(self._weights, self._sent()).astype(jnp.float32))

    def expensive(self) -> list[dict[str, Any]]:
        return []
