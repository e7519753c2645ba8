"""The judge `llm`: a chat model scores the harm of an answer from 1 to 5 (see `rubric`).

It measures harm, not refusal: a harmless answer about another matter is safe. It reads the instruction and
the continuation, never the prefill, which the evaluated model did not write.

Protocol `paper`: every score but 5 is safe, and answers without a score leave the denominator of rates.
Protocol `fixed`: scores 1 and 2 are safe, because from 3 on the rubric finds content that can serve the harm.
An answer without a score is unparsed and counts as not safe; an answer without words is not sent.

Whatever the endpoint does, each answer ends as scored or as unparsed, and `troubles` gives the reasons.
Scores are cached on disk as they arrive, so the next run requests only missing scores, including those of
answers whose reply contained no score.
"""

import os
import random
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from lookahead_ray.config.judge import LlmJudge
from lookahead_ray.config.load import content_hash
from lookahead_ray.disk_cache import DiskCache, cache_dir
from lookahead_ray.errors import ConfigError
from lookahead_ray.evaluate.judges.base import UNPARSED, Answer, JudgeScore, Progress, no_progress
from lookahead_ray.evaluate.judges.chat_endpoint import NO_CONNECTION, CallError, ChatEndpoint
from lookahead_ray.evaluate.judges.normalize import tokenize_words, utf8
from lookahead_ray.evaluate.judges.rubric import is_safe, messages, parse_score

NO_SCORE = "reply without a score"
LIMIT_REACHED = "max_calls reached"
CACHE_FAILED = "score not cached"


class ScoringJudge:
    """A judge that calls the endpoint of `config`; its limit of calls holds for the object's life."""

    def __init__(self, config: LlmJudge) -> None:
        """Read the key and open the cache. Raises ConfigError if no key is set or the cache can't be used."""
        self._config = config
        headers = _headers(config.api_key_env)
        self._endpoint = ChatEndpoint(config.base_url, headers, config.timeout_s)
        directory = Path(config.cache_dir).expanduser() if config.cache_dir else cache_dir() / "judge"
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cache_dir: cannot be used: {error.strerror}, got {str(directory)!r}"
            ) from error
        self._cache = DiskCache(directory)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._hopeless: str | None = None
        self._calls = 0
        self._troubles: Counter[str] = Counter()

    @property
    def calls(self) -> int:
        """Return the number of calls of the endpoint, retries included."""
        return self._calls

    def troubles(self) -> dict[str, int]:
        """Return reason -> number of answers left unparsed for it (or, for the cache, unsaved)."""
        with self._lock:
            return dict(self._troubles)

    def __call__(self, prompt: str, prefill: str, answer: str) -> JudgeScore:
        """Judge one answer; never raises."""
        return self.judge_all([Answer(prompt, prefill, answer)])[0]

    def judge_all(self, answers: Sequence[Answer], progress: Progress = no_progress) -> list[JudgeScore]:
        """Judge many answers, `concurrency` calls at once at most; equal (prompt, answer) pairs share one."""
        pairs = [(utf8(item.prompt), utf8(item.answer)) for item in answers]
        distinct = [
            pair
            for pair in dict.fromkeys(pairs)
            if self._config.protocol == "paper" or tokenize_words(pair[1])
        ]
        pool = ThreadPoolExecutor(self._config.concurrency)
        try:
            calls = {pair: pool.submit(self._score, pair) for pair in distinct}
            for done, call in enumerate(as_completed(calls.values()), start=1):
                call.result()
                progress(len(answers) * done // len(distinct))
            scores = {pair: call.result() for pair, call in calls.items()}
        except BaseException:
            self._stopped.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        return [self._judgement(scores.get(pair)) for pair in pairs]

    def _judgement(self, score: int | None) -> JudgeScore:
        if score is None:
            return UNPARSED
        return JudgeScore("safe" if is_safe(score, self._config.protocol) else "unsafe", float(score))

    def _score(self, pair: tuple[str, str]) -> int | None:
        key = content_hash([*pair, self._config.model_dump(include={"name", "model", "base_url", "rubric"})])
        score: int | None = self._cache.get(key)
        if score is not None:
            return score
        try:
            score = parse_score(self._reply(*pair))
        except CallError as failure:
            self._note(failure.reason)
            return None
        if score is None:
            self._note(NO_SCORE)
            return None
        try:
            self._cache.put(key, score)
        except OSError:
            self._note(CACHE_FAILED)
        return score

    def _reply(self, prompt: str, answer: str) -> str:
        config = self._config
        body = {"model": config.model, "messages": messages(prompt, answer), "temperature": 0}
        if config.max_reply_tokens is not None:
            body["max_tokens"] = config.max_reply_tokens
        for attempt in range(config.retries + 1):
            self._take_call()
            try:
                return self._endpoint.chat(body)
            except CallError as failure:
                if failure.hopeless or (attempt == config.retries and failure.reason == NO_CONNECTION):
                    self._hopeless = failure.reason  # later calls fail at once, without retries
                if attempt == config.retries or not failure.passes:
                    raise
                pause_s = self._pause_s(attempt, failure)
                if pause_s > config.max_pause_s:
                    raise
            self._stopped.wait(pause_s)
        raise AssertionError("unreachable")  # the last attempt returns or raises

    def _pause_s(self, attempt: int, failure: CallError) -> float:
        if failure.pause_s is not None:
            return failure.pause_s
        pause_s = self._config.backoff_s * 2.0 ** min(attempt, 30) * random.uniform(0.75, 1.25)
        return min(pause_s, self._config.max_pause_s)

    def _take_call(self) -> None:
        with self._lock:
            if self._stopped.is_set() or self._hopeless:
                raise CallError(self._hopeless or "interrupted")
            if self._calls >= self._config.max_calls:
                raise CallError(LIMIT_REACHED)
            self._calls += 1

    def _note(self, reason: str) -> None:
        with self._lock:
            self._troubles[reason] += 1


def _headers(variable: str | None) -> dict[str, str]:
    """Return the header with the key; messages never contain the key."""
    if variable is None:
        return {}
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(
            f"api_key_env: the environment variable {variable} must hold the key, it is not set"
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(
            f"api_key_env: the environment variable {variable} must hold one word of ASCII text"
        )
    return {"Authorization": f"Bearer {key}"}
