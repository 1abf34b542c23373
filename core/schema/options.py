"""Options tables of the union BuiltinOptions, by name."""
# ruff: noqa: F403

from .options_data import *
from .options_nn import *
from .options_plain import *
