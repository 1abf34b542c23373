"""Tiles of matrix products on CUDA, chosen by what they cost. Pure: no device, no graph.

All times are in cycles of one multiprocessor.
"""

from __future__ import annotations

from dataclasses import dataclass

WARP = 32
WORD = 4
SHARED = 48 * 1024
"""Bytes of shared memory that a block has without asking for more."""
MOST_STAGES = 4
"""Steps of which a block keeps the tiles at a time."""
SHARED_OF_UNIT = 100 * 1024
REGISTERS_OF_UNIT = 65536
THREADS_OF_UNIT = 1536
"""What the blocks of a multiprocessor share."""
OTHER_REGISTERS = {False: 108, True: 64}
"""Registers of a thread beside its sums, without tensor cores and on them."""


@dataclass(frozen=True, slots=True)
class Tile:
    """How a block divides its sums among warps, see tiles.cuh; its sides are in elements, `words`
    is its depth in words of 32 bits."""

    warps_m: int
    warps_n: int
    warp_m: int
    warp_n: int
    words: int = 16

    @property
    def threads(self) -> int:
        return WARP * self.warps_m * self.warps_n

    @property
    def rows(self) -> int:
        return self.warps_m * self.warp_m

    @property
    def columns(self) -> int:
        return self.warps_n * self.warp_n

    @property
    def stage(self) -> int:
        """Bytes of shared memory for the tiles of one step; rows are padded by 4 words."""
        return (self.rows + self.columns) * (self.words + 4) * WORD


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How a multiprocessor multiplies: elements of a word, whether on tensor cores, products of
    elements a cycle that such kernels reach, and registers of a sum."""

    pack: int
    tensor: bool
    rate: float
    sum_words: int = 1


PLAIN = (
    Tile(4, 2, 32, 64),
    Tile(4, 1, 32, 64),
    Tile(4, 2, 32, 16),
    Tile(2, 2, 32, 32),
    Tile(4, 1, 32, 16),
    Tile(2, 1, 16, 32),
    Tile(1, 2, 16, 32),
)
TENSOR = (
    Tile(2, 4, 64, 32),
    Tile(2, 2, 64, 32),
    Tile(4, 1, 32, 32),
    Tile(4, 1, 32, 16),
    Tile(2, 2, 32, 32),
    Tile(1, 4, 32, 32),
    Tile(2, 1, 16, 32),
    Tile(1, 2, 16, 32),
)
"""What is tried, without tensor cores and on them; the first of equals is taken."""

MOST_SUMS = 64
"""Registers of a thread for its sums."""

SPLITS = (1, 2, 3, 4, 6, 8, 12, 16)
MOST_PARTIAL = 2**24
"""Sums of all parts together."""

COPIED = 40.0
"""Bytes that a multiprocessor brings to shared memory in a cycle."""
STEP_LATENCY = 700.0
"""From the order of a tile to its use, shared by the stages that are on their way."""
ISSUED = 20.0
"""Cycles of a warp's instructions in a step beside products and copies."""
START = 2500.0
"""What a block takes beside its steps: addresses, the first tile, the results."""
SECOND_LAUNCH = 3500.0
"""A further node of a graph, for sums that were split."""
WRITTEN = 12.0
"""Bytes of partial sums that a multiprocessor writes or reads in a cycle."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`batches` products of [rows, depth] and [depth, columns], `depth` in elements, on a device of
    `units` multiprocessors."""

    rows: int
    columns: int
    depth: int
    batches: int
    units: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A tile, into how many parts each sum is split, and the stages of a part."""

    tile: Tile
    splits: int = 1
    stages: int = 2


def resident(plan: Plan, arithmetic: Arithmetic) -> int:
    """Blocks that one multiprocessor holds at a time."""
    tile = plan.tile
    registers = tile.rows * tile.columns + OTHER_REGISTERS[arithmetic.tensor] * tile.threads
    limits = (
        SHARED_OF_UNIT // (tile.stage * plan.stages),
        REGISTERS_OF_UNIT // registers,
        THREADS_OF_UNIT // tile.threads,
    )
    return max(1, min(limits))


def steps_of(depth: int, tile: Tile, pack: int) -> int:
    """Steps of the depth that a sum takes."""
    return -(-depth // (tile.words * pack))


def cost(problem: Problem, arithmetic: Arithmetic, plan: Plan) -> float:
    """Cycles of a product: the larger of the work of the busiest multiprocessor, and of the latency
    of its blocks one after the other."""
    tile, pack = plan.tile, arithmetic.pack
    blocks = -(-problem.rows // tile.rows) * -(-problem.columns // tile.columns)
    busiest = -(-blocks * problem.batches * plan.splits // max(problem.units, 1))
    rounds = -(-busiest // resident(plan, arithmetic))
    steps = -(-steps_of(problem.depth, tile, pack) // plan.splits)
    products = tile.rows * tile.columns * tile.words * pack / arithmetic.rate
    copied = (tile.rows + tile.columns) * tile.words * WORD / COPIED
    step = max(products, copied) + ISSUED * tile.threads / WARP
    latency = max(STEP_LATENCY / (plan.stages - 1), products)
    total = max(busiest * steps * step + START, rounds * (steps * latency + START))
    if plan.splits > 1:
        partial = problem.rows * problem.columns * problem.batches * plan.splits * WORD
        total += SECOND_LAUNCH + 2 * partial / (WRITTEN * problem.units)
    return total


def candidates(problem: Problem, arithmetic: Arithmetic) -> list[Plan]:
    """Every plan that fits, the cheapest first."""
    plans, sums = [], problem.rows * problem.columns * problem.batches
    for tile in TENSOR if arithmetic.tensor else PLAIN:
        if tile.rows * tile.columns * arithmetic.sum_words > MOST_SUMS * tile.threads:
            continue
        steps = steps_of(problem.depth, tile, arithmetic.pack)
        for splits in SPLITS:
            if splits == 1 or (2 * splits <= steps and splits * sums <= MOST_PARTIAL):
                most = min(MOST_STAGES, SHARED // tile.stage)
                stages = max(2, min(most, -(-steps // splits) + 1))
                plans.append(Plan(tile, splits, stages))
    return sorted(plans, key=lambda plan: cost(problem, arithmetic, plan))


def choose(problem: Problem, arithmetic: Arithmetic) -> Plan:
    """The plan of least cost."""
    return candidates(problem, arithmetic)[0]
