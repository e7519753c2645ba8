"""Losses of the first answer tokens, for each preview, over the rows of training."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from lookahead_ray.config.preview import NoPreview, PreviewConfig, TruePreview, VirtualPreview
from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.data.example import Example
from lookahead_ray.errors import DataError, ModelError
from lookahead_ray.evaluate import opening_loss
from lookahead_ray.evaluate.opening_loss import OpeningNats, opening_nats
from lookahead_ray.trial.fine_tuning import training_rows
from tests.method.contexts import alone
from tests.toy import toy_model, toy_tokenizer

TOKENIZER = toy_tokenizer()
MODEL = toy_model(vocab=260)
EXAMPLES = [Example(None, "What is 3 + 4?", "3 + 4 = 7\n#### 7"), Example(None, "And 1 + 1?", "2\n#### 2")]
PREVIEWS: tuple[PreviewConfig, ...] = (
    NoPreview(),
    TruePreview(strategy="true", length_tokens=5),
    VirtualPreview(strategy="virtual", prefix="So, "),
)
TRAINING = TrainingConfig()


def measure(tokens: int = 4, training: TrainingConfig = TRAINING) -> list[list[OpeningNats]]:
    return opening_nats(MODEL, TOKENIZER, EXAMPLES, PREVIEWS, training, tokens)


def by_hand(row: Rendered) -> list[float]:
    """The losses of all of the row's answer tokens, one pass for each."""
    found = []
    for index, token in enumerate(row.answer_ids):
        ids = torch.tensor([[*row.prompt_ids, *row.answer_ids[:index]]])
        with torch.inference_mode():
            found.append(-MODEL(input_ids=ids).logits[0, -1].log_softmax(-1)[token].item())
    return found


@pytest.mark.parametrize("index", range(len(PREVIEWS)), ids=lambda index: PREVIEWS[index].strategy)
def test_the_losses_are_those_of_the_rows_that_are_trained(tmp_path: Path, index: int) -> None:
    config = TrialConfig.model_validate({"task": {"name": "gsm8k"}, "preview": PREVIEWS[index].model_dump()})
    rows, _, _ = training_rows(config, EXAMPLES, [], alone(tmp_path, model=MODEL, tokenizer=TOKENIZER))
    phrase = len("So, ") if PREVIEWS[index].strategy == "virtual" else 0
    for found, row in zip(measure()[index], rows, strict=True):
        expected = by_hand(row)
        assert found.trained == pytest.approx(expected[:4], abs=1e-4)
        assert found.answer == pytest.approx(expected[phrase : phrase + 4], abs=1e-4)


def test_an_answer_that_is_shorter_has_fewer_losses() -> None:
    none, _, virtual = measure(tokens=12)
    assert len(none[1].trained) == len("2\n#### 2") + 1  # and its end
    assert len(virtual[1].trained) == 12
    assert len(virtual[1].answer) == len("2\n#### 2") + 1


def test_a_row_left_out_under_one_preview_is_left_out_under_all(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = {preview.strategy: row_lengths(monkeypatch, preview) for preview in PREVIEWS}
    limit = max(lengths["virtual"]) - 1
    assert limit >= max(lengths["none"])
    found = measure(training=TrainingConfig(max_length=limit, too_long="skip"))
    assert [len(rows) for rows in found] == [1, 1, 1]
    assert found[0][0] == pytest.approx(measure()[0][1])


def row_lengths(monkeypatch: pytest.MonkeyPatch, preview: PreviewConfig) -> list[int]:
    """The lengths of the whole rows."""
    seen: list[int] = []

    def fit(rows: Sequence[Rendered], *limits: object) -> list[Rendered]:
        seen.extend(row.length for row in rows)
        return list(rows)

    with monkeypatch.context() as patch:
        patch.setattr(opening_loss, "fit_rows", fit)
        opening_nats(MODEL, TOKENIZER, EXAMPLES, [preview], TRAINING, 1)
    return seen


def test_without_a_row_that_fits_all_previews_it_says_so() -> None:
    with pytest.raises(DataError, match=r"^training\.max_length: "):
        measure(training=TrainingConfig(max_length=16, too_long="skip"))


def test_an_answer_that_is_cut_within_the_phrase_has_no_loss_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = row_lengths(monkeypatch, PREVIEWS[2])
    prompt = whole[0] - len("So, 3 + 4 = 7\n#### 7") - 1
    (rows,) = opening_nats(
        MODEL, TOKENIZER, EXAMPLES[:1], PREVIEWS[2:], TrainingConfig(max_length=prompt + 3), 4
    )
    assert len(rows[0].trained) == 3
    assert rows[0].answer == ()


def test_rows_longer_than_the_models_context_are_refused() -> None:
    model = toy_model(vocab=260, max_position_embeddings=40)
    with pytest.raises(ModelError, match="context length is 40"):
        opening_nats(model, TOKENIZER, EXAMPLES, PREVIEWS, TRAINING, 4)


def test_progress_counts_the_rows() -> None:
    told: list[tuple[int, int]] = []
    opening_nats(MODEL, TOKENIZER, EXAMPLES, PREVIEWS, TRAINING, 4, lambda *seen: told.append(seen))
    assert told == [(1, 2), (2, 2)]
