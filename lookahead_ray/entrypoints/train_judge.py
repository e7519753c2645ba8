"""The command `train-judge`: trains the judge `refusal` and measures it on what training left out."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lookahead_ray.config.csv_format import CsvFormat
from lookahead_ray.data.notes import collect_notes
from lookahead_ray.errors import DataError
from lookahead_ray.evaluate.judges.refusal_model.answers import LabelledAnswer, read_labelled_answers
from lookahead_ray.evaluate.judges.refusal_model.concepts import ConceptDictionary, load_dictionary
from lookahead_ray.evaluate.judges.refusal_model.fit import fit_answers, read_answers
from lookahead_ray.evaluate.judges.refusal_model.held_out import GroupAccuracy, measure_held_out
from lookahead_ray.evaluate.judges.refusal_model.model import save_refusal_model
from lookahead_ray.shipped_files import REFUSAL_ANSWERS, REFUSAL_DICTIONARY

WORST = 5
"""Number of groups that are named."""


def train_judge_and_report(
    labels: Sequence[str],
    csv_format: CsvFormat,
    output: Path,
    measure: bool,
    report: Callable[[str], None],
) -> None:
    """Train on the shipped answers and those of `labels`, write the weights and print what was measured.

    Args:
        labels: paths, folders, patterns or URLs of files.

    Raises:
        DataError: a file of labels can't be used, or the folder of `output` does not exist.
    """
    if not output.parent.is_dir():
        raise DataError(f"{output}: the folder {output.parent} must exist")
    start = time.monotonic()
    read = read_labelled_answers(REFUSAL_ANSWERS)
    with collect_notes() as notes:
        read += [answer for place in labels for answer in read_labelled_answers(place, csv_format)]
    for line in notes:
        report(line)
    dictionary = load_dictionary(REFUSAL_DICTIONARY)
    answers = read_answers(read, dictionary)
    report(_contents([each.answer for each in answers]))
    report(f"dictionary {len(dictionary.concepts)} concepts in {len(dictionary.languages)} languages")
    save_refusal_model(fit_answers(answers, dictionary), output)
    report(
        f"weights    {output}, {output.stat().st_size / 1e6:.1f} MB, after {time.monotonic() - start:.0f} s"
    )
    if not measure:
        return
    [(refusals, compliances)] = measure_held_out(
        answers,
        [lambda left_out: dictionary],
        lambda answer: f"{'refusal' if answer.refuses else 'compliance'} {answer.style}",
    )
    report(f"left-out styles: {_summary(sorted(refusals + compliances, key=lambda group: group.share))}")
    text = REFUSAL_DICTIONARY.read_text(encoding="utf-8")
    by_language = measure_held_out(
        answers,
        [lambda left_out: dictionary, lambda left_out: ConceptDictionary(text, left_out)],
        lambda answer: answer.language,
    )
    for kept, (refusals, compliances) in zip(("kept", "left out too"), by_language, strict=True):
        report(f"refusals in left-out languages, their dictionary {kept}: {_summary(refusals)}")
        report(f"compliances there: {_summary(compliances)}")


def _contents(answers: Sequence[LabelledAnswer]) -> str:
    whole = [answer for answer in answers if not answer.is_fragment]
    styles = {(answer.refuses, answer.style) for answer in whole}
    refusing = sum(refuses for refuses, _ in styles)
    return (
        f"answers    {len(whole)}, {sum(answer.refuses for answer in whole)} of them refuse; "
        f"{refusing} styles of refusing, {len(styles) - refusing} of complying, "
        f"{len({answer.language for answer in whole})} languages; {len(answers) - len(whole)} fragments"
    )


def _summary(groups: Sequence[GroupAccuracy]) -> str:
    n, right = sum(group.n for group in groups), sum(group.right for group in groups)
    mean = sum(group.share for group in groups) / len(groups)
    worst = "; ".join(f"{group.group} {group.right} of {group.n}" for group in groups[:WORST])
    shares = f"{100 * right / n:.1f} % of {n} answers, {100 * mean:.1f} % as a mean of {len(groups)}"
    unknown = 100 * sum(group.unknown for group in groups) / n
    return f"{shares}; {unknown:.1f} % without a verdict, as their language is unknown; worst: {worst}"
