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
# # 06 · From adapter to product
#
# **You have trained an adapter. What must happen before a bank may work with it?**
#
# <!--badges-->[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/fine-tuning-course/fine-tuning-course/blob/main/notebooks/06_adapter_to_product.ipynb) · [source](https://github.com/fine-tuning-course/fine-tuning-course/blob/main/notebooks/06_adapter_to_product.py) · [slides](https://github.com/fine-tuning-course/fine-tuning-course/tree/main/slides)<!--/badges-->
#
# After this notebook you will be able to
#
# - say what preference training does, and judge what it bought,
# - choose the best of several answers without knowing the right one,
# - run an adapter for each desk on one base, and prove that none leaks into another,
# - merge, seal and serve a model,
# - score a large file so that no row is lost when the machine dies,
# - write the model card that a risk team will ask for.
#
# | runs on | model | minutes |
# |---|---|---|
# | 2-core laptop, 8 GB memory | SmolLM2, 135 million parameters, with saved adapters | about 6 |
# | Colab, free T4 | the same | expected 6, not yet measured on one |

# %% tags=["setup"]
# Set-up: the same in every notebook. It finds the course's library, installs what is missing and checks the machine.
import io, sys, urllib.request, zipfile
from pathlib import Path

NOTEBOOK, REPOSITORY = "06", "fine-tuning-course/fine-tuning-course"
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
# ## 1 · The business question: what lies between an adapter and a product?
#
# Notebook 04 ended with an *adapter*: a small file of weights that makes a small model write credit analyses. A file is no product. Seven stations
# lie between. At each one, somebody in the bank asks a question. The desk wants better answers. Each sector wants its own. IT wants one file and an address.
# Operations has a million rows. Risk wants evidence.
#
# We start with the saved adapter of notebook 04's *calculator arm*: the model sets up each sum, a calculator works it out.

# %%
from course_utils import product_figures, style

style.show(product_figures.stations(), "Seven stations in a row: adapter, prefer, specialise, merge, serve, scale, sign off.")

# %%
from course_utils.credit import calculator
from course_utils.credit.task import CreditTask, load
from course_utils.product import adapters

BASE, TASK = "smollm2-135m", CreditTask("calculator")
SIZE = runtime.pick(quick={"tokens": 16, "steps": 2, "rows": 400, "cases": 2, "a sector": 1},
                    laptop={"tokens": 320, "steps": 8, "rows": 5000, "cases": 3, "a sector": 2},
                    colab={"tokens": 480, "steps": 20, "rows": 20000, "cases": 6, "a sector": 4})
cases, test = load("train"), load("test", 300)
START = adapters.saved("credit-calculator", BASE)
place = runtime.runs_dir() / "06" / runtime.scale()
for file in sorted(START.iterdir()):
    print(f"{file.stat().st_size / 1e3:8,.0f} kB  {file.name}")

# %% [markdown]
# ### Same weights, same question, same answer?
#
# Auditors like this about a model of your own: nobody changes it overnight. One source of this course calls it *deterministic deployment*.
#
# **Predict first.** We load the model twice from its files and ask the same cases. Are the answers equal, word for word? And if we ask the cases one at a
# time, not together?

# %% tags=["reveal"]
from course_utils import answering, models
from course_utils.product import merging

def ask(rows, batch=8):
    model, tokenizer = models.merged_file(START, BASE)  # from the files, every time
    return [answer.text for answer in answering.write(model, tokenizer, TASK, rows, batch, SIZE["tokens"], tool=calculator.tool)]

few = sorted(test, key=lambda row: len(row["text"]))[:SIZE["cases"]]
first, again, alone = ask(few), ask(few), ask(few, batch=1)
same = {"loaded again": first == again, "one at a time": first == alone}
print(first[0])
print("\nsame answers:", same)
print("fingerprint of the adapter's files:", merging.checksum(START)[:16])

# %% [markdown]
# *Loaded again* must be equal. *One at a time* may differ. Asked together, the same numbers are added in another order, and the last digit is rounded
# in another way. Now and then that tips a word. So "deterministic" holds for the same weights, the same software **and the same way of asking**. Write all
# three down. The *fingerprint* (a checksum) is computed from every byte of the files: it names the version.
#
# ## 2 · The cheapest improvement: one line in the prompt
#
# Before anyone trains: a source says that a *system line*, a sentence in front of every question, "multiplies perceived quality without retraining".
# Perceived by whom? Our grader is not impressed by tone. It counts right actions and right sums.
#
# **Predict first.** "You are a senior credit analyst at a large bank. Be precise, sober and decisive." Does it help the untrained model? And the tuned one,
# which was trained without that line?

# %% tags=["recorded", "reveal"]
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from course_utils import results

stored = results.entries("06")
NOT_RUN = "not run yet; the command: python benchmarks/studies/"

