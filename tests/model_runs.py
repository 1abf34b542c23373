"""Runs of real models: the same inputs through litegpu and LiteRT, and how far outputs differ.

`outputs` runs in LiteRT's process too (oracle.evaluate): the same code drives both sides.
"""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from litegpu.graph import Graph, Model, Node, Tensor
from litegpu.random_inputs import random_values
from litegpu.schema.enums import Padding, TensorType
from litegpu.schema.options import TransposeConvOptions
from litegpu.schema.reader import open_model
from litegpu.schema.writer import write_model

from . import oracle
from .shared import MODELS

SHIPPED = sorted((Path(__file__).resolve().parents[1] / "ci" / "data").glob("*.tflite"))
ALL = [*SHIPPED, *MODELS]

STEPS = 2
"""Invokes per run, each with inputs of its own: state must carry from one to the next."""

CPU = "BUILTIN_REF"
"""The resolver with which litegpu runs on the CPU alone."""

RESOLVERS = {"aeq__blockwise_i4rangedvalues_fc": "opt"}
"""Where BUILTIN_REF is wrong although it has the operators."""

PATCHES = np.random.default_rng(0).random((1, 8, 8, 3), np.float32).repeat(32, 1).repeat(32, 2)

GIVEN: dict[str, dict[str, Any]] = {
    "mp__selfie_segmentation": {"0": PATCHES},
    "tflm__transpose_conv0": {"0": np.array([1, 3, 12, 64], np.int32)},
}
"""Inputs for which values in [-1, 1) do not stand: a shape, and a picture that has something to
segment (elsewhere all of the output is below 1e-3, the tail of a sigmoid)."""

RECORDED = {"tflm__keyword_scrambled_8bit": [{"0": np.array([[0, 32767]], np.int32)}] * STEPS}
"""What TensorFlow Lite Micro (PyPI tflite-micro 0.dev20261023182759) answers where LiteRT crashes:
it takes int8 state for int16 and writes past its end. (The weights are scrambled and saturate every
layer, so that inputs hardly matter; the outputs of all 15 nodes were compared.)"""

NUDGED = {"ocr__ocr_dr": 8}
"""Hybrid models round activations to int8 between layers, so that a last bit may become a step.

For these, LiteRT also runs on inputs that differ by 1e-7 of their value, this often: one of its
results must be litegpu's. (On ocr_dr, LiteRT's own resolvers differ by 2.7e-4 of the largest
magnitude; its reference differs by 2e-3 from itself for inputs that are 1e-6 apart.)
"""


@dataclass(frozen=True)
class Run:
    """One way to run a model: the main graph, or a signature."""

    path: Path
    signature: str | None = None

    def __str__(self) -> str:
        return self.path.stem + (f" {self.signature}" if self.signature else "")


@dataclass(frozen=True)
class Comparison:
    """`largest`: the largest difference; that of floats is relative to the largest magnitude."""

    exact: bool
    largest: float
    resolver: str


def runs(paths: Sequence[Path]) -> list[Run]:
    """The main graph of every model without signatures, else each of its signatures."""
    found: list[Run] = []
    for path in paths:
        signatures = open_model(path).signatures
        found += [Run(path, s.key) for s in signatures] if len(signatures) > 1 else [Run(path)]
    return found


def inputs_of(run: Run, model: Model) -> list[dict[str, Any]]:
    """For each step, {input name or position: values}; the same on every machine."""
    rng = np.random.default_rng(zlib.crc32(str(run).encode()))
    graph, names = _ends(run, model)
    return [
        {n: random_values(rng, graph.tensors[t], graph.tensors[t].shape) for n, t in names.items()}
        | GIVEN.get(run.path.stem, {})
        for _ in range(STEPS)
    ]


