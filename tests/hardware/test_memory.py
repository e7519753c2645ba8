"""A container's limit counts, not the machine's memory."""

from pathlib import Path

from lookahead_ray.hardware.memory import usable_memory


def test_the_smallest_limit_counts(tmp_path: Path) -> None:
    whole = usable_memory(())
    assert whole
    for content, expected in (("1048576\n", 2**20), ("max\n", whole), (str(2**62), whole), ("", whole)):
        file = tmp_path / "memory.max"
        file.write_text(content)
        assert usable_memory((tmp_path / "none", file)) == expected