def gain(name, what, part):
    found = stored.get(name)
    said = f"{found['value']:+.2f}, 95 %: {found['low']:+.2f} to {found['high']:+.2f}" if found else NOT_RUN + part
    print(f"{what}: {said}")

if "system_line" in stored:
    print(stored["system_line"]["n"], "cases;", stored["system_line"]["method"])
    display(pd.DataFrame(stored["system_line"]["value"]).T[["value", "low", "high", "arithmetic", "parsed", "tokens"]].round(2))
else:
    print("the system line:", NOT_RUN + "product.py system_line")

# %% [markdown]
# *value* is the share of right actions, *low* to *high* the range in which it may lie (95 %), *arithmetic* the share of required sums that are right,
# *tokens* the length. Ratings by people: not run. Notebook 04 has the blind rating for your class.
#
# ## 3 · Preferences: good beside bad
#
# Fine-tuning shows good answers only. It never says *not like this*. A reviewer does. So we take pairs: the same case, a right answer, and one with a known
# fault. *No recommendation*: right sums, then no decision. *Contradiction*: a decision against its own sums. *Ignored covenant*: one of the tests is left
# out. *Wrong unit*: a percentage read as a multiple. *Over-confidence*: praise in place of sums. Here are the ends of three pairs.

# %% tags=["nbval-check-output"]
from course_utils.product import preferences

by_fault: dict[str, list] = {}
for pair in sorted(preferences.pairs("calculator"), key=lambda p: len(p["prompt"][1]["content"] + p["chosen"] + p["rejected"])):
    by_fault.setdefault(pair["fault"], []).append(pair)
print({fault: len(found) for fault, found in sorted(by_fault.items())})
for fault in ("no recommendation", "contradiction", "over-confidence"):
    print(fault)
    for side in preferences.SIDES:
        print(f"   {side:9s} ... {by_fault[fault][0][side].splitlines()[-1][-110:]}")

# %% [markdown]
# A sixth fault, wrong arithmetic, is missing on purpose: with a calculator the model cannot make it. *Often the best cure for a fault is a tool, not
# training.*
#
# ### The loss, first as a picture
#
# *Direct preference optimisation* (DPO; Rafailov et al., 2023) keeps a frozen copy of the model as it is now: the *reference*. Then it asks one thing of
# each pair. Since the start, has the chosen answer become likelier by more than the rejected one? That difference is the *lead*. The *loss* is the
# penalty that training makes small.

# %%
style.show(product_figures.preference_loss({"at the start": 0.0, "a small lead": 1.0, "the wrong way": -1.0}),
           "A falling curve: the loss is 0.69 without a lead, lower with one, and higher when the rejected answer gains.")

# %% [markdown]
# At the start nobody has gained. The lead is 0 and the loss ln 2 = 0.69, for every pair. A lead lowers it, but less and less: training does not chase pairs that
# are won. The number *beta* says how dear it is to move away from the reference. In code the loss needs four numbers; each is the logarithm of the
# probability of a whole answer.
#
# **Predict first.** The loss wants a *difference*. It can get it by making the chosen answer likelier, or the rejected one unlikelier. Which will it be?
# While it trains, do exercise 1 with a pencil.

# %% tags=["define"]
def dpo_loss(chosen_now, rejected_now, chosen_then, rejected_then, beta=0.1):
    """-log sigmoid(lead). Each argument is log p(answer | prompt), summed over the answer's tokens; then = the reference."""
    import math

    lead = beta * ((chosen_now - chosen_then) - (rejected_now - rejected_then))
    return math.log1p(math.exp(-lead))

# %% tags=["reveal"]
lesson, exam = ([found[k] for found in by_fault.values()] for k in (0, 1))  # one pair of each fault to learn, one to look at
base, tokenizer = models.load(BASE, four_bit=False)
student = models.load_adapter(base, START, BASE)
settings = preferences.Settings(
    learning_rate=2e-4,  # a fifth of fine-tuning's: the model can already do the job
    steps=SIZE["steps"],
    warmup=0, batch=1, accumulate=1,  # full strength at once, one pair a step
    beta=0.1,
)
run = preferences.fit(student, tokenizer, lesson, settings, place / "dpo")
print(f"{len(run.history)} steps, {run.tokens:,} tokens, {run.seconds:.0f} seconds; first loss {run.history[0]['loss']:.3f}")

# %% tags=["reveal"]
pair = exam[0]  # a pair it has not seen
now = [preferences.log_probability(student, tokenizer, pair, side) for side in ("chosen", "rejected")]
with preferences.as_reference(student):
    then = [preferences.log_probability(student, tokenizer, pair, side) for side in ("chosen", "rejected")]
