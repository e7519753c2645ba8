"""The tokens of chats against the model's embedding."""

from lookahead_ray.data.chat import answer_ids, end_token_id, prompt_ids
from lookahead_ray.errors import ModelError
from lookahead_ray.model.outline import ModelOutline


def check_vocabulary(outline: ModelOutline) -> None:
    """Raise if a chat has tokens that the model does not have; the padding token may be any (see `load`).

    Raises:
        ModelError: the tokenizer belongs to another model, or tokens were added without resizing the model.
    """
    tokenizer, rows = outline.tokenizer, outline.embedding_rows
    advice = "use the tokenizer that belongs to the model, or resize the model (resize_token_embeddings)"
    size = int(tokenizer.vocab_size)
    if size > rows:
        raise ModelError(
            f"model.path: the tokenizer of {outline.path} has {size} tokens, but the model's embedding has "
            f"{rows}: {advice}"
        )
    used = [*prompt_ids(tokenizer, "x", "x"), *answer_ids(tokenizer, "x"), end_token_id(tokenizer)]
    outside = sorted({token for token in used if token >= rows})
    if outside:
        names = ", ".join(f"{tokenizer.convert_ids_to_tokens(token)} ({token})" for token in outside)
        raise ModelError(
            f"model.path: the chats of {outline.path} use {names}, but the model's embedding has {rows} "
            f"tokens: {advice} and train the new rows"
        )
