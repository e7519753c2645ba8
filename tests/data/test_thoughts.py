"""Thoughts and answers in texts of reasoning models."""

from itertools import pairwise

import pytest

from lookahead_ray.data.thoughts import Reply, scored_part, split_thoughts


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("A pear.", Reply(None, "A pear.")),
        ("", Reply(None, "")),
        ("<think>\nWhich?\n</think>\n\nA pear.", Reply("Which?", "A pear.")),
        ("\n<think></think>A pear.", Reply("", "A pear.")),
        ("<THINKING>Which?</THINKING> A pear.", Reply("Which?", "A pear.")),
        ("[THINK]Which?[/THINK]A pear.", Reply("Which?", "A pear.")),
        (
            "<|begin_of_thought|>\nWhich?\n<|end_of_thought|>\n\n"
            "<|begin_of_solution|>\nA pear.\n<|end_of_solution|>",
            Reply("Which?", "A pear."),
        ),
        ("<reasoning>Which?</reasoning><answer>A pear.</answer>", Reply("Which?", "A pear.")),
        ("◁think▷Which?◁/think▷A pear.", Reply("Which?", "A pear.")),
        ("<think>Which?</think>\n<think>Or?</think>\nA pear.", Reply("Which?\n\nOr?", "A pear.")),
        ("Well.\n<think>\nWhich?\n</think>\nA pear.", Reply("Which?", "Well.\n\nA pear.")),
        ("Which? This one.\n</think>\n\nA pear.", Reply("Which? This one.", "A pear.")),
        ("<analysis>Which?</analysis>A pear.", Reply("Which?", "A pear.")),
        (
            "Here is my thought process:\nWhich?\nHere is my response:\nA pear.",
            Reply("Which?", "A pear."),
        ),
        ("Write it as `<think>` in the page.", Reply(None, "Write it as `<think>` in the page.")),
        ("<a>\n<reason>late</reason>\n</a>", Reply(None, "<a>\n<reason>late</reason>\n</a>")),
    ],
)
def test_parts(text: str, reply: Reply) -> None:
    assert split_thoughts(text) == reply
    assert not reply.is_unfinished


@pytest.mark.parametrize(
    "text",
    ["<think>\nWhich?", "<think>Which?</think>\n\n", "<reasoning>Which?</think> A pear", "[think] Which?"],
)
def test_without_an_answer(text: str) -> None:
    assert split_thoughts(text).is_unfinished


@pytest.mark.parametrize(
    ("reference", "answer"),
    [("A pear.", "A pear."), ("<think>Which?</think>A pear.", "A pear."), ("<think>Which?", "<think>Which?")],
)
def test_the_part_of_a_reference_that_is_compared(reference: str, answer: str) -> None:
    assert scored_part(reference) == answer


def test_a_prompt_that_opened_them() -> None:
    assert split_thoughts("Which?</think>A pear.", opened=True) == Reply("Which?", "A pear.")
    assert split_thoughts("<think>\nWhich?</think>A pear.", opened=True) == Reply("Which?", "A pear.")
    assert split_thoughts("A pear.", opened=True).is_unfinished


def test_channels() -> None:
    said = "<|channel|>analysis<|message|>Which?<|end|><|start|>assistant<|channel|>final<|message|>A pear."
    assert split_thoughts(said) == Reply("Which?", "A pear.")
    assert split_thoughts(said.partition("<|start|>")[0]).is_unfinished
    assert split_thoughts("<|channel|>final<|message|>A pear.<|return|>") == Reply(None, "A pear.")


def test_an_answer_only_grows() -> None:
    """A verdict that was final for a beginning of the answer stays final."""
    text = "Well.\n<think>\nWhich?\n</think>\nA pear, or\n<think>two</think>\nnone."
    starts = [text[:end] for end in range(len(text) + 1)]
    readable = [start for start in starts if "<" not in start.rpartition("\n")[2]]
    answers = [split_thoughts(start).answer.strip() for start in readable]
    assert all(later.startswith(earlier) for earlier, later in pairwise(answers))
    assert answers[-1] == "Well.\n\nA pear, or\n\nnone."
