"""What must hold of whole models on a GPU: one check a name, `python -m ci.gpu_checks NAME`.

Integers are the CPU's bit for bit, floats within the tolerance of whole models.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from litegpu import DelegateWarning, Interpreter
from litegpu.graph import Array

from ci.bench.networks import network
from ci.bench.worker import peak_mib
from tests.cuda import load_cuda
from tests.models import chain
from tests.tolerance import WHOLE_MODEL_ON_DELEGATE

Values = list[Array]

PLENTY = 1 << 40
"""More bytes than any GPU has."""

INVOKES = 1000
GROWTH_MIB = 16.0
"""What a process may grow in so many invokes, for all that libraries keep."""


def small_models() -> Iterator[tuple[str, bytes]]:
    for path in sorted((Path(__file__).resolve().parent / "data").glob("*.tflite")):
        yield path.stem, path.read_bytes()


def large_models() -> Iterator[tuple[str, bytes]]:
    yield from small_models()
    for name in ("mobilenet_v2", "bert_l4_h512"):
        for int8 in (False, True):
            yield f"{name} {'int8' if int8 else 'float32'}", network(name, int8)


def inputs(interpreter: Interpreter, seed: int) -> Values:
    rng = np.random.default_rng(seed)
    found = []
    for detail in interpreter.get_input_details():
        dtype = np.dtype(detail["dtype"])
        if dtype.kind == "f":
            found.append(rng.normal(0, 0.5, detail["shape"]).astype(dtype))
        else:
            least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
            found.append(rng.integers(least, most, detail["shape"], dtype, endpoint=True))
    return found


def run(interpreter: Interpreter, values: Sequence[Array]) -> Values:
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]


def made(content: bytes, delegates: Sequence[Any] = ()) -> Interpreter:
    interpreter = Interpreter(model_content=content, experimental_delegates=list(delegates))
    interpreter.allocate_tensors()
    return interpreter


def agree(got: Values, expected: Values, what: str) -> None:
    for g, e in zip(got, expected, strict=True):
        assert (g.shape, g.dtype) == (e.shape, e.dtype), what
        wide = np.abs(g.astype(np.float64) - e.astype(np.float64)).max(initial=0)
        allowed = WHOLE_MODEL_ON_DELEGATE * np.abs(e).max(initial=0) if e.dtype.kind == "f" else 0
        assert wide <= allowed, f"{what}: the largest difference is {wide}; {allowed} is allowed"


def equal(got: Values, expected: Values, what: str) -> None:
    for g, e in zip(got, expected, strict=True):
        assert g.tobytes() == e.tobytes(), f"{what}: not the same bits"


@contextmanager
def no_fallback() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DelegateWarning)
        yield


Load = Callable[[Mapping[str, Any]], Any]
"""The delegate of these options."""


def replay(load: Load, name: str, content: bytes) -> None:
    """A CUDA graph does what launches one by one do, bit for bit, and as often."""
    with no_fallback():
        one, other = made(content, [load({})]), made(content, [load({"graphs": False})])
        for seed in range(10):
            values = inputs(one, seed)
            equal(run(one, values), run(other, values), f"{name}, input {seed}")


def memory(load: Load, name: str, content: bytes) -> None:
    """Nothing grows in 1,000 invokes, on the device or in the process; results stay the same."""
    delegate = load({})
    with no_fallback():
        interpreter = made(content, [delegate])
        values = inputs(interpreter, 0)
        first = run(interpreter, values)
        for _ in range(INVOKES // 10):
            interpreter.invoke()
        device, host = delegate.delegate.memory_use().now, peak_mib()
        for _ in range(INVOKES):
            interpreter.invoke()
        assert delegate.delegate.memory_use().now == device, f"{name}: the device's memory grows"
        grown = peak_mib() - host
        assert grown < GROWTH_MIB, f"{name}: the process has grown by {grown:.1f} MiB"
        equal(run(interpreter, values), first, name)


def threads(load: Load, name: str, content: bytes) -> None:
    """Two threads with an interpreter each, on one delegate, do not disturb each other."""
    delegate, failures = load({}), list[BaseException]()
    expected = [run(made(content), inputs(made(content), seed)) for seed in range(2)]

    def work(seed: int) -> None:
        try:
            interpreter = made(content, [delegate])
            values = inputs(interpreter, seed)
            for turn in range(50):
                agree(run(interpreter, values), expected[seed], f"{name}, turn {turn}")
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    with no_fallback():
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    if failures:
        raise failures[0]


def interpreters(load: Load, name: str, content: bytes) -> None:
    """Interpreters with delegates of their own, that is streams, take turns."""
    cpu, pair = made(content), [made(content, [load({})]) for _ in range(2)]
    with no_fallback():
        for seed in range(10):
            values = inputs(cpu, seed)
            agree(run(pair[seed % 2], values), run(cpu, values), f"{name}, input {seed}")


def resize(load: Load, name: str, content: bytes) -> None:
    """Shapes that come again give the same bits, and all agree with the CPU."""
    cpu, gpu = made(content), made(content, [load({})])
    seen: dict[int, Values] = {}
    with no_fallback():
        for batch in (1, 8, 3, 1, 8):
            for interpreter in (cpu, gpu):
                for detail in interpreter.get_input_details():
                    shape = (batch, *detail["shape"][1:])
                    interpreter.resize_tensor_input(detail["index"], shape)
                interpreter.allocate_tensors()
            values = inputs(cpu, batch)
            got = run(gpu, values)
            agree(got, run(cpu, values), f"{name}, batch {batch}")
            equal(got, seen.setdefault(batch, got), f"{name}, batch {batch} again")


def out_of_memory(load: Load, name: str, content: bytes) -> None:
    """Where the device's memory is full, the CPU runs the model, with one warning; and when there
    is room again, the device does."""
    loaded = load({"memory_limit": PLENTY})
    device, expected = loaded.delegate.device, made(content)
    values = inputs(expected, 0)
    held, size = list[Any](), 1 << 36
    while size >= 256:
        try:
            held.append(device.allocate(size))
        except MemoryError:
            size //= 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DelegateWarning)
        equal(run(made(content, [loaded]), values), run(expected, values), name)
    told = [str(w.message) for w in caught if w.category is DelegateWarning]
    assert len(told) == 1, f"{name}: {len(told)} warnings: {told}"
    held.clear()
    with no_fallback():
        agree(run(made(content, [loaded]), values), run(expected, values), f"{name}, with room")


CHECKS: dict[str, Callable[[Load, str, bytes], None]] = {
    "replay": replay,
    "memory": memory,
    "threads": threads,
    "interpreters": interpreters,
    "resize": resize,
    "out_of_memory": out_of_memory,
}

RESIZABLE = ("resize",)
"""Checks that take models of any batch: not the networks, which have it in their RESHAPE."""


def models(check: str) -> Iterator[tuple[str, bytes]]:
    yield "chain", chain()
    yield from small_models() if check in RESIZABLE else large_models()


def conformance() -> Any:
    """A delegate for run_conformance.py."""
    return load_cuda("cuda", {"fallback": "raise"})


def main() -> None:
    (check,) = sys.argv[1:]
    count = 0
    for name, content in models(check):
        print(name, flush=True)
        CHECKS[check](lambda options: load_cuda("cuda", options), name, content)
        count += 1
    print(f"{check}: {count} models pass")


if __name__ == "__main__":
    main()
