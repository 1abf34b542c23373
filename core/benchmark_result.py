"""What a benchmark measured, as data with a versioned layout."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .graph import Array

SCHEMA = 1
"""Version of the layout of `Benchmark.to_dict()`; it grows with every incompatible change."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is measured in a process of its own.

    `delegate` is "cpu" for none; `batch` the first dimension of every input, None for the shapes of
    the file; `num_threads` as the interpreter takes it.
    """

    delegate: str
    options: Mapping[str, Any]
    batch: int | None
    num_threads: int | None

    @property
    def name(self) -> str:
        """The delegate with its options: `opencl,device=0:0`."""
        return ",".join([self.delegate, *(f"{k}={v}" for k, v in self.options.items())])


@dataclass(frozen=True, slots=True)
class Effort:
    """How long each configuration runs; names and defaults are those of TFLite's benchmark_model.

    At least `num_runs` runs and `min_secs` seconds, but none starts after `max_secs`; before them,
    not counted, the same with `warmup_runs` and `warmup_min_secs`. The first run is always one of
    the warm-up. Between two runs pass `run_delay` seconds, where that is positive.
    """

    num_runs: int = 50
    warmup_runs: int = 1
    min_secs: float = 1.0
    max_secs: float = 150.0
    warmup_min_secs: float = 0.5
    run_delay: float = -1.0

    def __post_init__(self) -> None:
        for name in ("num_runs", "warmup_runs"):
            if getattr(self, name) < (name == "num_runs"):
                raise ValueError(f"{name} is {getattr(self, name)}; a number of runs expected")
        if self.max_secs <= 0:
            raise ValueError(f"max_secs is {self.max_secs}; a number of seconds > 0 expected")


DEFAULTS = Effort()


@dataclass(frozen=True, slots=True)
class Steady:
    """Seconds of one invoke, over all runs after the warm-up."""

    runs: int
    mean: float
    std: float
    min: float
    median: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[float] | Array) -> Steady:
        """The statistics of at least one time; percentiles are interpolated."""
        times = np.asarray(seconds, np.float64)
        median, p90, p99 = np.percentile(times, [50, 90, 99]).tolist()
        ends = float(times.min()), float(times.max())
        return cls(
            times.size, float(times.mean()), float(times.std()), ends[0], median, p90, p99, ends[1]
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """What one configuration took. Seconds; bytes are the most that were in use at a time.

    `load` makes delegate and interpreter, `allocate` plans and compiles, `init` is both. `samples`
    is what one invoke works on: the batch, or 1. `base_host_bytes` is what the process had with
    litegpu imported and no model; device bytes are None where the delegate does not tell. `nodes`
    counts who runs how many.
    """

    import_seconds: float
    load_seconds: float
    allocate_seconds: float
    first_seconds: float
    warmup_runs: int
    steady: Steady
    samples: int
    base_host_bytes: int | None
    peak_host_bytes: int | None
    peak_device_bytes: int | None
    device: str
    nodes: Mapping[str, int]
    warnings: tuple[str, ...]

    @property
    def init_seconds(self) -> float:
        return self.load_seconds + self.allocate_seconds

    @property
    def throughput(self) -> float:
        """Samples a second."""
        return self.samples / self.steady.mean


@dataclass(frozen=True, slots=True)
class Measurement:
    """One configuration: its figures, or the error that there are none."""

    configuration: Configuration
    figures: Figures | None
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        found = asdict(self)
        if self.figures is not None:
            found["figures"]["init_seconds"] = self.figures.init_seconds
            found["figures"]["throughput"] = self.figures.throughput
        return found


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The result of `litegpu.benchmark`; measurements in the order of batch, threads, delegate."""

    model: str
    bytes: int
    environment: Mapping[str, str | int | None]
    effort: Effort
    measurements: tuple[Measurement, ...]

    @property
    def ok(self) -> bool:
        """Whether every configuration ran."""
        return all(m.figures is not None for m in self.measurements)

    def to_dict(self) -> dict[str, Any]:
        rest = {"model": self.model, "bytes": self.bytes, "environment": dict(self.environment)}
        rows = [m.to_dict() for m in self.measurements]
        return {"schema": SCHEMA, **rest, "effort": asdict(self.effort), "measurements": rows}

    def to_json(self, indent: int | None = 1) -> str:
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def to_csv(self) -> str:
        """One row a configuration, after a row of names."""
        rows = [_flat(m.to_dict()) for m in self.measurements]
        columns = dict.fromkeys(name for row in rows for name in row)
        text = io.StringIO()
        writer = csv.DictWriter(text, ["model", *columns], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"model": self.model, **row} for row in rows)
        return text.getvalue()


def _flat(found: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a measurement by the last part of their name; times get the prefix of what
    they are."""
    figures = dict(found["figures"] or {})
    steady = figures.pop("steady", {})
    texts = {k: json.dumps(figures.pop(k)) for k in ("nodes", "warnings") if k in figures}
    configuration = dict(found["configuration"])
    configuration["options"] = json.dumps(configuration["options"])
    runs = {k if k == "runs" else f"{k}_seconds": v for k, v in steady.items()}
    return configuration | runs | figures | texts | {"error": found["error"]}
