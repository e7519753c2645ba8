"""Rows with previews in TRL's trainer."""

from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.preview import PreviewConfig, TruePreview, VirtualPreview
from lookahead_ray.preview import preview_row
from tests.tiny import make_model, make_tokenizer

pytestmark = pytest.mark.slow

ASKED, ANSWER = "Mia has 3 apples and gets 4 more. How many has she?", "3 + 4 = 7\n#### 7"
LAYOUTS: dict[str, dict[str, Any]] = {
    "prompt and completion": {
        "prompt": [{"role": "user", "content": ASKED}],
        "completion": [{"role": "assistant", "content": ANSWER}],
    },
    "texts": {"prompt": ASKED, "completion": f" {ANSWER}"},
    "messages": {
        "messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": ANSWER}],
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "preview",
    [TruePreview(strategy="true", length_tokens=4), VirtualPreview(strategy="virtual")],
    ids=lambda preview: preview.strategy,
)
def test_trl_trains_on_mapped_rows(layout: str, preview: PreviewConfig, tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    tokenizer = make_tokenizer()
    rows = Dataset.from_list([LAYOUTS[layout]] * 4)
    data = rows.map(preview_row, fn_kwargs={"preview": preview, "tokenizer": tokenizer})
    config = trl.SFTConfig(
        output_dir=str(tmp_path / "out"),
        max_steps=2,
        per_device_train_batch_size=2,
        use_cpu=True,
        bf16=False,
        report_to="none",
        save_strategy="no",
    )
    trainer = trl.SFTTrainer(str(make_model(tmp_path / "model")), args=config, train_dataset=data)
    batch = next(iter(trainer.get_train_dataloader()))
    text = tokenizer.decode(batch["input_ids"][0])
    assert "The answer begins with: " in text
    assert trainer.train().training_loss > 0
