"""Benchmarks: not tests, and nothing else depends on them."""

import sys
from importlib.util import find_spec

if find_spec("litegpu") is None:
    sys.exit(
        "litegpu is not installed for this Python: use .venv/bin/python, which ci/test makes, or "
        "run python ci/link_dev.py and set PYTHONPATH=build/dev"
    )
