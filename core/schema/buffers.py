"""Where the constants of a model file lie: in its tables, behind them, or in files beside it."""

from __future__ import annotations

import mmap
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from ..errors import ModelError
from ..graph import Array
from . import tables
from .decode import SHARED_BYTES, Decoder


class Buffers:
    """The stored bytes that tensors, nodes and metadata of one file refer to, as views."""

    def __init__(self, file: tables.Model, decoder: Decoder, directory: Path | None) -> None:
        self.buffers = file.buffers or ()
        self.file = decoder.raw
        self.directory = directory
        self.groups = file.external_buffer_groups or ()
        self.external = {b.id: b for b in file.external_buffers or ()}
        self.mapped: dict[int, Array] = {}
        self.copied = 0

    def of_tensor(self, tensor: tables.Tensor) -> Array | None:
        """The bytes of a constant; None for what is computed at run time."""
        data = self.stored(tensor.buffer, "Tensor") if tensor.buffer else None
        if not tensor.external_buffer:
            return data
        if data is not None:
            raise ModelError(
                f"Buffer {tensor.buffer} and external buffer {tensor.external_buffer} "
                "both hold the data; one may."
            )
        return self.beside(tensor.external_buffer)

    def stored(self, index: int, what: str) -> Array | None:
        """The bytes of a buffer of this file; None when it has none."""
        if index >= len(self.buffers):
            raise ModelError(
                f"{what} specifies out of range buffer {index} (only {len(self.buffers)} buffers)."
            )
        buffer = self.buffers[index]
        if buffer.data is not None:
            return buffer.data
        # Offsets count from the start of the file; 0 and 1 stand for "none".
        if buffer.offset <= 1:
            return None
        return self.slice(buffer.offset, buffer.size, f"Constant buffer {index}")

    def slice(self, offset: int, size: int, what: str) -> Array:
        if offset + size > self.file.size:
            raise ModelError(
                f"{what} specified an out of range offset. "
                f"Bytes {offset} to {offset + size}; the file has {self.file.size}."
            )
        return self.file[offset : offset + size]

    def metadata(self, entry: tables.Metadata) -> bytes:
        data = self.stored(entry.buffer, f"Metadata {entry.name!r}")
        return b"" if data is None else self.copy(data)

    def custom_options(self, node: tables.Operator) -> bytes:
        """The options of a custom operator, which may lie behind the tables."""
        if node.custom_options is not None:
            return self.copy(node.custom_options)
        if node.large_custom_options_offset <= 1:
            return b""
        return self.copy(
            self.slice(
                node.large_custom_options_offset,
                node.large_custom_options_size,
                f"Custom Option Offset for opcode_index {node.opcode_index}",
            )
        )

    def copy(self, data: Array) -> bytes:
        self.count(data)
        return data.tobytes()

    def int32(self, data: Array) -> Array:
        if data.dtype == np.int32:
            return data
        self.count(data)
        return data.astype(np.int32)

    def count(self, data: Array) -> None:
        """Keeps parts that overlap in the file from filling the memory."""
        self.copied += data.nbytes
        if self.copied > self.file.size + SHARED_BYTES:
            raise ModelError("Metadata, options or indices overlap: they exceed the file's size.")

    def beside(self, identity: int) -> Array:
        """The bytes of an external buffer."""
        buffer = self.external.get(identity)
        if buffer is None:
            raise ModelError(f"External buffer {identity} is not declared in the model.")
        if buffer.packing:
            raise ModelError(
                f"External buffer {identity} has packing {buffer.packing!r}; expected none."
            )
        if buffer.group not in self.mapped:
            self.mapped[buffer.group] = self.map_group(buffer.group)
        data = self.mapped[buffer.group]
        if buffer.offset + buffer.length > data.size:
            raise ModelError(
                f"External buffer {identity} is bytes {buffer.offset} to "
                f"{buffer.offset + buffer.length} of a file of {data.size}."
            )
        return data[buffer.offset : buffer.offset + buffer.length]

    def map_group(self, index: int) -> Array:
        if index >= len(self.groups):
            raise ModelError(
                f"External buffer group {index} is out of range; there are {len(self.groups)}."
            )
        name = self.groups[index].name or ""
        if not _stays_beside(name):
            raise ModelError(f"External buffer file {name!r} is not a path beside the model.")
        if self.directory is None:
            raise ModelError(
                f"External buffer file {name!r} needs the directory of the model: "
                "give the model as a path, not as bytes."
            )
        path = self.directory / name
        try:
            if not path.is_file():
                raise ModelError(f"External buffer file {str(path)!r} does not exist.")
            with path.open("rb") as file:
                if not path.stat().st_size:
                    return np.empty(0, np.uint8)
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"External buffer file {str(path)!r}: {error}.") from None
        return np.frombuffer(mapped, np.uint8)


def _stays_beside(name: str) -> bool:
    paths = PurePosixPath(name), PureWindowsPath(name)
    return bool(name) and not any(p.is_absolute() or p.anchor or ".." in p.parts for p in paths)
