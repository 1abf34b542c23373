"""The least times of models: against figures worked out apart from the code, and by hand."""

from __future__ import annotations

import pytest
from litegpu.graph import Graph

from ci.bench.builder import Builder
from ci.bench.networks import NETWORKS
from ci.bench.roofline import GPUS, Work, find, model_work, work_of

H100 = GPUS["H100"]


def graph_of(name: str, batch: int, int8: bool = False) -> Graph:
    net = Builder(int8)
    given, out = NETWORKS[name](net, batch)
    return net.model([given], [out]).graphs[0]


@pytest.mark.parametrize(
    ("name", "precision", "batch", "milliseconds"),
    [
        ("mobilenet_v2", "fp32", 1, 0.0206),
        ("mobilenet_v2", "fp16", 1, 0.0103),
        ("mobilenet_v2", "int8", 1, 0.0051),
        ("mobilenet_v2", "tf32", 256, 4.20),
        ("mobilenet_v2", "fp16", 256, 2.10),
        ("mobilenet_v2", "int8", 256, 1.05),
        ("efficientnet_b0", "fp32", 1, 0.0256),
        ("efficientnet_b0", "fp16", 1, 0.0128),
        ("efficientnet_b0", "fp16", 256, 2.48),
        ("efficientnet_b0", "int8", 256, 1.24),
    ],
)
def test_floors_of_networks(name: str, precision: str, batch: int, milliseconds: float) -> None:
    """Published in the project's notes on performance, for an H100."""
    graph = graph_of(name, batch, precision == "int8")
    floor = model_work(graph, precision).seconds(H100, precision)
    assert floor * 1e3 == pytest.approx(milliseconds, rel=0.02)


def test_arithmetic_bounds_where_memory_does_not() -> None:
    graph = graph_of("resnet50", 1)
    work = model_work(graph, "fp32")
    assert work.macs == pytest.approx(4.09e9, rel=0.01)
    assert work.seconds(H100, "fp32") == 2 * work.macs / 67e12


@pytest.mark.parametrize(
    ("name", "memory"),
    [
        ("NVIDIA H100 80GB HBM3", 3.35e12),
        ("NVIDIA H100 PCIe", 2.0e12),
        ("NVIDIA H200", 4.8e12),
        ("NVIDIA A100-SXM4-80GB", 2.039e12),
        ("NVIDIA A100-SXM4-40GB", 1.555e12),
        ("NVIDIA L4", 0.3e12),
        ("NVIDIA L40S", 0.864e12),
        ("Tesla T4", 0.32e12),
        ("NVIDIA GeForce RTX 4090", 1.008e12),
    ],
)
def test_gpus_by_name(name: str, memory: float) -> None:
    found = find(name)
    assert found is not None
    assert found.memory == pytest.approx(memory)


def test_an_unknown_gpu_has_no_floor() -> None:
    assert find("NVIDIA GeForce GTX 1080") is None
    assert find("NVIDIA RTX A1000") is None


def residual() -> tuple[Builder, Graph]:
    """y = x + conv(x): 1x8x8x16 each, with 16 filters of 3x3."""
    net = Builder(int8=False)
    x = net.value((1, 8, 8, 16))
    y = net.add(x, net.conv(x, 16, 3))
    return net, net.model([x], [y]).graphs[0]


IMAGE, WEIGHTS = 8 * 8 * 16 * 4, (16 * 3 * 3 * 16 + 16) * 4
MACS = 8 * 8 * 16 * 3 * 3 * 16


def test_fused_nodes_read_once_and_write_once() -> None:
    _, graph = residual()
    assert model_work(graph, "fp32") == Work(MACS, 2 * IMAGE + WEIGHTS)
    assert model_work(graph, "fp16") == Work(MACS, IMAGE + WEIGHTS // 2)


def test_work_of_kernels() -> None:
    """What passes between kernels is moved twice; what stays within one is not."""
    _, graph = residual()
    assert work_of(graph, [0, 1], "fp32") == Work(MACS, 2 * IMAGE + WEIGHTS)
    assert work_of(graph, [0], "fp32") == Work(MACS, 2 * IMAGE + WEIGHTS)
    assert work_of(graph, [1], "fp32") == Work(0, 3 * IMAGE)


def test_gates_are_applied_where_they_are_read() -> None:
    """x * sigmoid(mean(x)) is no tensor of its own: the next convolution reads x and the gate."""
    net = Builder(int8=False)
    x = net.value((1, 8, 8, 16))
    gate = net.sigmoid(net.mean(x, (1, 2), 1, -1, 1))
    y = net.conv(net.multiply(x, gate, 1, -1, 1), 16, 1)
    work = model_work(net.model([x], [y]).graphs[0], "fp32")
    small, weights, axes = 16 * 4, (16 * 16 + 16) * 4, 2 * 4
    assert work.bytes == (IMAGE + axes + small) + (IMAGE + small + weights + IMAGE)
