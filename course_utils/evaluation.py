"""Floor 3: ask a model, score its answers, and put honest baselines beside it. Generic over a small Task."""

from __future__ import annotations

import copy
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from . import statistics
from .runtime import CourseError

UNPARSED = "(unparsed)"


class Task(Protocol):
    """What training and evaluation need to know of a job. A row is a dict."""

    name: str

    def prompt(self, row: dict) -> list[dict]:
        """The chat messages shown to the model, without the answer."""

    def answer(self, row: dict) -> str:
        """The text the model should write."""

    def parse(self, text: str) -> str | None:
        """The answer found in what a model wrote, or None."""


@dataclass(frozen=True)
class LabelTask:
    """A Task whose answers are a few fixed words. Rows have the keys `text` and `label`.

    shots: rows shown as solved examples before the question (few-shot prompting).
    """

    name: str
    labels: tuple[str, ...]
    instruction: str
    shots: tuple[dict, ...] = ()

    def prompt(self, row):
        messages = [{"role": "system", "content": self.instruction}]
        for shot in self.shots:
            messages += [{"role": "user", "content": shot["text"]}, {"role": "assistant", "content": shot["label"]}]
        return [*messages, {"role": "user", "content": row["text"]}]

    def answer(self, row):
        return row["label"]

    def parse(self, text):
        """The one label that the text names; None when it names none or several."""
        found = {label for label in self.labels if label in text.lower()}
        return found.pop() if len(found) == 1 else None


# ---------------------------------------------------------------- asking
def prompt_tokens(tokenizer, task: Task, row: dict) -> list[int]:
    """Token ids of the prompt, rendered once by the chat template (no doubled start token)."""
    encoded = tokenizer.apply_chat_template(task.prompt(row), add_generation_prompt=True, tokenize=True, return_dict=True)
    return list(encoded["input_ids"])


def label_tokens(tokenizer, task: LabelTask) -> list[int]:
    """The first token of each label. Raises CourseError when two labels begin with the same token."""
    first = [tokenizer.encode(label, add_special_tokens=False)[0] for label in task.labels]
    if len(set(first)) < len(first):
        raise CourseError(f"Two of the labels {task.labels} begin with the same token.", "rename one of the labels.")
    return first


def _shared_length(prompts: list[list[int]]) -> int:
    shortest, longest = min(prompts), max(prompts)
    pairs = zip(shortest, longest, strict=False)
    same = next((i for i, (a, b) in enumerate(pairs) if a != b), min(map(len, prompts)))
    return min(same, min(map(len, prompts)) - 1)


def label_scores(model, tokenizer, task: LabelTask, rows: list[dict], batch: int = 16, reuse: bool = True) -> np.ndarray:
    """Log-probability of each label as the answer's first token: (n, labels), from batched forward passes.

    reuse: compute the part of the prompt that all rows share once, and keep its keys and values.
    Prompts longer than the model's context raise CourseError.
    """
    import torch

    if not rows:
        return np.zeros((0, len(task.labels)))
    prompts = [prompt_tokens(tokenizer, task, row) for row in rows]
    limit = getattr(model.config, "max_position_embeddings", 1 << 20)
    if max(map(len, prompts)) > limit:
        raise CourseError(f"A prompt has {max(map(len, prompts))} tokens; the model reads {limit}.", "shorten the text.")
    shared = _shared_length(prompts) if reuse else 0
    answers = torch.tensor(label_tokens(tokenizer, task), device=model.device)
    order = sorted(range(len(rows)), key=lambda i: len(prompts[i]))
    scores = np.zeros((len(rows), len(task.labels)))
    training, _ = model.training, model.eval()
    with torch.no_grad():
        head = _read_shared(model, prompts[0][:shared]) if shared else None
        for start in range(0, len(order), batch):
            picked = order[start:start + batch]
            scores[picked] = _score_batch(model, [prompts[i][shared:] for i in picked], head, shared, answers)
    model.train(training)
    return scores