ours, library = dpo_loss(*now, *then), preferences.library_loss(student, tokenizer, pair)
print(f"since the start: chosen {now[0] - then[0]:+.2f}, rejected {now[1] - then[1]:+.2f}")
print(f"our loss {ours:.5f}, the library's {library:.5f}, difference {abs(ours - library):.0e}")

# %% [markdown]
# The cell you can read and the library agree. What good looks like: the chosen side gains on the rejected one. Do not be surprised if **both** fall. The model may
# come to dislike the good answer as well, only less. So "the loss fell" proves nothing. The answers must be graded again.
#
# ### What it bought, and what it cost (recorded)
#
# First the long run's two lines. Then right actions on the same cases before and after, and general knowledge, since every training can make a model
# forget.

# %% tags=["recorded", "reveal"]
history = stored["dpo_history"]["value"] if "dpo_history" in stored else run.history
end = history[-1]
style.show(product_figures.rewards(history), "Rewards of the two answers over the steps; "
           f"after step {end['step']} the chosen one is at {end['chosen']:.2f}, the rejected one at {end['rejected']:.2f}.")
print("the picture: recorded" if "dpo_history" in stored else "the picture: your own few steps")
if "dpo_table" in stored:
    table = {(split, when): found for split, both in stored["dpo_table"]["value"].items() for when, found in both.items()}
    display(pd.DataFrame(table).T[["value", "low", "high", "arithmetic", "parsed", "cost"]].round(2))
gain("dpo_gain", "right actions, after minus before", "product.py preferences")
gain("dpo_general", "general questions, after minus before", "product.py preferences")

# %% [markdown]
# *cost* is in thousand euros a case, by notebook 04's table. If an interval contains 0, the honest sentence is: *we cannot tell*. Pairs made by a
# program also teach the program's taste. A bank would collect pairs from its own reviewers.
#
# ## 4 · Or train nothing: sample four, keep the best
#
# The rival of preference training is selection. Let the model write four answers, with some chance in each word, then keep one. But which, when nobody knows the
# right one? Four ways:
#
# - the *first sample*;
# - the first that *ends with a clear recommendation* (a source's tip);
# - the first with the *majority's* action;
# - the one that *its own sums support*: figures from the case, sums right, decision as its own four tests demand.
#
# **Predict first.** Which way wins over many cases? And how far can any of them get? The *ceiling* is the share of cases with at least one right answer
# among the four. First one case, live; then the record.

# %% tags=["reveal"]
from course_utils.product import reranking

dense, _ = models.merged_file(START, BASE)
case = few[0]
samples = reranking.sample(dense, tokenizer, TASK, [case], n=4, max_new_tokens=SIZE["tokens"], tool=calculator.tool)[0]
for k, text in enumerate(samples):
    seen, grade = reranking.check(case, text), TASK.grade(case, text)  # the grade is for us: no way of choosing may look at it
    print(f"{k}: figures from the case {seen.grounded:.0%}, decision follows {seen.follows}, "
          f"action {grade.action}; right: {grade.action_right}")
for name, way in reranking.WAYS.items():
    print(f"{name}: keeps sample {way(case, samples)}")

# %% tags=["recorded", "reveal"]
if "rerank" in stored:
    ways = dict(stored["rerank"]["value"])
    ceiling = ways.pop(reranking.CEILING)["value"]
    style.show(product_figures.bars(ways, "right action", ("ceiling", ceiling)),
               "Share of right actions for each way to choose, with intervals and the ceiling.")
    print(stored["rerank"]["n"], "cases,", stored["rerank"]["method"])
gain("rerank_gain_ending", "clear recommendation, minus first sample", "product.py rerank")
gain("rerank_gain_majority", "majority, minus first sample", "product.py rerank")
gain("rerank_gain", "own sums, minus first sample", "product.py rerank")

# %% [markdown]
# Selection costs no training. But every answer costs four, for ever. Preference training is paid once. Exercise 2 asks when it pays.
#
# ## 5 · Specialise: one base, three desks
#
# A bank has desks: corporate, sovereign, structured. Three fine-tuned models would be three large files and three servers. Three *adapters* share one base. They
# were trained apart, each on its own sector's cases.
#
# **Predict first.** A request for another desk comes in. How long does it take to swap the adapter: a minute, a second, a fraction of one? And
# compliance asks: the sovereign desk has been at work. Is anything of it left in the next corporate answer?

# %% tags=["reveal"]
student = dense = base = None  # memory for what follows
SECTORS = ("corporate", "sovereign", "structured")
folders = {kind: adapters.saved(f"credit-{kind}", BASE) for kind in SECTORS}
desk = adapters.load_several(models.load(BASE, four_bit=False)[0], folders, BASE)
swap = adapters.swap_seconds(desk)
print(f"a swap takes {1000 * swap['value']:.1f} ms (median of {swap['n']}, at most {1000 * swap['high']:.1f})")
leak = adapters.leakage(desk, tokenizer, TASK, few[:1])
for name, difference in leak.items():
    print(f"{name:11s} largest change of any output number after the others were used: {difference}")

