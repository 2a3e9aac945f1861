"""Drivers that misbehave in every call, as distributions of somebody else."""

from pathlib import Path

__all__ = ["TOYS", "install"]

HEAD = """
import os, signal, sys, threading
from mqcore import memory
from mqcore.contract import MessageController

class Messages(memory.messages.Messages): pass
class Queues(memory.queues.Queues): pass
class Claims(memory.claims.Claims): pass
class Subscriptions(memory.subscriptions.Subscriptions): pass

def open_driver(uri, *, clock):
    driver = memory.open_driver("memory://toy", clock=clock)
    driver.queues, driver.messages = Queues(driver), Messages(driver)
    driver.claims, driver.subscriptions = Claims(driver), Subscriptions(driver)
    return driver
"""

TOYS = {
    "honest": HEAD,
    "noimport": "1 / 0",
    "exits": "import os\nos._exit(7)",
    "nothing": "def open_driver(uri, *, clock): return None",
    "unfinished": HEAD
    + """
class Unfinished(MessageController):
    def post(self, queue, messages): return []

class Messages(Unfinished):
    def __init__(self, driver): pass
""",
    "duck": HEAD
    + """
class Subscriptions:
    def __init__(self, driver): pass
    def list(self, queue, marker=None, limit=10): return []
""",
    "shapes": HEAD
    + """
class Messages(memory.messages.Messages):
    def get_many(self, queue, ids):
        return (message for message in super().get_many(queue, ids))
    def pop(self, queue, limit):
        return tuple({"id": message.id} for message in super().pop(queue, limit))
    def first(self, queue, sort=1):
        try:
            return super().first(queue, sort)
        except ValueError:
            raise
        except Exception:
            return None

class Queues(memory.queues.Queues):
    def list(self, project, **options):
        return super().list(project, **options).items
""",
    "foreign": HEAD
    + """
class Queues(memory.queues.Queues):
    def get(self, queue):
        return {}[queue.name]
    def stats(self, queue):
        sys.exit("gone")
""",
    "hangs": HEAD
    + """
class Messages(memory.messages.Messages):
    def purge(self, queue):
        threading.Event().wait()
""",
    "dies": HEAD
    + """
class Messages(memory.messages.Messages):
    def pop(self, queue, limit):
        os._exit(3)
    def purge(self, queue):
        os.kill(os.getpid(), signal.SIGSEGV)
""",
    "threads": HEAD
    + """
def open_driver(uri, *, clock, opened=open_driver):
    threading.Thread(target=threading.Event().wait, name="acme pool").start()
    return opened(uri, clock=clock)
""",
    "wrong": HEAD
    + """
class Queues(memory.queues.Queues):
    def create(self, queue, metadata):
        return not super().create(queue, metadata)
""",
    "secret": "def open_driver(uri, *, clock): raise OSError('no route to ' + uri)",
}
"""Source of each; the scheme of `hangs` is `acme-hangs`."""


def install(name: str, site: Path) -> None:
    """Write the distribution `acme-NAME` 1.0 into a folder for PYTHONPATH."""
    info = site / f"acme_{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-{name}\nVersion: 1.0\n")
    entry = f"[mqcore.drivers]\nacme-{name} = acme_{name}:open_driver\n"
    (info / "entry_points.txt").write_text(entry)
    (site / f"acme_{name}.py").write_text(TOYS[name])
