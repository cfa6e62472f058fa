"""Floor 3: let a model write long answers, many rows at once, with an optional tool that completes what it began.

`evaluation.classify` scores fixed labels; this writes free text. The batch shrinks as answers end, so that one long answer
does not hold up the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from .evaluation import Task, prompt_tokens
from .runtime import CourseError


@dataclass
class Written:
    """One answer. ended: the model closed it itself; False means that it was cut at the limit. tokens: written by the model."""

    text: str
    ended: bool
    tokens: int
    inserted: int = 0  # tokens that the tool wrote


@dataclass
class _Row:
    place: int
    ids: list[int]
    forced: list[int]
    inserted: int = 0


def write(model, tokenizer, task: Task, rows: list[dict], batch: int = 32, max_new_tokens: int = 600, temperature: float = 0.0,
          seed: int = 0, tool: Callable[[str], str] | None = None) -> list[Written]:
    """The model's answers to `rows`, in their order.

    temperature: 0 takes the likeliest token each time. tool(text so far): the text to insert next, or "" for none; the
    model reads it as if it had written it. Rows of similar length share a batch. Raises CourseError for a prompt that leaves
    no room in the model's context.
    """
    import torch

    model.eval()
    prompts = [prompt_tokens(tokenizer, task, row) for row in rows]
    room = getattr(model.config, "max_position_embeddings", 1 << 30)
    for k, prompt in enumerate(prompts):
        if len(prompt) + max_new_tokens > room:
            raise CourseError(f"Row {k} has {len(prompt)} tokens and {max_new_tokens} to write; the model reads at most {room}.",
                              "shorten that row, or lower max_new_tokens.")
    chance = torch.Generator().manual_seed(seed)
    order = sorted(range(len(rows)), key=lambda k: len(prompts[k]))
    out: list[Written | None] = [None] * len(rows)
    for start in range(0, len(order), batch):
        part = [(k, prompts[k]) for k in order[start:start + batch]]
        for place, answer in _write_batch(model, tokenizer, part, max_new_tokens, temperature, chance, tool):
            out[place] = answer
    return out


def _write_batch(model, tokenizer, prompts, limit, temperature, chance, tool):
    import torch
    from transformers.cache_utils import Cache

    longest = max(len(p) for _, p in prompts)
    device, fill = model.device, tokenizer.pad_token_id or 0
    read = torch.tensor([[fill] * (longest - len(p)) + p for _, p in prompts], device=device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for _, p in prompts], device=device)
    live, seen_before, done = [_Row(k, [], []) for k, _ in prompts], Cache(layer_class_to_replicate=_roomy()), []
    ends = _end_tokens(model, tokenizer)
    with torch.inference_mode():
        while live:
            where = mask.cumsum(1).clamp(min=1)[:, -read.shape[1]:] - 1
            seen = model(input_ids=read, attention_mask=mask, position_ids=where, past_key_values=seen_before, use_cache=True,
                         logits_to_keep=1)
            picked = _pick(seen.logits[:, -1].float(), temperature, chance)
            going = [_step(row, token, ends, limit, tokenizer, tool) for row, token in zip(live, picked, strict=True)]
            done += [(row.place, _finished(row, tokenizer, ends)) for row, on in zip(live, going, strict=True) if not on]
            if not any(going):
                break
            if not all(going):
                keep = torch.tensor([k for k, on in enumerate(going) if on], device=device)
                seen_before.batch_select_indices(keep)
                mask, live = mask[keep], [row for row, on in zip(live, going, strict=True) if on]
            read = torch.tensor([[row.ids[-1]] for row in live], device=device)
            mask = torch.cat([mask, mask.new_ones(len(live), 1)], 1)
    return done


@cache
def _roomy():
    """A cache layer with room to grow: what was read is copied once in 64 tokens, not at every token."""
    from transformers.cache_utils import DynamicLayer

    class Roomy(DynamicLayer):
        room = None

        def update(self, keys, values, *given, **more):
            if not self.is_initialized:
                self.lazy_initialization(keys, values)
                self.keys, self.values = keys[..., :0, :], values[..., :0, :]
            old, new = self.keys.shape[-2], self.keys.shape[-2] + keys.shape[-2]
            if self.room is None or self.room[0].shape[-2] < new or self.room[0].data_ptr() != self.keys.data_ptr():
                shape = (*keys.shape[:-2], new + 64, keys.shape[-1])
                self.room = keys.new_empty(shape), values.new_empty(shape)
                self.room[0][..., :old, :], self.room[1][..., :old, :] = self.keys, self.values
            self.room[0][..., old:new, :], self.room[1][..., old:new, :] = keys, values
            self.keys, self.values = (one[..., :new, :] for one in self.room)
            return self.keys, self.values

    return Roomy


def _pick(logits, temperature: float, chance) -> list[int]:
    import torch

    if temperature <= 0:
        return logits.argmax(-1).tolist()
    return torch.multinomial((logits / temperature).softmax(-1).cpu(), 1, generator=chance)[:, 0].tolist()


def _step(row: _Row, token: int, ends: set[int], limit: int, tokenizer, tool) -> bool:
    """Adds one token to the row: the tool's next, or the model's. False when the answer is over."""
    if row.forced:
        row.ids.append(row.forced.pop(0))
        row.inserted += 1
        return len(row.ids) < limit
    row.ids.append(token)
    if token in ends or len(row.ids) >= limit:
        return False
    if tool:
        text = tool(tokenizer.decode(row.ids))
        row.forced = tokenizer.encode(text, add_special_tokens=False) if text else []
    return True


def _end_tokens(model, tokenizer) -> set[int]:
    given = getattr(model.generation_config, "eos_token_id", None)
    return {tokenizer.eos_token_id, *(given if isinstance(given, list) else [given])} - {None}


def _finished(row: _Row, tokenizer, ends) -> Written:
    ended = row.ids[-1] in ends
    ids = row.ids[:-1] if ended else row.ids
    return Written(tokenizer.decode(ids, skip_special_tokens=True), ended, len(ids) - row.inserted, row.inserted)


