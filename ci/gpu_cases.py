"""All operator cases on the GPU, one after the other, for tools that watch a process.

    python -m ci.gpu_cases STATE [PART ...]

Every buffer has memory of its own, of its very size, so that what leaves it is seen. Results are
not looked at. STATE is a file of the cases that are done, which a later call leaves out; PARTs are
parts of the names of cases that are wanted.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from ci.oclgrind import run
from tests.cuda import load_cuda
from tests.operator_cases import cases_by_operator


class Separate:
    """In place of a memory pool: an allocation of CUDA for every buffer."""

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda

    def malloc(self, size: int) -> Any:
        return self._cuda.MemoryPointer(self._cuda.Memory(size), 0)


def guarded() -> Any:
    """The delegate, launching kernels one by one on memory without neighbours."""
    loaded = load_cuda("cuda", {"fallback": "raise", "graphs": False})
    device = loaded.delegate.device
    device._pool = Separate(device._cupy.cuda)
    device.view = lambda buffer, offset, size: device.allocate(size)
    return loaded


def main() -> None:
    state, parts = Path(sys.argv[1]), sys.argv[2:]
    done = set(state.read_text().splitlines()) if state.exists() else set()
    delegate, count = guarded(), 0
    with state.open("a") as file:
        for case in (case for cases in cases_by_operator().values() for case in cases):
            name = str(case)
            wanted = not parts or any(part in name for part in parts)
            if name in done or not wanted or case.error is not None:
                continue
            print(f"case {name}", flush=True)
            # Models that litegpu refuses are the test-suite's matter.
            with suppress(ValueError):
                run(case, delegate)
            count += 1
            print(name, file=file, flush=True)
    print(f"{count} cases ran, {len(done)} before")


if __name__ == "__main__":
    main()
