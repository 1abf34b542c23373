"""What is run of a model: its main graph, or a signature."""

from __future__ import annotations

from dataclasses import dataclass

from .graph import Graph, Model

Named = tuple[tuple[str, int], ...]
"""Names and tensor indices."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A graph of a model with the names of its inputs and outputs; those of a signature are in
    alphabetical order."""

    model: Model
    index: int
    inputs: Named
    outputs: Named
    signature: str | None = None

    @property
    def graph(self) -> Graph:
        return self.model.graphs[self.index]

    @property
    def output_tensors(self) -> tuple[int, ...]:
        return tuple(t for _, t in self.outputs)


def entry(model: Model, signature: str | None = None) -> Entry:
    """The main graph, or the signature of this key; ValueError where there is none."""
    if signature is None:
        graph = model.graphs[0]
        inputs, outputs = (
            tuple((graph.tensors[t].name, t) for t in tensors)
            for tensors in (graph.inputs, graph.outputs)
        )
        return Entry(model, 0, inputs, outputs)
    for found in model.signatures:
        if found.key == signature:
            inputs, outputs = (
                tuple(sorted(names.items())) for names in (found.inputs, found.outputs)
            )
            return Entry(model, found.graph, inputs, outputs, signature)
    known = ", ".join(repr(s.key) for s in model.signatures) or "none"
    raise ValueError(f"the model has no signature {signature!r}; its signatures: {known}")
