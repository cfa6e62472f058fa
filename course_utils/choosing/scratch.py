"""Floor 4: the small model trained from nothing: notebook 01's GPT with word pieces, taught on the firm's own texts.

Notebook 01 reads characters. A question with three passages would be 1,500 of them, too long for so small a model, so this
one reads word pieces learned from the training texts; the rest is notebook 01's own code.
"""

from __future__ import annotations

import random
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .. import notebooks
from ..runtime import CourseError
from .engines import OPENING, Written, log_odds

END = "<end>"
IGNORED = -100


def flat(chat: list[dict]) -> str:
    """A chat as plain text: the user's turns. Instructions are left out: this model never learned to follow any."""
    return "\n".join(m["content"] for m in chat if m["role"] == "user") + "\n"


def learn_pieces(texts: list[str], vocabulary: int = 2048):
    """A byte-level BPE tokenizer learned from `texts` (the `tokenizers` library)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                       pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[END], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return tokenizer


class Scratch:
    """A GPT of notebook 01 with its tokenizer; the same methods as `engines.ChatModel`."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer = model.eval(), tokenizer
        self.end = tokenizer.token_to_id(END)

    def encode(self, text: str) -> list[int]:
        """Token ids."""
        return self.tokenizer.encode(text).ids

    def _room(self, prompt: list[int], wanted: int) -> list[int]:
        """The end of the prompt that leaves room for `wanted` tokens in the context."""
        return prompt[-(self.model.shape.context - wanted):]

    def write(self, chats: list[list[dict]], most: int = 40, batch: int = 16, insist: bool = False) -> list[Written]:
        """Greedy replies. Without a key-value cache: each token reads the whole text again."""
        prompts = [self._room(self.encode(flat(chat)), most) for chat in chats]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        replies: list[Written | None] = [None] * len(prompts)
        for start in range(0, len(order), batch):
            picked = order[start:start + batch]
            for i, reply in zip(picked, self._write_batch([prompts[i] for i in picked], most, insist), strict=True):
                replies[i] = reply
        return replies

    def _write_batch(self, prompts, most, insist) -> list[Written]:
        start, opening = time.perf_counter(), self.encode(OPENING)
        none = self.encode(f"{OPENING} none")[len(opening)]
        texts, logs, doubts = [list(p) for p in prompts], [[] for _ in prompts], [None] * len(prompts)
        open_rows = list(range(len(prompts)))
        for _ in range(most):
            if not open_rows:
                break
            best = self._next([texts[i] for i in open_rows])
            for i, scores in zip(list(open_rows), best, strict=True):
                if texts[i][len(prompts[i]):] == opening:
                    doubts[i] = log_odds(float(scores[none]))
                    if insist:
                        scores[none] = -float("inf")
                token = int(scores.argmax())
                logs[i].append(float(scores[token]))
                if token == self.end:
                    open_rows.remove(i)
                else:
                    texts[i].append(token)
        each = (time.perf_counter() - start) / len(prompts)
        return [Written(self.tokenizer.decode(t[len(p):]).strip(), float(np.mean(log)), d, each)
                for t, p, log, d in zip(texts, prompts, logs, doubts, strict=True)]

    def doubts(self, chats: list[list[dict]], batch: int = 16) -> list[float]:
        """Log-odds that a reply would name "none" as its source: (n,)."""
        opening = self.encode(OPENING)
        none = self.encode(f"{OPENING} none")[len(opening)]
        texts = [self._room(self.encode(flat(chat)), 20) + opening for chat in chats]
        return [log_odds(float(scores[none])) for i in range(0, len(texts), batch) for scores in self._next(texts[i:i + batch])]

    def _logs(self, texts: list[list[int]]):
        import torch

        width = max(map(len, texts))
        ids = torch.tensor([t + [self.end] * (width - len(t)) for t in texts])  # what follows the end is never looked at
        with torch.no_grad():
            return self.model(ids).log_softmax(-1)

    def _next(self, texts):
        logs = self._logs(texts)
        return [logs[i, len(t) - 1].clone() for i, t in enumerate(texts)]

    def weigh(self, chat: list[dict], answers: list[str], batch: int = 32) -> np.ndarray:
        """Log-probability of each given answer after the chat: (n, 2), the sum over its tokens and their number."""
        tails = [self.encode(answer) for answer in answers]
        prompt = self._room(self.encode(flat(chat)), max(map(len, tails)))
        found = []
        for start in range(0, len(tails), batch):
            part = tails[start:start + batch]
            logs = self._logs([prompt + tail for tail in part])
            for log, tail in zip(logs, part, strict=True):
                places = range(len(prompt) - 1, len(prompt) + len(tail) - 1)
                found.append([sum(float(log[p, t]) for p, t in zip(places, tail, strict=True)), len(tail)])
        return np.array(found)

    def labels(self, task, rows: list[dict]) -> np.ndarray:
        """Log-probability of each label of a `LabelTask`, summed over its tokens: (n, labels)."""
        answers = [*task.labels]
        return np.array([self.weigh(task.prompt(row), answers)[:, 0] for row in rows])


