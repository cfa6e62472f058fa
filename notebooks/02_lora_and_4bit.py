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
# # 02 · LoRA and 4 bits on one small layer
#
# **Why is fine-tuning cheap, in memory and in money?**
#
# <!--badges-->[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/fine-tuning-course/fine-tuning-course/blob/main/notebooks/02_lora_and_4bit.ipynb) · [source](https://github.com/fine-tuning-course/fine-tuning-course/blob/main/notebooks/02_lora_and_4bit.py) · [slides](https://github.com/fine-tuning-course/fine-tuning-course/tree/main/slides)<!--/badges-->
#
# After this notebook you will be able to
#
# - draw what LoRA adds to a layer, and count it,
# - say when LoRA saves nothing,
# - merge an adapter into a layer and take it out again,
# - build the 4-bit number format of QLoRA from a bell curve, and check it against the library bit for bit,
# - work out whether a model fits a graphics card, before renting one.
#
# | runs on | model | minutes |
# |---|---|---|
# | any laptop | one layer with 6 inputs and 6 outputs; then real shapes and real weights | under 2 |
# | Colab | the same | under 2, expected |

# %% tags=["setup"]
# Set-up: the same in every notebook. It finds the course's library, installs what is missing and checks the machine.
import io, sys, urllib.request, zipfile
from pathlib import Path

NOTEBOOK, REPOSITORY = "02", "fine-tuning-course/fine-tuning-course"
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
# ## 1 · The picture
#
# A language model is a stack of layers. One layer turns six numbers into six numbers here; in a real model it is thousands. Each output
# listens to each input with its own weight. That makes 6 x 6 = 36 weights, and 6 biases.
#
# **Predict first.** Fine-tuning changes weights. LoRA leaves all 36 alone and adds a detour through *r* extra nodes. With r = 2, how many new
# weights are there? And with r = 3? With r = 6?

# %% tags=["nbval-check-output"]
import torch

layer = torch.nn.Linear(6, 6)
print({name: tuple(p.shape) for name, p in layer.named_parameters()})
print(sum(p.numel() for p in layer.parameters()), "numbers to train in full fine-tuning")

# %%
from course_utils import figures, style

style.show(figures.lora_layer(1), "Six input and six output nodes with 36 faint connections, and a bold detour through one node.")

# %% [markdown]
# Faint: the 36 frozen weights. Bold: the detour. Six inputs go to r nodes (matrix **A**), and r nodes go to six outputs (matrix **B**).
# Move the slider: the picture is drawn again for each r.

# %% tags=["nbval-skip"]
import ipywidgets
from IPython.display import display

def redraw(r):
    display(figures.lora_layer(r))

ipywidgets.interact(redraw, r=ipywidgets.IntSlider(2, 1, 6, description="r"));

# %% [markdown]
# ## 2 · The maths in one line
#
# The detour's effect is itself a 6 x 6 matrix: **dW = (alpha / r) B A**. The factor alpha / r sets how loud the detour is. Many texts leave it out.
# At alpha 32 and r 16 it is 2, so leaving it out halves the effect.

# %% tags=["define"]
def lora_update(A, B, alpha):
    """The change LoRA makes to a weight matrix: (alpha / r) B A, for A (r, inputs) and B (outputs, r)."""
    r = A.shape[0]
    if B.shape[1] != r:
        raise ValueError(f"A has rank {r} but B has rank {B.shape[1]}")
    return alpha / r * B @ A

# %% tags=["define"]
import torch


def checked_rank(r, layer):
    """r itself, if LoRA at that rank makes sense on `layer`; ValueError naming r otherwise."""
    largest = min(layer.in_features, layer.out_features)
    if not isinstance(r, int) or not 1 <= r <= largest:
        raise ValueError(f"r is {r}; on a layer {layer.in_features} -> {layer.out_features} it must be 1 to {largest}")
    if not torch.isfinite(layer.weight).all():
        raise ValueError("the layer's weights contain NaN or infinity")
    return r

# %% tags=["define"]
class LoRALinear(torch.nn.Module):
    """A frozen linear layer with a LoRA detour: y = W x + b + (alpha / r) B A x. A starts random, B at zero."""

    def __init__(self, layer, r, alpha=32.0):
        super().__init__()
        self.layer, self.alpha, self.merged = layer.requires_grad_(False), alpha, False
        self.A = torch.nn.Parameter(torch.randn(checked_rank(r, layer), layer.in_features) / layer.in_features**0.5)
        self.B = torch.nn.Parameter(torch.zeros(layer.out_features, r))

    def forward(self, x):
        y = self.layer(x)
        return y if self.merged else y + self.alpha / len(self.A) * (x @ self.A.T) @ self.B.T

    def merge(self, sign=1):
        if self.merged == (sign > 0):
            raise RuntimeError("the adapter is already merged" if self.merged else "the adapter is not merged")
        with torch.no_grad():
            self.layer.weight += sign * lora_update(self.A, self.B, self.alpha)
        self.merged = sign > 0

