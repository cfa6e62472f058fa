# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 · A tiny GPT, from nothing to following instructions
#
# **How does a language model work, and what would it mean for a firm to train its own?**
#
# <!--badges-->[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/fine-tuning-course/fine-tuning-course/blob/main/notebooks/01_tiny_gpt.ipynb) · [source](https://github.com/fine-tuning-course/fine-tuning-course/blob/main/notebooks/01_tiny_gpt.py) · [slides](https://github.com/fine-tuning-course/fine-tuning-course/tree/main/slides)<!--/badges-->
#
# After this notebook you will be able to
#
# - say what a language model does, in one sentence, and check it on a real one,
# - build the parts of a GPT and explain each: tokens, attention, position, layers,
# - train it on a laptop in about a minute, and read its learning curve,
# - judge a loss figure against an honest yardstick: counting,
# - turn a text continuer into an instruction follower, and measure what it forgets on the way.
#
# | runs on | model | minutes |
# |---|---|---|
# | 2-core laptop | your own, about 0.3 million parameters | under 5 |
# | Colab | the same | under 5, expected |

# %% tags=["setup"]
# Set-up: the same in every notebook. It finds the course's library, installs what is missing and checks the machine.
import io, sys, urllib.request, zipfile
from pathlib import Path

NOTEBOOK, REPOSITORY = "01", "fine-tuning-course/fine-tuning-course"
ARCHIVE = f"https://github.com/{REPOSITORY}/archive/main.zip"  # the course as this notebook was released
def library(here=Path.cwd()):  # in this folder or above it, in an unpacked zip, or in an attached data set (Kaggle)
    kaggle = [place.parent for place in Path("/kaggle/input").rglob("course_utils")]
    return next((p for p in [here, *here.parents, *here.glob("course/*"), *kaggle] if (p / "course_utils").is_dir()), None)
try:
    for uploaded in [] if library() else Path.cwd().glob(REPOSITORY.split("/")[1] + "*.zip"):
        zipfile.ZipFile(uploaded).extractall("course")
    if not library():
        zipfile.ZipFile(io.BytesIO(urllib.request.urlopen(ARCHIVE, timeout=60).read())).extractall("course")
except (OSError, zipfile.BadZipFile):
    raise SystemExit("The course's library is not here and could not be fetched. Switch the network on (Kaggle: right-hand "
                     f"panel, Internet), or put {ARCHIVE} into this folder by hand. Then run this cell again.") from None
sys.path.insert(0, str(library()))
from course_utils import runtime; machine = runtime.set_up(NOTEBOOK)

# %% [markdown]
# ## 1 · One job: guess what comes next
#
# A language model does one thing. It reads a text and gives each possible next piece a probability. Writing is doing that again and again.
#
# We train one on Shakespeare's plays. They are free, everybody knows how they should sound, and a laptop gets through them. Four plays are kept
# away from training: they are the test of whether the model learned the language or the lines.

# %% tags=["nbval-check-output"]
from course_utils import shakespeare

train_text, held_text = shakespeare.plays()
print(f"{len(train_text):,} characters to learn from, {len(held_text):,} to test on\n")
print(held_text[451_000:451_300])

# %% [markdown]
# ## 2 · Tokens: how text becomes numbers
#
# A model computes with numbers, so the text is cut into pieces, *tokens*, and each piece has a number. The simplest cut is one token a character.

# %% tags=["define"]
class Characters:
    """One token a character. `encode` raises ValueError for a character outside the alphabet."""

    def __init__(self, alphabet):
        self.alphabet = sorted(alphabet)
        self.number = {c: i for i, c in enumerate(self.alphabet)}

    def __len__(self):
        return len(self.alphabet)

    def encode(self, text):
        unknown = sorted(set(text) - set(self.number))
        if unknown:
            raise ValueError(f"the model has never seen {unknown}; it knows {''.join(self.alphabet)!r}")
        return [self.number[c] for c in text]

    def decode(self, ids):
        return "".join(self.alphabet[i] for i in ids)

# %% tags=["nbval-check-output"]
characters = Characters(shakespeare.ALLOWED + "0123456789+")  # digits and + are for section 11
print(len(characters), "tokens:", "".join(characters.alphabet).strip())
print(characters.encode("To be"), "->", repr(characters.decode(characters.encode("To be"))))

# %% [markdown]
# Real models use longer pieces. *Byte-pair encoding* learns them: start from characters, find the pair of neighbours that occurs most often, make it one
# token, repeat.

# %% tags=["define"]
import math
from collections import Counter


def learn_merges(text, how_many):
    """Byte-pair encoding (Sennrich et al., 2016): the pairs to join, in the order in which they were found."""
    words = Counter(tuple(word) for word in text.replace(" ", " ▁").split(" "))  # ▁ marks where a word begins
    merges = []
    for _ in range(how_many):
        pairs = Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = Counter({joined(word, best): count for word, count in words.items()})
    return merges


# %% tags=["define"]
def joined(word, pair):
    """The word with every occurrence of `pair` made one piece."""
    out, i = [], 0
    while i < len(word):
        both = word[i:i + 2] == pair
        out.append(word[i] + word[i + 1] if both else word[i])
        i += 2 if both else 1
    return tuple(out)


def bpe(text, merges):
    """The pieces of `text` under the learned merges."""
    pieces = []
    for word in text.replace(" ", " ▁").split(" "):
        word = tuple(word)
        for pair in merges:
            word = joined(word, pair)
        pieces += word
    return pieces

# %% tags=["nbval-check-output"]
merges = learn_merges(train_text[:60_000], 300)
print("first merges:", [a + b for a, b in merges[:8]], " later:", [a + b for a, b in merges[-4:]])
sentence = "My lord, the bank refused the loan."
print(len(sentence), "characters; byte-pair pieces:", len(bpe(sentence, merges)))
print(bpe(sentence, merges))

# %% [markdown]
# The pieces know the plays: *my lord* is short, *bank* and *loan* are spelled out. And a tokenizer made for the whole web:

# %% tags=["nbval-check-output"]
from course_utils import registry

web = registry.minilm_tokenizer()
print(web.encode(sentence, add_special_tokens=False).tokens)
print(web.encode("EBITDA fell 15% to 102m", add_special_tokens=False).tokens)

