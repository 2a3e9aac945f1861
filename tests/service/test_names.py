"""Names of queues and projects (spec 1.1)."""

import pytest

from mqcore.contract import Invalid, QueueRef
from mqcore.service import queue_ref


@pytest.mark.parametrize("name", ["Service.test_queue", "Nice-Boat_2", "a", "x" * 64, "0"])
def test_good_names_pass(name: str) -> None:
    assert queue_ref("p" * 256, name) == QueueRef("p" * 256, name)
    assert queue_ref(None, name) == QueueRef(None, name)


@pytest.mark.parametrize(
    "name", ["", "x" * 65, "Nice-Bo@t", "fünf", "a b", "a/b", "a\n", "\x00", "\u0663"]
)
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(Invalid, match="1 to 64"):
        queue_ref("p", name)


@pytest.mark.parametrize("project", ["", "p" * 257])
def test_bad_projects_are_refused(project: str) -> None:
    with pytest.raises(Invalid, match="project"):
        queue_ref(project, "q")
