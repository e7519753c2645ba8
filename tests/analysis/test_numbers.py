"""The numbers of `paper` and `compare` equal those of the tables."""

import csv
import io
import json
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from matplotlib.figure import Figure
from scipy.stats import binomtest, ttest_rel
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests

from analysis import configurations, scores
from analysis.compare import Comparison, compare
from analysis.compare.show import show_comparison
from analysis.measures import measures
from analysis.paper import figures
from analysis.paper.data import figure_4, figure_5
from analysis.paper.kl import figure_3
from analysis.paper.missing import FigureError
from analysis.paper.write import table_text, write_figure
from analysis.runs import open_runs
from analysis.show import as_latex, as_markdown
from lookahead_ray import store
from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.presentation import fonts
from lookahead_ray.presentation.fonts import Fonts
from lookahead_ray.trial.record import TrialRecord
from tests.analysis.runs import sweep, with_successes, without, write_run
from tests.factory import make_record


def opened(run: str) -> tuple[pa.Table, scores.Scores]:
    runs = open_runs([run])
    configured = configurations.configured(runs.table("trials", configurations.COLUMNS))
    return configured, scores.Scores(runs.whole_trials("generations", scores.COLUMNS))


def rows_of(*runs: str, number: int = 1) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table_text(runs, number, "csv"))))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_run(tmp_path_factory.mktemp("numbers") / "run", sweep(prompts=40))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_run(tmp_path_factory.mktemp("numbers") / "seeds", sweep(prompts=20, seeds=(0, 1, 2)))


def test_table_1_is_what_generations_and_trials_say(run: str) -> None:
    reader = store.open(run)
    recomputed = {
        (row["trial_id"], row["metric"]): row
        for row in store.recompute_rates(reader.generations()).to_pylist()
    }
    trials = {row["trial_id"]: row for row in reader.trials().to_pylist()}
    shown = rows_of(run)
    order = ["trial-900", "trial-901", "trial-0", "trial-1", "trial-3", "trial-2"]
    assert [row["method"] for row in shown][:4] == [
        "seed model",
        "vanilla",
        "true, 3 tokens",
        "true, 6 tokens",
    ]
    for row, trial_id in zip(shown, order, strict=True):
        for metric in ("rsr", "jsr", "utility"):
            want, stored = recomputed[trial_id, metric], trials[trial_id]
            assert float(row[metric]) == want["value"]
            assert (int(row[f"{metric}_n"]), int(row[f"{metric}_unparsed"])) == (want["n"], want["unparsed"])
            assert float(row[f"{metric}_low"]) == pytest.approx(stored[f"{metric}_low"], abs=1e-12)
            assert float(row[f"{metric}_high"]) == pytest.approx(stored[f"{metric}_high"], abs=1e-12)
        assert float(row["safety"]) == (float(row["rsr"]) + float(row["jsr"])) / 2
    markdown = table_text([run], 1, "markdown").splitlines()
    for row, line in zip(shown, markdown[2:], strict=True):
        assert f"| {100 * float(row['rsr']):.1f} \\[{100 * float(row['rsr_low']):.1f}, " in line


def test_differences_are_paired(run: str) -> None:
    row = rows_of(run)[2]
    answers = store.open(run).generations().to_pylist()

    def safe(trial_id: str) -> list[float]:
        found = [a for a in answers if (a["trial_id"], a["metric"]) == (trial_id, "rsr")]
        return [float(a["verdict"] == "safe") for a in sorted(found, key=lambda a: str(a["prompt_id"]))]

    own, vanilla = safe("trial-0"), safe("trial-901")
    low, high = ttest_rel(own, vanilla).confidence_interval(0.95)
    assert float(row["rsr_change"]) == pytest.approx(sum(own) / 40 - sum(vanilla) / 40)
    assert (float(row["rsr_change_low"]), float(row["rsr_change_high"])) == pytest.approx((low, high))


