"""Constants in files beside the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litegpu import Interpreter
from litegpu.errors import ModelError
from litegpu.schema import tables
from litegpu.schema.decode import Decoder
from litegpu.schema.encode import encode
from litegpu.schema.reader import IDENTIFIER, open_model, read_model
from litegpu.verify import verify

from . import models as small


def with_external(name: str, size: int = 12, **fields: Any) -> bytes:
    file = Decoder(small.chain()).root(tables.Model, IDENTIFIER)
    assert file.subgraphs is not None
    graph = file.subgraphs[0]
    assert graph.tensors is not None
    tensor = replace(graph.tensors[1], buffer=0, external_buffer=7)
    graph = replace(graph, tensors=(graph.tensors[0], tensor, *graph.tensors[2:]))
    external = replace(tables.ExternalBuffer(id=7, group=1, offset=4, length=size), **fields)
    groups = (tables.ExternalBufferGroup("unused"), tables.ExternalBufferGroup(name))
    file = replace(file, subgraphs=(graph,), external_buffers=(external,))
    return bytes(encode(replace(file, external_buffer_groups=groups), IDENTIFIER))


def test_external_buffers_are_read_from_beside_the_model(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    values = np.array([9, 1, 2, 3], np.float32)
    (tmp_path / "weights" / "a.bin").write_bytes(values.tobytes())
    (tmp_path / "model.tflite").write_bytes(with_external("weights/a.bin"))
    model = open_model(tmp_path / "model.tflite")
    data = model.graphs[0].tensors[1].data
    assert data is not None
    assert data.view(np.float32).tolist() == [1, 2, 3]
    verify(model)
    interpreter = Interpreter(tmp_path / "model.tflite")
    interpreter.allocate_tensors()
    assert interpreter.get_tensor(1).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "fields", "match"),
    [
        ("/etc/hostname", {}, "not a path beside the model"),
        ("../secret", {}, "not a path beside the model"),
        ("a/../../secret", {}, "not a path beside the model"),
        ("C:\\secret", {}, "not a path beside the model"),
        ("a\\..\\..\\secret", {}, "not a path beside the model"),
        ("", {}, "not a path beside the model"),
        ("absent.bin", {}, "does not exist"),
        ("a\0b", {}, "does not exist|null"),
        (".", {}, "does not exist"),
        ("a.bin", {"length": 17}, "bytes 4 to 21 of a file of 16"),
        ("a.bin", {"offset": 2**64 - 4}, "of a file of 16"),
        ("a.bin", {"group": 2}, "group 2 is out of range"),
        ("a.bin", {"id": 8}, "External buffer 7 is not declared"),
        ("a.bin", {"packing": "zip"}, "packing 'zip'"),
        ("empty.bin", {}, "of a file of 0"),
    ],
)
def test_external_buffers_are_checked(
    tmp_path: Path, name: str, fields: dict[str, Any], match: str
) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(16))
    (tmp_path / "empty.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=match):
        read_model(with_external(name, **fields), tmp_path)


def test_external_buffers_need_a_directory() -> None:
    with pytest.raises(ModelError, match="give the model as a path"):
        read_model(with_external("a.bin"))
