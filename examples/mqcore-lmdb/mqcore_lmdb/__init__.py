"""`lmdb:////path/to/queues.mdb`: queues in one LMDB file, shared by the processes of a machine.

Read `store`, `box`, `messages`, `queues`, `driver`, in this order.
"""

from .driver import LmdbDriver, open_driver

__all__ = ["LmdbDriver", "open_driver"]
