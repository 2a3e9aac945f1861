"""`lmdb:////path/to/queues.mdb`: queues in one LMDB file, shared by the processes of a machine.

Read `store` (one file, its transactions, its errors), `box` (what a queue is made of), then the
controllers: `messages`, `claims`, `queues`, `subscriptions`; `driver` puts them together.
"""

from .driver import LmdbDriver, open_driver

__all__ = ["LmdbDriver", "open_driver"]