def test_seeds_are_a_mean_and_a_spread(seeds: str) -> None:
    trials = {row["trial_id"]: row for row in store.open(seeds).trials().to_pylist()}
    shown = rows_of(seeds)
    assert [row["seeds"] for row in shown] == ["1", "3", "3", "3", "3", "3"]
    own = [trials[trial_id]["rsr"] for trial_id in ("trial-0", "trial-100", "trial-200")]
    mean = sum(own) / 3
    assert float(shown[2]["rsr"]) == pytest.approx(mean)
    assert float(shown[2]["rsr_spread"]) == pytest.approx(math.sqrt(sum((x - mean) ** 2 for x in own) / 2))
    low, high = student.interval(0.95, 2, mean, float(shown[2]["rsr_spread"]) / math.sqrt(3))
    assert float(shown[2]["rsr_low"]) <= max(low, 0) + 1e-12
    assert float(shown[2]["rsr_high"]) >= min(high, 1) - 1e-12
    replicated = compare([seeds]).replicated.to_pylist()
    row = next(row for row in replicated if (row["label"], row["metric"]) == ("true, 3 tokens", "rsr"))
    assert (row["seeds"], row["mean"], row["least"], row["most"]) == (
        3,
        pytest.approx(mean),
        min(own),
        max(own),
    )


def test_table_2_is_relative_to_vanilla(tmp_path: Path) -> None:
    records = [
        record.with_measured(flops=1.05e12, train_tokens=1040) if record.trial_id == "trial-1"
        else record.with_measured(flops=1e12, train_tokens=1000) if record.flops else record
        for record in sweep()
    ]  # fmt: skip
    records[0] = records[0].with_measured(flops=0.0)
    run = write_run(tmp_path / "run", records)
    shown = {row["method"]: row for row in rows_of(run, number=2)}
    assert "seed model" not in shown
    assert float(shown["true, 6 tokens"]["flops_ratio"]) == pytest.approx(1.05)
    assert float(shown["true, 6 tokens"]["tokens_ratio"]) == pytest.approx(1.04)
    assert "| +5.00 % | +4.00 % | 1 |" in table_text([run], 2, "markdown")


def test_several_tasks_have_a_mean(tmp_path: Path) -> None:
    def as_task(record: TrialRecord, name: str) -> TrialRecord:
        return replace(record, config={**record.config, "task": {"name": name}})

    runs = [
        write_run(tmp_path / name, [as_task(record, name) for record in sweep()])
        for name in ("gsm8k", "samsum")
    ]
    shown = rows_of(*runs)
    assert [row["task"] for row in shown] == ["gsm8k"] * 6 + ["samsum"] * 6 + ["mean"] * 6
    assert float(shown[13]["rsr"]) == pytest.approx((float(shown[1]["rsr"]) + float(shown[7]["rsr"])) / 2)
    side = compare(runs).side_by_side
    assert side.column_names == ["label", "metric", "gsm8k", "samsum"]
    assert side["gsm8k"].equals(side["samsum"])


def two(tmp_path: Path, own: range, vanilla: range, n: int = 40) -> Comparison:
    """Return vanilla and one trial that succeed on these prompts of RSR."""
    records = sweep()
    records = [with_successes(records[1], "rsr", vanilla, n), with_successes(records[2], "rsr", own, n)]
    return compare([write_run(tmp_path / "run", records)])


def test_mcnemar_under_holm(tmp_path: Path) -> None:
    made = two(tmp_path, range(10, 40), range(20))
    (row,) = (row for row in made.tests.to_pylist() if row["metric"] == "rsr")
    assert (row["gained"], row["lost"], row["n"]) == (20, 10, 40)
    assert row["p"] == pytest.approx(binomtest(10, 30, 0.5).pvalue)
    ps = made.tests["p"].to_pylist()
    assert made.tests["p_holm"].to_pylist() == pytest.approx(list(multipletests(ps, method="holm")[1]))
    assert row["differs"] is False
    assert any("RSR: 1 of 1 indistinguishable from vanilla" in line for line in made.sentences)


def test_a_difference_beyond_the_noise(tmp_path: Path) -> None:
    made = two(tmp_path, range(40), range(10))
    assert any("RSR: above vanilla beyond the noise: (true, 3 tokens)" in line for line in made.sentences)


def test_a_printed_difference_has_its_prompts_and_unparsed_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_comparison(two(tmp_path, range(40), range(10)))
    table = capsys.readouterr().out.partition("Those that differ")[2].splitlines()
    head = next(line for line in table if line.startswith("label"))
    assert head.split()[-5:] == ["gained", "lost", "n", "unparsed", "p_holm"]
    row = next(line for line in table if " RSR " in line)
    assert row.split()[-6:] == ["30", "0", "40", "0,", "0", "<0.001"]


def test_a_figure_of_merged_models_says_so() -> None:
    rest = {"training": {"epochs": 1}, "merge": {"name": "linear", "share": 0.7}}
    table = pa.table({"rest": [json.dumps(rest)], "n": [40], "seeds": [1]})
    assert figures._shared(table) == "epochs 1, share 0.7, n = 40 prompts, 1 seed"