# %% [markdown]
# Good is zero, to the last bit, for every adapter and for the base. The weights of the three lie side by side; a swap changes which one is added.
#
# A client may sit between the desks. Adapters can be added up with weights: here a third of each, *mix*. The sum of updates is again an update.
#
# **Predict first.** Which adapter suits which sector? We measure *surprise*: how unlikely the model finds the right answers, a token (the loss). Lower is better.

# %% tags=["reveal"]
adapters.combine(desk, dict.fromkeys(SECTORS, 1 / 3), "mix")
unseen = {kind: [row for row in test if row["type"] == kind][:SIZE["a sector"]] for kind in SECTORS}

def surprise(model, rows):
    pairs = [{"prompt": TASK.prompt(row), "chosen": row["calculator"]} for row in rows]
    return -np.mean([log for pair in pairs for log in preferences.log_probabilities(model, tokenizer, pair, "chosen")])

losses = adapters.cross_matrix(desk, unseen, surprise)
diagonal = np.mean([losses.loc[kind, kind] for kind in SECTORS])
style.show(product_figures.matrix(losses, "Surprise at right answers", low_is_good=True),
           f"Five systems down, three sectors across; mean on the diagonal {diagonal:.2f}. The best of each column is framed.")

# %% tags=["recorded", "reveal"]
if "sector_matrix" in stored:
    found = stored["sector_matrix"]
    table = pd.DataFrame({name: {k: v["value"] for k, v in cell.items()} for name, cell in found["value"].items()}).T
    style.show(product_figures.matrix(table, "Right actions"),
               "Right actions of each adapter on each sector; the best of each column is framed.")
    print(f"{found['n']} cases a sector; {found['method']}")
gain("sector_own_minus_others_arithmetic", "right sums, own sector minus the others'", "product.py sectors")

# %% [markdown]
# The recorded table counts right actions over many cases. *one for all* is the adapter of section 1, trained on all sectors together. It is the rival to beat:
# specialists must earn the work of keeping three.
#
# ## 6 · Merge: one plain model
#
# For one job and one server the adapter can be added into the base for good: `W' = W + (alpha/r) B A`, as in notebook 02. We save the result with a
# *seal*: the fingerprints of base, adapter and result.
#
# **Predict first.** We add one blank at the end of one file. Will anyone notice? And the sources promise *the same architecture and the same speed*: which
# reads a case most slowly, the bare base, the base with the adapter beside it, or the merged model?

# %% tags=["reveal"]
desk = None
merged_at = merging.save_merged(START, BASE, place / "credit-analyst")
seal = merging.verify(merged_at, START)
print({name: str(seal[name])[:16] for name in ("base", "base_sha256", "adapter_sha256", "merged_sha256", "dtype")})
config = merged_at / "config.json"
kept = config.read_text()
config.write_text(kept + " ")
try:
    merging.verify(merged_at, START)
except runtime.CourseError as error:
    print(error)
config.write_text(kept);

# %% tags=["reveal"]
def beside():
    model, tokenizer = models.load(BASE, four_bit=False)
    return models.load_adapter(model, START, BASE).eval(), tokenizer

forms = {"adapter beside": beside, "bare base": lambda: models.load(BASE, four_bit=False),
         "merged": lambda: merging.merged(START, BASE, "float32"), "merged, as saved": lambda: merging.load_merged(merged_at),
         "merged, 4 bits again": lambda: merging.load_merged(merged_at, four_bit=True)}
some = [row for rows in unseen.values() for row in rows]
measured, shapes, scores = {}, {}, {}
for name, get in forms.items():
    model, _ = get()  # one in memory at a time
    shapes[name] = {n: tuple(p.shape) for n, p in model.named_parameters()}
    scores[name] = merging.next_logits(model, tokenizer, TASK, some)
    measured[name] = {"MB": sum(models.weight_bytes(model).values()) / 1e6,
                      "ms a prompt": 1000 * merging.prompt_seconds(model, tokenizer, TASK, some),
                      "largest drift": float(np.abs(scores[name] - scores["adapter beside"]).max())}
print("merged and bare base: same matrices:", shapes["merged"] == shapes["bare base"])
pd.DataFrame(measured).T.round({"MB": 0, "ms a prompt": 0, "largest drift": 5})

# %% tags=["recorded", "reveal"]
pd.DataFrame(stored["forms"]["value"]).set_index("form").round(3) if "forms" in stored else NOT_RUN + "product.py forms"

