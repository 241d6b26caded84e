"""Whoever waits to look goes in its turn, whatever comes in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from worlds import Waiting, look

from client.looks import MOST_LOOKS, Turns


@given(st.lists(st.tuples(st.sampled_from(["come", "back", "leave"]), st.integers(0, 400)), max_size=400))
def test_all_that_wait_go_in_their_turn_and_never_too_many_at_once(acts: list[tuple[str, int]]) -> None:
    turns, waiting, under_way, gone = Turns[Waiting](), list[Waiting](), 0, 0
    for act, number in acts:
        if act == "come":
            one = look(f"{number:036d}")
            if turns.begin():
                under_way += 1
            else:
                turns.wait(one)
                waiting.append(one)
                assert under_way == MOST_LOOKS
        elif act == "leave" and waiting:
            turns.leave(waiting.pop(number % len(waiting)))
        elif act == "back" and under_way:
            together = turns.end()
            assert bool(together) == bool(waiting)
            assert {each.step.request.job_id for each in together}.isdisjoint(
                {each.step.request.job_id for each in waiting if each not in together}
            )
            waiting = [each for each in waiting if each not in together]
            gone += len(together)
            under_way -= not together
        assert under_way <= MOST_LOOKS
    while under_way:
        found = turns.end()
        waiting = [each for each in waiting if each not in found]
        under_way -= not found
    assert not waiting
