"""Which trials continue after an epoch."""

from lookahead_ray.config.search import StoppingConfig
from lookahead_ray.sweep.stopping.successive_halving import SuccessiveHalving

THIRD = StoppingConfig(grace_epochs=1, reduction=3, least_trials=3)


def decided(halving: SuccessiveHalving, values: list[float], epoch: int = 1, epochs: int = 9) -> list[bool]:
    """Let trials reach the rung one after another, in this order."""
    found = []
    for number, value in enumerate(values):
        halving.add(f"t{number}", epoch, (value,))
        found.append(halving.may_continue(f"t{number}", epoch, epochs))
    return found


def test_no_trial_is_stopped_before_enough_reached_the_rung() -> None:
    assert decided(SuccessiveHalving(THIRD), [3, 2]) == [True, True]
    assert decided(SuccessiveHalving(THIRD), [3, 2, 1]) == [True, True, False]


def test_the_best_third_continues() -> None:
    # of nine trials, the third best continues, the fourth does not
    assert decided(SuccessiveHalving(THIRD), [9, 8, 1, 2, 3, 4, 5, 6, 7])[-1] is True
    assert decided(SuccessiveHalving(THIRD), [9, 8, 7.5, 2, 3, 4, 5, 6, 7])[-1] is False


def test_equals_do_not_beat_each_other() -> None:
    assert decided(SuccessiveHalving(THIRD), [1.0] * 6) == [True] * 6


def test_rungs_are_powers_and_never_the_end() -> None:
    halving = SuccessiveHalving(StoppingConfig(grace_epochs=1, reduction=2, least_trials=1))
    stopped = {epoch: decided(halving, [3, 2, 1], epoch, epochs=6)[-1] is False for epoch in range(1, 7)}
    assert stopped == {1: True, 2: True, 3: False, 4: True, 5: False, 6: False}


def test_a_trial_is_added_once_at_each_epoch() -> None:
    halving = SuccessiveHalving(THIRD)
    for _ in range(5):
        halving.add("a", 1, (1.0,))
    halving.add("b", 1, (2.0,))
    assert halving.may_continue("a", 1, 4)  # two have reached this epoch, not six


def test_with_two_objectives_the_front_continues() -> None:
    halving = SuccessiveHalving(THIRD)
    for number, values in enumerate([(0.0, 1.0), (1.0, 0.0), (0.6, 0.6), (0.5, 0.5), (0.4, 0.4), (0.1, 0.1)]):
        halving.add(f"t{number}", 1, values)
    assert [halving.may_continue(f"t{n}", 1, 9) for n in range(6)] == [True, True, True, True, False, False]
