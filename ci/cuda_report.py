"""`./ci/cuda_report`: compiles CUDA kernels, and tells what they need of a GPU."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
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
    """A kernel: work items of its largest block, and what it needs, by architecture."""

    kernel: Kernel
    blocks: dict[int, int] = field(default_factory=dict[int, int])
    resources: dict[int, Resources] = field(default_factory=dict[int, Resources])


@dataclass
class Report:
    """`failures`: where, by what is wrong there. `programs`: how many were compiled, counting each
    architecture."""

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


def build(pool: Executor, kernels: Mapping[int, Kernels], folder: Path) -> Report:
    """What each kernel needs, by architecture, and what is wrong; equal programs are compiled
    once."""
    start, report = time.perf_counter(), Report()
    wanted = [(arch, kernel) for arch, found in kernels.items() for kernel in found]
    jobs: dict[tuple[str, int], Future[dict[str, Resources] | str]] = {}
    rows: dict[Kernel, Row] = {}
    texts: dict[Kernel, str] = {}
    for arch, kernel in wanted:
        try:
            text = texts[kernel] = source(kernel, "cu")
        except FileNotFoundError:
            report.fail(f"there is no {kernel.stem}.cu", title(kernel))
        else:
            if (text, arch) not in jobs:
                jobs[text, arch] = pool.submit(attempt, text, arch, folder)
    for arch, kernel in wanted:
        if kernel in texts:
            row = rows.setdefault(kernel, Row(kernel))
            row.blocks[arch] = kernels[arch][kernel]
            judge(report, row, arch, jobs[texts[kernel], arch].result())
    report.rows = sorted(rows.values(), key=order)
    report.programs, report.seconds = len(jobs), time.perf_counter() - start
    return report


def judge(report: Report, row: Row, arch: int, answer: dict[str, Resources] | str) -> None:
    """Notes what a kernel needs on an architecture, or what is wrong with it there."""
    wrong = answer if isinstance(answer, str) else fault(row, arch, answer.get(row.kernel.entry))
    if wrong:
        report.fail(wrong, f"{title(row.kernel)}, sm_{arch}")
    if isinstance(answer, dict) and row.kernel.entry in answer:
        row.resources[arch] = answer[row.kernel.entry]


def fault(row: Row, arch: int, needs: Resources | None) -> str | None:
    """What is wrong with a kernel whose program compiles."""
    if needs is None:
        return "the program has no such kernel"
    if needs.spilled and row.kernel.stem in HOT:
        return "registers are spilled"
    wanted = registers(row.blocks[arch], needs)
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


def needs_text(needs: Resources) -> str:
    parts = [str(needs.registers)]
    parts += [f"{needs.shared} B shared"] if needs.shared else []
    parts += [f"{needs.stack} B stack"] if needs.stack else []
    parts += [f"**{needs.spilled} B spilled**"] if needs.spilled else []
    return ", ".join(parts)


def text_of(report: Report, archs: Sequence[int]) -> str:
    """The report as Markdown: registers of a thread, then shared memory, stack and spills."""
    columns = ["kernel", "epilogue", "block", *(f"sm_{arch}" for arch in archs)]
    rows = [
        [
            title(row.kernel),
            row.kernel.prelude.strip().replace("#define ", ""),
            max(row.blocks.values()),
            *(needs_text(row.resources[a]) if a in row.resources else None for a in archs),
        ]
        for row in report.rows
    ]
    wrong = sum(map(len, report.failures.values()))
    head = (
        f"{len(report.rows)} kernels in {report.programs} programs for {len(archs)} "
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
            "blocks": {f"sm_{a}": block for a, block in row.blocks.items()},
            "needs": {f"sm_{a}": dataclasses.asdict(r) for a, r in row.resources.items()},
        }
        for row in report.rows
    ]


def main(
    everything: Annotated[bool, typer.Option("--all", help=f"All of {', '.join(SETS)}.")] = False,
    models: Annotated[
        list[str] | None, typer.Option("--set", help=f"Of {', '.join(SETS)}; usual by default.")
    ] = None,
    arch: Annotated[list[int] | None, typer.Option(help="90 for sm_90.")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="fp32, tf32 or fp16.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of the report and the cache.")] = FOLDER,
) -> None:
    """Writes report.md and report.json; fails where a kernel does not compile, or is slow."""
    archs = arch or [*OLDER, architectures()[-1]]
    sets = list(SETS) if everything else models or ["usual"]
    # Processes that are forked would share what NVRTC has in memory.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), spawn) as pool:
        kernels = gather(pool, sets, archs, precision or PRECISIONS)
        report = build(pool, kernels, output / "cache")
    output.mkdir(parents=True, exist_ok=True)
    text = text_of(report, archs)
    (output / "report.md").write_text(text)
    (output / "report.json").write_text(json.dumps(data_of(report), indent=1) + "\n")
    print(text.partition("\n")[0], f"See {output / 'report.md'}.")
    print(*failure_texts(report), sep="\n")
    raise typer.Exit(1 if report.failures else 0)


if __name__ == "__main__":
    typer.run(main)
