"""Non-maximum suppression: of boxes that overlap, the best scored stays (or the others lose score).

Soft suppression: Bodla et al. 2017, arXiv:1704.04503.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..graph import Array, Shape
from ..schema.enums import TensorType
from . import heap
from .checks import require_inputs, require_rank, valid_shape
from .context import OpContext
from .registry import Step, op

Floats = NDArray[np.float32]


class Candidate(NamedTuple):
    """A box with its present score; it was compared with the first `seen` selected boxes."""

    box: int
    score: np.float32
    seen: int


class Selection(NamedTuple):
    boxes: list[int]
    scores: list[np.float32]


def ordered_corners(boxes: Floats) -> Floats:
    """Boxes [n, 4] of any two opposite corners as (y low, x low, y high, x high)."""
    first, second = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([lesser(first, second), greater(first, second)], axis=1)


def lesser(a: Floats, b: Floats) -> Floats:
    """The smaller of each pair; `a` where one is NaN, as std::min has it."""
    return np.where(b < a, b, a)


def greater(a: Floats, b: Floats) -> Floats:
    """The larger of each pair; `a` where one is NaN, as std::max has it."""
    return np.where(a < b, b, a)


def areas(boxes: Floats) -> Floats:
    found: Floats = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1, dtype=np.float32)
    return found


def overlaps(boxes: Floats, others: Array, box: int, area: Floats) -> Floats:
    """Intersection over union of `box` with each of `others`; 0 where one has no area."""
    mine, theirs = boxes[box], boxes[others]
    low, high = greater(mine[:2], theirs[:, :2]), lesser(mine[2:], theirs[:, 2:])
    sides = np.maximum(high - low, np.float32(0))
    both = sides[:, 0] * sides[:, 1]
    ratio: Floats = both / (area[box] + area[others] - both)
    ratio[(area[others] <= 0) | (area[box] <= 0)] = 0
    return ratio


def suppress(
    boxes: Floats, scores: Floats, most: int, overlap: np.float32, least: np.float32, sigma: float
) -> Selection:
    """At most `most` boxes whose score exceeds `least`, best first, as the reference has them."""
    corners = ordered_corners(boxes)
    area = areas(corners)
    candidates = np.flatnonzero(scores > least)
    most = min(most, len(candidates))
    # Without ties each candidate has one place in the order; a box without area, or with a bound
    # above 1, does not suppress itself, and the reference then selects it again.
    plain = (
        sigma == 0
        and overlap <= 1
        and bool(np.all((area[candidates] > 0) & np.isfinite(area[candidates])))
        and len(np.unique(scores[candidates])) == len(candidates)
    )
    if plain:
        order = candidates[np.argsort(-scores[candidates])]
        chosen = greedy(corners, area, order, most, overlap)
        return Selection(chosen, [scores[i] for i in chosen])
    return _suppress_softly(corners, area, scores, candidates, most, overlap, least, sigma)


def greedy(
    corners: Floats, area: Floats, order: Array, most: int, overlap: np.float32
) -> list[int]:
    """Boxes of `order`, each kept unless it overlaps one kept before by `overlap` or more."""
    chosen: list[int] = []
    while len(order) and len(chosen) < most:
        best, order = int(order[0]), order[1:]
        chosen.append(best)
        order = order[~(overlaps(corners, order, best, area) >= overlap)]
    return chosen


def _worse(a: Candidate, b: Candidate) -> bool:
    return bool(a.score < b.score)


def _suppress_softly(
    corners: Floats,
    area: Floats,
    scores: Floats,
    candidates: Array,
    most: int,
    overlap: np.float32,
    least: np.float32,
    sigma: float,
) -> Selection:
    queue: list[Candidate] = []
    for i in candidates.tolist():
        heap.push(queue, Candidate(i, np.float32(scores[i]), 0), _worse)
    factor = np.float32(-0.5 / sigma) if sigma > 0 else np.float32(0)
    boxes: list[int] = []
    kept: list[np.float32] = []
    while len(boxes) < most and queue:
        best = heap.pop(queue, _worse)
        compared = np.array(boxes[best.seen :][::-1], np.intp)
        ratios = overlaps(corners, compared, best.box, area)
        score = _decayed(best.score, ratios, overlap, least, factor) if len(ratios) else best.score
        if score is None:
            continue
        seen = len(boxes)
        if score == best.score:
            boxes.append(best.box)
            kept.append(score)
        if score > least:
            heap.push(queue, Candidate(best.box, score, seen), _worse)
    return Selection(boxes, kept)


def _decayed(
    score: np.float32, ratios: Floats, overlap: np.float32, least: np.float32, factor: np.float32
) -> np.float32 | None:
    """The score after comparison with each ratio in order; None where one suppresses the box."""
    for ratio in ratios:
        if ratio >= overlap:
            return None
        if factor != 0:
            score = score * np.exp(factor * ratio * ratio)
        if score <= least:
            break
    return score


def suppression_shape(ctx: OpContext) -> list[Shape]:
    soft = ctx.node.op == "NON_MAX_SUPPRESSION_V5"
    require_inputs(ctx, 6 if soft else 5)
    ctx.require_dtype(0, TensorType.FLOAT32)
    require_rank(ctx, 0, 2)
    count, sides = ctx.shape(0)
    ctx.require(sides == 4, f"boxes have {sides} coordinates; expected 4")
    ctx.require_dtype(1, TensorType.FLOAT32)
    ctx.require(
        ctx.shape(1) == (count,), f"scores have shape {list(ctx.shape(1))} for {count} boxes"
    )
    ctx.require_dtype(2, TensorType.INT32)
    for i in range(2, len(ctx.node.inputs)):
        require_rank(ctx, i, 0)
    for i in range(3, len(ctx.node.inputs)):
        ctx.require_dtype(i, TensorType.FLOAT32)
    types = [ctx.output_dtype(j) for j in range(3 if soft else 2)]
    wanted = [TensorType.INT32] * len(types)
    if soft:
        wanted[1] = TensorType.FLOAT32
    ctx.require(types == wanted, lambda: f"the outputs are {[t.name for t in types]}")
    out = valid_shape((int(ctx.value(2)),))
    return [out, out, ()] if soft else [out, ()]


@op("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", prepare=suppression_shape)
def non_max_suppression(ctx: OpContext) -> Step:
    soft = ctx.node.op == "NON_MAX_SUPPRESSION_V5"
    boxes, scores, overlap, least = (ctx.input(i) for i in (0, 1, 3, 4))
    sigma = ctx.input(5) if soft else None
    most = int(ctx.value(2))
    selected, count = ctx.output(0), ctx.output(2 if soft else 1)
    kept = ctx.output(1) if soft else None

    def step() -> None:
        spread = 0.0 if sigma is None else float(sigma)
        ctx.require(not spread < 0, f"sigma is {spread}; expected at least 0")
        found = suppress(boxes, scores, most, np.float32(overlap), np.float32(least), spread)
        count.fill(len(found.boxes))
        _fill(selected, found.boxes)
        if kept is not None:
            _fill(kept, found.scores)

    return step


def _fill(target: Array, values: list[int] | list[np.float32]) -> None:
    target[: len(values)] = values
    target[len(values) :] = 0
