"""CUDA kernels compile, and the report tells what they need and what is wrong with them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from litegpu.delegates.lowering.context import Options
from litegpu.delegates.program import Kernel

pytest.importorskip("cuda.bindings.nvrtc")

from ci.bench.networks import NETWORKS, network
from ci.cuda_kernels import kernels_of, tuned
from ci.cuda_report import Report, build, data_of, fault, registers, text_of
from ci.nvrtc import CompileError, Resources, architectures, compile_text, read_log

GREEDY = """
KERNEL greedy(GLOBAL float* x, int n) {{
  float kept[{count}];
#pragma unroll
  for (int k = 0; k < {count}; k++) kept[k] = x[k * n];
  for (int i = 0; i < n; i++)
#pragma unroll
    for (int k = 0; k < {count}; k++) kept[k] = kept[k] * kept[(k + 1) % {count}] + x[i];
#pragma unroll
  for (int k = 0; k < {count}; k++) x[k * n] = kept[k];
}}
"""
"""Keeps `count` values in registers, or where there are none left, in memory."""


def report(tmp_path: Path, *kernels: Kernel, block: int = 32) -> Report:
    with ThreadPoolExecutor(2) as pool:
        return build(pool, {80: dict.fromkeys(kernels, block)}, tmp_path)


def greedy(stem: str, count: int) -> Kernel:
    return Kernel(stem, "greedy", body=GREEDY.format(count=count))


def test_kernels_of_a_network_compile(tmp_path: Path) -> None:
    """One kernel of each entry of each network's, in float32 and int8."""
    found: dict[tuple[str, str, bool], tuple[Kernel, int]] = {}
    for name in NETWORKS:
        for int8 in (False, True):
            for kernel, block in kernels_of(network(name, int8), Options(), 80).items():
                found.setdefault((kernel.stem, kernel.entry, int8), (kernel, block))
    with ThreadPoolExecutor(2) as pool:
        made = build(pool, {80: dict(found.values())}, tmp_path)
    assert not made.failures, made.failures
    assert len(made.rows) == len({kernel for kernel, _ in found.values()})
    assert all(8 <= row.resources[80].registers <= 255 for row in made.rows)


def test_tuning_chooses_among_more_kernels() -> None:
    content = network("mobilenet_v2", True)
    usual, more = kernels_of(content, Options(), 80), tuned(content, Options(), 80)
    assert usual.keys() < more.keys()
    assert {kernel.stem for kernel in more} == {kernel.stem for kernel in usual}


def test_versions_of_architectures() -> None:
    assert {75, 80, 90} < set(architectures())


def test_errors_are_told_with_their_line() -> None:
    with pytest.raises(CompileError, match=r'kernel.cu\(1\): error: identifier "y" is undefined'):
        compile_text("__global__ void f(int* x) { *x = y; }", 80)


def test_a_kernel_that_does_not_compile_fails(tmp_path: Path) -> None:
    made = report(tmp_path, Kernel("broken", "broken", body="KERNEL broken() { 1 = 2; }"))
    (text,) = made.failures
    assert "expression must be a modifiable lvalue" in text
    assert made.failures[text] == ["broken.broken [], sm_80"]


def test_missing_files_and_kernels_fail(tmp_path: Path) -> None:
    made = report(tmp_path, Kernel("nowhere", "a"), Kernel("body", "b", body="KERNEL c() {}"))
    assert made.failures == {
        "there is no nowhere.cu": ["nowhere.a []"],
        "the program has no such kernel": ["body.b [], sm_80"],
    }


@pytest.mark.parametrize("stem", ["conv", "elementwise"])
def test_spills_fail_in_hot_kernels_alone(tmp_path: Path, stem: str) -> None:
    made = report(tmp_path, greedy(stem, 300))
    (row,) = made.rows
    assert row.resources[80].registers == 255
    assert row.resources[80].spilled > 0
    assert list(made.failures) == (["registers are spilled"] if stem == "conv" else [])
    assert f"**{row.resources[80].spilled} B spilled**" in text_of(made, [80])


def test_blocks_that_cannot_be_launched_fail(tmp_path: Path) -> None:
    kernel = greedy("conv", 100)
    assert not report(tmp_path, kernel, block=256).failures
    (text,) = report(tmp_path, kernel, block=1024).failures
    assert "a multiprocessor has 65536" in text


@pytest.mark.parametrize(
    ("block", "used", "taken"), [(32, 8, 256), (33, 9, 1024), (256, 255, 65536), (1024, 64, 65536)]
)
def test_registers_of_blocks(block: int, used: int, taken: int) -> None:
    assert registers(block, Resources(used, 0, 0, 0)) == taken


def test_logs() -> None:
    log = """ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'two' for 'sm_75'
ptxas info    : Function properties for two
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 4 registers, used 0 barriers, 364 bytes cmem[0]
ptxas info    : Compiling entry function 'one' for 'sm_75'
ptxas info    : Function properties for one
ptxas         .     1200 bytes stack frame, 16 bytes spill stores, 20 bytes spill loads
ptxas info    : Used 33 registers, used 1 barriers, 1024 bytes smem
"""
    assert read_log(log) == {
        "two": Resources(4, 0, 0, 0),
        "one": Resources(33, 1024, 1200, 36),
    }
    assert read_log("") == {}


def test_equal_programs_are_compiled_once(tmp_path: Path) -> None:
    body = "KERNEL a(GLOBAL int* x) { x[0] = 1; }\nKERNEL b(GLOBAL int* x) { x[0] = 2; }\n"
    made = report(tmp_path, Kernel("two", "a", body=body), Kernel("two", "b", body=body))
    assert made.programs == 1
    assert [row.kernel.entry for row in made.rows] == ["a", "b"]
    assert len(list(tmp_path.rglob("*.bin"))) == 1
    again = report(tmp_path, Kernel("two", "a", body=body))
    assert again.rows[0] == made.rows[0]


def test_data_hold_what_the_table_shows(tmp_path: Path) -> None:
    made = report(tmp_path, greedy("conv", 10), block=64)
    (data,) = json.loads(json.dumps(data_of(made)))
    needs = data["needs"]["sm_80"]
    assert (data["file"], data["kernel"], data["blocks"]) == ("conv", "greedy", {"sm_80": 64})
    assert f"| conv.greedy [] |  | 64 | {needs['registers']} |" in text_of(made, [80])


def test_nothing_is_wrong_with_modest_kernels(tmp_path: Path) -> None:
    (row,) = report(tmp_path, greedy("conv", 10)).rows
    assert fault(row, 80, row.resources[80]) is None