# %% [markdown]
# **Training starts from the original model.** B is zero, so the detour says nothing at first. A must not be zero too: then neither
# would ever learn (exercise 3).

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
x = torch.randn(8, 6)
lora = LoRALinear(layer, r=2)
print("same answers before training:", torch.equal(lora(x), layer(x)))
print("trained:", sum(p.numel() for p in lora.parameters() if p.requires_grad), "new numbers, beside", layer.weight.numel(), "frozen")

# %% [markdown]
# **What does training compute?** The gradient of the loss for the full matrix, G, is what full fine-tuning would use. LoRA's two gradients
# follow from it by the chain rule: for B it is (alpha / r) G A', for A it is (alpha / r) B' G. We check by hand against the library.

# %% tags=["nbval-check-output"]
torch.manual_seed(1)
target = torch.randn(8, 6)
lora.B.data.normal_()
error = lora(x) - target
(error**2).mean().backward()
G = 2 / error.numel() * error.T @ x  # the gradient for the full 6 x 6 matrix
scale = lora.alpha / 2
print("B by hand:", torch.allclose(lora.B.grad, scale * G @ lora.A.T, atol=1e-5))
print("A by hand:", torch.allclose(lora.A.grad, scale * lora.B.T @ G, atol=1e-5))

# %% [markdown]
# ## 3 · What r buys
#
# A has r x 6 numbers, B has 6 x r. On this tiny layer the saving ends soon. On a real layer it is enormous.

# %% tags=["define"]
def lora_numbers(outputs, inputs, r):
    """Trainable numbers of one LoRA adapter."""
    return r * (outputs + inputs)

# %% tags=["nbval-check-output"]
for r in range(1, 7):
    n = lora_numbers(6, 6, r)
    print(f"6x6, r={r}: {n:3d} new instead of 36: {'saves ' + str(36 - n) if n < 36 else 'saves nothing'}")
big = lora_numbers(4096, 4096, 16)
print(f"4096x4096, r=16: {big:,} of {4096**2:,}, {4096**2 // big} times fewer")

# %% [markdown]
# **Real models**, computed from their published configurations. *q/v* puts adapters on two matrices a layer, as the first paper did. *All linear*
# puts them on all seven; that is what works best today. The adapter file is what you would send by mail.

# %% tags=["nbval-check-output"]
import pandas as pd
from course_utils import registry

rows = []
for name in ("smollm2-135m", "gemma-3-270m", "gemma-3-1b-it", "llama-3.2-3b", "llama-3.1-70b"):
    shapes = registry.linear_shapes(name)
    total = sum(p.numel() for p in registry.skeleton(name).parameters())
    qv = sum(lora_numbers(*s, 16) for path, s in shapes.items() if path.endswith(("q_proj", "v_proj")))
    every = sum(lora_numbers(*s, 16) for s in shapes.values())
    rows.append({"model": name, "parameters": f"{total:,}", "q/v, r=16": f"{qv:,}", "share": f"{qv / total:.3%}",
                 "fewer": f"{total / qv:,.0f}x", "all linear": f"{every:,}", "share ": f"{every / total:.2%}",
                 "fewer ": f"{total / every:,.0f}x", "file, 16-bit": f"{2 * every / 1e6:,.0f} MB"})
real = pd.DataFrame(rows).set_index("model")
print(real.to_string())

# %% [markdown]
# Read the last columns: how much is saved depends on the model, on r and on which layers get an adapter. The larger the model, the more.

# %% [markdown]
# ## 4 · Can so few numbers be enough?
#
# It depends on what must change. Any change of W splits into at most six simple ones, each a detour through one node. The size of each is called a
# *singular value*; how many are not zero is the *rank*. We make three jobs, with rank 1, 2 and 6, train LoRA with r = 1 to 6 on each, and compare
# with the best that any matrix of rank r could do. That best is known exactly: keep the r largest parts (Eckart and Young, 1936).
#
# **Predict first.** The job has rank 2. What happens at r = 1? At r = 2? At r = 5?