def _read_shared(model, tokens: list[int]):
    import torch

    ids = torch.tensor([tokens], device=model.device)
    return model(input_ids=ids, use_cache=True, logits_to_keep=1).past_key_values


def _score_batch(model, tails: list[list[int]], head, shared: int, answers) -> np.ndarray:
    import torch

    width, n = max(map(len, tails)), len(tails)
    ids = torch.zeros((n, width), dtype=torch.long)
    mask = torch.zeros((n, shared + width), dtype=torch.long)
    mask[:, :shared] = 1
    for i, tail in enumerate(tails):
        ids[i, :len(tail)] = torch.tensor(tail)
        mask[i, shared:shared + len(tail)] = 1
    last = torch.tensor([len(tail) - 1 for tail in tails])
    keep, place = torch.unique(last, return_inverse=True)  # the vocabulary's logits only where a prompt ends
    cache = copy.deepcopy(head)
    if cache is not None:
        cache.batch_repeat_interleave(n)
    out = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device), past_key_values=cache,
                use_cache=cache is not None, logits_to_keep=keep.to(model.device))
    rows = torch.arange(n, device=model.device)
    logits = out.logits[rows, place.to(model.device)].float()
    return logits.log_softmax(-1)[:, answers].cpu().numpy()


def generate(model, tokenizer, task: Task, row: dict, max_new_tokens: int = 5) -> str:
    """What the model writes, greedily, for one row."""
    import torch

    ids = torch.tensor([prompt_tokens(tokenizer, task, row)], device=model.device)
    with torch.no_grad():
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_new_tokens,
                             do_sample=False, pad_token_id=tokenizer.pad_token_id)
    return tokenizer.decode(out[0, ids.shape[1]:], skip_special_tokens=True)


