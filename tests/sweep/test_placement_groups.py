"""Which placement groups are released, given the reports and ends of trials."""

from lookahead_ray.sweep.placement_groups import PlacementGroupTracker


class Cluster:
    """The groups that exist, and the released ones."""

    def __init__(self) -> None:
        self.groups: set[str] = set()
        self.released: list[str] = []
        self.placement_groups = PlacementGroupTracker(lambda: set(self.groups), self.release)

    def release(self, group: str) -> None:
        self.groups.discard(group)
        self.released.append(group)


def test_a_trial_that_ends_keeps_its_group_for_the_next() -> None:
    cluster = Cluster()
    cluster.groups = {"g1"}
    for trial in ("a", "b"):
        cluster.placement_groups.started(trial)
        cluster.placement_groups.named(trial, "g1")
        cluster.placement_groups.ended(trial)
    assert cluster.released == []


def test_a_dead_trials_reported_group_is_released() -> None:
    cluster = Cluster()
    cluster.groups = {"g1", "g2"}
    for trial, group in (("a", "g1"), ("b", "g2")):
        cluster.placement_groups.started(trial)
        cluster.placement_groups.named(trial, group)
    cluster.placement_groups.died("a")
    assert cluster.released == ["g1"]


def test_an_unreported_group_is_released_when_its_trial_dies() -> None:
    cluster = Cluster()
    cluster.groups = {"g1"}
    cluster.placement_groups.started("a")
    cluster.placement_groups.died("a")
    assert cluster.released == ["g1"]
    cluster.placement_groups.started("a")  # again, in its own group
    cluster.groups = {"g2"}
    cluster.placement_groups.named("a", "g2")
    assert cluster.released == ["g1"]


def test_release_waits_for_other_silent_trials() -> None:
    cluster = Cluster()
    cluster.groups = {"g1", "g2", "g3"}
    for trial in ("a", "b", "c"):
        cluster.placement_groups.started(trial)
    cluster.placement_groups.named("c", "g3")
    cluster.placement_groups.died("a")
    assert cluster.released == []
    cluster.placement_groups.started("a")
    cluster.groups.add("g4")  # from the second start, so the first one can't have left it
    cluster.placement_groups.named("b", "g2")
    assert cluster.released == ["g1"]
    cluster.placement_groups.named("a", "g4")
    assert cluster.groups == {"g2", "g3", "g4"}


def test_a_group_that_an_earlier_trial_named_is_found_too() -> None:
    cluster = Cluster()
    cluster.groups = {"g1", "g2"}
    for trial, group in (("a", "g1"), ("b", "g2")):
        cluster.placement_groups.started(trial)
        cluster.placement_groups.named(trial, group)
    cluster.placement_groups.ended("a")
    cluster.placement_groups.started("c")  # in a's process
    cluster.placement_groups.died("c")
    assert cluster.released == ["g1"]


def test_two_deaths_at_once() -> None:
    cluster = Cluster()
    cluster.groups = {"g1", "g2"}
    for trial in ("a", "b"):
        cluster.placement_groups.started(trial)
    cluster.placement_groups.died("a")
    cluster.placement_groups.died("b")
    assert set(cluster.released) == {"g1", "g2"}
