"""The exceptions of litegpu: each inherits from the types that `tf.lite` documents and that LiteRT
raises."""

from __future__ import annotations

from .graph import ABSENT, Graph


class ModelError(ValueError):
    """The model file is malformed; raised at construction."""


class OpError(Exception):
    """What an operator found wrong; the runtime adds the node and raises PrepareError or
    InvokeError."""


class ValueUnknown(Exception):
    """A shape or value is not known before invoke; `tensor` is the index of the tensor it hangs
    on."""

    def __init__(self, tensor: int) -> None:
        super().__init__(f"tensor {tensor} is not known before invoke")
        self.tensor = tensor


class PrepareError(RuntimeError, ValueError):
    """A node cannot run with the shapes and types it is given; raised by `allocate_tensors`."""


class InvokeError(RuntimeError, ValueError):
    """A node failed while running; raised by `invoke`."""


class ResizeError(RuntimeError, ValueError):
    """`resize_tensor_input` was asked for a shape that the tensor cannot have."""


class LimitError(PrepareError, InvokeError):
    """A limit on memory or work was exceeded; the message names the limit and how to raise it."""


class DelegateLoadError(OSError, ValueError):
    """`load_delegate` found no delegate, or the delegate refused its options."""


def node_error(
    kind: type[PrepareError | InvokeError],
    cause: Exception,
    graph: Graph,
    graph_index: int,
    index: int,
) -> Exception:
    """`cause` as an exception of `kind` that names the node; LimitError stays what it is."""
    node = graph.nodes[index]
    what = "prepare" if kind is PrepareError else "invoke"
    if isinstance(cause, LimitError):
        kind = LimitError
    text = str(cause)
    if not isinstance(cause, kind):
        if not isinstance(cause, OpError):
            text = f"{type(cause).__name__}: {cause}"
        where = f"node {index}" if graph_index == 0 else f"subgraph {graph_index}, node {index}"
        output = next((graph.tensors[t].name for t in node.outputs if t != ABSENT), "")
        text = f"{node.op} ({where}, {output!r}): {text}\n"
    return kind(f"{text}Node number {index} ({node.op}) failed to {what}.")
