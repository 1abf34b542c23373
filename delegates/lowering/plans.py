"""Which plan a product on CUDA gets: the one that was measured best, else the cheapest by the model
of `tiles`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from litegpu.graph import Shape

from . import tiles
from .tiles import Arithmetic, Plan, Problem


@dataclass(frozen=True, slots=True)
class Question:
    """A product of a node; nodes that are alike ask the same."""

    op: str
    options: str
    shapes: tuple[Shape, ...]
    problem: Problem
    arithmetic: Arithmetic


class Plans:
    """Answers to questions. `asked`, where it is a list, is told of them."""

    def __init__(self) -> None:
        self.measured: dict[Question, Plan] = {}
        self.asked: list[Question] | None = None

    def choose(self, question: Question) -> Plan:
        if self.asked is not None:
            self.asked.append(question)
        known = self.measured.get(question)
        return known or tiles.choose(question.problem, question.arithmetic)


def candidates(question: Question, count: int) -> Sequence[Plan]:
    """The plans that cost least by the model."""
    return tiles.candidates(question.problem, question.arithmetic)[:count]
