"""The card of a trained model."""

import re
from dataclasses import replace
from typing import Any

import yaml

from lookahead_ray.config.load import trial_json
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.presentation.model_card import escaped, model_card
from lookahead_ray.trial.record import TrialRecord
from tests.factory import make_record
from tests.presentation.records import HOSTILE

COMMAND = "lookahead-ray train mine.yaml --output out"


def record(**tree: Any) -> TrialRecord:
    whole = {"task": {"name": "gsm8k", "path": "train.jsonl"}, **tree}
    return replace(
        make_record(3, prompts=20).with_measured(
            preparation={"training_examples": 256.0, "safety_examples": 25.0, "seconds": 3.0}
        ),
        config=trial_json(TrialConfig.model_validate(whole)),
    )


def test_the_card_has_base_model_method_and_rates() -> None:
    made = record(preview={"strategy": "virtual", "prefix": "So, "}, model={"path": "org/chat"})
    text = model_card(made, adapter=False, command=COMMAND)
    assert "# org/chat, fine-tuned on gsm8k" in text
    assert "virtual, “So,”. All weights were trained." in text
    assert "| training examples | 256 |" in text
    assert f"| data hash | {made.measurement.data_hash} |" in text
    assert "name gsm8k" not in text
    assert r"| task | gsm8k, seed 0, train\_path 'train.jsonl'" in text
    assert r"| learning\_rate | 2e-05 |" in text
    for metric in ("rsr", "jsr", "over_refusal", "utility"):
        found = getattr(made, metric)
        figures = f"| {100 * found.value:.1f} % | {100 * found.low:.1f} to {100 * found.high:.1f} |"
        assert f"{figures} {found.n} | {found.unparsed} |" in text
    assert r"prefill\_3" in text
    assert "torch 2.13.0, deepspeed 0.19.8" in text
    assert f"```sh\n{COMMAND}\n```" in text
    assert made.generations[0].prompt not in text
    assert made.generations[0].answer not in text


def test_general_abilities_are_listed() -> None:
    score = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 16.0}
    text = model_card(record().with_measured(harness={"arc/acc": score}), adapter=False, command=COMMAND)
    assert "| lm-eval | arc/acc | none | – | 0.500 | 0.250 to 0.750 | 16 | – |" in text


def test_a_merge_is_said_with_its_share() -> None:
    assert "moved back" not in model_card(record(), adapter=False, command=COMMAND)
    text = model_card(record(merge={"share": 0.75}), adapter=False, command=COMMAND)
    assert "no preview, share 0.75. All weights were trained. Then all weights were moved back" in text
    assert "a share of 0.75 of their change by training is kept." in text
    assert "| merge | linear, share 0.75 |" in text
    layers = {"name": "layers", "share": 0.5, "threshold": 0.6, "base_path": "org/base"}
    made = record(merge=layers)
    assert made.measurement
    counts = {**made.measurement.preparation, "merge_layers": 14.0, "merge_moved_layers": 9.0}
    text = model_card(made.with_measured(preparation=counts), adapter=False, command=COMMAND)
    assert "Then the weights that the merge layers chooses were moved back" in text
    assert r"| merge | layers, share 0.5, threshold 0.6, base\_path 'org/base' |" in text
    assert "| linear layers that training changed | 14 |\n| moved back of these | 9 |" in text


def test_begins_with_metadata() -> None:
    for adapter, library in ((False, "transformers"), (True, "peft")):
        made = record(training={"lora": {"rank": 4}})
        text = model_card(made, adapter, COMMAND)
        block = yaml.safe_load(text.split("---\n")[1])
        assert block["library_name"] == library
        assert ("merged into the weights" in text) != adapter
        assert ("adapter alone" in text) == adapter


def test_untrusted_text_is_no_markup() -> None:
    evil = f"</td><script>x</script> | [a](http://x.y) ![b](c) **d** `e`\n# f {HOSTILE}"
    made = record(
        model={"path": evil},
        task={"name": "gsm8k", "path": evil},
        preview={"strategy": "virtual", "prefix": evil},
    )
    made = made.with_measured(generations=tuple(replace(row, suite=evil) for row in made.generations))
    text = model_card(made, adapter=False, command=f"lookahead-ray train '{evil}' ```")
    outside = text.split("## Reproduction")[0]
    assert "<script" not in outside
    assert not re.search(r"(?<!\\)[\[*`]", outside)
    assert not re.search(r"(?<![\\w])http://", outside.replace("http\\://", ""))
    assert all(c.isprintable() or c == "\n" for c in text)
    tables = [line for line in outside.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in tables} == {3, 9}
    assert "\n# f" not in outside
    fence = re.findall(r"^`+", text, re.MULTILINE)
    assert fence[0] == "`" * 4  # longer than any run in the command


def test_escaped() -> None:
    assert escaped("a_b <i>&amp; $x$ www.x.y") == r"a\_b &lt;i&gt;&amp;amp; \$x\$ www\.x.y"