# %% [markdown]
# What to see: a tokenizer is a bet on what it will read. Words of the web are one piece; *EBITDA* falls into crumbs. Each token costs time and money, so a
# tokenizer that does not know your trade makes your trade dearer. Our model keeps to characters: a small table, nothing unknown.
#
# ## 3 · The yardstick: counting
#
# **Predict first.** A model that knows nothing gives each of the characters the same probability. Its *loss* is the natural logarithm of their number: how surprised it is
# on average. How far down can mere counting get?

# %% tags=["define"]
class CountingModel:
    """Counts what followed each run of up to n - 1 characters; longer runs count more (Witten and Bell, 1991). No training."""

    def __init__(self, ids, n, vocabulary):
        self.n, self.vocabulary = n, vocabulary
        self.follows = [{} for _ in range(n)]  # by length of the run: run -> counts of the next token
        for length, table in enumerate(self.follows):
            for i in range(length, len(ids)):
                table.setdefault(tuple(ids[i - length:i]), Counter())[ids[i]] += 1

    def probability(self, run, token):
        p = 1 / self.vocabulary
        for length in range(min(len(run), self.n - 1) + 1):
            seen = self.follows[length].get(tuple(run[len(run) - length:]))
            if seen:
                p = (seen[token] + len(seen) * p) / (sum(seen.values()) + len(seen))
        return p

    def loss(self, ids):
        return -sum(math.log(self.probability(ids[max(0, i - self.n + 1):i], ids[i])) for i in range(len(ids))) / len(ids)

# %%
COUNT = runtime.pick(quick=50_000, laptop=1_000_000, colab=1_000_000)
train_ids, held_ids = characters.encode(train_text), characters.encode(held_text)
slice_ids = held_ids[:20_000]
counted = {n: CountingModel(train_ids[:COUNT], n, len(characters)).loss(slice_ids) for n in (1, 2, 3, 5)}
print(f"knowing nothing: {math.log(len(characters)):.2f}")
for n, loss in counted.items():
    print(f"counting runs of {n}: {loss:.2f}, as if in doubt among {math.exp(loss):.1f} characters")

# %% [markdown]
# The loss has a plain meaning: e to its power is the number of characters among which the model in effect still hesitates.
# Knowing nothing it is all of them. **Remember the last figure.** A transformer that does not beat it has learned nothing that a table could not hold.
#
# ## 4 · A first neural model: only the last character
#
# The smallest neural language model is a table that it learns by itself: for each character, a score for each next one. It is called a *bigram* model.

# %% tags=["define"]
import torch
import torch.nn.functional as F


def random_windows(data, batch, context, seed):
    """`batch` windows of `context` + 1 tokens from `data`; (inputs, targets), each (batch, context). Targets: one further on."""
    if len(data) < context + 2:
        raise ValueError(f"the text has {len(data)} tokens; with a context of {context} it needs {context + 2} or more")
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(len(data) - context - 1, (batch, 1), generator=generator)
    window = data[starts + torch.arange(context + 1)]
    return window[:, :-1], window[:, 1:]

# %%
train_data, held_data = torch.tensor(train_ids), torch.tensor(held_ids)
table = torch.zeros(len(characters), len(characters), requires_grad=True)
descend = torch.optim.Adam([table], lr=0.3)
for step in range(60):
    x, y = random_windows(train_data, 64, 64, seed=step)
    loss = F.cross_entropy(table[x].flatten(0, 1), y.flatten())
    if step in (0, 10, 59):
        print(f"step {step:2d}   loss {loss.item():.2f}")
    descend.zero_grad()
    loss.backward()
    descend.step()

# %% [markdown]
# It starts exactly at the logarithm of the vocabulary and ends where counting pairs ended. Learning by descent found the same table. For more than pairs,
# a table grows out of hand: five characters would need two billion rows. The model must learn *where to look* instead.
#
# ## 5 · Attention by hand
#
# Three tokens, each with two numbers. Each token sends out a *query* (what am I looking for?) and shows a *key* (what do I have?) and a *value* (what do I say if asked?). The
# match of query and key decides how much of which value is taken.

# %% tags=["define"]
def attend(query, key, value):
    """Attention (Vaswani et al., 2017) on (..., time, d): returns the mixed values and the weights (..., time, time).

    Causal: a token sees itself and what stands before it, never what comes after.
    """
    time, d = query.shape[-2:]
    match = query @ key.transpose(-2, -1) / d**0.5
    future = torch.ones(time, time, dtype=torch.bool).triu(1)
    weights = match.masked_fill(future, float("-inf")).softmax(-1)
    return weights @ value, weights

# %% tags=["nbval-check-output"]
torch.set_printoptions(precision=2, sci_mode=False)
key = torch.tensor([[4., 0.], [0., 4.], [0., 0.]])    # "the": (4, 0)   "loan": (0, 4)   "it": (0, 0)
query = torch.tensor([[0., 0.], [0., 0.], [0., 2.]])  # "it" looks for what "loan" has
value = torch.tensor([[1., 0.], [0., 1.], [0., 0.]])
mixed, weights = attend(query, key, value)
print(weights)
print(mixed)

# %% [markdown]
# Check row three by eye. The match of *it* with *loan* is 2 x 4 = 8, divided by the root of 2: 5.66. With *the* and with itself: 0. The softmax turns (0, 5.66, 0) into (0.00, 0.99, 0.00): *it* takes
# nearly all of *loan*. Row one sees only itself: the future is masked. Without the mask the model could read the answer.
#
# **Why divide by the root of d?** The match is a sum of d products, so it grows with d, and a softmax of large numbers looks at one token only and stops learning:

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
for d in (4, 64, 1024):
    q, k = torch.randn(1000, 1, d), torch.randn(1000, 8, d)
    raw = (q @ k.transpose(1, 2)).squeeze(1)
    print(f"d = {d:4d}: largest weight of 8, not divided {raw.softmax(-1).max(-1).values.mean():.2f}, "
          f"divided {(raw / d**0.5).softmax(-1).max(-1).values.mean():.2f}")

# %% [markdown]
# Real code calls one fast function for it. It gives the same numbers:

# %% tags=["nbval-check-output"]
q, k, v = torch.randn(3, 2, 4, 10, 8).unbind(0)  # 2 texts, 4 heads, 10 tokens, 8 numbers each
same = F.scaled_dot_product_attention(q, k, v, is_causal=True)
print("largest difference below 1e-6:", (attend(q, k, v)[0] - same).abs().max().item() < 1e-6)

