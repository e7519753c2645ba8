"""The parts of a committed record that are kept."""

from lookahead_ray.evaluate.rates import rate
from lookahead_ray.trial.record import COUNTED, TextStripper
from tests.factory import make_failed, make_record


def test_every_rate_follows_from_the_kept_rows() -> None:
    record = make_record(1)
    slim = TextStripper().strip_texts(record)
    assert [rate(slim.generations, metric) for metric in COUNTED] == [
        rate(record.generations, metric) for metric in COUNTED
    ]
    assert [row.prompt_id for row in slim.generations] == [row.prompt_id for row in record.generations]
    assert (slim.signals, slim.kl, slim.config) == (record.signals, record.kl, record.config)


def test_texts_and_steps_go() -> None:
    slim = TextStripper().strip_texts(make_record(1))
    assert {(row.prompt, row.answer, row.prefill) for row in slim.generations} == {("", "", "")}
    assert (slim.steps, slim.token_kl) == ((), ())
    vanilla = make_record(1, role="vanilla")
    assert TextStripper().strip_texts(vanilla).token_kl == vanilla.token_kl


def test_equal_rows_are_one_object() -> None:
    stripper = TextStripper()
    first, second = stripper.strip_texts(make_record(1)), stripper.strip_texts(make_record(1))
    assert all(a is b for a, b in zip(first.generations, second.generations, strict=True))


def test_it_changes_nothing_twice() -> None:
    for record in (make_record(1), make_failed(2)):
        slim = TextStripper().strip_texts(record)
        assert TextStripper().strip_texts(slim) == slim
