"""Answers of a model as text, with and without constrained decoding.

Constrained: before each token, every token that would lead out of the schema gets probability zero. llguidance (Microsoft,
guidance-ai) works out which those are. It was chosen because it is one wheel of 3 MB without dependencies, for every platform of
the course; outlines and xgrammar bring torch-side packages along, and a mask of our own would be a JSON parser to maintain.
"""

from __future__ import annotations

import json

import numpy as np

from .. import answering, evaluation
from ..runtime import CourseError
from .extraction import SCHEMA


def write(model, tokenizer, task, rows: list[dict], constrained: bool = False, batch: int = 16,
          max_new_tokens: int = 125) -> list[str]:
    """What the model writes, greedily, for each row. constrained: only what SCHEMA allows."""
    if not constrained:
        return [one.text for one in answering.write(model, tokenizer, task, rows, batch, max_new_tokens)]
    grammar = Grammar(tokenizer)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]["text"]))
    texts = [""] * len(rows)
    for start in range(0, len(order), batch):
        picked = order[start:start + batch]
        part = _constrained(model, tokenizer, task, [rows[i] for i in picked], grammar, max_new_tokens)
        for i, text in zip(picked, part, strict=True):
            texts[i] = text
    return texts


def _constrained(model, tokenizer, task, rows, grammar, limit) -> list[str]:
    import torch
    from transformers import LogitsProcessorList

    prompts = [evaluation.prompt_tokens(tokenizer, task, row) for row in rows]
    width, fill = max(map(len, prompts)), tokenizer.pad_token_id or 0
    ids = torch.tensor([[fill] * (width - len(p)) + p for p in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    with torch.inference_mode():
        out = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=limit, do_sample=False, pad_token_id=fill,
                             logits_processor=LogitsProcessorList([Allowed(grammar, len(rows), width)]))
    return [tokenizer.decode(row[width:], skip_special_tokens=True) for row in out]


class Grammar:
    """SCHEMA and a tokenizer's vocabulary, prepared once: which tokens may come next?"""

    def __init__(self, tokenizer, schema: dict = SCHEMA):
        try:
            from llguidance import LLMatcher
            from llguidance.hf import from_tokenizer
        except ImportError as error:
            raise CourseError("Constrained decoding needs the package llguidance.", "pip install llguidance") from error
        self.vocabulary = from_tokenizer(tokenizer)
        closed = {**schema, "x-guidance": {"whitespace_flexible": False}}  # one line, as in training
        self._fresh = LLMatcher, LLMatcher.grammar_from_json_schema(json.dumps(closed))

    def start(self):
        """A matcher at the beginning of an answer."""
        make, grammar = self._fresh
        matcher = make(self.vocabulary, grammar)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return matcher

    def next_tokens(self, so_far: list[int]) -> list[int]:
        """The tokens that may follow `so_far`. Raises ValueError where `so_far` itself leaves the schema."""
        matcher = self.start()
        for token in so_far:
            if not matcher.consume_token(token):
                raise ValueError("these tokens are no beginning of a valid answer")
        return np.flatnonzero(allowed(matcher)).tolist()


def allowed(matcher) -> np.ndarray:
    """(vocabulary,) 1 for each token that the grammar allows next, rounded up to whole bytes."""
    return np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")


class Allowed:
    """A logits processor (transformers) that forbids every token the grammar does not allow next. prompt: its width in tokens."""

    def __init__(self, grammar: Grammar, rows: int, prompt: int):
        self.prompt, self.read = prompt, prompt
        self.matchers = [grammar.start() for _ in range(rows)]

    def __call__(self, input_ids, scores):
        import torch

        for place in range(self.read, input_ids.shape[1]):
            for matcher, token in zip(self.matchers, input_ids[:, place].tolist(), strict=True):
                if not matcher.is_stopped():
                    matcher.consume_token(token)
        self.read = input_ids.shape[1]
        for i, matcher in enumerate(self.matchers):
            if not matcher.is_stopped():
                bits, may = allowed(matcher), torch.zeros(scores.shape[1], dtype=torch.bool)
                size = min(len(bits), scores.shape[1])
                may[:size] = torch.from_numpy(bits[:size].astype(bool))
                scores[i].masked_fill_(~may.to(scores.device), float("-inf"))
        return scores