# %% [markdown]
# *Largest drift* compares the scores of the answer's first word with those of the unmerged model. Merged should be as fast as the base, with a drift near zero.
# As saved it is rounded to the file's number format; 4 bits round far more. A drift is no verdict; the graded answers of the recorded table are. These packaged
# weights had been rounded to 4 bits once before, so it hurts less here than elsewhere.
#
# ## 7 · Serve: answers over the network
#
# Other programs do not open notebooks. They send a request to an address. One command serves the merged model in the format that most software speaks today,
# OpenAI's. It listens on this machine only.
#
# **Predict first.** Are the served answers the notebook's, word for word? (Both always take the likeliest word: *temperature 0*.) And four clients at once: do they
# get twice the answers a second of one client, the same, or fewer?

# %% tags=["reveal"]
from course_utils import evaluation
from course_utils.product import serving

server = serving.start(merged_at)
print(server.url, "serves", server.model)
here, here_tokens = merging.load_merged(merged_at)
same_words = serving.same_answers(server, some, TASK, lambda row: evaluation.generate(here, here_tokens, TASK, row, 30), 30)
print(f"word for word the same: {same_words['share']:.0%} of {same_words['n']}")
loads = [serving.load_test(server, [TASK.prompt(row) for row in few] * 2, clients, max_tokens=8) for clients in (1, 4)]
pd.DataFrame(loads).drop(columns="answers").set_index("clients").round(2)

# %% [markdown]
# This simple server answers one request after the other. Four clients wait in a queue: each waits longer, and together they get no more. Servers for many
# users, such as vLLM on a GPU, work on many requests at once (appendix).
#
# **Where is the calculator now?** Our analyst needs it, and the server knows nothing of it. So the *caller* works: it asks the server to stop at each `=`,
# computes, and sends the text back to be continued. Every product with tools works this way.

# %% tags=["reveal"]
over_http = serving.ask_with_tool(server, TASK.prompt(few[0]), calculator.tool, max_tokens=SIZE["tokens"])
server.stop()
grade = TASK.grade(few[0], over_http)
print(over_http)
print(f"\naction {grade.action}; required sums right {grade.arithmetic:.0%}; as in section 1: {over_http == first[0]}")

# %% [markdown]
# **Before it faces a network.** This server has no password, no encryption, no limit on a prompt's length and none on the queue. In front of it belong a
# gateway that knows who asks; encryption; limits on length, rate and queue; a log of every question and answer with the seal of the model that gave it; and a
# switch to turn it off. The appendix lets callers misbehave.
#
# ## 8 · Outgrow one machine
#
# A million headlines every night. Sooner or later the machine is restarted in the middle. Three promises are wanted: **one output row for each input row,
# restartable, memory that does not grow with the file.** The trick is old: work in small parts, write each under another name, rename it when it is
# whole. A kill at any moment leaves whole parts or nothing.
#
# **Predict first.** We kill the job while it runs, with the signal that no program can refuse. How many rows are lost or doubled after the restart?

# %% tags=["reveal"]
import csv, random, shutil, time
from course_utils import sentiment
from course_utils.product import scoring

out, source = place / "scores", place / "headlines.csv"
shutil.rmtree(out, ignore_errors=True)
texts = [row["text"] for row in sentiment.own("train")]
with source.open("w", encoding="utf-8", newline="") as file:  # the course's sentences again and again, numbered
    csv.writer(file).writerows([["text"], *([f"{texts[k % len(texts)]} [{k}]"] for k in range(SIZE["rows"]))])
parts = SIZE["rows"] // 50
job, wanted = scoring.start(source, out, shard_rows=50), random.randrange(1, parts)
while job.poll() is None and len(list(out.glob("part-*.csv"))) < wanted:
    time.sleep(0.002)
job.kill()
job.wait()
print(f"killed with {len(list(out.glob('part-*.csv')))} of {parts} parts on disk")
print("started again; exit status", scoring.start(source, out, shard_rows=50).wait())

# %% tags=["recorded", "reveal"]
with (out / "scores.csv").open(encoding="utf-8", newline="") as file:
    numbers = [int(row["text"].rsplit("[", 1)[1].rstrip("]")) for row in csv.DictReader(file)]
lost, doubled = SIZE["rows"] - len(set(numbers)), len(numbers) - len(set(numbers))
print(f"yours, killed once: {len(numbers):,} rows out, {lost} lost, {doubled} doubled, in order: {numbers == sorted(numbers)}")
for found, what in ((stored.get("rows_lost"), "lost"), (stored.get("rows_doubled"), "doubled")):
    print(f"recorded, rows {what}:",
          f"{found['value']} of {found['n']:,}, {found['method']}" if found else NOT_RUN + "scale_out.py kills")
if "scoring_memory" in stored:
    style.show(product_figures.memory(stored["scoring_memory"]["value"]),
               "Peak memory of the job stays level while the file grows a hundredfold.")
if "model_rows_a_second" in stored:
    print(f"with the fine-tuned model: {stored['model_rows_a_second']['value']:.1f} rows a second")