def test_a_single_configuration_is_no_winner(tmp_path: Path) -> None:
    made = two(tmp_path, range(40), range(10))
    assert not any("winner" in line or "all others" in line for line in made.sentences)


def test_a_run_without_a_completed_search_trial_says_so(tmp_path: Path) -> None:
    (line,) = compare([write_run(tmp_path / "run", sweep()[:2])]).sentences
    assert line == "No trained trial besides vanilla was completed, so there is nothing to test."


def test_no_winner_inside_the_noise(tmp_path: Path) -> None:
    records = sweep()
    near = [
        with_successes(records[2], "rsr", range(30), 40),
        with_successes(records[3], "rsr", range(28), 40),
    ]
    vanilla = with_successes(records[1], "rsr", range(5), 40)
    lines = compare([write_run(tmp_path / "near", [vanilla, *near])]).sentences
    assert (
        "near, RSR: no winner; highest is true, 3 tokens, indistinguishable from (true, 6 tokens)." in lines
    )
    far = [near[0], with_successes(records[3], "rsr", range(2), 40)]
    lines = compare([write_run(tmp_path / "far", [vanilla, *far])]).sentences
    assert "far, RSR: true, 3 tokens is highest, and differs from all others beyond the noise." in lines


def test_unparsed_answers_are_not_safe_and_shown(tmp_path: Path) -> None:
    records = sweep()[1:3]
    rows = tuple(
        replace(row, verdict="unparsed") if row.metric == "rsr" else row for row in records[1].generations
    )
    run = write_run(tmp_path / "run", [records[0], records[1].with_measured(generations=rows)])
    (row,) = (row for row in compare([run]).tests.to_pylist() if row["metric"] == "rsr")
    assert (row["value"], row["unparsed"], row["n"]) == (0.0, 12, 12)


def test_other_prompts_are_not_tested(tmp_path: Path) -> None:
    records = sweep()
    run = write_run(tmp_path / "run", [records[1], with_successes(records[2], "rsr", range(3), 5)])
    (row,) = (row for row in compare([run]).tests.to_pylist() if row["metric"] == "rsr")
    assert (row["test"], row["p"], row["differs"]) == ("none: other prompts", None, None)


def test_scores_have_wilcoxons_test(tmp_path: Path) -> None:
    def scored(record: TrialRecord, shift: float) -> TrialRecord:
        rows = tuple(
            replace(row, verdict="scored", score=0.3 + 0.02 * place % 1 + shift)
            if row.metric == "utility"
            else row
            for place, row in enumerate(record.generations)
        )
        return record.with_measured(generations=rows)

    records = sweep()
    run = write_run(tmp_path / "run", [scored(records[1], 0.0), scored(records[2], 0.1)])
    (row,) = (row for row in compare([run]).tests.to_pylist() if row["metric"] == "utility")
    assert (row["test"], row["gained"]) == ("Wilcoxon", 12)
    assert row["change"] == pytest.approx(0.1)


WORKS: dict[str, Any] = {
    "one trial": lambda: [make_record(1)],
    "no vanilla": lambda: [sweep()[2], sweep()[3]],
    "no JSR": lambda: [without(record, "jsr") for record in sweep()],
    "no utility": lambda: [without(record, "utility") for record in sweep()],
    "NaN utility": lambda: [
        replace(
            record, utility=record.utility and replace(record.utility, value=math.nan), objective=math.nan
        )
        for record in sweep()
    ],
}


@pytest.mark.parametrize("name", WORKS)
def test_runs_with_missing_parts(name: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", WORKS[name]())
    completed = len(store.open(run).trials()) - (0 if name in ("one trial", "no vanilla") else 1)
    for form in ("markdown", "latex", "csv"):
        assert len(table_text([run], 1, form).splitlines()) >= completed + 1
    if name == "no JSR":
        assert all((row["jsr"], row["safety"]) == ("", "") for row in rows_of(run))
    made = compare([run])
    assert made.sentences
    assert name in ("one trial", "no vanilla") or made.tests.num_rows


def test_figures_show_the_tables_numbers(run: str) -> None:
    configured, found = opened(run)
    measured = measures(configured, found)
    trials = {row["trial_id"]: row for row in store.open(run).trials().to_pylist()}
    curve = [row for row in figure_4(configured, measured).to_pylist() if row["metric"] == "rsr"]
    assert [row["length_tokens"] for row in curve] == [0, 3, 6]
    assert [row["value"] for row in curve] == [trials[f"trial-{n}"]["rsr"] for n in (901, 0, 1)]
    bars = [row for row in figure_5(configured, measured).to_pylist() if row["metric"] == "utility"]
    assert [row["value"] for row in bars] == [trials[f"trial-{n}"]["utility"] for n in (901, 3, 2)]
    kl = figure_3(configured, open_runs([run]).table("token_kl"))
    first = [row["value"] for row in kl.to_pylist() if row["label"] == "vanilla"]
    assert first == pytest.approx(trials["trial-901"]["kl"])


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
@pytest.mark.parametrize("number", [3, 4, 5])
def test_figures_are_written(number: int, form: str, run: str, tmp_path: Path) -> None:
    out = tmp_path / "new" / f"figure.{form}"
    assert write_figure([run], number, form, out) is None
    assert out.read_bytes().startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[form])