# ---------------------------------------------------------------- training
def example(tokenizer, prompt: str, reply: str, context: int) -> tuple[list[int], list[int]]:
    """Inputs and targets of one lesson. From nothing, the prompt counts too, or the model would never learn the language."""
    head, tail = tokenizer.encode(prompt).ids, tokenizer.encode(reply).ids + [tokenizer.token_to_id(END)]
    whole = (head + tail)[-(context + 1):]
    return whole[:-1], whole[1:]


def train(texts: list[str], lessons: list[dict], steps: int = 800, batch: int = 8, layers: int = 4, width: int = 128,
          context: int = 512, seed: int = 0, watch=None) -> Scratch:
    """Trains from nothing on `texts` and on `lessons` (rows with `messages` and `reply`), every second step each.

    Returns the model with its own tokenizer. Raises CourseError without texts.
    """
    import torch

    if not texts or not lessons:
        raise CourseError("There is nothing to train on.", "check that the documents and the training questions were found.")
    gpt = notebooks.definitions("01")
    pairs = [(flat(row["messages"]), row["reply"]) for row in lessons]
    tokenizer = learn_pieces([*texts, *(p + r for p, r in pairs)])
    stream = torch.tensor([t for text in texts for t in tokenizer.encode(text + END).ids])
    examples = [example(tokenizer, *pair, context) for pair in pairs]
    shape = gpt.Shape(tokenizer.get_vocab_size(), context=context, layers=layers, heads=4, width=width, dropout=0.1)
    model = gpt.GPT(shape, seed=seed)

    def batch_of(step):
        if step % 2:
            return gpt.random_windows(stream, 2 * batch, min(128, context, len(stream) - 2), seed=seed * 1_000_000 + step)
        picked = random.Random(seed * 1_000_000 + step).choices(examples, k=batch)
        longest = max(len(x) for x, _ in picked)
        end = tokenizer.token_to_id(END)
        return (torch.tensor([x + [end] * (longest - len(x)) for x, _ in picked]),
                torch.tensor([y + [IGNORED] * (longest - len(y)) for _, y in picked]))

    gpt.train(model, batch_of, steps, gpt.optimizers(model, 0.02, 0.01), watch)
    return Scratch(model, tokenizer)


def save(engine: Scratch, path: Path) -> Path:
    """Writes weights and tokenizer as one file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    notebooks.definitions("01").keep(path, shape=asdict(engine.model.shape), model=engine.model.state_dict(),
                                     tokenizer=engine.tokenizer.to_str())
    return path


def load(path: Path) -> Scratch:
    """A model that `save` wrote. Raises CourseError when the file is missing or damaged."""
    import torch
    from tokenizers import Tokenizer

    gpt = notebooks.definitions("01")
    try:
        stored = torch.load(path, weights_only=True)
        model = gpt.GPT(gpt.Shape(**stored["shape"]))
        model.load_state_dict(stored["model"])
        return Scratch(model, Tokenizer.from_str(stored["tokenizer"]))
    except FileNotFoundError as error:
        raise CourseError(f"There is no file {path}.", "train the model first.") from error
    except Exception as error:
        raise CourseError(f"{path} is damaged ({type(error).__name__}).", "delete it and train again.") from error
