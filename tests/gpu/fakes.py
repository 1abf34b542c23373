"""Devices that are not there, and a delegate that lowers for them and runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from litegpu import Interpreter
from litegpu.delegates.device import DeviceInfo
from litegpu.delegates.gpu import GpuDelegate, lower_partition
from litegpu.delegates.lowering.context import Options
from litegpu.delegates.program import Program
from litegpu.graph import Array, Graph, Node
from litegpu.partition import Partition

from tests.devices import no_fallback

FAKES = {
    "cpu": DeviceInfo("fake CPU", True, 4, 128, 32768, 4096, False),
    "gpu": DeviceInfo("fake GPU", False, 64, 256, 49152, 1024, True),
}
"""A device of each kind for which lowerings have variants."""

CUDA = DeviceInfo("fake CUDA GPU", False, 132, 256, 49152, 1024, True, warp=32, arch=90)
"""What a device of CUDA says of itself."""


class FakeDevice:
    """Knows facts about itself, and can do nothing."""

    def __init__(self, info: DeviceInfo) -> None:
        self.info = info


@dataclass(frozen=True)
class Lowered:
    """One partition and its launches."""

    graph: Graph
    part: Partition
    program: Program


class NeverRun:
    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        raise NotImplementedError


class LoweringOnly(GpuDelegate):
    """The GPU delegate as far as it needs no device; keeps what it lowered."""

    def __init__(self, info: DeviceInfo, options: Options = Options()) -> None:  # noqa: B008
        device: Any = FakeDevice(info)
        super().__init__("fake", device, options)
        self.lowered: list[Lowered] = []
        self.unstable: list[str] = []

    def refusal(self, graph: Graph, node: Node) -> str | None:
        answers = [super(LoweringOnly, self).refusal(graph, node) for _ in range(2)]
        if answers[0] != answers[1]:
            self.unstable.append(f"{node.op}: {answers}")
        return answers[0]

    def compile(self, graph: Graph, part: Partition) -> Any:
        program = lower_partition(graph, part, self.device, self.options)
        self.lowered.append(Lowered(graph, part, program))
        return NeverRun()


def lower(
    content: bytes,
    info: DeviceInfo,
    inputs: Sequence[Array] = (),
    options: Options = Options(),  # noqa: B008
) -> LoweringOnly:
    """The delegate after it has lowered a model for inputs of these shapes; models that litegpu
    refuses lower nothing."""
    delegate = LoweringOnly(info, options)
    with no_fallback(), suppress(RuntimeError, ValueError):
        interpreter = Interpreter(model_content=content, experimental_delegates=[delegate])
        for detail, value in zip(interpreter.get_input_details(), inputs, strict=False):
            interpreter.resize_tensor_input(detail["index"], value.shape)
        interpreter.allocate_tensors()
    return delegate
