"""Records by training: all points of a training, and the points of vanilla's."""

from collections.abc import Iterable, Sequence

from lookahead_ray.trial.record import Role, TrialRecord


def group_by_training(records: Iterable[TrialRecord]) -> list[list[TrialRecord]]:
    """Return the records of each training, its first point first.

    Trainings are in the order of their last records: a training whose judge was down ends with the last
    judged point.
    """
    groups: dict[str, list[TrialRecord]] = {}
    for record in records:
        groups[record.training] = [*groups.pop(record.training, []), record]

    def number(record: TrialRecord) -> int:
        return int(record.trial_id.rpartition(".")[2]) if record.is_further_point else 1

    return [sorted(group, key=number) for group in groups.values()]


def count_trainings(records: Iterable[TrialRecord], role: Role | None = None) -> int:
    """Return the number of trials, of a role if given; all points of a training are one."""
    return sum(role in (None, record.role) and not record.is_further_point for record in records)


def points_of_vanilla(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the further points of vanilla's training, which are candidates, in their order."""
    trainings = {record.trial_id for record in records if record.role == "vanilla"}
    return [record for record in records if record.is_further_point and record.training in trainings]


def search_trials(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the records of what the search suggested: all candidates but `points_of_vanilla`."""
    others = {record.trial_id for record in points_of_vanilla(records)}
    return [record for record in records if record.role == "search" and record.trial_id not in others]
