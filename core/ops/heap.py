"""Binary heaps as the C++ standard library of LiteRT's wheels has them.

Which of several equal elements comes first is not specified by C++, but it decides which of several
equally scored boxes or classes the reference reports: these functions move elements exactly alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
Less = Callable[[T, T], bool]


def push(heap: list[T], item: T, less: Less[T]) -> None:
    """Adds `item`; `heap[0]` stays an element that is less than no other."""
    heap.append(item)
    _rise(heap, len(heap) - 1, 0, item, less)


def pop(heap: list[T], less: Less[T]) -> T:
    """Takes `heap[0]` out."""
    last = heap.pop()
    if not heap:
        return last
    top = heap[0]
    _sink(heap, 0, len(heap), last, less)
    return top


def partial_sort(items: Sequence[T], count: int, less: Less[T]) -> list[T]:
    """The least `count` of `items` in ascending order, as std::partial_sort leaves them."""
    heap = list(items[:count])
    for hole in range((count - 2) // 2, -1, -1):
        _sink(heap, hole, count, heap[hole], less)
    for item in items[count:]:
        if count and less(item, heap[0]):
            _sink(heap, 0, count, item, less)
    for size in range(count - 1, 0, -1):
        last, heap[size] = heap[size], heap[0]
        _sink(heap, 0, size, last, less)
    return heap


def _rise(heap: list[T], hole: int, top: int, item: T, less: Less[T]) -> None:
    parent = (hole - 1) // 2
    while hole > top and less(heap[parent], item):
        heap[hole] = heap[parent]
        hole, parent = parent, (parent - 1) // 2
    heap[hole] = item


def _sink(heap: list[T], hole: int, size: int, item: T, less: Less[T]) -> None:
    """Fills `hole` from below down to a leaf, then lets `item` rise from there."""
    top = hole
    child = 2 * hole + 2
    while child < size:
        if less(heap[child], heap[child - 1]):
            child -= 1
        heap[hole] = heap[child]
        hole, child = child, 2 * child + 2
    if child == size:
        heap[hole] = heap[child - 1]
        hole = child - 1
    _rise(heap, hole, top, item, less)
