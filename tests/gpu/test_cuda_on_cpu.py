"""The device that runs CUDA text on the CPU: it does what CUDA does, and sees what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litegpu.delegates.program import Kernel
from litegpu.delegates.sources import source

from tests.cuda_on_cpu.compiler import CompileError, compiler, entry

ORDERS = ("forwards", "backwards")


@pytest.fixture(autouse=True)
def _compiler() -> None:
    if compiler() is None:
        pytest.skip("there is no C++ compiler")


@pytest.fixture(params=ORDERS)
def order(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LITEGPU_CUDA_ON_CPU_ORDER", request.param)
    return str(request.param)


def run(body: str, *args: Any, grid: tuple[int, ...] = (1, 1, 1), block: int = 64) -> str | None:
    """Runs the kernel `k` with this body of the arguments a, b, …; arrays are changed in place."""
    types = {"f": "float", "i": "int", "u": "uint", "e": "half"}
    names = [
        f"{types[arg.dtype.char.lower()]}{'*' if isinstance(arg, np.ndarray) else ''} {chr(97 + i)}"
        for i, arg in enumerate(args)
    ]
    text = source(Kernel("", "k", body=f"KERNEL k({', '.join(names)}) {{ {body} }}\n"), "cu")
    values = [np.uintp(a.ctypes.data) if isinstance(a, np.ndarray) else a for a in args]
    return entry(text, "k").run(grid, (block, 1, 1), values)


def test_threads_and_blocks(order: str) -> None:
    y = np.zeros(200, np.int32)
    body = "int i = THREAD_X; if (i < b) a[i] = i + 1000 * BLOCK_X + 10000 * LANE_X;"
    assert run(body, y, np.int32(200), grid=(4, 1, 1)) is None
    i = np.arange(200)
    np.testing.assert_array_equal(y, i + 1000 * (i // 64) + 10000 * (i % 64))


SHIFT = "LOCAL float s[64]; s[LANE_X] = a[LANE_X]; {} a[LANE_X] = s[(LANE_X + {}) % 64];"


def test_barriers_are_kept(order: str) -> None:
    x = np.arange(64, dtype=np.float32)
    assert run(SHIFT.format("BARRIER;", 1), x) is None
    np.testing.assert_array_equal(x, np.roll(np.arange(64), -1))


def test_a_missing_barrier_is_seen(order: str) -> None:
    """What has not been written is NaN, so the result is wrong in one order at least."""
    x = np.arange(64, dtype=np.float32)
    assert run(SHIFT.format("", 1 if order == "forwards" else 63), x) is None
    assert np.isnan(x).any()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("if (LANE_X < 7) return; BARRIER;", "some threads have returned before __syncthreads"),
        ("if (LANE_X < 7) BARRIER;", "some threads have returned before __syncthreads"),
        ("if (LANE_X < 7) {BARRIER;\n} else {BARRIER;\n}", "wait at different __syncthreads"),
        ("if (LANE_X % 2) { BARRIER; } else { __syncwarp(); }", "threads wait for ever"),
        ("__syncwarp(~(1u << LANE_X));", "a lane is not in its own mask"),
        ("__shfl_sync(3u << LANE_X / 2 * 2, 1, 9);", "reads a lane that is not in its mask"),
    ],
)
def test_threads_that_part(body: str, message: str) -> None:
    assert message in str(run(body, block=32))


def test_shuffles(order: str) -> None:
    lanes = np.arange(64, dtype=np.int32)
    calls = {
        "__shfl_sync(~0u, v, 5)": lanes // 32 * 32 + 5,
        "__shfl_sync(~0u, v, 5, 8)": lanes // 8 * 8 + 5,
        "__shfl_xor_sync(~0u, v, 3)": lanes ^ 3,
        "__shfl_down_sync(~0u, v, 4)": np.where(lanes % 32 < 28, lanes + 4, lanes),
        "__shfl_up_sync(~0u, v, 4, 16)": np.where(lanes % 16 >= 4, lanes - 4, lanes),
        "(int)__ballot_sync(~0u, v % 3 == 0)": [
            np.int32(np.uint32(sum(1 << k for k in range(32) if (w + k) % 3 == 0)).view(np.int32))
            for w in lanes // 32 * 32
        ],
        "__any_sync(~0u, v == 40)": lanes >= 32,
        "__all_sync(~0u, v < 40)": lanes < 32,
        "warp_sum(v)": np.where(lanes < 32, 496, 1520),
        "warp_max(v)": np.where(lanes < 32, 31, 63),
        "warp_min(-v)": np.where(lanes < 32, -31, -63),
        "__syncthreads_count(v < 5)": np.full(64, 5),
        "__syncthreads_or(v == 9)": np.ones(64),
        "__syncthreads_and(v == 9)": np.zeros(64),
    }
    for call, expected in calls.items():
        y = np.zeros(64, np.int32)
        assert run(f"int v = LANE_X; a[v] = {call};", y) is None
        np.testing.assert_array_equal(y, expected, err_msg=call)


def test_parts_of_a_warp_exchange(order: str) -> None:
    y = np.zeros(32, np.int32)
    body = """int v = LANE_X; uint mask = v < 12 ? 0xFFFu : ~0xFFFu;
        for (int n = v < 12 ? 3 : 1; n; n--) a[v] += __shfl_sync(mask, v, v < 12 ? 0 : 31);"""
    assert run(body, y, block=32) is None
    np.testing.assert_array_equal(y, [0] * 12 + [31] * 20)


def test_atomics(order: str) -> None:
    y = np.array([0, 5, 5, 0, 0], np.int32)
    body = "atomicAdd(a, 2); atomicMax(a + 1, LANE_X); atomicMin(a + 2, LANE_X); RAISE(a + 3);"
    assert run(body, y) is None
    np.testing.assert_array_equal(y, [128, 63, 0, 1, 0])


def test_half_rounds_to_nearest_even() -> None:
    x = np.float32([1 + 2**-11, 1 + 3 * 2**-11, 65519, 65520, 2**-25, 3 * 2**-26, -0.0, np.nan])
    y, z = np.zeros(8, np.float16), np.zeros(8, np.float32)
    assert (
        run(
            "STORE(half, b, LANE_X, a[LANE_X]); c[LANE_X] = LOAD(half, b, LANE_X);",
            x,
            y,
            z,
            block=8,
        )
        is None
    )
    with np.errstate(over="ignore"):
        expected = x.astype(np.float16)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(z, expected.astype(np.float32))


def test_bytes_in_words() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(-128, 128, (2, 64, 4)).astype(np.int8)
    y = np.full(64, 7, np.int32)
    assert (
        run(
            "c[LANE_X] = __dp4a(a[LANE_X], b[LANE_X], c[LANE_X]);",
            a.view(np.int32).ravel(),
            b.view(np.int32).ravel(),
            y,
        )
        is None
    )
    np.testing.assert_array_equal(y, 7 + (a.astype(np.int32) * b).sum(1))


def test_arguments_are_checked() -> None:
    text = source(Kernel("", "k", body="KERNEL k(int a, long b) {}\n"), "cu")
    failure = entry(text, "k").run((1, 1, 1), (1, 1, 1), [np.int32(1), np.int32(2)])
    assert failure == "k takes arguments of [4, 8] bytes, and was given [4, 4]"


def test_errors_of_the_compiler() -> None:
    with pytest.raises(CompileError, match="nonsense"):
        run("nonsense;")


OUTSIDE = """
import numpy as np, sys
from tests.gpu.test_cuda_on_cpu import run
print(run("a[LANE_X] = 1;", np.zeros(int(sys.argv[1]), np.float32)))
"""


@pytest.mark.parametrize(("size", "seen"), [(64, False), (63, True)])
def test_the_sanitizer_sees_the_end_of_a_buffer(size: int, seen: bool) -> None:
    found = subprocess.run(
        [str(compiler()), "-print-file-name=libasan.so"], capture_output=True, text=True
    ).stdout.strip()
    if not Path(found).is_absolute():
        pytest.skip("the compiler has no libasan.so")
    settings = {
        "LD_PRELOAD": found,
        "LITEGPU_CUDA_ON_CPU_ASAN": "1",
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    done = subprocess.run(
        [sys.executable, "-c", OUTSIDE, str(size)],
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    assert ("heap-buffer-overflow" in done.stderr) == seen, done.stderr
    assert done.stdout == ("" if seen else "None\n")
