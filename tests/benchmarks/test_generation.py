"""Which generated tokens count."""

from benchmarks import generation_settings


def test_generated_tokens_count_up_to_the_end_token() -> None:
    ends = frozenset({2, 9})
    assert generation_settings.until_end([5, 6, 9, 2, 2], ends) == [5, 6]
    assert generation_settings.until_end([5, 6], ends) == [5, 6]
    assert generation_settings.counted_tokens([5, 6], 8) == 3
    assert generation_settings.counted_tokens([5] * 8, 8) == 8