# %% [markdown]
# ### More training than one machine
#
# Two processes, each with a copy of the model, each with half of every batch. After each step they average what they learned. Done right, the
# loss is that of one process; only the clock differs. The training function is the same; `accelerate launch` starts it twice.
#
# **Predict first.** The same to how many digits?

# %% tags=["recorded", "reveal"]
if "ddp_losses" in stored:
    both = stored["ddp_losses"]["value"]
    style.show(product_figures.two_losses(both["one"], both["two"]), "The losses of one and of two processes lie on each other.")
    print(f"largest difference: {stored['ddp_loss_gap']['value']:.1e} a token")
else:
    print("two processes:", NOT_RUN + "scale_out.py ddp")

# %% [markdown]
# A thousandth would do. When the *model* does not fit one GPU, the weights themselves are cut into slices, one a GPU: *fully sharded data parallel* (FSDP).
# `benchmarks/fsdp.yaml` is such a configuration, explained line by line. It was never run here: these machines have one GPU or none.
#
# ## 9 · Sign off: evidence on paper
#
# Banks must be able to say what a model is for, how it was tested, where it fails and who watches it. US supervisors wrote it down in 2011 (SR 11-7):
# development, validation, ongoing monitoring, governance. Their guidance of April 2026 (SR 26-2) replaced that letter and leaves generative models out; risk
# teams still think in this order. Europe's AI Act asks for similar papers where private persons are scored.
#
# **Drift.** Next year's cases will look different. The monitor compares new inputs with those of the training, before any outcome is known. The
# *stability index* is 0 for the same distribution. Above 0.1: watch. Above 0.25: act, unless chance explains it.
#
# **Predict first.** Three batches arrive: more cases from the same source; new borrowers with names never seen; shipping companies, a sector never seen. For
# which batch should somebody get up?

# %% tags=["reveal"]
from course_utils.product import governance, monitoring

batches = {"the same source": cases[600:700], "new names": test[:100], "shipping": load("heldout_sector", 100)}
drift = {name: monitoring.drift(cases[:600], rows) for name, rows in batches.items()}
pd.concat(drift, names=["batch"])[["stability index", "by chance up to", "verdict"]]

# %% [markdown]
# An alarm says: these inputs are new. It does not say that the answers are wrong. New names are no reason to answer otherwise; a new sector may be. That is for people
# to find out, on a sample.
#
# **The card.** A *model card* gathers the evidence on a few pages. Besides averages it shows *slices* (each kind of borrower), *fairness by counterfactuals* (the
# same case with another name or country; the policy ignores both) and *memorisation* (can it be made to repeat its training data?). All numbers come from
# recorded results. What was never measured is printed as *not run*, never left out.

# %%
privacy = results.entries("05").get("privacy")
card = governance.Card(
    "Credit analyst, SmolLM2-135M with LoRA", START,
    purpose="Teaching. Drafts a stress analysis of one or two invented borrowers by the course's credit policy.",
    uses=["learning how such models are built, tested and refused"], not_uses=["any real credit decision"],
    data=["data/credit: generated cases, texts by a large language model; no real borrower"], data_licence="CC BY 4.0",
    soundness=["the model sets up sums, a calculator computes them", "every number can be checked against the policy"],
    metrics={"04.heldout_action_calculator": "right action, new borrowers", "04.required_arithmetic": "required sums right",
             "04.heldout_parse_rate": "answers that can be read", "04.gold_action_accuracy": "right action, gold tasks",
             "04.heldout_cost_calculator": "cost of errors"},
    benchmarks={"04.heldout_action_best_simple": "best scorecard, right action",
                "04.heldout_action_answer_only": "trained on labels only"},
    cost="the last line above, by the policy's table of costs", slices=governance.recorded_slices("04", ("type", "cluster")),
    fairness={"06.moved_by_another_name": "another name", "06.moved_by_another_place": "another country"},
    memorisation={"A planted secret (notebook 05)": privacy["value"]} if privacy else {}, drift=drift, checksums=seal,
    limits=["English; the course's layouts and policy only", "fluent when wrong: read the sums, not the tone"],
    monitoring=["drift of the inputs, monthly", "50 answers regraded a month", "stop rule: unreadable answers above 2 %"])

# %% tags=["reveal"]
page, sheet = governance.write(card, place / "card")
display(Markdown(("\n" + page.read_text(encoding="utf-8")).replace("\n#", "\n###")))  # smaller headings than this notebook's
print(f"{runtime.short(page)}, {runtime.short(sheet)} ({sheet.stat().st_size / 1e3:.0f} kB)")
print("a validator would ask next for:", ", ".join(governance.gaps(card)) or "nothing")

