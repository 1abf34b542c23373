"""What hostile models do at run time: each class of attack has cases, each case one kind of end.

Cases of single operators are in tests/ops, of files in test_hostile_files, of graphs in
test_hostile_graphs; here is the proof that none is forgotten, and what crosses families.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter, Limits
from litegpu.dtypes import NUMPY
from litegpu.errors import InvokeError, ModelError, PrepareError, ResizeError
from litegpu.graph import Model
from litegpu.schema import options as o
from litegpu.schema.reader import read_model
from litegpu.schema.writer import write_model

from . import models as small
from . import test_hostile_files, test_hostile_graphs
from .cases import Arg, Case, feeds, model_of
from .hostile_models import ATTACKS, HARMLESS, always, branches, loop, nested, same
from .mutations import mutated
from .operator_cases import cases_by_operator, modules

LIMITS = Limits(tensor_bytes=1 << 22, total_bytes=1 << 24, loop_iterations=1_000, invoke_seconds=1)
CASES = cases_by_operator()
REFUSALS = (ModelError, PrepareError, InvokeError, ResizeError)
SECONDS = 5.0
"""Of processor time, for one refusal."""

IN_FAMILIES = {
    "zero attribute": """
        CONV_2D:stride CONV_2D:dilation DEPTHWISE_CONV_2D:stride DEPTHWISE_CONV_2D:dilation
        TRANSPOSE_CONV:stride CONV_3D:stride CONV_3D:dilation CONV_3D:filter
        CONV_3D_TRANSPOSE:stride AVERAGE_POOL_2D:stride AVERAGE_POOL_2D:filter
        MAX_POOL_2D:stride MAX_POOL_2D:filter L2_POOL_2D:stride L2_POOL_2D:filter
        MaxPoolingWithArgmax2D:positive REDUCE_WINDOW:positive STABLEHLO_CONVOLUTION:stride
        SPACE_TO_DEPTH:least DEPTH_TO_SPACE:least SPACE_TO_BATCH_ND:positive
        BATCH_TO_SPACE_ND:positive DILATE:least SVDF:rank SPLIT:outputs STRIDED_SLICE:stride
        STABLEHLO_SLICE:inside AudioSpectrogram:window
    """,
    "zero dimension used as divisor": """
        GATHER_ND:empty GATHER:empty EMBEDDING_LOOKUP:empty HASHTABLE_LOOKUP:empty
        CONV_2D:channels CONV_2D:filter DEPTHWISE_CONV_2D:channels TRANSPOSE_CONV:filter
        RESIZE_BILINEAR:pixels RESIZE_NEAREST_NEIGHBOR:pixels ARG_MAX:empty MULTINOMIAL:classes
    """,
    "division by zero data": """
        DIV:by.0 FLOOR_DIV:by.0 FLOOR_MOD:by.0 STABLEHLO_DIVIDE:by.0 STABLEHLO_REMAINDER:by.0
        TransformLandmarks:divide
    """,
    "index data out of bounds": """
        GATHER:bounds GATHER_ND:bounds SCATTER_ND:bounds EMBEDDING_LOOKUP:bounds
        EMBEDDING_LOOKUP_SPARSE:bounds SPARSE_TO_DENSE:bounds SEGMENT_SUM:segment
        UNSORTED_SEGMENT_SUM:bounds UNSORTED_SEGMENT_MAX:bounds SLICE:inside STRIDED_SLICE:inside
        DYNAMIC_UPDATE_SLICE:fit REVERSE_SEQUENCE:must.be.in Landmarks2TransformMatrix:bounds
    """,
    "axis out of range": """
        MEAN:axis SUM:axis REDUCE_MAX:axis REDUCE_MIN:axis REDUCE_PROD:axis ARG_MAX:axis
        ARG_MIN:axis CONCATENATION:range SPLIT:range SPLIT_V:range PACK:range UNPACK:range
        EXPAND_DIMS:range GATHER:axis REVERSE_V2:range CUMSUM:range ONE_HOT:range SQUEEZE:range
        STABLEHLO_CONCATENATE:range
    """,
    "operands that do not fit": """
        BATCH_MATMUL:inner FULLY_CONNECTED:last CONV_2D:groups CONV_3D:channels
        TRANSPOSE_CONV:channels STABLEHLO_DOT_GENERAL:differ TRANSPOSE:each
        STABLEHLO_TRANSPOSE:once PAD:negative
        MIRROR_PAD:mirror RESHAPE:most.one RESIZE_BILINEAR:least RESIZE_NEAREST_NEIGHBOR:least
        FILL:sizes TILE:least BROADCAST_TO:cannot SELECT_V2:broadcastable ADD:broadcastable
    """,
    "missing pieces": """
        SVDF:variable SVDF:inputs UNIDIRECTIONAL_SEQUENCE_LSTM:variable RNN:variable RNN:absent
        UNIDIRECTIONAL_SEQUENCE_LSTM:absent LSTM:expected ADD:expected.2
        TransformLandmarks:elements
    """,
    "quantisation": """
        ADD:quantised MUL:quantised DIV:quantised RELU:quantised SUM:quantised LESS:quantised
        QUANTIZE:scale DEQUANTIZE:scale CONCATENATION:zero.point EMBEDDING_LOOKUP:scale
        CONV_2D:scales FULLY_CONNECTED:scales SOFTMAX:1/256 LOGISTIC:1/256
    """,
    "overflow": """
        RESHAPE:fit STABLEHLO_PAD:sizes PAD:sizes TILE:sizes FILL:sizes
        TFLite_Detection_PostProcess:31
    """,
    "exhaustion": """
        SEGMENT_SUM:huge UNSORTED_SEGMENT_SUM:limit TILE:limits FILL:limits BROADCAST_TO:limits
        MATRIX_DIAG:limits SCATTER_ND:limit RFFT2D:limit ONE_HOT:limits SKIP_GRAM:limits
        RANDOM_UNIFORM:limit RESIZE_BILINEAR:tensor_bytes STRIDED_SLICE:ellipses
    """,
    "sparse encoding": "DENSIFY:order DENSIFY:block DENSIFY:segments DENSIFY:index",
    "custom ops": """
        TFLite_Detection_PostProcess:FlexBuffers TFLite_Detection_PostProcess:number
        TFLite_Detection_PostProcess:negative TFLite_Detection_PostProcess:huge
        TFLite_Detection_PostProcess:NaN Mfcc:weights AudioSpectrogram:options
        Convolution2DTransposeBias:options
    """,
}
"""Classes of hostile models: operators with a case that must be refused, and a word of its name or
of the refusal."""

IN_TABLES: dict[str, dict[str, Any]] = {
    "graph structure": test_hostile_graphs.STRUCTURE,
    "quantisation": test_hostile_graphs.QUANTIZATION,
    "overflow": test_hostile_graphs.SIZES,
    "sparse encoding": test_hostile_graphs.SPARSE,
    "encoding": test_hostile_files.FILES,
}

IN_FUNCTIONS = {
    "loops": """
        test_control_flow:test_hostile_callees test_control_flow:test_endless_loop_meets_its_limit
    """,
    "variables": """
        test_variables:test_reading_before_any_assignment_is_refused
        test_variables:test_reading_as_another_type_is_refused
        test_hashtable:test_a_table_without_import_is_refused
        test_hashtable:test_a_table_of_other_types_is_refused
        test_hashtable:test_a_handle_of_no_table_is_refused
    """,
}

FAMILY_ITEMS = [(kind, item) for kind, items in IN_FAMILIES.items() for item in items.split()]


@pytest.mark.parametrize(("kind", "item"), FAMILY_ITEMS, ids=str)
def test_each_class_has_cases_in_the_families(kind: str, item: str) -> None:
    op, word = item.split(":")
    refused = [f"{case.name} {case.error}" for case in CASES[op] if case.error]
    assert any(re.search(word, text) for text in refused), f"{kind}: none of {refused}"


def test_each_class_has_tests_elsewhere() -> None:
    assert all(len(table) >= 15 for table in IN_TABLES.values())
    for items in IN_FUNCTIONS.values():
        for item in items.split():
            module, function = item.split(":")
            assert callable(getattr(modules()[module], function))


def outcome(interpreter: Interpreter, inputs: list[Any]) -> str:
    """The refusal of allocate or invoke, or what came out; anything but a refusal is raised."""
    try:
        details = interpreter.get_input_details()
        for detail, value in zip(details, inputs, strict=True):
            if tuple(detail["shape"]) != value.shape:
                interpreter.resize_tensor_input(detail["index"], value.shape)
        interpreter.allocate_tensors()
        for detail, value in zip(details, inputs, strict=True):
            interpreter.set_tensor(detail["index"], value)
        interpreter.invoke()
    except REFUSALS as error:
        return str(error)
    return "ran"


def poisoned(model: Model) -> Interpreter:
    """An interpreter on the CPU whose memory is full of NaN before each run."""
    interpreter = Interpreter(
        model_content=write_model(model), limits=LIMITS, experimental_delegates=[]
    )
    interpreter._session.poison = True
    return interpreter


def refusal_or_interpreter(model: Model) -> str | Interpreter:
    try:
        return poisoned(model)
    except ModelError as error:
        return str(error)


@pytest.mark.parametrize("op", sorted(op for op in CASES if any(c.error for c in CASES[op])))
def test_refusals_name_the_node_and_can_be_repeated(op: str) -> None:
    name = re.escape(op)
    for case in CASES[op]:
        if not case.error:
            continue
        start = time.process_time()
        interpreter = refusal_or_interpreter(model_of(case))
        if isinstance(interpreter, str):
            assert re.search(rf"Tensor \d+ \(|{name}", interpreter), case
            continue
        first = outcome(interpreter, feeds(case))
        assert re.search(rf"{name} \(node 0|Node number 0 \({name}\)", first), case
        assert outcome(interpreter, feeds(case)) == first, case
        assert time.process_time() - start < SECONDS, case


def bare(arg: Arg | None) -> Arg | None:
    return None if arg is None else replace(arg, quant=None)


def without(case: Case, i: int) -> Case:
    return replace(case, inputs=[None if j == i else arg for j, arg in enumerate(case.inputs)])


def incomplete(case: Case) -> list[Case]:
    """The case with one of its pieces gone, or of another kind."""
    outputs = [replace(arg, quant=None) for arg in case.outputs]
    return [
        *(without(case, i) for i in range(len(case.inputs))),
        replace(case, inputs=case.inputs[:-1]),
        replace(case, inputs=[]),
        replace(case, inputs=[*case.inputs, *case.inputs]),
        replace(case, outputs=[]),
        replace(case, outputs=[*case.outputs, *case.outputs]),
        replace(case, options=None, custom_options=b""),
        replace(case, options=o.WhileOptions(), custom_options=b"\xff\x00\xff"),
        replace(case, inputs=[bare(arg) for arg in case.inputs], outputs=outputs),
        replace(case, version=1_000),
    ]


@pytest.mark.parametrize("op", sorted(CASES))
def test_missing_pieces(op: str) -> None:
    good = [case for case in CASES[op] if not case.error]
    rng = np.random.default_rng(sum(map(ord, op)))
    for case in rng.permutation(np.array(good, object))[:4]:
        for broken in incomplete(case):
            made = refusal_or_interpreter(model_of(broken))
            said = made if isinstance(made, str) else outcome(made, feeds(broken))
            assert said == "ran" or op in said, broken


@pytest.mark.parametrize(("model", "message"), ATTACKS.values(), ids=ATTACKS.keys())
def test_what_no_interpreter_runs(model: Model, message: str) -> None:
    start = time.process_time()
    interpreter = poisoned(model)
    inputs = [np.zeros(d["shape"], d["dtype"]) for d in interpreter.get_input_details()]
    said = outcome(interpreter, inputs)
    assert re.search(message, said)
    assert re.search(r"\((subgraph \d+, )?node \d+|Node number \d+ \(", said)
    assert outcome(interpreter, inputs) == said
    assert time.process_time() - start < SECONDS


@pytest.mark.parametrize(("model", "expected"), HARMLESS.values(), ids=HARMLESS.keys())
def test_what_only_looks_hostile(model: Model, expected: Any) -> None:
    interpreter = poisoned(model)
    inputs = [np.zeros(d["shape"], d["dtype"]) for d in interpreter.get_input_details()]
    assert outcome(interpreter, inputs) == "ran"
    got = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(got, expected)


def test_it_runs_after_refusals() -> None:
    """At invoke, at allocate and at a resize."""
    interpreter = poisoned(read_model(small.gather()))
    values, positions = np.array([5, 6, 7, 8], np.float32), np.array([3, 1], np.int32)
    assert "index 9 is out of bounds" in outcome(interpreter, [values, positions * 3])
    assert "axis" in outcome(interpreter, [values[0], positions])
    assert "limits.tensor_bytes" in outcome(interpreter, [values, np.zeros(2**21, np.int32)])
    assert outcome(interpreter, [values, positions]) == "ran"
    np.testing.assert_array_equal(interpreter.get_tensor(2), [8, 6])


FUZZED = 40
TRIES = 12


def fuzzed_models() -> list[Model]:
    """One case each of operators chosen at random, and models of several nodes."""
    rng = np.random.default_rng(40)
    chosen = rng.choice(sorted(CASES), FUZZED, replace=False)
    good = ([case for case in CASES[op] if not case.error] or CASES[op] for op in chosen)
    whole = [small.chain, small.quantized, small.strings, small.where, small.two_signatures]
    return [
        *(model_of(cases[int(rng.integers(len(cases)))]) for cases in good),
        *(read_model(make()) for make in whole),
        *(loop(1, 2, always(), same()), branches(1, same()), nested(3)),
    ]


def zeros(interpreter: Interpreter) -> list[Any]:
    """Inputs of the declared shapes; of one element where memory does not hold them."""
    found = []
    for detail in interpreter.get_input_details():
        dtype = NUMPY[interpreter._graph.tensors[detail["index"]].dtype]
        shape = detail["shape"] if math.prod(detail["shape"].tolist()) < 2**20 else (1,)
        found.append(np.full(shape, b"", object) if dtype.hasobject else np.zeros(shape, dtype))
    return found


@pytest.mark.parametrize("part", range(4))
def test_mutations_run_or_are_refused(part: int) -> None:
    start = time.process_time()
    ran = tried = 0
    for i, model in enumerate(fuzzed_models()[part::4]):
        for seed in range(TRIES):
            changed = mutated(model, np.random.default_rng([part, i, seed]))
            made = refusal_or_interpreter(changed)
            if not isinstance(made, str):
                ran += outcome(made, zeros(made)) == "ran"
            tried += 1
    assert tried // 10 < ran < tried
    assert time.process_time() - start < 5
