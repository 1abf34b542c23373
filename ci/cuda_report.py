"""`./ci/cuda_report`: compiles CUDA kernels, and tells what they need of a GPU."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Annotated

import typer
from litegpu.delegates.program import Kernel
from litegpu.delegates.sources import source

from ci.cuda_kernels import PRECISIONS, SETS, Kernels, gather
from ci.nvrtc import CompileError, Resources, architectures, compile_cached
from ci.tables import markdown

FOLDER = Path("build/cuda_report")

HOT = ("conv", "depthwise", "matmul")
"""Files whose kernels take most of the time of most models: none may spill registers."""

OLDER = (75, 80, 90)
"""Architectures to compile for, beside the newest."""

REGISTERS = 65536
"""Of a multiprocessor of every architecture."""

REGISTERS_AT_ONCE = 256
"""Warps are given registers in such pieces."""


@dataclass(frozen=True)
class Row:
    """A kernel on each architecture."""

    kernel: Kernel
    block: int
    resources: dict[int, Resources]


@dataclass
class Report:
    """`failures`: where, by what is wrong there. `programs`: how many texts were compiled, each for
    every architecture."""

    rows: list[Row] = field(default_factory=list[Row])
    failures: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    programs: int = 0
    seconds: float = 0.0

    def fail(self, what: str, where: str) -> None:
        self.failures.setdefault(what, []).append(where)


def attempt(text: str, arch: int, folder: Path) -> dict[str, Resources] | str:
    """The resources of each kernel of a program, or why it does not compile."""
    try:
        return compile_cached(text, arch, folder)
    except CompileError as error:
        return str(error)


def compile_all(
    texts: Sequence[str], archs: Sequence[int], folder: Path
) -> dict[tuple[str, int], dict[str, Resources] | str]:
    """`attempt` of each text for each architecture, by both."""
    jobs = list(product(texts, archs))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context) as pool:
        tried = [pool.submit(attempt, text, arch, folder) for text, arch in jobs]
        return {job: future.result() for job, future in zip(jobs, tried, strict=True)}


def build(kernels: Kernels, archs: Sequence[int], folder: Path) -> Report:
    """What each kernel needs, and what is wrong; equal programs are compiled once."""
    start, report, texts = time.perf_counter(), Report(), dict[Kernel, str]()
    for kernel in kernels:
        try:
            texts[kernel] = source(kernel, "cu")
        except FileNotFoundError:
            report.fail(f"there is no {kernel.stem}.cu", title(kernel))
    distinct = list(dict.fromkeys(texts.values()))
    made = compile_all(distinct, archs, folder)
    for kernel, text in texts.items():
        row = Row(kernel, kernels[kernel], {})
        for arch in archs:
            answer = made[text, arch]
            wrong = answer if isinstance(answer, str) else fault(row, answer.get(kernel.entry))
            if wrong:
                report.fail(wrong, f"{title(kernel)}, sm_{arch}")
            if isinstance(answer, dict) and kernel.entry in answer:
                row.resources[arch] = answer[kernel.entry]
        report.rows.append(row)
    report.rows.sort(key=order)
    report.programs, report.seconds = len(distinct), time.perf_counter() - start
    return report


def fault(row: Row, needs: Resources | None) -> str | None:
    """What is wrong with a kernel whose program compiles."""
    if needs is None:
        return "the program has no such kernel"
    if needs.spilled and row.kernel.stem in HOT:
        return "registers are spilled"
    wanted = registers(row.block, needs)
    if wanted > REGISTERS:
        return f"a block needs {wanted} registers; a multiprocessor has {REGISTERS}"
    return None


def registers(block: int, needs: Resources) -> int:
    """The registers of a block."""
    warp = -(-32 * needs.registers // REGISTERS_AT_ONCE) * REGISTERS_AT_ONCE
    return -(-block // 32) * warp


def order(row: Row) -> tuple[object, ...]:
    """By file and kernel; those that need the most come first."""
    most = max((r.registers for r in row.resources.values()), default=0)
    return row.kernel.stem, row.kernel.entry, -most, row.kernel.defines, row.kernel.body


def title(kernel: Kernel) -> str:
    defines = " ".join(f"{name}={value}" for name, value in kernel.defines)
    return f"{kernel.stem}.{kernel.entry} [{defines}]"


def needs_text(needs: Resources | None) -> str:
    if needs is None:
        return "fails"
    parts = [str(needs.registers)]
    parts += [f"{needs.shared} B shared"] if needs.shared else []
    parts += [f"{needs.stack} B stack"] if needs.stack else []
    parts += [f"**{needs.spilled} B spilled**"] if needs.spilled else []
    return ", ".join(parts)


def text_of(report: Report, archs: Sequence[int]) -> str:
    """The report as Markdown: registers of a thread, then shared memory, stack and spills."""
    columns = ["kernel", "block", *(f"sm_{arch}" for arch in archs)]
    rows = [
        [title(row.kernel), row.block, *(needs_text(row.resources.get(arch)) for arch in archs)]
        for row in report.rows
    ]
    wrong = sum(map(len, report.failures.values()))
    head = (
        f"{len(report.rows)} kernels of {report.programs} programs for {len(archs)} "
        f"architectures; {wrong} failures; {report.seconds:.0f} s."
    )
    return "\n\n".join([head, *failure_texts(report), markdown(columns, rows)]) + "\n"


def failure_texts(report: Report) -> list[str]:
    """What is wrong, and the first of the places where it is."""
    return [
        f"{places[0]}{f' and {len(places) - 1} more' * (len(places) > 1)}: {what}"
        for what, places in report.failures.items()
    ]


def data_of(report: Report) -> list[dict[str, object]]:
    """The table as data."""
    return [
        {
            "file": row.kernel.stem,
            "kernel": row.kernel.entry,
            "defines": dict(row.kernel.defines),
            "prelude": row.kernel.prelude,
            "body": row.kernel.body,
            "block": row.block,
            "needs": {f"sm_{a}": dataclasses.asdict(r) for a, r in row.resources.items()},
        }
        for row in report.rows
    ]


def main(
    everything: Annotated[
        bool, typer.Option("--all", help="Also cases of operators, and real models at hand.")
    ] = False,
    arch: Annotated[list[int] | None, typer.Option(help="90 for sm_90.")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="fp32, tf32 or fp16.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of the report and the cache.")] = FOLDER,
) -> None:
    """Writes report.md and report.json; fails where a kernel does not compile, or is slow."""
    archs = arch or [*OLDER, architectures()[-1]]
    start = time.perf_counter()
    kernels = gather(list(SETS) if everything else ["usual"], precision or PRECISIONS)
    print(f"{len(kernels)} kernels found in {time.perf_counter() - start:.0f} s", flush=True)
    report = build(kernels, archs, output / "cache")
    output.mkdir(parents=True, exist_ok=True)
    text = text_of(report, archs)
    (output / "report.md").write_text(text)
    (output / "report.json").write_text(json.dumps(data_of(report), indent=1) + "\n")
    print(text.partition("\n")[0], f"See {output / 'report.md'}.")
    print(*failure_texts(report), sep="\n")
    raise typer.Exit(1 if report.failures else 0)


if __name__ == "__main__":
    typer.run(main)
