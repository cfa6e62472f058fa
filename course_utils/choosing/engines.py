"""Floor 4: a chat model behind one small interface: write replies in batches, doubt, weigh given answers, score labels.

`scratch.Scratch`, the small model trained from nothing, offers the same four methods, so a system can run on either.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import models, runtime

OPENING = "Source:"  # how a reply in the house format begins


@dataclass(frozen=True)
class Written:
    """One reply. confidence: mean log-probability of its tokens. doubt: log-odds that the source is "none", where it was asked.

    seconds: of its batch, divided by the rows in it.
    """

    text: str
    confidence: float
    doubt: float | None
    seconds: float


def log_odds(log: float) -> float:
    """log(p / (1 - p)) from log(p), bounded where p is all but 1."""
    return log - float(np.log1p(-min(np.exp(log), 1 - 1e-7)))


def untrained(name: str) -> ChatModel:
    """A model of the registry as it comes, unquantised, ready to answer."""
    model, tokenizer = models.load(name, four_bit=False, dtype=runtime.answering_dtype(runtime.machine()))
    model.set_attn_implementation("sdpa")  # without a gradient the fused attention is the faster one
    return ChatModel(model, tokenizer)


def with_adapter(folder: Path, name: str) -> ChatModel:
    """The same with a saved adapter merged in. Raises CourseError as `models.load_adapter` does."""
    return ChatModel(*models.merged_file(folder, name))


class ChatModel:
    """A transformers model with its tokenizer. `adapter_off` answers with the base weights although an adapter is attached."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model.eval(), tokenizer
        opening = tokenizer.encode(OPENING, add_special_tokens=False)
        whole = tokenizer.encode(f"{OPENING} none", add_special_tokens=False)
        self.opening, self.none = opening, whole[len(opening)]

    def prompt(self, messages: list[dict]) -> list[int]:
        """Token ids of the chat, ready for the assistant's turn."""
        return list(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"])

    # ------------------------------------------------------------ writing
    def write(self, chats: list[list[dict]], most: int = 40, batch: int = 8, insist: bool = False) -> list[Written]:
        """Greedy replies, at most `most` tokens each, in batches of similar length with a key-value cache.

        insist: "none" is never taken as the source, so that there is an answer to keep or to withdraw later; the doubt is
        measured before that rule. A blank line ends a reply.
        """
        prompts = [self.prompt(chat) for chat in chats]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        replies: list[Written | None] = [None] * len(prompts)
        for start in range(0, len(order), batch):
            picked = order[start:start + batch]
            for i, reply in zip(picked, self._write_batch([prompts[i] for i in picked], most, insist), strict=True):
                replies[i] = reply
        return replies

    def _write_batch(self, prompts, most, insist) -> list[Written]:
        import torch

        ids, mask = self._padded(prompts)
        width, start = ids.shape[1], time.perf_counter()
        with torch.no_grad():
            out = self.model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=most, do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id, output_logits=True, return_dict_in_generate=True,
                stop_strings=["\n\n"], tokenizer=self.tokenizer, logits_processor=[self._never_none(width)] if insist else None)
        each = (time.perf_counter() - start) / len(prompts)
        logs = torch.stack([step.float().log_softmax(-1) for step in out.logits], 1)
        return [self._written(tokens, log, each) for tokens, log in zip(out.sequences[:, width:].cpu(), logs.cpu(), strict=True)]

    def _never_none(self, width):
        def forbid(ids, scores):
            if ids.shape[1] == width + len(self.opening):
                scores = scores.clone()  # the raw scores are kept for the doubt
                scores[:, self.none] = -float("inf")
            return scores

        return forbid

    def _written(self, tokens, logs, seconds) -> Written:
        tokens = tokens.tolist()
        ends = [i for i, t in enumerate(tokens) if t in (self.tokenizer.eos_token_id, self.tokenizer.pad_token_id)]
        length = min(ends, default=len(tokens))
        confidence = float(np.mean([logs[i, t] for i, t in enumerate(tokens[:length])])) if length else -float("inf")
        doubt = None
        if tokens[:len(self.opening)] == self.opening and length > len(self.opening):
            doubt = log_odds(float(logs[len(self.opening), self.none]))
        return Written(self.tokenizer.decode(tokens[:length], skip_special_tokens=True).strip(), confidence, doubt, seconds)

    def doubts(self, chats: list[list[dict]], batch: int = 16) -> list[float]:
        """Log-odds that a reply would name "none" as its source: (n,). Reads each chat once and writes nothing."""
        prompts = [self.prompt(chat) + self.opening for chat in chats]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        found = [0.0] * len(prompts)
        for start in range(0, len(order), batch):
            picked = order[start:start + batch]
            for i, log in zip(picked, self._none_logs([prompts[i] for i in picked]), strict=True):
                found[i] = log_odds(log)
        return found

    def _none_logs(self, prompts) -> list[float]:
        import torch

        ids, mask = self._padded(prompts)
        with torch.no_grad():
            logits = self.model(input_ids=ids, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0),
                                logits_to_keep=1).logits[:, -1]
        return logits.float().log_softmax(-1)[:, self.none].tolist()

    def _padded(self, prompts):
        """Prompts as one block, padded on the left, so that all go on at the same place: (ids, mask)."""
        import torch

        width = max(map(len, prompts))
        ids = torch.full((len(prompts), width), self.tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt):], mask[row, width - len(prompt):] = torch.tensor(prompt), 1
        return ids.to(self.model.device), mask.to(self.model.device)

    # ------------------------------------------------------------ weighing given answers
    def weigh(self, chat: list[dict], answers: list[str], batch: int = 32) -> np.ndarray:
        """Log-probability of each given answer after the chat: (n, 2), the sum over its tokens and their number.

        The chat is read once; its keys and values serve all answers.
        """
        prompt = self.prompt(chat)
        tails = [self.tokenizer.encode(answer, add_special_tokens=False) for answer in answers]
        return np.concatenate([self._weigh_batch(prompt, tails[i:i + batch]) for i in range(0, len(tails), batch)])

    def _weigh_batch(self, prompt, tails) -> np.ndarray:
        import torch

        width = max(map(len, tails))
        device = self.model.device
        padded = torch.tensor([tail + [tail[-1]] * (width - len(tail)) for tail in tails], device=device)
        with torch.no_grad():
            head = self.model(input_ids=torch.tensor([prompt], device=device), use_cache=True, logits_to_keep=1)
            cache = head.past_key_values
            cache.batch_repeat_interleave(len(tails))
            first = head.logits[:, -1:].expand(len(tails), -1, -1)
            rest = self.model(input_ids=padded[:, :-1], past_key_values=cache).logits if width > 1 else first[:, :0]
            logs = torch.cat([first, rest], 1).float().log_softmax(-1).gather(2, padded[..., None])[..., 0]
        return np.array([[float(log[:len(tail)].sum()), len(tail)] for log, tail in zip(logs, tails, strict=True)])

    def labels(self, task, rows: list[dict]) -> np.ndarray:
        """Log-probability of each label of a `LabelTask`: (n, labels)."""
        from ..evaluation import label_scores

        return label_scores(self.model, self.tokenizer, task, rows)