# %% tags=["define"]
def whitened(n, inputs, seed=0):
    """n inputs with mean square 1 and no correlation, so that all directions count the same: (n, inputs)."""
    draw = torch.randn(n, inputs, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(draw)[0] * n**0.5


def best_error(change, r):
    """Squared error of the best rank-r approximation of `change`: the sum of its smaller squared singular values."""
    return (torch.linalg.svdvals(change)[r:] ** 2).sum().item()

# %% tags=["define"]
def train_lora(W, goal, r, steps=1500, seed=0):
    """Fits LoRA at rank r so that W + dW acts like `goal`; returns the squared error left and dW."""
    torch.manual_seed(seed)
    layer = torch.nn.Linear(6, 6, bias=False)
    layer.weight.data = W.clone()
    lora, x = LoRALinear(layer, r, alpha=float(r)), whitened(48, 6)
    optimizer = torch.optim.Adam([lora.A, lora.B], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = ((lora(x) - x @ goal.T) ** 2).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return loss.item(), lora_update(lora.A, lora.B, lora.alpha).detach()

# %%
torch.manual_seed(3)
W = torch.randn(6, 6) / 6**0.5
jobs = {k: torch.randn(6, k) @ torch.randn(k, 6) / k**0.5 for k in (1, 2, 6)}
found = {(k, r): train_lora(W, W + change, r)[0] for k, change in jobs.items() for r in range(1, 7)}
bound = {(k, r): best_error(jobs[k], r) for k, r in found}

# %% tags=["nbval-check-output", "reveal"]
for k in jobs:
    gaps = [found[k, r] / bound[k, r] - 1 for r in range(1, k)]
    rest = max(found[k, r] for r in range(k, 7))
    print(f"rank {k}: below its rank within 1 % of the best possible: {all(abs(g) < 0.01 for g in gaps) if gaps else '-'}; "
          f"from r={k} on below 1e-4: {rest < 1e-4}")

# %% [markdown]
# **Full fine-tuning beside it**: the same jobs, the same optimiser, all 36 weights.

# %% tags=["nbval-check-output", "reveal"]
for k, change in jobs.items():
    full, x36 = torch.nn.Parameter(W.clone()), whitened(48, 6)
    optimizer = torch.optim.Adam([full], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1500)
    for _ in range(1500):
        loss = ((x36 @ (full - W - change).T) ** 2).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"rank {k}: full fine-tuning below 1e-4: {loss.item() < 1e-4}, with 36 trained weights; LoRA at r={k} needs {12 * k}")

# %% tags=["reveal"]
picture = figures.rank_and_error(jobs, found, bound)
style.show(picture, "Left: singular values of three changes. Right: error left by r; LoRA's points lie on the best possible line.")

# %% [markdown]
# Left: how many directions each job really needs. Right: the line is the best possible, the markers are what training found. A change of rank 2
# is learned completely from r = 2 on; more rank buys nothing. On these three jobs full fine-tuning is exact with 36 weights; LoRA is cheaper
# for rank 1 and 2 only. Whether the change in real fine-tuning has low rank is an empirical question (notebook 01, in the making).

# %% [markdown]
# ## 5 · Merging: the adapter disappears
#
# dW has the shape of W, so we may add it in. The merged layer is as fast as before: the same 36 weights. Subtract it, and the original is back.

# %% tags=["define"]
def apart(a, b):
    """Largest difference of two tensors, as a share of the largest number in the second."""
    return ((a - b).abs().max() / b.abs().max()).item()

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
layer = torch.nn.Linear(6, 6)
original, lora = layer.weight.clone(), LoRALinear(layer, r=2, alpha=4.0)
lora.B.data.normal_()
beside = lora(x)
lora.merge()
print("merged = unmerged:", apart(lora(x), beside) < 1e-6)
lora.merge(-1)
print("the original is back:", apart(layer.weight, original) < 1e-6)

# %% tags=["nbval-check-output"]
other = LoRALinear(layer, r=3)  # a second adapter on the same frozen layer
other.B.data.normal_()
print("two adapters, one base, different answers:", not torch.allclose(lora(x), other(x)))
print("the base has not moved:", apart(layer.weight, original) < 1e-6)
try:
    lora.merge(), lora.merge()
except RuntimeError as error:
    print("merging twice:", error)
lora.merge(-1)

# %% [markdown]
# **Why must the detour be straight?** Put a bend into it, a ReLU that cuts negative values to zero. No single matrix can do what it does. The
# best matrix we can find leaves an error.

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
many = whitened(2000, 6)
straight = (many @ lora.A.T) @ lora.B.T
bent = torch.relu(many @ lora.A.T) @ lora.B.T
for name, path in (("straight", straight), ("with a ReLU", bent)):
    best = torch.linalg.lstsq(many, path).solution
    print(f"{name:12s} error of the best merged matrix: {((many @ best - path).norm() / path.norm()).item():.0%}")

# %% [markdown]
# ## 6 · The library says the same
#
# We copy our A and B into the library `peft`. Same answers, same merged weights.

# %% tags=["nbval-check-output"]
from peft import LoraConfig, get_peft_model

torch.manual_seed(0)
plain = torch.nn.Sequential(torch.nn.Linear(6, 6))
ours = LoRALinear(plain[0], r=2, alpha=32.0)
ours.B.data.normal_()
mine = ours(x)
theirs = get_peft_model(plain, LoraConfig(r=2, lora_alpha=32, target_modules=["0"]))
inside = theirs.base_model.model[0]
inside.lora_A["default"].weight.data, inside.lora_B["default"].weight.data = ours.A.data, ours.B.data
print("same answers, to 1e-6 of their size:", apart(theirs(x), mine) < 1e-6)
ours.merge()
merged, w = ours.layer.weight.clone(), ours.merge(-1)
print("same merged weights:", apart(theirs.merge_and_unload()[0].weight, merged) < 1e-6)

# %% [markdown]
# ## 7 · Four bits from first principles
#
# Four bits can name 16 values. Which 16? Weights of a trained network look like a bell curve: many small, few large. So put more of the 16
# where the weights are: at equal shares of the bell curve. That is **NF4** (Dettmers et al., 2023).

# %% tags=["define"]
import numpy as np
from scipy.stats import norm


def nf4_levels():
    """The 16 NF4 levels: quantiles of the bell curve, 8 above zero, 7 below, and zero itself, scaled to -1 ... 1."""
    top = ((1 - 1 / 30) + (1 - 1 / 32)) / 2  # 0.9677083: the outermost share that is kept
    above = norm.ppf(np.linspace(top, 0.5, 9)[:-1])
    below = -norm.ppf(np.linspace(top, 0.5, 8)[:-1])
    levels = np.sort(np.concatenate([above, [0.0], below]))
    return torch.tensor(levels / levels.max(), dtype=torch.float32)

# %% tags=["nbval-check-output"]
import bitsandbytes.functional as bnb

levels, published = nf4_levels(), bnb.get_4bit_type("nf4", device="cpu")
level_error = (levels - published).abs().max().item()
print(" ".join(f"{v:.4f}" for v in levels.tolist()))
print("equal to the library's table to 6 decimals:", level_error < 5e-7)
usual = norm.ppf((np.arange(16) + 0.5) / 16)
levels = published  # ours to the last bit from here on
print(f"the recipe in many texts, (i + 0.5) / 16, is off by up to {np.abs(usual / usual.max() - published.numpy()).max():.2f}")

# %% [markdown]
# **Block by block.** Weights differ in size from place to place. So each block of 64 is divided by its largest absolute value, and each number
# goes to the nearest level. We store the level's number (4 bits) and the block's scale. Two level numbers share one byte.

# %% tags=["define"]
def quantise(w, levels, block=64):
    """Blockwise 4-bit codes and scales: returns (codes 0..15 for each weight, one scale for each block)."""
    flat = w.reshape(-1).float()
    if not torch.isfinite(flat).all():
        raise ValueError("the weights contain NaN or infinity")
    whole = len(flat) // block * block
    scales = flat[:whole].reshape(-1, block).abs().amax(1)
    parts = [(flat[:whole].reshape(-1, block) * (1 / scales.clamp(min=1e-38))[:, None]).reshape(-1)]
    if whole < len(flat):  # the last, shorter block
        scales = torch.cat([scales, flat[whole:].abs().amax().clamp(min=1e-38)[None]])
        parts.append(flat[whole:] / scales[-1])
    borders = (levels[1:] + levels[:-1]) / 2
    return torch.bucketize(torch.cat(parts).clamp(-1, 1), borders), scales

# %% tags=["define"]
def restore(codes, scales, levels, shape, block=64):
    """The weights that codes and scales stand for."""
    return (levels[codes] * scales.repeat_interleave(block)[:len(codes)]).reshape(shape)


def packed(codes):
    """Two codes a byte, the first in the upper half."""
    if len(codes) % 2:
        codes = torch.cat([codes, codes.new_full((1,), 7)])  # filled up with the code of zero
    return (codes[::2] << 4 | codes[1::2]).to(torch.uint8)

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
W = torch.randn(6, 6)
codes, scales = quantise(W, levels)
library, state = bnb.quantize_4bit(W, blocksize=64, quant_type="nf4")
print("6x6: same bytes as the library:", torch.equal(packed(codes), library.flatten()))
back = restore(codes, scales, levels, W.shape)
print("and the same numbers back, bit for bit:", torch.equal(back, bnb.dequantize_4bit(library, state)))

# %%
style.show(figures.quantised(W, codes.reshape(6, 6), back), "Three 6x6 tables: the weights, their 4-bit codes, and the error.")

# %% [markdown]
# **Bit-equal on hard cases too**: random, constant, zero, huge and tiny blocks, and a length that does not fill a block.

# %% tags=["nbval-check-output"]
torch.manual_seed(1)
cases = {"random": torch.randn(1000), "constant": torch.full((128,), 0.3), "zero": torch.zeros(128), "huge": torch.randn(192) * 1e30,
         "tiny": torch.randn(192) * 1e-30, "odd length": torch.randn(77)}
for name, w in cases.items():
    codes, scales = quantise(w, levels)
    theirs, state = bnb.quantize_4bit(w, blocksize=64, quant_type="nf4")
    same = torch.equal(packed(codes), theirs.flatten()) and torch.equal(scales, state.absmax)
    print(f"{name:11s} bytes and scales identical: {same}")
    cases[name] = same

# %% [markdown]
# **Is NF4 better than evenly spaced levels?** Its rivals are *int4* (15 evenly spaced values) and *fp4* (a 4-bit floating point number). We
# measure the error on bell-curve numbers and on real weights: those of a sentence-embedding model, MiniLM, which were trained in 32 bits.
# (The course's SmolLM2 was already rounded to 4 bits when it was packaged, so it cannot show this.)

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
tables = {"NF4": levels, "16 even levels": torch.linspace(-1, 1, 16), "int4": torch.arange(-7, 8) / 7, "fp4": bnb.get_4bit_type("fp4", device="cpu").sort().values.unique()}
real_weights = registry.minilm_weights()
matrices = [w for name, w in real_weights.items() if w.dim() == 2 and "encoder" in name]
sources = {"bell curve": [torch.randn(256, 1024)], "MiniLM": matrices}
errors = {}
for source, ws in sources.items():
    for name, table in tables.items():
        off = sum(((restore(*quantise(w, table), table, w.shape) - w) ** 2).sum() for w in ws)
        errors[source, name] = (off / sum((w**2).sum() for w in ws)).sqrt().item()
print(pd.Series(errors).unstack().map("{:.1%}".format).to_string())

# %% [markdown]
# Read it as: how large is the typical error compared with the typical weight? NF4 has the smallest on both. It is still nearly a tenth. Does a layer's
# answer suffer as much?

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
M = matrices[0]
inputs = torch.randn(M.shape[1], 200)
slip = restore(*quantise(M, levels), levels, M.shape) - M
print(f"error of the layer's answers: {((slip @ inputs).norm() / (M @ inputs).norm()).item():.1%}")

# %% [markdown]
# About as much. Whether the *whole model* still does its job is therefore an empirical question. Notebook 03 measures it.
#
# **Double quantisation.** One 32-bit scale for 64 weights costs half a bit a weight. So the scales are quantised too, to 8 bits, with one
# 32-bit number for 256 of them.

# %% tags=["nbval-check-output"]
once, twice = 4 + 32 / 64, 4 + 8 / 64 + 32 / (64 * 256)
print(f"bits a weight: {once} once, {twice:.3f} twice; saved {once - twice:.3f}")
print(f"against 16 bits: {16 / once:.2f}x and {16 / twice:.2f}x smaller, in the quantised layers")
def bytes_of(name, bits):
    linear = sum(a * b for a, b in registry.linear_shapes(name).values())
    total = sum(p.numel() for p in registry.skeleton(name).parameters())
    return (linear * bits + (total - linear) * 16) / 8

whole = bytes_of("gemma-3-1b-it", 16) / bytes_of("gemma-3-1b-it", twice)
print(f"the whole of Gemma 3 1B: {whole:.2f}x, because its word table stays in 16 bits")

# %% [markdown]
# ## 8 · Memory and money: does it fit?
#
# Training needs four things in memory: the **weights**; a **gradient** for each trained number; the **optimiser's** notes on each trained
# number; and the **activations**, the intermediate results kept for the way back. LoRA removes most of the second and third. 4-bit shrinks the
# first. A smaller batch, shorter texts or *checkpointing* (compute again instead of keeping) shrink the fourth. For small models with a large
# vocabulary the biggest single item is easily overlooked: a score for every word of the vocabulary, at every place, three times over.

# %% tags=["define"]
from course_utils import registry

LINEAR_BYTES = {"full": None, "LoRA": None, "8-bit LoRA": 1.0, "QLoRA": (4 + 8 / 64 + 32 / (64 * 256)) / 8}


def kept_a_token(name, method, r=16):
    """Numbers that one decoder layer keeps for the way back, for each token (counted from what autograd saves)."""
    c = registry.CONFIGURATIONS[name][1]
    h, wide, heads = c["hidden_size"], c["intermediate_size"], c["num_attention_heads"]
    kv = c.get("num_key_value_heads", heads) * c.get("head_dim", h // heads)
    return (8 * h if method == "full" else 6 * h + 7 * r) + 4 * wide + 2 * kv + heads + 2

# %% tags=["define"]
def memory(name, method, batch=1, tokens=512, r=16, number=2, checkpointing=False, logits=3):
    """Bytes for training: weights, gradients, optimiser, activations, and the peak.

    number: bytes of an ordinary number (2 for bfloat16, 4 for float32). logits: copies of the vocabulary's scores a token.
    Gradients grow while activations are given back, so the peak holds the larger of the two.
    """
    shapes, c = registry.linear_shapes(name), registry.CONFIGURATIONS[name][1]
    total, linear = sum(p.numel() for p in registry.skeleton(name).parameters()), sum(a * b for a, b in shapes.values())
    trained = total if method == "full" else sum(r * (a + b) for a, b in shapes.values())
    weights = linear * (LINEAR_BYTES[method] or number) + (total - linear) * number + (method != "full") * trained * 4
    each = 4 if method != "full" or number == 4 else 2
    layers = c["num_hidden_layers"]
    kept = batch * tokens * number * (layers * kept_a_token(name, method, r) if not checkpointing
                                      else layers * c["hidden_size"] + kept_a_token(name, method, r))
    kept += batch * tokens * c["vocab_size"] * 4 * logits
    notes = trained * (8 if each == 4 else 12)  # mixed precision also keeps a 32-bit copy
    parts = {"weights": weights, "gradients": trained * each, "optimiser": notes, "activations": kept}
    return parts | {"peak": weights + notes + max(parts["gradients"], kept)}

# %% tags=["nbval-check-output"]
CARDS = {"T4": 14.56, "RTX 3090": 24, "RTX 4090": 24, "A100 40": 40, "A6000 48": 48, "A100 80": 80, "H100": 80}  # GiB
rows = []
for name in ("smollm2-135m", "gemma-3-1b-it", "llama-3.2-3b", "llama-65b", "llama-3.1-70b"):
    for method in LINEAR_BYTES:
        m = memory(name, method, batch=1, tokens=512, checkpointing=True)
        fits = next((card for card, size in CARDS.items() if m["peak"] < size * 2**30), "several cards")
        rows.append({"model": name, "method": method} | {k: f"{v / 1e9:,.1f}" for k, v in m.items()} | {"smallest card": fits})
print(pd.DataFrame(rows).set_index(["model", "method"]).to_string())

# %% [markdown]
# All in gigabytes, batch 1, texts of 512 tokens, checkpointing on. Try your own case:

# %% tags=["nbval-skip"]
def calculator(model, method, batch, tokens, checkpointing):
    m = memory(model, method, batch, tokens, checkpointing=checkpointing)
    fits = [card for card, size in CARDS.items() if m["peak"] < size * 2**30]
    print("   ".join(f"{k} {v / 1e9:.1f} GB" for k, v in m.items()), "\nfits:", ", ".join(fits) or "no single card")

ipywidgets.interact(calculator, model=list(registry.CONFIGURATIONS), method=list(LINEAR_BYTES), batch=(1, 32), tokens=(128, 4096, 128),
                    checkpointing=True);

# %% [markdown]
# **And money?** You rent the smallest card that fits. The prices are examples: put in your provider's. One gigabyte is left free, and a T4
# computes in 32 bits. How many hours you need depends on the card too: measure ten steps before you sign.

# %% tags=["nbval-check-output"]
PRICE = {"T4": 0.4, "RTX 3090": 0.4, "RTX 4090": 0.6, "A100 40": 1.5, "A6000 48": 0.8, "A100 80": 2.0, "H100": 3.0}  # euros an hour: edit

def smallest_card(model, method):
    def fits(card):
        peak = memory(model, method, tokens=512, checkpointing=True, number=4 if card == "T4" else 2)["peak"]
        return peak + 1e9 < CARDS[card] * 2**30
    return next(filter(fits, CARDS), None)

for model in ("gemma-3-1b-it", "llama-3.2-3b", "llama-3.1-70b"):
    for method in ("full", "LoRA", "QLoRA"):
        card = smallest_card(model, method)
        print(f"{model:14s} {method:6s} {f'{card}, {PRICE[card]:.2f} euros an hour' if card else 'several cards'}")

# %% [markdown]
# **Can the calculator be trusted?** It was compared with real training steps of SmolLM2-135M in float32 on a CPU, counting what torch itself
# holds (a study; recorded). The whole process held more: the last column. Not tested: Gemma, bfloat16, a GPU, 8-bit.

# %% tags=["recorded"]
from course_utils import results

stored = results.entries("02").get("memory_calculator_error")
if stored:
    print(pd.DataFrame(stored["series"]).to_string(index=False))
    print(f"largest error {stored['value']:.0%}, on {stored['device']}, {stored['date']}")
else:
    print("not run")

# %% [markdown]
# And with what the two papers published:

# %% tags=["nbval-check-output"]
def gigabytes(x):
    return f"{x / 1e9:,.0f} GB"

total65 = sum(p.numel() for p in registry.skeleton("llama-65b").parameters())
print("65B in full, 16 bytes a number:", gigabytes(memory("llama-65b", "full", checkpointing=True)["peak"]))
print("    without the 32-bit copy:", gigabytes(12 * total65), "(QLoRA paper: more than 780 GB)")
print("65B by QLoRA:", gigabytes(memory("llama-65b", "QLoRA", checkpointing=True)["peak"]), "(paper: on one 48 GB card)")
print("LoRA, 16-bit weights of 175B alone:", gigabytes(2 * 175e9), "(LoRA paper: 350 GB in training): nearly all is weights")

# %% [markdown]
# ## 9 · Spot the wrong claim
#
# The course's sources make these claims. Some are right, some need a condition, some are wrong. **Decide before you run the next cell.**
#
# 1. A 6x6 layer has 42 parameters. 2. At 4096x4096 and rank 16, LoRA trains 128 times fewer. 3. LoRA means about 100 times fewer parameters.
# 4. The merged weight is W + BA. 5. The detour must be linear to be merged. 6. Adapters need under 0.1 % of the parameters. 7. 4-bit means four times
# less memory. 8. A 70B model fine-tunes on one 48 GB card. 9. A 65B model fine-tunes on a 24 GB RTX 4090. 10. Gemma 1B fits a free T4. 11. "QLoRA 8-bit".
# 12. A 3B model on a 24 GB card needs batch 1. 13. NF4's levels are quantiles of the bell curve.

# %% tags=["reveal"]
condition = "holds with a condition"
gemma = {p: s for p, s in registry.linear_shapes("gemma-3-1b-it").items() if p.endswith(("q_proj", "v_proj"))}
trained = sum(lora_numbers(*s, 16) for s in gemma.values())
whole_gemma = registry.entry("gemma-3-1b-it").parameters
relu_error = ((many @ torch.linalg.lstsq(many, bent).solution - bent).norm() / bent.norm()).item()
results.claim("L1", "a 6x6 layer has 36 weights and 6 biases, 42 in all", sum(p.numel() for p in layer.parameters()), "holds", "section 1")
results.claim("L2", "4096x4096 at rank 16: 131K against 16.8M, 128 times fewer", 4096**2 / big, "holds", "section 3", "times")
results.claim("L3", "LoRA means about 100 times fewer parameters", whole_gemma / trained, condition, "section 3", "times",
              "Gemma 3 1B, r=16, q/v; the 6x6 layer at r=2 saves a third, from r=3 on nothing")
results.claim("L4", "the merged weight is W + BA", 32 / 16, condition, "section 5", "factor", "only with the factor alpha/r: 2 at alpha 32, r 16")
results.claim("L6", "the detour must be linear to be merged", relu_error, "holds", "section 5", "relative error",
              "with a ReLU the best matrix leaves this error");

# %% tags=["reveal"]
results.claim("L7", "adapters need under 0.1 % of the parameters", 100 * trained / whole_gemma, "wrong", "section 3", "%",
              "r=16 on q/v of Gemma 3 1B, the course's model: above it; below it only at a smaller r or on the largest models")
results.claim("Q1", "4-bit means four times less memory", whole, condition, "section 7", "times",
              f"{16 / twice:.2f} times in the quantised layers; this is the whole of Gemma 3 1B")
peak70 = memory("llama-3.1-70b", "QLoRA", checkpointing=True)["peak"]
results.claim("Q2", "a 70B model fine-tunes on one 48 GB card", peak70 / 1e9, condition if peak70 < 48 * 2**30 else "wrong", "section 8", "GB",
              "batch 1, 512 tokens, checkpointing; the paper says 65B")
weights65 = memory("llama-65b", "QLoRA")["weights"]
results.claim("Q3", "a 65B model fine-tunes on a 24 GB card", weights65 / 1e9, "wrong" if weights65 > 24 * 2**30 else "holds", "section 8",
              "GB", "its 4-bit weights alone")
t4 = {b: memory("gemma-3-1b-it", "QLoRA", batch=b, tokens=512, number=4)["peak"] for b in (1, 4)}
room = 14.56 * 2**30
results.claim("Q5", "Gemma 1B fits a free T4", t4[1] / 1e9, "holds" if t4[4] < room else condition if t4[1] < room else "wrong", "section 8",
              "GB", f"calculated, batch 1, 512 tokens, float32; batch 4 needs {t4[4] / 1e9:.1f} GB; not measured on a T4");

# %% tags=["reveal"]
results.claim("Q6", "QLoRA 8-bit", 4, "wrong", "section 7", "bits", "QLoRA is 4-bit by definition; 8-bit LoRA is another method")
batch = max(b for b in range(1, 65) if memory("llama-3.2-3b", "QLoRA", batch=b, tokens=512, checkpointing=True)["peak"] < 24 * 2**30)
full3 = memory("llama-3.2-3b", "full", checkpointing=True)["peak"]
results.claim("Q7", "3B on a 24 GB card needs batch 1; full fine-tuning of 3B fits 80 GB", batch, condition, "section 8", "largest batch",
              f"the first is pessimistic (512 tokens); the second is right: {full3 / 1e9:.0f} GB")
results.claim("Q8", "NF4's levels are normal quantiles; double quantisation saves 0.373 bits", once - twice, "holds", "section 7", "bits",
              "with the outermost share 0.9677083")
results.record("nf4_level_error", level_error)
results.record("nf4_bytes_equal", float(all(cases.values())), "share of cases", n=len(cases));

# %% tags=["recorded", "reveal"]
results.claims_table("02")

# %% [markdown]
# ## 10 · Claims tested, and recorded beside yours
#
# The table above holds the claims as recorded. Below, two figures of this notebook beside your own run's.

# %% [markdown]
# ### Recorded beside yours

# %%
results.recorded_beside_yours("nf4_level_error", "nf4_bytes_equal", "laptop_minutes")

# %% [markdown]
# ## 11 · Exercises

# %% tags=["exercise-checks"]
from course_utils import exercises

exercises.exercise("02.1", lambda f: [f(6, 6, 2), f(4096, 4096, 16), f(576, 1536, 8)] == [24, 131072, 16896],
                   "A is r by inputs, B is outputs by r.", "Add the two sizes.")
exercises.exercise("02.2", lambda f: f(6, 6) == 2 and f(4096, 4096) == 2047 and f(576, 192) == 143,
                   "LoRA saves as long as r (inputs + outputs) is below inputs x outputs.", "Try r = 1, 2, 3 ... and stop in time.")
exercises.exercise("02.4", lambda f: sum(2**n for n in set(f())) == 2560,  # not to be read off here
                   "Two of the thirteen are plainly wrong. Look for a card that is too small, and for a misnomer.",
                   "Compare the 4-bit weights of 65B with the card. And how many bits has QLoRA, by definition?")
exercises.exercise("02.3", lambda f: str(f()).strip().upper() == "A",
                   "Look at the two gradients of section 2: one contains A, the other B.", "Section 2 says which one starts at zero. The other gradient contains it.");

# %% [markdown]
# **Exercise 1.** Count an adapter's numbers. **Exercise 2.** Return the largest r that still saves something.

# %% tags=["exercise"]
def count(outputs, inputs, r):
    ### BEGIN SOLUTION
    return r * (outputs + inputs)
    ### END SOLUTION

exercises.check("02.1", count);

# %% tags=["exercise"]
def largest_useful(outputs, inputs):
    ### BEGIN SOLUTION
    return (outputs * inputs - 1) // (outputs + inputs)
    ### END SOLUTION

exercises.check("02.2", largest_useful);

# %% [markdown]
# **Exercise 3.** One of the two starts at zero. Why not both? Which one must be random so that the *other* can move in the very first step: "A"
# or "B"?

# %% tags=["exercise"]
def answer():
    ### BEGIN SOLUTION
    return "A"
    ### END SOLUTION

exercises.check("02.3", answer);

# %% [markdown]
# **Exercise 4.** Which of the thirteen claims of section 9 are plainly wrong? Return their numbers.

# %% tags=["exercise"]
def wrong_claims():
    ### BEGIN SOLUTION
    return {9, 11}
    ### END SOLUTION

exercises.check("02.4", wrong_claims);

# %% [markdown]
# ## Where next
#
# - **03** puts both ideas to work: a real model in 4 bits learns to read financial news.
# - **01** (in the making) builds a small language model and measures the rank of what fine-tuning changes.
