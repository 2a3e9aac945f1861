"""The conformance suite: what a driver must do, as tests.

The test file of a driver has a harness that opens it, and one fixture:

    import pytest
    from mqcore.conformance import *
    from mqcore_toy import open_driver

    @pytest.fixture(scope="module")
    def harness():
        return DriverHarness(open_driver, "toy://localhost/tests")

The star brings every group of tests and the harnesses. See docs/conformance.md.
"""

from importlib import import_module

import pytest

GROUPS = (
    "claims",
    "clocks",
    "cost",
    "deadletters",
    "delay",
    "deleting",
    "exclusivity",
    "faults",
    "hostile",
    "isolation",
    "lifecycle",
    "listing",
    "lookalikes",
    "machine",
    "messages",
    "order",
    "paging",
    "posting",
    "processes",
    "queues",
    "races",
    "repeats",
    "seconds",
    "stats",
    "subscriptions",
    "threads",
    "versions",
    "waking",
)
"""The modules with tests, one per group of behaviour."""

# Before any of them is imported, or a failed assert would show no values to other packages.
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("suite", *GROUPS)))

from .harness import Clock, DriverHarness, Harness  # noqa: E402

__all__ = ["Clock", "DriverHarness", "Harness"]

for _name in GROUPS:
    _group = import_module(f"{__name__}.{_name}")
    __all__.extend(_group.__all__)
    globals().update({_test: getattr(_group, _test) for _test in _group.__all__})
