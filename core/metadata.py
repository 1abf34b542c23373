"""What a model's metadata say of its inputs.

The tables are those of TensorFlow Lite's metadata_schema.fbs as far as they are used; what is not
is read as a number, the offset that it is.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .graph import Model
from .pictures import Normalization
from .schema.decode import Decoder, Malformed
from .schema.table import Table, flatbuffer, uint32, union, vector

NAME = "TFLITE_METADATA"
IDENTIFIER = b"M001"


@flatbuffer
class NormalizationOptions:
    mean: NDArray[Any] | None = vector("f")
    std: NDArray[Any] | None = vector("f")


@flatbuffer
class OtherOptions:
    """Any other member of the union ProcessUnitOptions."""


@flatbuffer
class ProcessUnit:
    options: NormalizationOptions | OtherOptions | None = union(
        lambda: (None, NormalizationOptions, *(OtherOptions,) * 5)
    )


@flatbuffer
class TensorMetadata:
    name: int = uint32()
    description: int = uint32()
    dimension_names: int = uint32()
    content: int = uint32()
    process_units: tuple[ProcessUnit, ...] | None = vector(Table(lambda: ProcessUnit))


@flatbuffer
class SubGraphMetadata:
    name: int = uint32()
    description: int = uint32()
    inputs: tuple[TensorMetadata, ...] | None = vector(Table(lambda: TensorMetadata))


@flatbuffer
class ModelMetadata:
    name: int = uint32()
    description: int = uint32()
    version: int = uint32()
    subgraphs: tuple[SubGraphMetadata, ...] | None = vector(Table(lambda: SubGraphMetadata))


def normalization(model: Model, graph: int, position: int) -> Normalization | None:
    """How pixels become the values of an input, as the metadata have it; None where they do not
    say. ValueError where they cannot be read."""
    data = model.metadata.get(NAME)
    if data is None:
        return None
    try:
        found: ModelMetadata = Decoder(bytes(data)).root(ModelMetadata, IDENTIFIER)
    except Malformed as error:
        raise ValueError(f"the model's metadata {NAME} cannot be read: {error}") from error
    subgraphs = found.subgraphs or ()
    inputs = (subgraphs[graph].inputs or ()) if graph < len(subgraphs) else ()
    units = (inputs[position].process_units or ()) if position < len(inputs) else ()
    for unit in units:
        options = unit.options
        if isinstance(options, NormalizationOptions) and options.mean is not None:
            std = [1.0] * len(options.mean) if options.std is None else options.std.tolist()
            return Normalization(tuple(options.mean.tolist()), tuple(std))
    return None