def nudged(steps: Sequence[Mapping[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Inputs whose floats differ by at most 1e-7 of their values; none do for seed 0."""
    rng = np.random.default_rng(seed)

    def nudge(value: Any) -> Any:
        if seed == 0 or value.dtype != np.float32:
            return value
        return (value * (1 + 1e-7 * rng.uniform(-1, 1, value.shape))).astype(np.float32)

    return [{name: nudge(value) for name, value in step.items()} for step in steps]


def _ends(run: Run, model: Model) -> tuple[Graph, Mapping[str, int]]:
    if run.signature is None:
        graph = model.graphs[0]
        return graph, {str(i): t for i, t in enumerate(graph.inputs)}
    signature = next(s for s in model.signatures if s.key == run.signature)
    return model.graphs[signature.graph], signature.inputs


def outputs(
    module: Any,
    content: bytes,
    steps: Sequence[Mapping[str, Any]],
    signature: str | None,
    resolver: str,
) -> list[dict[str, Any]]:
    """The outputs of each step, by name or position. `module` has tf.lite's Interpreter."""
    kind = getattr(module.OpResolverType, resolver)
    interpreter = module.Interpreter(model_content=content, experimental_op_resolver_type=kind)
    if signature is not None:
        runner = interpreter.get_signature_runner(signature)
        return [dict(runner(**step)) for step in steps]
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for step in steps:
        for i, detail in enumerate(given):
            interpreter.set_tensor(detail["index"], step[str(i)])
        interpreter.invoke()
        found.append({str(i): interpreter.get_tensor(d["index"]) for i, d in enumerate(made)})
    return found


def litert_outputs(
    run: Run, content: bytes, steps: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], str]:
    """LiteRT's outputs and the resolver that gave them: BUILTIN_REF unless it lacks an operator."""
    first = RESOLVERS.get(run.path.stem, "ref")
    for resolver in (first, "opt"):
        try:
            found = oracle.evaluate(
                "tests.model_runs",
                "outputs",
                content=content,
                steps=steps,
                signature=run.signature,
                resolver=oracle.RESOLVERS[resolver],
            )
        except oracle.OracleError as error:
            missing = "Didn't find op" in str(error) or "unresolved custom op" in str(error)
            if resolver == "opt" or not missing:
                raise
        else:
            return found, resolver
    raise AssertionError("unreachable")


def with_builtin_operators(model: Model) -> Model:
    """The model with MediaPipe's transposed convolutions, XNNPACK's alone, as TRANSPOSE_CONV."""
    graph = model.graphs[0]
    tensors, nodes = list(graph.tensors), []
    for node in graph.nodes:
        if node.op == "Convolution2DTransposeBias":
            shape = np.array(tensors[node.outputs[0]].shape, np.int32)
            tensors.append(Tensor("", shape.shape, TensorType.INT32, data=shape.view(np.uint8)))
            padding, width, height = struct.unpack("<3i", bytes(node.options)[:12])
            options = TransposeConvOptions(Padding(padding - 1), width, height)
            image, weights, bias = node.inputs
            inputs = (len(tensors) - 1, weights, image, bias)
            node = Node("TRANSPOSE_CONV", 3, inputs, node.outputs, options)
        nodes.append(node)
    graph = dataclasses.replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))
    return dataclasses.replace(model, graphs=(graph, *model.graphs[1:]))


def with_valid_axes(model: Model) -> Model:
    """The model with quantisation axis 0 for all tensors that have one scale: LiteRT checks it."""

    def mended(graph: Graph) -> Graph:
        tensors = [
            dataclasses.replace(t, quant=dataclasses.replace(t.quant, axis=0))
            if t.quant is not None and t.quant.scale.size == 1
            else t
            for t in graph.tensors
        ]
        return dataclasses.replace(graph, tensors=tuple(tensors))

    return dataclasses.replace(model, graphs=tuple(mended(g) for g in model.graphs))


ADAPTED = {
    "mp__selfie_segmentation": with_builtin_operators,
    "tflm__person_detect": with_valid_axes,
}
"""What LiteRT is given where it refuses the model itself; litegpu runs the model as it is."""


def compare(run: Run, litegpu: Any) -> Comparison:
    """How litegpu's outputs differ from LiteRT's; an AssertionError where types or shapes do."""
    model = open_model(run.path)
    content = run.path.read_bytes()
    steps = inputs_of(run, model)
    got = outputs(litegpu, content, steps, run.signature, CPU)
    if run.path.stem in RECORDED:
        return _comparison(got, RECORDED[run.path.stem], "micro")
    if run.path.stem in ADAPTED:
        content = write_model(ADAPTED[run.path.stem](model))
    found = []
    for seed in range(1 + NUDGED.get(run.path.stem, 0)):
        expected, resolver = litert_outputs(run, content, nudged(steps, seed))
        found.append(_comparison(got, expected, resolver))
    return min(found, key=lambda comparison: comparison.largest)


def _comparison(got: Sequence[Any], expected: Sequence[Any], resolver: str) -> Comparison:
    exact, largest = True, 0.0
    for g, e in zip(got, expected, strict=True):
        assert g.keys() == e.keys()
        for name in e:
            one_exact, difference = _difference(np.asarray(g[name]), np.asarray(e[name]), name)
            exact &= one_exact
            largest = max(largest, difference)
    return Comparison(exact, largest, resolver)


def _difference(got: Any, expected: Any, name: str) -> tuple[bool, float]:
    """(whether the type demands equality, the difference)."""
    assert got.shape == expected.shape, f"{name}: shape {got.shape}, expected {expected.shape}"
    assert got.dtype == expected.dtype, f"{name}: dtype {got.dtype}, expected {expected.dtype}"
    if expected.dtype.kind in "OSUb":
        return True, float(np.count_nonzero(got != expected))
    if expected.dtype.kind in "iu":
        wide = got.astype(np.float64) - expected.astype(np.float64)
        return True, float(np.abs(wide).max(initial=0))
    g, e = got.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(e)
    assert (np.isfinite(g) == finite).all(), f"{name}: NaN or Inf differ"
    assert np.array_equal(g[~finite], e[~finite], equal_nan=True), f"{name}: NaN or Inf differ"
    magnitude = np.abs(e[finite]).max(initial=0) or 1.0
    return False, float(np.abs(g[finite] - e[finite]).max(initial=0) / magnitude)