# %% [markdown]
# **Read it as the validator.** Would you sign? Compare *right action* with *best scorecard*: a scorecard is far cheaper to run and to explain. Which of the seven
# stations was worth the work for this model? For which job in your firm would the answer be another?
#
# ## 10 · Claims tested · Recorded beside yours
#
# The course's sources make claims about this last mile. This notebook owns five of them.

# %% tags=["recorded", "reveal"]
from course_utils import ledger

statement = {row["id"]: row["claim"] for row in ledger.rows()}
speed = {name: measured[name]["ms a prompt"] / measured["bare base"]["ms a prompt"] for name in ("merged", "adapter beside")}
drifts = [measured[name]["largest drift"] for name in ("merged", "merged, 4 bits again")]
kept = shapes["merged"] == shapes["bare base"] and speed["merged"] < 1.15
results.claim("L5", statement["L5"], speed["merged"], "holds with a condition" if kept else "not decided", "section 6",
              "times the base's time a prompt", f"adapter beside it {speed['adapter beside']:.2f} times; drift of a score "
              f"{drifts[0]:.0e} merged, {drifts[1]:.1f} after rounding to 4 bits again: measure again")
results.claim("P2", statement["P2"], float(same["loaded again"]), "holds with a condition" if same["loaded again"] else "wrong",
              "section 1", "share of answers equal after loading again",
              f"same software, same batch; one at a time {'also' if same['one at a time'] else 'not'} equal")
results.claim("R7", statement["R7"], 1000 * swap["value"], "holds" if max(leak.values()) == 0 else "wrong", "section 5",
              "ms a swap", "three adapters on one base; no output number of one changes after the others were used")
for key, cell in (("R5", "section 2"), ("R6", "section 3")):
    found = stored.get(f"claim_{key}") or {"value": None, "verdict": "not run", "said": "", "unit": ""}
    results.claim(key, statement[key], found["value"], found["verdict"], cell, found["unit"], found["said"])
results.claims_table("06")

# %% tags=["summary", "reveal"]
results.record("served_equal", same_words["share"], n=same_words["n"], method="greedy answers, word for word")
results.record("dpo_loss_gap", abs(ours - library), "nats", method="the notebook's DPO loss against the library's, one pair")
results.record("swap_milliseconds", 1000 * swap["value"], "ms", n=swap["n"])
results.record("leak", max(leak.values()), method="largest change of an output number")
results.record("merged_time_ratio", speed["merged"], "times the base", n=len(some))
for seen in loads:
    results.record(f"requests_a_second_{seen['clients']}", seen["requests a second"], "1/s", n=seen["requests"])
results.record("live_rows_lost", lost + doubled, "rows", n=SIZE["rows"], method="killed once, restarted")
results.record("live_peak_memory", runtime.peak_memory() / 1e9, "GB")
print(f"Loaded again, same answers: {same['loaded again']}. Served, same words: {same_words['share']:.0%}. "
      f"A swap: {1000 * swap['value']:.1f} ms.\nRows lost {lost}, doubled {doubled}. The model card: {runtime.short(page)}")
results.recorded_beside_yours("served_equal", "dpo_loss_gap", "swap_milliseconds", "leak", "merged_time_ratio",
                              "requests_a_second_1", "requests_a_second_4", "live_rows_lost", "live_peak_memory",
                              "laptop_minutes")

# %% [markdown]
# ## 11 · Exercises
#
# Each checks itself. A wrong answer gets a hint.
#
# 1. **The lead.** In log-probability, the chosen answer has gained `chosen` since the start and the rejected one `rejected`. Return the lead. With a pencil: both have fallen,
#    by 5 and by 25, and beta is 0.1. Is the loss above or below ln 2?
# 2. **Pay once or for ever?** Preference training costs `training` euros once. Sampling keeps the best of `samples` answers; each answer costs `answer` euros. From how many
#    questions on is training the cheaper way?
# 3. **Restart.** A job over `rows` rows in parts of `size` was killed. `done` holds the numbers of the parts on disk, counted from 0. Which are still to do?
# 4. **Drift.** The stability index between old and new counts, bin by bin: add up (new share - old share) x ln(new share / old share).

# %% tags=["exercise-checks"]
from course_utils import exercises

exercises.exercise("06.1", lambda f: abs(f(-5, -25, 0.1) - 2) < 1e-9 and abs(f(3, 1, 0.5) - 1) < 1e-9,
                   "It is the chosen answer's gain less the rejected one's, times beta.", "Less a loss is plus: -5 - (-25) = 20.")
exercises.exercise("06.2", lambda f: abs(f(300, 4, 0.01) - 10000) < 1e-6 and abs(f(50, 2, 0.5) - 100) < 1e-6,
                   "The first answer is paid either way. How many are extra?", "training / ((samples - 1) x answer)")
