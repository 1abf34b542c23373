"""What the benchmark on a GPU found, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from ci.tables import markdown

from .runtimes import RUNTIMES

OURS = "litegpu"
PEERS = tuple(name for name in RUNTIMES if name != OURS)

Found = dict[str, Any]


def milliseconds(found: Found, key: str) -> float | None:
    seconds = found.get(key)
    return None if seconds is None else 1e3 * seconds


def ratio(one: float | None, other: float | None) -> float | None:
    return None if not one or not other else one / other


def precise(value: float | None) -> str | None:
    """Three significant digits."""
    return None if value is None else f"{value:.3g}"


def share(value: float | None) -> str | None:
    return None if value is None else f"{value:.0%}"


def title(case: Found) -> str:
    return PurePath(case["model"]).stem


def speed_table(cases: Sequence[Found], key: str, measured: Sequence[str]) -> str:
    """Medians; the ratios are litegpu's time by the peer's. `measured`: the runtimes there are."""
    peers = [name for name in PEERS if name in measured]
    columns = ["model", "precision", "batch", "litegpu ms", "a second", "floor", "launches"]
    columns += [text for name in peers for text in (f"{name} ms", "ratio")]
    return markdown(columns, [speed_row(case, key, peers) for case in cases])


def speed_row(case: Found, key: str, peers: Sequence[str]) -> list[object]:
    ours = case["runtimes"].get(OURS, {})
    time, floor = milliseconds(ours, key), milliseconds(ours, "floor_s")
    row: list[object] = [title(case), case["precision"], case["batch"], precise(time)]
    row += [precise(ratio(1e3 * case["batch"], time)), share(ratio(floor, time))]
    row.append(ours.get("launches"))
    for name in peers:
        other = milliseconds(case["runtimes"].get(name, {}), key)
        row += [precise(other), ratio(time, other)]
    return row


def kernel_table(cases: Sequence[Found]) -> str:
    """The kernels that take most of each case, with the share of their own floor."""
    columns = ["case", "nodes", "kernels", "µs", "of all", "floor µs", "reached"]
    rows = []
    for case in cases:
        for kernel in case["runtimes"].get(OURS, {}).get("expensive", ()):
            seconds, floor = kernel["seconds"], kernel["floor_s"]
            rows.append(
                [
                    f"{title(case)} {case['precision']} x{case['batch']}",
                    ", ".join(kernel["nodes"]),
                    ", ".join(kernel["kernels"]),
                    precise(1e6 * seconds),
                    share(kernel["share"]),
                    precise(None if floor is None else 1e6 * floor),
                    share(ratio(floor, seconds)),
                ]
            )
    return markdown(columns, rows)


def start_table(starts: Sequence[Found]) -> str:
    """Seconds from the start of a process to its first result."""
    columns = ["model", "precision", "no cache", "cached", "of it import"]
    rows = [[s["model"], s["precision"], s["cold_s"], s["warm_s"], s["import_s"]] for s in starts]
    return markdown(columns, rows)


def failures(cases: Sequence[Found]) -> list[str]:
    """What a runtime that is there could not do."""
    return [
        f"- {title(case)} {case['precision']} x{case['batch']}, {name}: {answer['error']}"
        for case in cases
        for name, answer in case["runtimes"].items()
        if "error" in answer and answer["error"] != NOT_COMPARED
    ]


NOT_COMPARED = "ValueError: not compared"


def text_of(result: Found) -> str:
    """All tables as Markdown."""
    cases, versions = result["cases"], result["versions"]
    parts = [
        ", ".join([result["gpu"], *(f"{n} {v}" for n, v in versions.items())]) + ".",
        *(f"Left out: {name} ({why})." for name, why in result["missing"].items()),
        "## On the device",
        "Inputs and outputs stay on the GPU; the time of one run until it is done.",
        speed_table(cases, "device_s", list(versions)),
        "## From host to host",
        "From an array of NumPy to another.",
        speed_table(cases, "host_s", list(versions)),
        "## From nothing to the first result",
        start_table(result["starts"]),
        "## The most expensive kernels",
        "Each repeated by itself, so that its data may lie in the cache.",
        kernel_table(cases),
    ]
    failed = failures(cases)
    return "\n\n".join(parts + (["## Failed", "\n".join(failed)] if failed else [])) + "\n"
