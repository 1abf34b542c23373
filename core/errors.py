"""The exceptions of litegpu: each inherits from the types that `tf.lite` documents and that LiteRT raises."""


class ModelError(ValueError):
    """The model file is malformed; raised at construction."""


class OpError(Exception):
    """What an operator found wrong; the runtime adds the node and raises PrepareError or InvokeError."""


class ValueUnknown(Exception):
    """A shape or value is not known before invoke; `tensor` is the index of the tensor it hangs on."""

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