def test_phrases_in_a_script_without_a_font_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = [entry for entry in fonts.fontManager.ttflist if "mpl-data" in entry.fname]
    monkeypatch.setattr(fonts.fontManager, "ttflist", shipped)
    monkeypatch.setattr(fonts, "findSystemFonts", list)
    run = write_run(tmp_path / "run", [in_chinese(record) for record in sweep()])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_figure([run], 5, "png", tmp_path / "figure.png")
    line = capsys.readouterr().err
    assert line.startswith("figure: no installed font shows 我们开始吧")
    assert "boxes" in line
    assert line.count("\n") == 1


def test_phrases_are_drawn_with_an_installed_font_that_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run", [in_chinese(record) for record in sweep()])
    monkeypatch.setattr(figures, "choose_fonts", lambda texts: Fonts(("Noto Sans CJK JP",), frozenset()))
    families = []

    def saved(figure: Figure, *args: object, **kwargs: object) -> None:
        families.extend(label.get_fontfamily() for label in figure.axes[0].get_yticklabels())

    monkeypatch.setattr(Figure, "savefig", saved)
    write_figure([run], 5, "png", tmp_path / "figure.png")
    assert families
    assert all(family == ["Noto Sans CJK JP"] for family in families)


def in_chinese(record: TrialRecord) -> TrialRecord:
    """Return the record with another phrase if its preview is virtual."""
    preview = record.config["preview"]
    if preview["strategy"] != "virtual":
        return record
    words = {"prefix": f"我们开始吧 {len(preview['prefix'])}"}
    return replace(record, config={**record.config, "preview": {**preview, **words}})


def test_a_figure_without_data_names_what_is_missing(tmp_path: Path) -> None:
    records = sweep()
    run = write_run(tmp_path / "run", [record.with_measured(token_kl=()) for record in records[:3]])
    configured, found = opened(run)
    measured = measures(configured, found)
    with pytest.raises(
        FigureError, match=r"2 lengths or more .*, got 3; missing are trials over preview\.len"
    ):
        figure_4(configured, measured)
    with pytest.raises(
        FigureError, match=r"2 prefixes or more .*, got none; missing are trials over preview\.prefix"
    ):
        figure_5(configured, measured)
    with pytest.raises(FigureError, match=r"evaluation\.kl_tokens\), got none of trial-901, trial-0"):
        figure_3(configured, open_runs([run]).table("token_kl"))
    with pytest.raises(LookaheadRayError, match="--trial: must be a trial of the runs, got 'x'"):
        table_text([run], 1, "csv", ["x"])


def test_latex_and_markdown_escape() -> None:
    table = pa.table({"a_b": ["100 % {of} $x_1$ & #<b> \\input{x} ~^ \x1b[2J|`*"]})
    assert (
        r"100 \% \{of\} \$x\_1\$ \& \#\textless{}b\textgreater{} \textbackslash{}input\{x\} "
        r"\textasciitilde{}\textasciicircum{} |`* \\"
    ) in as_latex(table)
    assert r"\$" not in as_markdown(table)
    assert r"#\<b\> \\input{x} ~^ \|\`\* |" in as_markdown(table)


@pytest.mark.parametrize("prefix", ["[Answer] ", "*Answer:* "])
def test_a_row_of_latex_is_no_argument_of_the_line_break(prefix: str) -> None:
    table = pa.table({"prefix": [prefix, "none"], "value": [0.5, 0.25]})
    assert not any(line.startswith(("[", "*")) for line in as_latex(table).splitlines())
    assert f"{{}}{prefix.strip()} & 0.5 " in as_latex(table)
