"""What a process of `test_processes` does. Each line that it prints is one acknowledged thing."""

import sys
import threading
import time

from mqcore_sql.driver import SqlDriver, open_driver

from mqcore.contract import Claim, ClaimRequest, NewMessage, QueueRef, new_id

QUEUE = QueueRef("project", "queue")
_printing = threading.Lock()


def say(*words: object) -> None:
    with _printing:
        sys.stdout.write(" ".join(map(str, words)) + "\n")
        sys.stdout.flush()


def create(path: str) -> None:
    driver = open_driver(f"sqlite:///{path}?busy_timeout=30", clock=time.time)
    say("created" if driver.queues.create(QUEUE, {}) else "found")
    driver.close()


def claim(path: str) -> None:
    """Claim until nothing is left."""
    driver = open_driver(f"sqlite:///{path}?busy_timeout=30", clock=time.time)
    while True:
        request = ClaimRequest(new_id(), 7, 300, 60)
        (made,) = driver.claims.claim(QUEUE, [request])
        if not isinstance(made, Claim):
            break
        say(*(message.id for message in made.messages))
    driver.close()


def post(path: str) -> None:
    """Post from several threads until killed."""
    driver = open_driver(f"sqlite:///{path}?busy_timeout=30", clock=time.time)
    driver.queues.create(QUEUE, {})
    threads = [threading.Thread(target=_post, args=(driver,)) for _ in range(4)]
    for thread in threads:
        thread.start()


def _post(driver: SqlDriver) -> None:
    while True:
        batch = [NewMessage(new_id(), b"{}", 86_400) for _ in range(3)]
        say(*driver.messages.post(QUEUE, batch))


if __name__ == "__main__":
    job = {"create": create, "claim": claim, "post": post}[sys.argv[1]]
    say("ready")
    sys.stdin.readline()
    job(sys.argv[2])
