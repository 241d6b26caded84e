from __future__ import annotations

from client.pulse import DOUBTED_AFTER, LOST_AFTER, Beat, Pulse


def test_a_line_is_steady_then_doubted_once_for_each_span_and_then_lost() -> None:
    pulse = Pulse(10.0, every_s=2.0)
    assert pulse.feel(10 + DOUBTED_AFTER * 2 - 0.1) is Beat.STEADY
    assert pulse.due_s() == 10 + DOUBTED_AFTER * 2
    assert pulse.feel(pulse.due_s()) is Beat.DOUBTFUL
    assert pulse.feel(pulse.due_s() - 0.1) is Beat.STEADY
    assert pulse.due_s() == 10 + (DOUBTED_AFTER + 1) * 2
    assert pulse.feel(pulse.due_s()) is Beat.DOUBTFUL
    assert pulse.due_s() == 10 + LOST_AFTER * 2
    assert pulse.feel(pulse.due_s()) is Beat.LOST


def test_a_sign_of_life_ends_a_doubt_and_the_next_silence_is_a_new_one() -> None:
    pulse = Pulse(0.0, every_s=1.0)
    assert pulse.feel(DOUBTED_AFTER) is Beat.DOUBTFUL
    pulse.hear(DOUBTED_AFTER + 0.5)
    assert pulse.feel(DOUBTED_AFTER + 1.0) is Beat.STEADY
    assert pulse.feel(2 * DOUBTED_AFTER + 0.5) is Beat.DOUBTFUL


def test_a_line_may_change_how_often_it_speaks() -> None:
    pulse = Pulse(0.0, every_s=1.0)
    pulse.every_s = 15.0
    assert pulse.feel(LOST_AFTER) is Beat.STEADY
