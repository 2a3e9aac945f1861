"""What the suite cannot know: how this store runs out of room, and what it must not be used for."""

import os
import shutil
import time

import pytest
from mqcore.contract import Misconfigured, NewMessage, QueueRef, Unavailable, new_id
from mqcore_lmdb import open_driver

QUEUE = QueueRef("p", "q")


def fill(driver):
    driver.queues.create(QUEUE, {})
    while True:
        driver.messages.post(QUEUE, [NewMessage(new_id(), b"x" * 10_000, 600) for _ in range(10)])


def test_a_full_map_says_which_option_to_raise_and_keeps_what_is_there(tmp_path):
    uri = f"lmdb:///{tmp_path}/q.mdb"
    driver = open_driver(f"{uri}?map_size=0.002", clock=time.time)
    with pytest.raises(Unavailable, match="map_size"):
        fill(driver)
    kept = driver.queues.stats(QUEUE).total
    assert kept
    with pytest.raises(Misconfigured, match="map_size"):
        open_driver(uri, clock=time.time)
    driver.close()
    driver = open_driver(uri, clock=time.time)
    driver.messages.post(QUEUE, [NewMessage(new_id(), b"more", 600)])
    assert driver.queues.stats(QUEUE).total == kept + 1
    driver.close()


def test_another_file_in_its_place_is_not_written_to(tmp_path):
    path = tmp_path / "q.mdb"
    driver = open_driver(f"lmdb:///{path}", clock=time.time)
    shutil.copy(path, tmp_path / "backup")
    os.replace(tmp_path / "backup", path)
    with pytest.raises(Unavailable, match="replaced"):
        driver.ping()
    driver.close()


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("important " * 1000)
    with pytest.raises(Misconfigured, match="not an LMDB"):
        open_driver(f"lmdb:///{path}", clock=time.time)
    assert path.read_text() == "important " * 1000