# %% [markdown]
# **Many heads**: the width is cut into parts, and each part looks on its own. One head can follow the grammar while another looks for the speaker.
#
# ## 6 · Position: who stands where
#
# Attention alone sees a bag of tokens: "dog bites man" and "man bites dog" match alike. Three remedies are in use. *Learned*: add a trained vector for each place. *Sinusoidal*: add a fixed
# pattern of waves. *Rotary*: turn query and key by an angle that grows with the place, so that their match depends on the distance between them.

# %% tags=["define"]
from functools import lru_cache


@lru_cache
def angles(time, d, base=1000.0):
    """(cos, sin), each (time, d): the angle of place t for pair i is t / base^(2i/d)."""
    angle = torch.arange(time)[:, None] * base ** (-torch.arange(0, d, 2) / d)
    return torch.cat([angle.cos()] * 2, -1), torch.cat([-angle.sin(), angle.sin()], -1)


def rotate(x, base=1000.0):
    """Rotary positions (Su et al., 2021) on (..., time, d): number i and number i + d/2 are turned as one pair."""
    cos, sin = angles(*x.shape[-2:], base)
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def waves(time, width):
    """Sinusoidal positions (time, width)."""
    cos, sin = angles(time, width, 10_000.0)
    return torch.cat([cos[:, :width // 2], sin[:, width // 2:]], -1)

# %% tags=["nbval-check-output"]
q, k = torch.randn(8), torch.randn(8)
q_turned, k_turned = rotate(q.expand(40, 8)), rotate(k.expand(40, 8))  # one row for each place 0 to 39
for a, b in ((5, 2), (25, 22), (25, 2)):
    print(f"query at {a:2d}, key at {b:2d}, distance {a - b:2d}: match {q_turned[a] @ k_turned[b]:.3f}")

# %% [markdown]
# The same distance, the same match, wherever the pair stands. That is the point of rotary positions. Which of the three learns best, we measure in section 10.
#
# ## 7 · The whole model
#
# A *block* is attention, then a small network that works on each token alone. Each adds to what came in: a road with side streets. Before each, the numbers are
# brought to a common scale (*layer norm*).

# %% tags=["define"]
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Shape:
    """A GPT's measures. position: rotary, learned, sinusoidal or none. look_back: see the appendix."""

    vocabulary: int
    context: int = 64
    layers: int = 3
    heads: int = 3
    width: int = 96
    position: str = "rotary"
    look_back: bool = True
    tied: bool = False
    dropout: float = 0.0

# %% tags=["define"]
class Attention(nn.Module):
    """Many heads of attention: (batch, time, width) -> the same."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)

    def parts(self, x):
        heads = self.query_key_value(x).unflatten(-1, (self.shape.heads, -1)).transpose(1, 2)  # (batch, heads, time, 3 d)
        query, key, value = heads.chunk(3, -1)
        if self.shape.position == "rotary":
            query, key = rotate(query), rotate(key)
        return query, key, value

    def forward(self, x):
        mixed = F.scaled_dot_product_attention(*self.parts(x), is_causal=True)
        return self.out(mixed.transpose(1, 2).flatten(2))

# %% tags=["define"]
class LookBack(nn.Module):
    """Mixes into each token a learned share of the one before it: (batch, time, width) -> the same."""

    def __init__(self, width):
        super().__init__()
        self.share = nn.Parameter(torch.full((width,), 0.4))

    def forward(self, x):
        return torch.lerp(x, F.pad(x, (0, 0, 1, -1)), self.share)

# %% tags=["define"]
class Block(nn.Module):
    """Attention, then a network on each token alone; each adds to what came in."""

    def __init__(self, shape):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(shape.width, bias=False), nn.LayerNorm(shape.width, bias=False)
        self.back1, self.back2 = (LookBack(shape.width) if shape.look_back else nn.Identity() for _ in range(2))
        self.attention = Attention(shape)
        self.up = nn.Linear(shape.width, 4 * shape.width, bias=False)
        self.down = nn.Linear(4 * shape.width, shape.width, bias=False)
        self.dropout = shape.dropout

    def forward(self, x):
        x = x + F.dropout(self.attention(self.back1(self.norm1(x))), self.dropout, self.training)
        thought = self.down(F.gelu(self.up(self.back2(self.norm2(x)))))
        return x + F.dropout(thought, self.dropout, self.training)

# %% tags=["define"]
class Embedding(nn.Module):
    """Token numbers (batch, time) -> one row of numbers a token (batch, time, width), with its place where asked for."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.token = nn.Embedding(shape.vocabulary, shape.width)
        nn.init.normal_(self.token.weight, std=0.02 if shape.tied else 0.5)
        self.place = nn.Parameter(torch.zeros(shape.context, shape.width)) if shape.position == "learned" else None

    def forward(self, ids):
        x = self.token(ids)
        if self.place is not None:
            x = x + self.place[:ids.shape[1]]
        return x + waves(ids.shape[1], self.shape.width) if self.shape.position == "sinusoidal" else x

# %% tags=["define"]
class GPT(nn.Module):
    """Token numbers (batch, time) -> scores for the next token (batch, time, vocabulary)."""

    def __init__(self, shape, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.shape, self.embed = shape, Embedding(shape)
        self.blocks = nn.Sequential(*(Block(shape) for _ in range(shape.layers)))
        self.norm = nn.LayerNorm(shape.width, bias=False)
        self.head = nn.Linear(shape.width, shape.vocabulary, bias=False)
        nn.init.zeros_(self.head.weight)  # knows nothing: all scores alike
        if shape.tied:
            self.head.weight = self.embed.token.weight

    def forward(self, ids):
        if ids.shape[1] > self.shape.context:
            raise ValueError(f"{ids.shape[1]} tokens; this model reads {self.shape.context} at a time")
        return self.head(self.norm(self.blocks(self.embed(ids))))

# %% [markdown]
# **Count it to the last parameter.** Each number below can be worked out on paper from the width w, the vocabulary v and the number of layers: the token table v x w, the head again, and per block 3w² + w² for attention, 8w² for the
# network, 4w for two norms and two look-backs.

# %% tags=["nbval-check-output"]
SHAPES = {
    "small (this notebook)": Shape(len(characters)),
    "nanoGPT's CPU setting": Shape(len(characters), layers=4, heads=4, width=128),
}
for name, shape in SHAPES.items():
    w, v = shape.width, shape.vocabulary
    by_hand = 2 * v * w + shape.layers * (12 * w * w + 4 * w) + w
    print(f"{name:22s} {by_hand:,} by hand, {sum(p.numel() for p in GPT(shape).parameters()):,} in the model")

# %% [markdown]
# **Is it right?** A well-kept library has the same design under the name GPT-NeoX. We give it our weights and compare the scores. (Without our *look back*, which it does not have.)

# %% tags=["nbval-check-output"]
from course_utils import reference

mine = GPT(Shape(50, context=32, layers=2, heads=4, width=32, look_back=False), seed=1)
nn.init.normal_(mine.head.weight, std=0.1)
theirs = reference.gpt_neox(mine)
ids = torch.randint(50, (3, 32))
print("largest difference below 1e-5:", (mine(ids) - theirs(ids).logits).abs().max().item() < 1e-5)

# %% [markdown]
# ## 8 · Training
#
# One step: read 16 windows of text, guess every next character, measure the surprise, move each weight a little against it. The loop is short enough to read in full. Two details decide how fast
# it learns (both measured in the appendix): the *Muon* optimizer for the matrices, and a step size that falls to zero.

# %% tags=["define"]
import os


def optimizers(model, rate=0.02, adam_rate=0.01):
    """Muon for the matrices inside the blocks, Adam for the rest."""
    matrices = [p for block in model.blocks for p in block.parameters() if p.ndim == 2]
    inside = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in inside]
    return [torch.optim.Muon(matrices, lr=rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
            torch.optim.Adam(rest, lr=adam_rate, betas=(0.9, 0.95))]


def keep(path, **parts):
    """Writes a checkpoint so that a half-written one is never taken for whole."""
    torch.save(parts, f"{path}.half")
    os.replace(f"{path}.half", path)

# %% tags=["define"]
def train(model, batch_of, steps, tools=None, watch=None, checkpoint=None, every=200):
    """Trains on batch_of(step) for `steps` steps. An interrupted run goes on from `checkpoint` when called again."""
    tools = tools or optimizers(model)
    peaks, done = [tool.param_groups[0]["lr"] for tool in tools], 0
    if checkpoint and os.path.exists(checkpoint):
        stored = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(stored["model"])
        for tool, state in zip(tools, stored["tools"]):
            tool.load_state_dict(state)
        done = stored["step"]
    for step in range(done, steps):
        torch.manual_seed(step)  # for dropout; with it a resumed run is the same run
        loss = one_step(model, batch_of(step), tools, [peak * (1 - step / steps) for peak in peaks])
        if watch:
            watch(step + 1, loss)
        if checkpoint and (step + 1) % every == 0:
            keep(checkpoint, model=model.state_dict(), tools=[t.state_dict() for t in tools], step=step + 1)
    return model.eval()

# %% tags=["define"]
def one_step(model, batch, tools, rates):
    """One step of descent at these rates; returns the loss."""
    x, y = batch
    model.train()
    loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())  # targets of -100 are not counted
    loss.backward()
    for tool, rate in zip(tools, rates):
        for group in tool.param_groups:
            group["lr"] = rate
        tool.step()
        tool.zero_grad()
    return loss.item()

# %% tags=["define"]
def held_loss(model, data, batch=64):
    """Mean loss over all of `data`, in windows as long as the model's context, the last one shorter."""
    def total(window):
        with torch.no_grad():
            return F.cross_entropy(model(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten(), reduction="sum").item()

    model.eval()
    context = model.shape.context
    pieces = [data[i:i + context + 1] for i in range(0, len(data) - 1, context)]
    whole = [p for p in pieces if len(p) == context + 1]
    losses = [total(torch.stack(whole[i:i + batch])) for i in range(0, len(whole), batch)]
    if len(pieces) > len(whole):
        losses.append(total(pieces[-1][None]))
    return sum(losses) / (len(data) - 1)

# %% [markdown]
# And the loop by which it writes: score the next character, draw one, append it, repeat. *Temperature* sharpens (below 1) or flattens (above 1) the probabilities; *top-k* allows only the k likeliest.

# %% tags=["define"]
def next_probabilities(scores, temperature=1.0, top_k=None):
    """Scores (vocabulary,) -> probabilities. Temperature 0: all on the likeliest. ValueError below 0."""
    if temperature < 0:
        raise ValueError(f"the temperature is {temperature}; it must be 0 or more")
    if temperature == 0:
        return F.one_hot(scores.argmax(), len(scores)).float()
    if top_k:
        scores = scores.masked_fill(scores < scores.topk(min(top_k, len(scores))).values[-1], float("-inf"))
    return (scores / temperature).softmax(-1)


def write(model, tokens, prompt="\n", length=200, temperature=0.8, top_k=None, seed=0):
    """Yields characters one by one. A prompt longer than the context counts with its last part only."""
    generator, ids = torch.Generator().manual_seed(seed), tokens.encode(prompt or "\n")
    for _ in range(length):
        with torch.no_grad():
            scores = model(torch.tensor([ids[-model.shape.context:]]))[0, -1]
        chance = next_probabilities(scores, temperature, top_k)
        ids.append(torch.multinomial(chance, 1, generator=generator).item())
        yield tokens.decode(ids[-1:])

# %% [markdown]
# **Predict first.** Untrained, its loss is ln 74. Counting runs of five gave the last figure of section 3. Where will a minute of training end? And what will the text look like after one tenth of it?

# %%
from course_utils import gpt_figures

STEPS = runtime.pick(quick=60, laptop=1000, colab=1200)
gpt = GPT(SHAPES["small (this notebook)"])
yardsticks = {"knowing nothing": math.log(len(characters)), "counting runs of 5": counted[5]}
moments, samples = {STEPS // 50, STEPS // 5, STEPS}, {0: "".join(write(gpt, characters, "\nKING", 150))}

def plays_batch(step):
    return random_windows(train_data, 16, 64, seed=step)

def watch(step, loss):
    live.add("training", step, loss)
    if step % max(1, STEPS // 14) == 0:
        live.add("held-out plays", step, held_loss(gpt, held_data[:20_000]))
        live.draw()
    if step in moments:
        samples[step] = "".join(write(gpt.eval(), characters, "\nKING", 150))

# %%
live = gpt_figures.LiveLines(STEPS, yardsticks, "training step")
train(gpt, plays_batch, STEPS, watch=watch)
print(f"{live.seconds:.0f} s of training, of looking at held-out plays and of writing samples")

# %% [markdown]
# **While it trains**: write down three things that the model must learn to get below the dashed line of counting. (A speaker's name is in capitals. Lines have a length. Quotes are closed. A verb agrees with a subject ten characters
# back.)
#
# What to see: within a few steps it knows which characters are frequent; then words; then the lay-out. What good looks like: both curves fall together and the held-out one ends well below counting. A gap between
# them would mean learning by heart.

# %% tags=["reveal"]
for step, text in sorted(samples.items()):
    print(f"--- after {step} steps ---\nKING{text}\n")

# %% [markdown]
# Good at this size: most words are English, names stand in capitals with a colon, lines break where verse breaks. Not to be expected: sense. If your last sample looks like your first, training has failed.
#
# **What does it know that counting does not?** The same held-out text, character by character, sorted by what the character is:

# %% tags=["reveal"]
def loss_by_kind(text):
    """Mean loss of both models by kind of character."""
    ids, kinds = torch.tensor(characters.encode(text)), shakespeare.kinds(text)
    count = CountingModel(train_ids[:COUNT], 5, len(characters))
    counts = [-math.log(count.probability(ids[max(0, i - 4):i].tolist(), ids[i].item())) for i in range(64, len(ids))]
    with torch.no_grad():
        scores = gpt(torch.stack([ids[i - 64:i] for i in range(64, len(ids))]))[:, -1]
    learned = F.cross_entropy(scores, ids[64:], reduction="none").tolist()
    table = {}
    for kind in dict.fromkeys(kinds):
        places = [i for i, k in enumerate(kinds[64:]) if k == kind]
        table[kind] = (sum(counts[i] for i in places) / len(places), sum(learned[i] for i in places) / len(places))
    return table

by_kind = loss_by_kind(held_text[:runtime.pick(quick=1500, laptop=4000, colab=6000)])
from course_utils import style

style.show(gpt_figures.paired_bars(by_kind, ("counting runs of 5", "tiny GPT")), "Loss by kind of character for counting and for the tiny GPT.")

# %% [markdown]
# Where the bars differ most, the model uses more than four characters of context: it knows how long the line already is, and which speakers are on stage.
#
# ## 9 · A look inside
#
# Each head is a map: from each character (row), how much it takes from each one before (column).

# %% tags=["define"]
def attention_maps(model, ids):
    """The weights of every layer and head on one text: (layers, heads, time, time)."""
    maps = []

    def look(module, inputs, output):
        maps.append(attend(*module.parts(inputs[0]))[1][0])

    hooks = [block.attention.register_forward_hook(look) for block in model.blocks]
    with torch.no_grad():
        model(torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    return torch.stack(maps)

# %% tags=["reveal"]
line = "ROMEO:\nO, she doth teach the"
maps = attention_maps(gpt, characters.encode(line))
picture = gpt_figures.attention_maps(maps.numpy(), line)
style.show(picture, "One map for each layer and head: rows and columns are the characters of a line by Romeo.")

# %% [markdown]
# Look for three patterns: a bright diagonal (looks at the neighbours), a bright column (looks at one special character, such as a line break or the colon), a broad smear (collects the mood of the line).
#
# **Temperature and top-k.** The same model, the same prompt:

# %% tags=["reveal"]
with torch.no_grad():
    scores = gpt(torch.tensor([characters.encode("\nKING HENRY V:\nWhat is thy n")]))[0, -1]
bars = {f"temperature {t}": next_probabilities(scores, t) for t in (0.4, 1.0, 2.0)} | {"1.0, top 3": next_probabilities(scores, 1.0, 3)}
style.show(gpt_figures.next_token(bars, characters.alphabet), "Probabilities of the next character after 'What is thy n' at three temperatures and with top-k.")
for temperature in (0.3, 0.8, 1.5):
    print(f"--- {temperature} ---", "".join(write(gpt, characters, "\nKING HENRY V:\n", 120, temperature)), sep="\n")

# %% [markdown]
# Low: safe and repetitive. High: inventive, then broken. The slider writes as you move it, character by character.

# %% tags=["nbval-skip"]
import ipywidgets

def stream(temperature, top_k):
    for character in write(gpt, characters, "\nKING HENRY V:\n", 120, temperature, top_k):
        print(character, end="", flush=True)

ipywidgets.interact(stream, temperature=ipywidgets.FloatSlider(0.8, min=0, max=2, step=0.1, continuous_update=False),
                    top_k=ipywidgets.IntSlider(20, 1, 60, continuous_update=False));

# %% [markdown]
# ## 10 · Three experiments
#
# **Position.** The same small model, the same steps, three ways to tell it where a character stands, and none at all.

# %% tags=["reveal"]
SHORT = runtime.pick(quick=20, laptop=160, colab=300)

def quick_loss(steps=SHORT, data=train_data, **changes):
    """Held-out and training loss of a small model after a short training."""
    model = GPT(Shape(len(characters), **{"layers": 2, "heads": 2, "width": 64, **changes}))
    train(model, lambda step: random_windows(data, 16, 64, seed=step), steps)
    return held_loss(model, held_data[:20_000]), held_loss(model, data[:20_000])

positions = {p: quick_loss(position=p, look_back=False)[0] for p in ("none", "learned", "sinusoidal", "rotary")}
for name, loss in positions.items():
    print(f"{name:11s} {loss:.2f}")

# %% [markdown]
# **Learning by heart.** One page of text instead of 34 plays, many times over; then with *dropout*, which switches off a random tenth of the numbers in each step.

# %% tags=["reveal"]
page = train_data[:6_000]
hearts = {"one page": quick_loss(2 * SHORT, page), "one page, dropout 0.1": quick_loss(2 * SHORT, page, dropout=0.1),
          "34 plays": quick_loss(2 * SHORT)}
style.show(gpt_figures.paired_bars({k: (v[1], v[0]) for k, v in hearts.items()}, ("on what it was trained on", "on held-out plays")),
           "Loss on training text and on held-out text for a page, a page with dropout, and all plays.")

# %% [markdown]
# What to see: on one page the training loss is low and the held-out loss is high: it learned the lines, not the language. Dropout helps a little. More text helps far more.
#
# **Scale.** Three sizes, the same text; the small ones train for more steps. The horizontal axis is the work done, in multiplications.

# %% tags=["reveal"]
def scaled(layers, heads, width, steps):
    """A model's size and its curve: (multiplications, held-out loss) at eight moments."""
    model = GPT(Shape(len(characters), layers=layers, heads=heads, width=width))
    weights, curve = sum(p.numel() for p in model.parameters()), []

    def spot(step, loss):
        if step % (steps // 8) == 0:
            curve.append((6 * weights * step * 16 * 64, held_loss(model, held_data[:10_000])))

    train(model, plays_batch, steps, watch=spot)
    return f"{weights:,} parameters", curve

sizes = dict(scaled(*measures) for measures in ((1, 1, 32, 8 * SHORT), (2, 2, 64, 3 * SHORT), (3, 3, 96, SHORT)))
style.show(gpt_figures.lines(sizes, "multiplications", "held-out loss", log=True), "Held-out loss against work done for three model sizes.")

# %% [markdown]
# What to see: at equal work the smallest model leads in this picture, but its curve flattens first, while the larger ones still fall. With many times the work the order turns. There is a right size for each budget. A firm that trains its own model chooses its size by what it can pay to train *and* to run.

# %% [markdown]
# ## 11 · From continuing to answering: supervised fine-tuning
#
# The model continues texts. A desk wants answers. We give it short questions with their answers, in four kinds: the mood of a headline, the direction of a price, the size of a firm, the grade of a bond. No answer stands in
# its question, and no test question was seen in training.

# %% tags=["nbval-check-output"]
from course_utils import instructions

lessons = instructions.pairs()
print({part: len(rows) for part, rows in lessons.items()})
for row in lessons["test"][:6]:
    print(f"{row['kind']:6s} {row['instruction']:32s} -> {row['answer']}")

# %% [markdown]
# **The one trick of fine-tuning is the mask.** The text of a lesson is question and answer. The loss counts only the answer: the model should learn to answer, not to ask. `-100` marks what is not counted.

# %% tags=["define"]
def lesson(row, tokens):
    """(inputs, targets) of one lesson, as lists of equal length: only the answer and its end are graded."""
    question = tokens.encode(f"\nQ: {row['instruction']}\nA: ")
    answer = tokens.encode(row["answer"] + "\n")
    whole = question + answer
    return whole[:-1], [-100] * (len(question) - 1) + answer


def lesson_batch(rows, tokens, context):
    """Lessons as tensors (inputs, targets), each (batch, longest), filled up at the end with what is not counted."""
    pairs = [lesson(row, tokens) for row in rows]
    longest = max(len(inputs) for inputs, _ in pairs)
    if longest > context:
        raise ValueError(f"a lesson has {longest} tokens; the model reads {context}")
    x = [inputs + [0] * (longest - len(inputs)) for inputs, _ in pairs]
    y = [targets + [-100] * (longest - len(targets)) for _, targets in pairs]
    return torch.tensor(x), torch.tensor(y)

# %% tags=["nbval-check-output"]
inputs, targets = lesson(lessons["train"][0], characters)
for i, t in list(zip(inputs, targets))[-9:]:
    print(f"reads {characters.decode([i])!r:5s} is graded on {'nothing' if t == -100 else repr(characters.decode([t]))}")

# %% [markdown]
# **Exact match**: the answer counts only if every character and its end are right. (If each is the likeliest one after the right ones before it, then writing without chance gives exactly this answer; so we need one pass, not many.)

# %% tags=["define"]
def exact_match(model, tokens, rows):
    """Which answers would be written exactly right, greedily: a list of bools."""
    model.eval()
    x, y = lesson_batch(rows, tokens, model.shape.context)
    with torch.no_grad():
        best = torch.cat([model(part).argmax(-1) for part in x.split(256)])
    return ((best == y) | (y == -100)).all(1).tolist()

# %%
import copy

TUNE, RATE = runtime.pick(quick=30, laptop=450, colab=450), 3e-3
def lessons_batch(step):
    return lesson_batch(instructions.balanced(lessons["train"], 32, seed=step), characters, 64)

def mixed_batch(step):  # every second step is Shakespeare again
    return random_windows(train_data, 8, 64, seed=step) if step % 2 else lessons_batch(step)

def adam(model):
    return [torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.95))]

tuned, mixed_in = copy.deepcopy(gpt), copy.deepcopy(gpt)
train(tuned, lessons_batch, TUNE, adam(tuned))
train(mixed_in, mixed_batch, 2 * TUNE, adam(mixed_in));

# %% tags=["reveal"]
from course_utils import statistics

unseen = instructions.first_of_each(lessons["test"], 100)
table = {}
for name, model in (("before", gpt), ("fine-tuned", tuned), ("fine-tuned, plays mixed in", mixed_in)):
    right = exact_match(model, characters, unseen)
    table[name] = (sum(right) / len(right), held_loss(model, held_data[:20_000]))
    low, high = statistics.accuracy_interval(sum(right), len(right))
    print(f"{name:27s} exact match {table[name][0]:.2f} ({low:.2f} to {high:.2f})   loss on plays {table[name][1]:.2f}")

# %% [markdown]
# Two lessons in one table. **It works**: from nearly nothing to answers on questions it never saw. **It costs**: the fine-tuned model has forgotten its Shakespeare, without being told to. Mixing some of the old text into the new lessons
# keeps most of it. The same happens to large models; notebook 05 measures it on a real one.

# %% tags=["reveal"]
kinds = {kind: [r for r in unseen if r["kind"] == kind] for kind in sorted({r["kind"] for r in unseen})}
kinds["mood, words never paired in training"] = lessons["rule"]
by_question = {kind: sum(exact_match(tuned, characters, rows)) / len(rows) for kind, rows in kinds.items()}
for kind, share in by_question.items():
    print(f"{kind:36s} {share:.2f}")
for row in lessons["test"][:5]:
    answer = "".join(write(tuned, characters, f"\nQ: {row['instruction']}\nA: ", 10, temperature=0)).split("\n")[0]
    print(f"{row['instruction']:32s} {answer:8s} {'' if answer == row['answer'] else 'should be ' + row['answer']}")

# %% [markdown]
# **Read the last kind with care.** "Fines fall" is good news, "sales fall" is not: the mood needs both words. If the last line is near the others, the model found the rule. If it is near a half or
# below, it learned the pairs by heart; a test that only re-words what was trained would never have shown it. Ask of every benchmark what exactly was unseen.
#
# ## 12 · How much did the weights really change?
#
# Fine-tuning moved every weight. But how *complicated* is the change? Any matrix is a sum of simple ones (of rank 1), sorted by weight: its *singular values*. We keep only the r strongest parts of each change, throw the rest away, and test the model again.
#
# **Predict first.** The matrices have rank 96. How many parts are needed for the answers to be right?

# %% tags=["define"]
def truncated(before, after, rank):
    """A copy of `after` in which each matrix's change from `before` is cut to its `rank` strongest parts."""
    import copy

    cut = copy.deepcopy(after)
    with torch.no_grad():
        for (name, new), old in zip(cut.named_parameters(), before.parameters()):
            if new.ndim == 2 and "blocks" in name:
                u, s, v = torch.linalg.svd(new - old, full_matrices=False)
                new.copy_(old + (u[:, :rank] * s[:rank]) @ v[:rank])
    return cut

# %% tags=["reveal"]
ranks = [1, 2, 4, 8, 16, 32, 96]
kept = {r: sum(exact_match(truncated(gpt, tuned, r), characters, unseen)) / len(unseen) for r in ranks}
first = dict(gpt.named_parameters())["blocks.1.up.weight"]
change = (dict(tuned.named_parameters())["blocks.1.up.weight"] - first).detach()
random_like = torch.randn_like(change) * change.std()
picture = gpt_figures.low_rank(torch.linalg.svdvals(change).tolist(), torch.linalg.svdvals(random_like).tolist(), kept)
style.show(picture, "Left: singular values of one weight change beside a random matrix. Right: exact match against the rank kept.")

# %% [markdown]
# Left: the change has a few strong parts and a long weak tail, unlike a random matrix of the same size. Right: the answers come back with a few parts of 96. That is the idea behind **LoRA**: if the change is simple, train only a simple change.
# Notebook 02 builds it.

# %% [markdown]
# ## 13 · Save, reload, the same text

# %%
place = runtime.runs_dir() / NOTEBOOK
place.mkdir(parents=True, exist_ok=True)
keep(place / "tiny_gpt.pt", shape=vars(gpt.shape), model=gpt.state_dict())
stored = torch.load(place / "tiny_gpt.pt", weights_only=True)
again = GPT(Shape(**stored["shape"])).eval()
again.load_state_dict(stored["model"])
same = "".join(write(again, characters, "\nKING", 200)) == "".join(write(gpt, characters, "\nKING", 200))
print("the same text from the same seed:", same)

# %% [markdown]
# ## 14 · What longer runs showed (recorded)
#
# **Against the reference.** Karpathy's nanoGPT is the best-known teaching implementation. Its own command for a laptop trains <!--r:01.nanogpt_parameters|,.0f-->804,096<!--/r--> parameters on another Shakespeare text, *tinyshakespeare*. Both ran back to back on
# one machine, three seeds, and were measured on the whole validation text in windows of 64 characters.

# %% tags=["recorded"]
from course_utils import results

stored = results.entries("01")
lines = {"five_gram_loss": "counting runs of 5", "nanogpt_loss": "nanoGPT's laptop command", "nanogpt_seconds": "  its seconds of training",
         "nanogpt_time_ratio": "our time to its loss, as a share of its time (any shape)",
         "nanogpt_time_ratio_same_shape": "  the same with nanoGPT's own shape", "equal_time_loss": "our loss in nanoGPT's time, 0.85 M parameters at most",
         "five_minute_loss": "our loss after five minutes, 256 characters of context"}
for name, text in lines.items():
    found = stored.get(name)
    spread = f"   ({found['low']:.3f} to {found['high']:.3f} over {len(found['seeds'])} seeds)" if found and found.get("seeds") else ""
    print(f"{text:58s} {found['value']:.3f}{spread}" if found else f"{text:58s} not run")

# %% [markdown]
# **Look at the first line before you admire the others.** Counting, without any training, beats nanoGPT's laptop command. A loss that sounds good may be worth nothing. The GPU reference that nanoGPT's author reports is 1.47, with
# 10.65 million parameters on an A100.
#
# ## 15 · Claims tested

# %%
weights, beats = sum(p.numel() for p in gpt.parameters()), held_loss(gpt, held_data[:20_000]) < counted[5]
results.claim("S1", "a model under 1M parameters trains on a laptop CPU in minutes", live.seconds / 60,
              "holds" if weights < 1e6 and live.seconds < 600 and beats else "wrong", "section 8", "minutes",
              f"{weights:,} parameters; better than counting on held-out plays: {beats}")
other = stored.get("nanogpt_seconds")
results.claim("S2", "nanoGPT's command: about 0.8M parameters, a few minutes, pseudo-Shakespeare", other and other["value"] / 60,
              "not run" if not other else "holds with a condition" if other["value"] < 600 else "wrong", "section 14", "minutes",
              "true, but counting runs of five characters reaches a lower loss")
results.claim("S8", "gpt-from-scratch runs on a CPU, no GPU required", 4.4, "holds with a condition", "stated, not run here",
              "hours on a GPU, by its own log", "only its ten-sequence demonstration is of CPU size; its pretraining ran on a GPU")
half = min(r for r in ranks if kept[r] >= 0.9 * kept[96])
results.claim("L8", "the update has low intrinsic rank", half, "holds with a condition" if half <= 16 else "wrong", "section 12",
              "rank of 96 that keeps 90 % of the exact matches", "Adam, a task of four question types; its tail is not zero");

# %% tags=["recorded", "reveal"]
results.claims_table("01")

# %% [markdown]
# ## 16 · Recorded beside yours

# %%
text = "four held-out plays, the first 20,000 characters"
results.record("live_loss", held_loss(gpt, held_data[:20_000]), "nats a character", split=text, n=20_000)
results.record("live_five_gram", counted[5], "nats a character", split=text, n=20_000)
results.record("live_seconds", live.seconds, "s", n=STEPS)
results.record("live_parameters", weights)
low, high = statistics.accuracy_interval(round(len(unseen) * table["fine-tuned"][0]), len(unseen))
asked = {"n": len(unseen), "split": "unseen instructions"}
results.record("instruction_exact_match", table["fine-tuned"][0], low=low, high=high, method="Wilson 95 %", **asked)
results.record("instruction_rule", by_question["mood, words never paired in training"], n=len(lessons["rule"]), split="word pairs never seen")
results.record("instruction_before", table["before"][0], **asked)
results.record("plays_loss_before", table["before"][1], "nats a character", split=text)
results.record("plays_loss_after", table["fine-tuned"][1], "nats a character", split=text)
results.record("plays_loss_mixed", table["fine-tuned, plays mixed in"][1], "nats a character", split=text)
results.record("instruction_mixed", table["fine-tuned, plays mixed in"][0], **asked)
results.recorded_beside_yours("live_loss", "live_five_gram", "live_seconds", "instruction_before", "instruction_exact_match",
                              "instruction_mixed", "instruction_rule", "plays_loss_before", "plays_loss_after", "plays_loss_mixed", "laptop_minutes")

# %% tags=["summary"]
print(f"Held-out loss {held_loss(gpt, held_data[:20_000]):.2f} after {live.seconds:.0f} s; counting runs of five: {counted[5]:.2f}.")
print(f"Exact answers to unseen questions: {table['before'][0]:.2f} before, {table['fine-tuned'][0]:.2f} after fine-tuning.")

# %% [markdown]
# ## 17 · Exercises
#
# Each checks itself. A wrong answer gets a hint.

# %% tags=["exercise-checks"]
from course_utils import exercises

exercises.exercise("01.1", lambda f: abs(f(50257) - math.log(50257)) < 1e-9 and abs(f(2) - math.log(2)) < 1e-9,
                   "All tokens have the same probability: one over their number.", "The loss is minus the logarithm of that probability.")
exercises.exercise("01.2", lambda f: torch.allclose(f(torch.zeros(3, 3)), torch.tensor([[1., 0, 0], [.5, .5, 0], [1 / 3, 1 / 3, 1 / 3]])),
                   "Set what lies above the diagonal to minus infinity before the softmax.", "torch.ones(n, n).triu(1).bool() marks the future.")
exercises.exercise("01.3", lambda f: f(128, 65, 4) == 2 * 65 * 128 + 4 * (12 * 128**2 + 4 * 128) + 128,
                   "The token table and the head: each vocabulary x width.", "A block: 12 w² and 4 w; and one norm of w at the end.")
exercises.exercise("01.4", lambda f: all(abs(a - b) < 1e-9 for a, b in zip(f([0.5, 0.3, 0.2], 2), [0.625, 0.375, 0])) and f([0.2, 0.3, 0.5], 1) == [0, 0, 1],
                   "Keep the k largest, set the rest to 0.", "Divide what is left by its sum.");

# %% [markdown]
# **Exercise 1.** What is the loss of an untrained model with a vocabulary of n tokens?

# %% tags=["exercise"]
def untrained_loss(n):
    ### BEGIN SOLUTION
    return math.log(n)
    ### END SOLUTION

exercises.check("01.1", untrained_loss);

# %% [markdown]
# **Exercise 2.** Turn a square of scores into causal attention weights.

# %% tags=["exercise"]
def causal_weights(scores):
    ### BEGIN SOLUTION
    future = torch.ones_like(scores).triu(1).bool()
    return scores.masked_fill(future, float("-inf")).softmax(-1)
    ### END SOLUTION

exercises.check("01.2", causal_weights);

# %% [markdown]
# **Exercise 3.** Count the parameters of our GPT from its width, vocabulary and number of layers.

# %% tags=["exercise"]
def count_parameters(width, vocabulary, layers):
    ### BEGIN SOLUTION
    return 2 * vocabulary * width + layers * (12 * width**2 + 4 * width) + width
    ### END SOLUTION

exercises.check("01.3", count_parameters);

# %% [markdown]
# **Exercise 4.** Top-k on a list of probabilities: keep the k largest and make them sum to 1.

# %% tags=["exercise"]
def top_k(probabilities, k):
    ### BEGIN SOLUTION
    border = sorted(probabilities)[-k]
    kept_ones = [p if p >= border else 0.0 for p in probabilities]
    return [p / sum(kept_ones) for p in kept_ones]
    ### END SOLUTION

exercises.check("01.4", top_k);

# %% [markdown]
# **To try**: a text of your own (`shakespeare.from_file("mine.txt")` gives the two parts). nanoGPT's shape: `SHAPES["nanoGPT's CPU setting"]` in section 8, and its time beside ours. A word in the prompt that the alphabet lacks.
#
# ## Where next
#
# - **02** builds LoRA, the cheap way to make the change of section 12.
# - **03** does sections 11 and 12 with a real model of 135 million parameters and real news.
#
# ## Appendix · What each trick is worth
#
# The training recipe has six tricks. A trick stays only if it pays. Each line is a run of 400 steps with that one trick taken out, on tinyshakespeare: the loss on a slice of the *training* text that was kept
# aside, and what it cost to do without.
#
# - *Muon*: the optimizer for matrices; it makes all directions of a step equally long. Instead: Adam for all.
# - *falling step size*: linearly to zero. Instead: constant.
# - *batch 16*: windows a step. Instead: 8 or 32, with as many characters read.
# - *rotary positions*. Instead: learned ones.
# - *own head*: the scores have weights of their own. Instead: tied to the token table.
# - *look back*: before attention and before the network each character takes a share of what the one before said. Instead: none.

# %% tags=["recorded"]
ablation = stored.get("ablation")
if ablation:
    for row in ablation["value"]:
        spread = f"{row['low']:.3f} to {row['high']:.3f} over {row['seeds']} seed(s)"
        print(f"{row['change']:32s} {row['loss']:.3f}   {row['cost']:+.3f}   {spread}")
else:
    print("not run")

# %% [markdown]
# Read the last column before the middle one: differences smaller than the spread between seeds decide nothing. And 400 steps are a short run: a trick that pays in ten
# minutes may cost in one.