# ---------------------------------------------------------------- scoring
@dataclass
class Evaluation:
    """Answers of one system on fixed rows. An answer that could not be parsed (None) counts as wrong."""

    system: str
    labels: tuple[str, ...]
    truth: list[str]
    guess: list[str | None]
    seconds: float = 0.0
    scores: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self):
        self.guess = [UNPARSED if g is None else g for g in self.guess]

    @property
    def n(self) -> int:
        """Rows scored."""
        return len(self.truth)

    @cached_property
    def right(self) -> np.ndarray:
        """(n,) 1 where the answer is right, else 0."""
        return np.array([float(t == g) for t, g in zip(self.truth, self.guess, strict=True)])

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(self.right.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return statistics.accuracy_interval(int(self.right.sum()), self.n)

    @property
    def macro_f1(self) -> float:
        """F1 averaged over the labels, each counting the same."""
        return macro_f1(self.truth, self.guess, self.labels)

    @property
    def parse_rate(self) -> float:
        """Share of answers that could be read as a label."""
        return 1 - self.guess.count(UNPARSED) / self.n

    def costs(self, matrix: dict[tuple[str, str], float]) -> np.ndarray:
        """(n,) cost of each answer. matrix[(truth, answer)]; an unparsed answer costs what the worst answer would."""
        def price(truth, guess):
            return matrix[truth, guess] if guess != UNPARSED else max(matrix[truth, g] for g in self.labels)

        return np.array([float(price(t, g)) for t, g in zip(self.truth, self.guess, strict=True)])

    def cost(self, matrix: dict[tuple[str, str], float]) -> float:
        """Expected cost a row: the mean of `costs`."""
        return float(self.costs(matrix).mean())

    def confusion(self):
        """A table: truth down, answer across (with a column for unparsed answers where there are any)."""
        import pandas as pd

        columns = [*self.labels] + ([UNPARSED] if UNPARSED in self.guess else [])
        counts = Counter(zip(self.truth, self.guess, strict=True))
        return pd.DataFrame([[counts[t, g] for g in columns] for t in self.labels], index=self.labels, columns=columns)


def macro_f1(truth, guess, labels) -> float:
    """Macro-F1 over `labels` (scikit-learn)."""
    from sklearn.metrics import f1_score

    return float(f1_score(list(truth), list(guess), labels=list(labels), average="macro", zero_division=0))


def classify(model, tokenizer, task: LabelTask, rows: list[dict], system: str = "model", batch: int = 16,
             reuse: bool = True, prior: np.ndarray | None = None) -> Evaluation:
    """Answers every row by the most probable label. prior: (labels,) log-prior to subtract (calibration)."""
    start = time.perf_counter()
    scores = label_scores(model, tokenizer, task, rows, batch, reuse)
    seconds = time.perf_counter() - start
    picks = (scores - (0 if prior is None else prior)).argmax(1)
    truth = [row["label"] for row in rows]
    return Evaluation(system, task.labels, truth, [task.labels[i] for i in picks], seconds, scores)


def classify_by_generating(model, tokenizer, task: LabelTask, rows, system="generate", max_new_tokens=5) -> Evaluation:
    """Answers every row by writing, one at a time, and parsing what was written: slower, and it can fail to parse."""
    start = time.perf_counter()
    guess = [task.parse(generate(model, tokenizer, task, row, max_new_tokens)) for row in rows]
    return Evaluation(system, task.labels, [r["label"] for r in rows], guess, time.perf_counter() - start)


def label_prior(scores: np.ndarray) -> np.ndarray:
    """The model's own leaning: its mean label probability over unlabelled rows, as logs (batch calibration, Zhou et al. 2024)."""
    relative = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    return np.log(np.exp(relative).mean(0))


# ---------------------------------------------------------------- baselines
def majority(train: list[dict], test: list[dict], labels) -> Evaluation:
    """Always the most frequent label of the training rows."""
    most = Counter(r["label"] for r in train).most_common(1)[0][0]
    return Evaluation("majority", tuple(labels), [r["label"] for r in test], [most] * len(test))


def word_list(lists: dict[str, set[str]], test: list[dict], labels, otherwise: str) -> Evaluation:
    """Counts words of each label's list; the label with most hits wins, `otherwise` on a tie or none."""
    guess = []
    for row in test:
        words = row["text"].lower().replace(",", " ").replace(".", " ").split()
        hits = Counter({label: sum(w in words_of for w in words) for label, words_of in lists.items()})
        (best, most), *rest = hits.most_common()
        guess.append(best if most and all(most > n for _, n in rest) else otherwise)
    return Evaluation("word list", tuple(labels), [r["label"] for r in test], guess)


def tfidf(train: list[dict], test: list[dict], labels) -> Evaluation:
    """TF-IDF of words and word pairs with logistic regression: the classic that costs seconds."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    steps = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=30, max_iter=2000))
    start = time.perf_counter()
    steps.fit([r["text"] for r in train], [r["label"] for r in train])
    guess = list(steps.predict([r["text"] for r in test]))
    return Evaluation("TF-IDF + logistic regression", tuple(labels), [r["label"] for r in test], guess,
                      time.perf_counter() - start)


def comparison(evaluations: list[Evaluation], costs: dict | None = None):
    """One table of systems on the same rows: accuracy with interval, macro-F1, parse rate and, given `costs`, cost a row."""
    import pandas as pd

    if len({tuple(e.truth) for e in evaluations}) != 1:
        raise ValueError("the systems were scored on different rows")
    rows = []
    for e in evaluations:
        low, high = e.interval
        row = {"system": e.system, "accuracy": round(e.accuracy, 3), "95 % interval": f"{low:.2f} to {high:.2f}",
               "macro-F1": round(e.macro_f1, 3), "parsed": f"{e.parse_rate:.0%}"}
        rows.append(row | ({"cost a row": round(e.cost(costs), 2)} if costs else {}))
    return pd.DataFrame(rows).set_index("system")