exercises.exercise("06.3", lambda f: f(10, 4, {0, 2}) == [1] and f(9, 3, set()) == [0, 1, 2] and f(1, 5, {0}) == [],
                   "How many parts are there? Round up.", "-(-rows // size) rounds up; keep the numbers that are not done.")
exercises.exercise("06.4", lambda f: abs(f([50, 50], [80, 20]) - 0.4159) < 1e-3 and f([30, 70], [60, 140]) == 0,
                   "Turn both counts into shares first.", "Add up (new - old) x log(new / old) over the bins.");

# %% tags=["exercise"]
def lead(chosen: float, rejected: float, beta: float) -> float:
    ### BEGIN SOLUTION
    return beta * (chosen - rejected)
    ### END SOLUTION

exercises.check("06.1", lead);

# %% tags=["exercise"]
def pays_from(training: float, samples: int, answer: float) -> float:
    ### BEGIN SOLUTION
    return training / ((samples - 1) * answer)
    ### END SOLUTION

exercises.check("06.2", pays_from);

# %% tags=["exercise"]
def to_do(rows: int, size: int, done: set[int]) -> list[int]:
    ### BEGIN SOLUTION
    return [part for part in range(-(-rows // size)) if part not in done]
    ### END SOLUTION

exercises.check("06.3", to_do);

# %% tags=["exercise"]
from math import log

def stability(old: list[int], new: list[int]) -> float:
    ### BEGIN SOLUTION
    shares = [(o / sum(old), n / sum(new)) for o, n in zip(old, new)]
    return sum((n - o) * log(n / o) for o, n in shares)
    ### END SOLUTION

exercises.check("06.4", stability);

# %% [markdown]
# ## Where next
#
# - **07** does all this with your own firm's data: retail and luxury, brand voice, extraction.
# - **05** if you skipped it: was fine-tuning the right choice at all?
# - The model card in `runs/` is yours: fill in the gaps for a model that you would defend.

# %% [markdown]
# ## Appendix · When others use it
#
# **An adapter fits one base and no other.** Somebody will try. A good product refuses before it loads the weights, and says what to do.

# %% tags=["reveal"]
try:
    merging.check_adapter(START, "gemma-3-270m")
except runtime.CourseError as error:
    print(error)

# %% [markdown]
# **Callers misbehave.** A second server on the same port, a question that is far too long, a client that hangs up in the middle. Nothing may break.

# %% tags=["reveal"]
huge = [{"role": "user", "content": "debt " * 9000}]
with serving.start(merged_at) as server:
    for misuse in (lambda: serving.start(merged_at, port=server.port), lambda: serving.ask(server, huge)):
        try:
            misuse()
        except runtime.CourseError as error:
            print(error)
    heard = serving.hang_up(server, TASK.prompt(few[0]))
    print(f"hung up after {heard!r}; the server is healthy: {server.is_healthy()}")

# %% [markdown]
# **Your own line in front of the prompt.** Section 2's question, live, on one case. Change the line.

# %% tags=["reveal"]
LINE = "You are a senior credit analyst at a large bank. Be precise, sober and decisive."

class Spoken(CreditTask):
    """The same task with one more line in front."""

    def prompt(self, row, style=None):
        first, *rest = super().prompt(row, style)
        return [first | {"content": f"{LINE} {first['content']}"}, *rest]

for who, task in (("without", TASK), ("with", Spoken("calculator"))):
    text = answering.write(here, here_tokens, task, few[:1], max_new_tokens=SIZE["tokens"], tool=calculator.tool)[0].text
    grade = task.grade(few[0], text)
    print(f"{who} the line: action {grade.action}, right: {grade.action_right}; sums right {grade.arithmetic:.0%}")

# %% [markdown]
# **Other doors out.** The merged folder is in the common format, so other programs can read it. For *Ollama* on a colleague's laptop it is converted to one file
# (GGUF) and given a name. For many users on a GPU machine, *vLLM* serves many requests at once and swaps adapters, a name for each desk:
#
# ```
# python llama.cpp/convert_hf_to_gguf.py runs/06/laptop/credit-analyst --outfile credit.gguf --outtype q8_0
# echo "FROM ./credit.gguf" > Modelfile
# ollama create credit -f Modelfile
#
# vllm serve HuggingFaceTB/SmolLM2-135M-Instruct --enable-lora \
#   --lora-modules corporate=data/adapters/credit-corporate sovereign=data/adapters/credit-sovereign
# ```
#
# None of this was run here: the converter comes with llama.cpp's sources, Ollama is a program of its own, and vLLM needs a GPU. Grade the answers again afterwards: a
# conversion is one more rounding.

# %% [markdown] tags=["instructor"]
# > **For instructors.** Sections 3, 5 and 9 make a 90-minute session. Let one half of the class play the desk, the other model risk; the card is the
# > only document that passes between them. Section 7 can be shown from your own machine; no student needs to reach it.
