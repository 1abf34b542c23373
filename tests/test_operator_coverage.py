"""Every operator of LiteRT is there, in its versions, and is tried with each type that it takes."""

from __future__ import annotations

import inspect

import pytest
from litegpu import operator_types
from litegpu.ops.registry import BUILTIN, CUSTOM

from . import operator_tables as tables
from .operator_cases import cases_by_operator, data_of, modules

VERSIONS = {op: v for v, names in tables.VERSIONS.items() for op in names.split()}
TYPES = {op: frozenset(types) for op, types in operator_types.TYPES.items()}
CASES = cases_by_operator()

THROUGH_MODELS = {
    "test_control_flow": "CALL IF STABLEHLO_CASE STABLEHLO_COMPOSITE STABLEHLO_WHILE WHILE",
    "test_hashtable": "CALL_ONCE HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE",
    "test_mediapipe": "Landmarks2TransformMatrix",
    "test_stablehlo_index": "STABLEHLO_SCATTER",
    "test_stablehlo_sort": "STABLEHLO_SORT",
    "test_variables": "ASSIGN_VARIABLE READ_VARIABLE VAR_HANDLE",
    "test_window": "STABLEHLO_REDUCE STABLEHLO_REDUCE_WINDOW",
}
"""Operators that need several graphs or state, or are compared otherwise than by cases: the modules
that build models with them."""

WITH_MODELS = {op: module for module, ops in THROUGH_MODELS.items() for op in ops.split()}


def test_the_tables_are_whole() -> None:
    assert len(VERSIONS) == 172
    assert TYPES.keys() | WITH_MODELS.keys() >= VERSIONS.keys()
    assert not TYPES.keys() & WITH_MODELS.keys()


def test_registered_versions_are_those_of_litert() -> None:
    assert {op: BUILTIN[op].versions for op in VERSIONS if op in BUILTIN} == VERSIONS


def test_operators_beyond_litert_are_known() -> None:
    assert BUILTIN.keys() - VERSIONS.keys() == set(tables.BEYOND_LITERT.split())
    assert CUSTOM.keys() == set(tables.CUSTOM_OPERATORS.split())


@pytest.mark.parametrize("op", sorted({*BUILTIN, *CUSTOM}))
def test_each_operator_has_cases(op: str) -> None:
    if op not in WITH_MODELS:
        assert any(case.error is None for case in CASES[op])
        return
    module = modules()[WITH_MODELS[op]]
    assert f'"{op}"' in inspect.getsource(module)
    assert any(name.startswith("test_") for name in vars(module))


@pytest.mark.parametrize("op", sorted(TYPES))
def test_each_type_has_a_case(op: str) -> None:
    """A case that runs, whose result LiteRT or a formula gives."""
    tried = {data.dtype for case in CASES[op] if not case.error and (data := data_of(case))}
    assert not {t.name for t in TYPES[op] - tried}


def test_an_operator_without_cases_is_noticed() -> None:
    assert "STABLEHLO_CUSTOM_CALL" not in CASES
    assert "STABLEHLO_CUSTOM_CALL" not in BUILTIN
