"""What a listing says about a log."""

import pytest
from mqcore_swift.names import NOTHING, Tip, epoch_name, new_entry, next_epoch, read_entry
from mqcore_swift.view import TornError, resolve

LOW, HIGH, HIGHER = (f"{number:08x}{'ab' * 8}" for number in (1, 2, 3))


def entry(epoch: str, before: Tip) -> tuple[str, Tip]:
    made = new_entry("p", epoch, before, b'{"now":1}', more=False)
    return made.name, made.tip


def epochs(*taken: str) -> list[str]:
    return [epoch_name("p", each) for each in taken]


def test_an_entry_is_read_from_its_name() -> None:
    for head, more in ((b"{}", False), (b"{}", True), (b"x" * 1000, False)):
        made = new_entry("p", LOW, Tip(HIGH, 9), head, more)
        assert read_entry(made.name) == made
        assert (made.inline == head) == (len(head) < 1000 and not more)
        assert len(made.name.encode()) < 1024


def test_epochs_rise_and_differ() -> None:
    assert NOTHING.epoch < next_epoch([NOTHING.epoch]) < next_epoch([LOW, HIGH])
    assert next_epoch([LOW]) != next_epoch([LOW])


def test_entries_of_the_highest_epoch_are_certain() -> None:
    one, first = entry(LOW, NOTHING)
    two, second = entry(LOW, first)
    view = resolve([one, two, *epochs(LOW)], NOTHING)
    assert [each.name for each in view.entries] == [one, two]
    assert (view.end, view.settled) == (second, True)


def test_nothing_is_certain_while_somebody_takes_over() -> None:
    one, _ = entry(LOW, NOTHING)
    assert not resolve([one, *epochs(LOW, HIGH)], NOTHING).settled


def test_a_log_without_new_entries_is_certain_whoever_takes_over() -> None:
    assert resolve(epochs(LOW, HIGH), Tip(LOW, 7)).settled


def test_what_a_displaced_writer_wrote_too_late_is_not_of_the_log() -> None:
    one, first = entry(LOW, NOTHING)
    late, _ = entry(LOW, first)
    two, second = entry(HIGH, first)
    view = resolve([one, *sorted([late, two]), *epochs(HIGH)], NOTHING)
    assert [each.name for each in view.entries] == [one, two]
    assert (view.strays, view.end) == ((late,), second)
    # Also for who knew all that before.
    assert resolve([late, *epochs(HIGH)], second).entries == ()


def test_what_a_displaced_writer_wrote_in_time_is_of_the_log() -> None:
    one, first = entry(LOW, NOTHING)
    two, second = entry(HIGH, first)
    three, _ = entry(HIGHER, second)
    view = resolve([one, two, three, *epochs(HIGH, HIGHER)], NOTHING)
    assert [each.name for each in view.entries] == [one, two, three]
    assert view.settled


def test_a_log_that_does_not_follow_is_torn() -> None:
    _, first = entry(LOW, NOTHING)
    two, second = entry(LOW, first)
    three, _ = entry(HIGH, second)
    with pytest.raises(TornError):
        resolve([], first)
    with pytest.raises(TornError):
        resolve([two, three, *epochs(HIGH)], NOTHING)
    with pytest.raises(TornError):
        resolve([three, *epochs(HIGH)], Tip(HIGH, second.slot))
