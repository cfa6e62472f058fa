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
# - say what preference training (DPO) does, derive its loss on one pair, and judge what it bought,
# - choose the best of several answers without knowing the right one,
# - run several sector adapters on one base, and prove that none leaks into another,
# - merge, seal, serve and misuse a model,
# - score a large file so that no row is lost when the machine dies,
# - write the model card that a model-risk team will ask for.
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
# Notebook 04 ended with an adapter: a small file that makes a small model write credit analyses. A file is no product. Seven stations lie between.
# Each answers a question that somebody in the bank will ask.

# %%
from course_utils import product_figures, style

style.show(product_figures.stations(), "Seven stations in a row: adapter, prefer, specialise, merge, serve, scale, sign off.")

# %% [markdown]
# The desk asks for better answers. Each sector wants its own. IT wants one file and an address. Operations has a million rows. Risk wants evidence.
# We start with the saved adapter.

# %%
from course_utils import answering, models
from course_utils.credit import calculator
from course_utils.credit.task import CreditTask, load
from course_utils.product import adapters

BASE, TASK = "smollm2-135m", CreditTask("calculator")
SIZE = runtime.pick(quick={"write": 16, "dpo": 1, "timed": 1, "rows": 400, "asked": 1, "pairs": 1},
                    laptop={"write": 320, "dpo": 8, "timed": 5, "rows": 5000, "asked": 3, "pairs": 5},
                    colab={"write": 480, "dpo": 20, "timed": 10, "rows": 20000, "asked": 6, "pairs": 5})
cases, test = load("train"), load("test", 300)
easy = sorted(cases, key=lambda r: len(r["text"]) + len(r["calculator"]))  # short ones first: minutes are few
START = adapters.saved("credit-calculator", TASK, easy[:4], BASE)
place = runtime.runs_dir() / "06" / runtime.scale()
for file in sorted(START.iterdir()):
    print(f"{file.stat().st_size / 1e6:8.2f} MB  {file.name}")

# %% [markdown]
# An adapter fits one base and no other. Someone will try. A good product refuses before it loads the weights, and says what to do.

# %% tags=["reveal"]
from course_utils.product import merging

try:
    merging.check_adapter(START, "gemma-3-270m")
except runtime.CourseError as error:
    print(error)

# %% [markdown]
# ### Same weights, same prompt, same answer?
#
# Auditors like this about owning a model: nobody changes it overnight. One of the course's sources calls it *deterministic deployment*.
#
# **Predict first.** We load the model twice and ask the same three cases, word for word. Equal? And a third time, each case alone instead of three at once.
# Still equal?

# %% tags=["reveal"]
def ask(rows, batch=8):
    model, tokenizer = models.merged_file(START, BASE)  # loaded anew each time
    return [a.text for a in answering.write(model, tokenizer, TASK, rows, batch, SIZE["write"], tool=calculator.tool)]

three = sorted(test, key=lambda r: len(r["text"]))[:SIZE["asked"]]
first, again, alone = ask(three), ask(three), ask(three, batch=1)
same = {"loaded again": first == again, "one at a time": first == alone}
print(same)
print("fingerprint of the adapter:", merging.checksum(START)[:16])

# %% [markdown]
# *Loaded again* must be equal. *One at a time* may differ: in a batch the same numbers are added in another order, and rounding differs in the last digit.
# Rarely, that tips a word. So "deterministic" holds for the same weights, the same software **and the same way of asking**. Write all three down.
#
# ## 2 · The cheapest improvement: one line in the prompt
#
# Before anyone trains anything: practitioners say that a system line "multiplies perceived quality without retraining". Perceived by whom? A
# grader is not impressed by tone. It counts right actions and right sums.
#
# **Predict first.** "You are a senior credit analyst at a large bank. Be precise, sober and decisive." Does it help the tuned model? It was trained
# with another line, which always stood there.

# %%
LINE = "You are a senior credit analyst at a large bank. Be precise, sober and decisive."

class Spoken(CreditTask):
    """The same task with one more line in front."""

    def prompt(self, row, style=None):
        first, *rest = super().prompt(row, style)
        return [first | {"content": f"{LINE} {first['content']}"}, *rest]

dense, tokenizer = models.merged_file(START, BASE)

# %% tags=["reveal"]
for task in (TASK, Spoken("calculator")):
    text = answering.write(dense, tokenizer, task, three[:1], max_new_tokens=SIZE["write"], tool=calculator.tool)[0].text
    grade = TASK.grade(three[0], text)
    print(f"{type(task).__name__:10s} action {grade.action}; sums right {grade.arithmetic:.0%}; {len(text.split())} words")

# %% tags=["recorded"]
import pandas as pd
from IPython.display import Markdown, display

from course_utils import results

stored = results.entries("06")
STUDY = "not run; the command: python benchmarks/studies/product.py"
if "system_line" in stored:
    print(stored["system_line"]["n"], "cases;", stored["system_line"]["method"])
    display(pd.DataFrame(stored["system_line"]["value"]).T[["value", "low", "high", "arithmetic", "parsed", "tokens"]].round(2))
else:
    print(STUDY, "system_line")

# %% [markdown]
# *value* is the share of right actions, with its interval; *tokens* is the length. Ratings by people: not run here. Notebook 04 has the blind rating tool
# for your class.
#
# ## 3 · Preferences: good beside bad
#
# Fine-tuning shows good answers only. It never says: *not like this*. A reviewer does. So we take pairs: the same case, a right answer, and one with a
# known fault.

# %% tags=["nbval-check-output"]
from course_utils.product import preferences

pairs = preferences.pairs("calculator")
by_fault: dict[str, list] = {}
for pair in sorted(pairs, key=lambda p: len(p["prompt"][1]["content"] + p["chosen"] + p["rejected"])):
    by_fault.setdefault(pair["fault"], []).append(pair)
print({fault: len(found) for fault, found in sorted(by_fault.items())})

# %% tags=["nbval-check-output"]
pair = by_fault["no recommendation"][0]
print(pair["prompt"][1]["content"])
for side in preferences.SIDES:
    print(f"\n--- {side}\n{pair[side]}")

# %% [markdown]
# A sixth fault, wrong arithmetic, is missing on purpose: with a calculator the model cannot make it. *The best cure for a fault is often a tool, not
# training.*
#
# **Predict first.** The model has been fine-tuned on answers like the chosen ones. For each fault: does it already find the chosen answer likelier,
# token for token, than the faulty one?

# %% tags=["reveal"]
import numpy as np

lesson, exam = ([found[k] for found in by_fault.values()] for k in (0, 1))  # one pair of each fault to learn, one to look at
student = models.load_adapter(models.load(BASE, four_bit=False)[0], START, BASE).eval()

def liking(pair):
    """Mean log-probability a token of each side, after the prompt."""
    return [np.mean(preferences.log_probabilities(student, tokenizer, pair, side)) for side in preferences.SIDES]

for one in exam[:SIZE["pairs"]]:
    chosen, rejected = liking(one)
    print(f"{one['fault']:18s} chosen {chosen:6.2f}   rejected {rejected:6.2f}   prefers {'chosen' if chosen > rejected else 'REJECTED'}")

# %% [markdown]
# ### The loss, first as a picture
#
# *Direct preference optimisation* (DPO; Rafailov et al., 2023) keeps a frozen copy of the model as it is now: the *reference*. Then it asks one thing
# of each pair. Since the start, has the chosen answer gained more than the rejected one? That difference is the *lead*.

# %%
style.show(product_figures.preference_loss({"at the start": 0.0, "a small lead": 1.0, "the wrong way": -1.0}),
           "A falling curve: the loss is 0.69 without a lead, lower with one, and higher when the rejected answer gains.")

# %% [markdown]
# At the start nobody has gained: the lead is 0 and the loss is ln 2 = 0.69, for every pair. A lead lowers it, but less and less: the training does not
# chase pairs that are already won. The number *beta* says how dear it is to move away from the reference. Now the same in code. It needs four numbers.

# %% tags=["define"]
def dpo_loss(chosen_now, rejected_now, chosen_then, rejected_then, beta=0.1):
    """-log sigmoid(lead). Each argument is log p(answer | prompt), summed over the answer's tokens; then = the reference."""
    import math

    lead = beta * ((chosen_now - chosen_then) - (rejected_now - rejected_then))
    return math.log1p(math.exp(-lead))

# %% [markdown]
# ### A minute of preference training
#
# One pair of each fault, a few steps. Too little for a better analyst; enough to see what moves.
#
# **Predict first.** The loss wants a *difference*. It can get it by making the chosen answer likelier, or the rejected one unlikelier. Which will it
# be? While it trains, do exercise 1 with a pencil.

# %% tags=["reveal"]
settings = preferences.Settings(
    learning_rate=2e-4,  # a fifth of fine-tuning's: the model can already do the job
    steps=SIZE["dpo"],
    batch=1, accumulate=1,
    beta=0.1,            # how dear it is to leave the reference
)
run = preferences.fit(student, tokenizer, lesson, settings, place / "dpo")
print(f"{len(run.history)} steps, {run.tokens:,} tokens, {run.seconds:.0f} seconds; first loss {run.history[0]['loss']:.3f} (ln 2 = {np.log(2):.3f})")

# %% tags=["reveal"]
one = exam[0]
now = [preferences.log_probability(student, tokenizer, one, side) for side in preferences.SIDES]
with preferences.as_reference(student):
    then = [preferences.log_probability(student, tokenizer, one, side) for side in preferences.SIDES]
ours, library = dpo_loss(*now, *then), preferences.library_loss(student, tokenizer, one)
print(f"an unseen pair ({one['fault']}): chosen {now[0] - then[0]:+.1f}, rejected {now[1] - then[1]:+.1f} since the start")
print(f"our loss {ours:.5f}, the library's {library:.5f}, difference {abs(ours - library):.0e}")

# %% tags=["reveal", "recorded"]
long_run = stored.get("dpo_history")
history = long_run["value"] if long_run else run.history
end = history[-1]
said = f"after step {end['step']} the chosen side is at {end['chosen']:.2f}, the rejected at {end['rejected']:.2f}"
style.show(product_figures.rewards(history), f"Rewards of the chosen and the rejected answers over the steps; {said}.")
print("recorded" if long_run else f"yours; the long run: {STUDY} preferences")

# %% [markdown]
# What good looks like: the chosen line on top, the gap growing. Do not be surprised if **both** lines fall. The model may come to dislike the good answer as
# well, only less. That is why "the loss fell" proves nothing: the answers must be graded again.
#
# ### What it bought, and what it cost (recorded)
#
# The same test cases before and after. And a test of general knowledge, since every training can make a model forget.

# %% tags=["recorded"]
if "dpo_table" in stored:
    table = stored["dpo_table"]["value"]
    rows = {(split, when): found for split, both in table.items() for when, found in both.items()}
    display(pd.DataFrame(rows).T[["value", "low", "high", "arithmetic", "parsed", "cost"]].round(2))
    print(f"{stored['dpo_table']['split']}; {stored['dpo_table']['method']}")
for name, what in (("dpo_gain", "right actions, after minus before"), ("dpo_general", "general questions, after minus before")):
    found = stored.get(name)
    print(f"{what}:", f"{found['value']:+.3f}, 95 %: {found['low']:+.3f} to {found['high']:+.3f}" if found else f"{STUDY} preferences")

# %% [markdown]
# If an interval contains 0, the honest sentence is: *we cannot tell*. A few hundred pairs from a generator also teach the generator's taste. A bank would
# collect pairs from its own reviewers.
#
# ## 4 · Or train nothing: sample four, keep the best
#
# The rival of preference training is selection. Let the model write four answers, then choose. But how, without knowing the right one? Four ways:
#
# - take the *first sample*;
# - take the first that *ends with a clear recommendation* (a source's tip);
# - take the *majority's* action;
# - take the one that *its own sums support*: figures from the case, sums right, decision as its own four tests demand.

# %% tags=["reveal"]
from course_utils.product import reranking

case = three[0]
samples = reranking.sample(dense, tokenizer, TASK, [case], n=4, max_new_tokens=SIZE["write"], tool=calculator.tool)[0]
for k, text in enumerate(samples):
    seen, grade = reranking.check(case, text), TASK.grade(case, text)
    print(f"{k}: figures from the case {seen.grounded:.0%}, decision follows {seen.follows}, action {grade.action}; right: {grade.action_right}")
print({name: way(case, samples) for name, way in reranking.WAYS.items()})

# %% [markdown]
# The last column is the grader's, and no way of choosing may look at it. **Predict first:** which way wins over many cases, and how far can any of them
# get? The ceiling is the share of cases with at least one right answer among the four.

# %% tags=["recorded", "reveal"]
if "rerank" in stored:
    ways = dict(stored["rerank"]["value"])
    ceiling = ways.pop(reranking.CEILING)["value"]
    style.show(product_figures.bars(ways, "right action", ("ceiling", ceiling)), "Share of right actions for each way to choose, with intervals.")
    print(stored["rerank"]["n"], "cases,", stored["rerank"]["method"])
    gain = stored["rerank_gain"]
    print(f"own sums minus first sample: {gain['value']:+.2f}, 95 %: {gain['low']:+.2f} to {gain['high']:+.2f}")
else:
    print(STUDY, "rerank")

# %% [markdown]
# Selection costs no training, but every answer costs four times as much, for ever. Preference training is paid once. That is the trade.
#
# ## 5 · Specialise: one base, three desks
#
# A bank has desks: corporate, sovereign, structured. Three fine-tuned models would be three large files and three servers. Three *adapters* share one
# base. They were trained apart, each on its own sector's cases.

# %%
SECTORS = ("corporate", "sovereign", "structured")
of = {kind: [r for r in easy if r["type"] == kind] for kind in SECTORS}
folders = {kind: adapters.saved(f"credit-{kind}", TASK, of[kind][:4], BASE) for kind in SECTORS}
desk = adapters.load_several(models.load(BASE, four_bit=False)[0], folders, BASE)
weights = {name: sum(p.numel() for n, p in desk.named_parameters() if f".{name}." in n) for name in SECTORS}
print(f"base {models.count(dense)['total']:,} numbers; each adapter {weights['corporate']:,}")

# %% [markdown]
# **Predict first.** A request for another desk comes in. How long does it take to swap the adapter: a minute, a second, a thousandth of one? And
# the question that compliance asks: when the sovereign desk has been at work, is anything of it left in the next corporate answer?

# %% tags=["reveal"]
swap = adapters.swap_seconds(desk)
print(f"a swap takes {1000 * swap['value']:.1f} ms (median of {swap['n']}, at most {1000 * swap['high']:.1f})")
leak = adapters.leakage(desk, tokenizer, TASK, three[:2])
for name, difference in leak.items():
    print(f"{name:12s} largest change of any output number after the others were used: {difference}")

# %% [markdown]
# Zero, to the last bit, for every adapter and for the base. The weights of the three lie side by side; swapping changes which one is added.
#
# **Predict first.** Which adapter is best on which sector? Here as *surprise*: the mean loss on the right answers. Lower is better.

# %% tags=["reveal"]
def surprise(model, rows):
    logs = [preferences.log_probabilities(model, tokenizer, {"prompt": TASK.prompt(r), "chosen": r["calculator"]}, "chosen") for r in rows]
    return -np.mean([x for row in logs for x in row])

by_length = sorted(test, key=lambda r: len(r["text"] + r["calculator"]))
unseen = {kind: [r for r in by_length if r["type"] == kind][:SIZE["asked"]] for kind in SECTORS}
losses = adapters.cross_matrix(desk, unseen, surprise)
own = np.mean([losses.loc[k, k] for k in SECTORS])
style.show(product_figures.matrix(losses, "Surprise at right answers", low_is_good=True),
           f"Four systems down, three sectors across; the mean on the diagonal is {own:.2f}. The best of each column is framed.")

# %% tags=["recorded", "reveal"]
if "sector_matrix" in stored:
    found = stored["sector_matrix"]
    table = pd.DataFrame({name: {k: v["value"] for k, v in cell.items()} for name, cell in found["value"].items()}).T
    style.show(product_figures.matrix(table, "Right actions"), "Right actions of each adapter on each sector; the best of each column is framed.")
    print(f"{found['n']} cases a sector; {found['method']}")
    gap = stored["sector_own_minus_others_arithmetic"]
    print(f"right sums, own sector minus the others': {gap['value']:+.2f}, 95 %: {gap['low']:+.2f} to {gap['high']:+.2f}")
else:
    print(STUDY, "sectors")

# %% [markdown]
# *one for all* is the adapter of section 1, trained on all sectors together. It is the rival to beat: specialists must earn the work of keeping three.
#
# A client may sit between desks, say a state-owned company. Adapters can be added up with weights. Exactly: the sum of two updates is again an
# update, at the sum of their ranks.

# %%
adapters.combine(desk, {"corporate": 0.5, "sovereign": 0.5}, "state_owned")
rank = {name: desk.peft_config[name].r for name in adapters.names(desk)}
mixed = adapters.cross_matrix(desk, {k: unseen[k] for k in ("corporate", "sovereign")}, surprise, ["state_owned"])
print("ranks:", rank)
print(mixed.round(2))

# %% [markdown]
# ## 6 · Merge: one plain model
#
# For one purpose and one server the adapter can be added into the base for good: `W' = W + (alpha/r) B A`, as in notebook 02. The sources promise *the same
# architecture and the same speed*.
#
# **Predict first.** Three models read the same prompts: the bare base, the base with the adapter beside it, the merged one. Which is slowest?

# %% tags=["reveal"]
student = desk = None  # memory is needed here
bare = models.load(BASE, four_bit=False)[0].eval()
beside = models.load_adapter(models.load(BASE, four_bit=False)[0], START, BASE).eval()
whole, _ = merging.merged(START, BASE, "float32")
seconds = {name: merging.prompt_seconds(model, tokenizer, TASK, test[:SIZE["timed"]])
           for name, model in (("bare base", bare), ("adapter beside", beside), ("merged", whole))}
shape = [{n: tuple(p.shape) for n, p in m.named_parameters()} for m in (bare, whole)]
for name, one in seconds.items():
    print(f"{name:15s} {1000 * one:6.0f} ms a prompt, {one / seconds['bare base']:.2f} times the base")
print("same architecture, matrix by matrix:", shape[0] == shape[1])

# %% [markdown]
# ### Sealed
#
# We save the merged model with a *seal*: checksums of the base, the adapter and the result. Whoever changes a byte is found out. Try it.

# %% tags=["reveal"]
merged_at = merging.save_merged(START, BASE, place / "credit-analyst")
seal = merging.verify(merged_at, START)
print({name: str(seal[name])[:16] for name in ("base", "base_sha256", "adapter_sha256", "merged_sha256", "dtype")})
config = merged_at / "config.json"
kept = config.read_text()
config.write_text(kept + " ")  # one blank at the end of one file
try:
    merging.verify(merged_at, START)
except runtime.CourseError as error:
    print(error)
config.write_text(kept)

# %% [markdown]
# ### Does it still say the same?
#
# Merging rounds: the sum is stored in the model's own number format. Rounding to 4 bits again rounds much more. We compare the scores of the
# answer's first word with those of the unmerged model.

# %% tags=["reveal"]
some = test[:SIZE["timed"]]
before = merging.next_logits(beside, tokenizer, TASK, some)
forms = {"merged": whole, "merged, as saved": merging.load_merged(merged_at)[0],
         "merged, 4 bits again": merging.load_merged(merged_at, four_bit=True)[0]}
drifts = {}
for name, form in forms.items():
    drifts[name] = float(np.abs(merging.next_logits(form, tokenizer, TASK, some) - before).max())
    print(f"{name:22s} {sum(models.weight_bytes(form).values()) / 1e6:5.0f} MB   largest drift of a score {drifts[name]:.1e}")

# %% [markdown]
# A drift of a score is no verdict; graded answers are (recorded). These packaged weights had been rounded to 4 bits once before, so rounding them again
# hurts less than it would elsewhere.

# %% tags=["recorded"]
bare = beside = whole = form = forms = None  # memory is needed below
pd.DataFrame(stored["forms"]["value"]).set_index("form").round(3) if "forms" in stored else f"{STUDY} forms"

# %% [markdown]
# **Other doors out.** The merged folder is in the common format, so other programs can read it. For *Ollama* on a colleague's laptop it is converted to
# one GGUF file and given a name:
#
# ```
# python llama.cpp/convert_hf_to_gguf.py runs/06/laptop/credit-analyst --outfile credit.gguf --outtype q8_0
# echo "FROM ./credit.gguf" > Modelfile
# ollama create credit -f Modelfile
# ```
#
# Not run here: neither program installs as a Python package. Grade the answers again after it: a conversion is one more rounding.
#
# ## 7 · Serve: answers over HTTP
#
# Other programs do not open notebooks. They send a request to an address. One command serves the merged model in the format that most software speaks
# today, OpenAI's. It listens on this machine only.

# %%
from course_utils.product import serving

server = serving.start(merged_at)
print(server.url, "serves", server.model)

# %% [markdown]
# **Predict first.** Will the served model write the same words as the notebook's? And is it twice as fast for four clients as for one, the same, or slower?

# %% tags=["reveal"]
from course_utils import evaluation

here, here_tokens = merging.load_merged(merged_at)
same_words = serving.same_answers(server, test[:2 * SIZE["asked"]], TASK,
                                  lambda row: evaluation.generate(here, here_tokens, TASK, row, 30), 30)
print(f"word for word the same: {same_words['share']:.0%} of {same_words['n']}")
loads = [serving.load_test(server, [TASK.prompt(r) for r in three] * 2, clients, max_tokens=8) for clients in (1, 4)]
pd.DataFrame(loads).drop(columns="answers").set_index("clients").round(2)

# %% [markdown]
# This simple server answers one request after the other. Four clients wait in a queue: each waits longer, and together they get no more. Servers for
# many users, such as vLLM on a GPU, work on many requests at once. They also swap adapters, a name for each desk:
#
# ```
# vllm serve HuggingFaceTB/SmolLM2-135M-Instruct --enable-lora \
#   --lora-modules corporate=data/adapters/credit-corporate sovereign=data/adapters/credit-sovereign
# ```
#
# (not run: it needs a GPU machine).
#
# ### Where is the calculator now?
#
# Our analyst needs a tool. The server knows nothing of it. So the *caller* works: it asks the server to stop at each `=`, computes, and sends the text back
# to be continued. Every product with tools works this way.

# %% tags=["reveal"]
over_http = serving.ask_with_tool(server, TASK.prompt(three[0]), calculator.tool, max_tokens=SIZE["write"])
grade = TASK.grade(three[0], over_http)
print(over_http)
print(f"\naction {grade.action}; required sums shown and right: {grade.arithmetic:.0%}; as in section 1: {over_http == first[0]}")

# %% [markdown]
# ### Callers that misbehave
#
# A second server on the same port, a prompt that is far too long, a client that hangs up in the middle. Nothing may break.

# %% tags=["reveal"]
huge = [{"role": "user", "content": "debt " * 9000}]
for misuse in (lambda: serving.start(merged_at, port=server.port), lambda: serving.ask(server, huge)):
    try:
        misuse()
    except runtime.CourseError as error:
        print(error)
heard = serving.hang_up(server, TASK.prompt(three[0]))
print(f"hung up after {heard!r}; the server is healthy: {server.is_healthy()}")
server.stop()

# %% [markdown]
# **Before it faces a network.** This server has no password, no encryption, no limit on a prompt's length and none on the queue. In front of it belong: a
# gateway that knows who asks; TLS; limits on length, rate and queue; a log of every prompt and answer with the seal of the model that gave it; and a
# switch to turn it off.
#
# ## 8 · Outgrow one machine
#
# ### More rows than memory
#
# A million headlines every night. The machine will be restarted in the middle, sooner or later. Three promises are wanted: **exactly one output row for an
# input row, restartable, memory that does not grow with the file.** The trick is old: work in small parts, write each part under another name,
# rename it when it is whole. A kill at any moment leaves whole parts or nothing.
#
# **Predict first.** We kill the job while it runs, with the signal that no program can refuse. How many rows will be lost or doubled after a restart?

# %%
import csv
import random
import shutil
import subprocess
import time

from course_utils import sentiment

out, source = place / "scores", place / "headlines.csv"
shutil.rmtree(out, ignore_errors=True)
texts = [row["text"] for row in sentiment.own("train")]
with source.open("w", encoding="utf-8", newline="") as file:
    csv.writer(file).writerows([["id", "text"], *([k, f"{texts[k % len(texts)]} [{k}]"] for k in range(SIZE["rows"]))])
print(f"{SIZE['rows']:,} rows, {source.stat().st_size / 1e6:.1f} MB")

# %% tags=["reveal"]
def start_job():
    command = [sys.executable, "-m", "course_utils.product.scoring", str(source.resolve()), str(out.resolve()), "--shard-rows", "50"]
    return subprocess.Popen(command, cwd=runtime.ROOT, stdout=subprocess.DEVNULL)

job, wanted = start_job(), random.randrange(1, SIZE["rows"] // 50)
while job.poll() is None and len(list(out.glob("part-*.csv"))) < wanted:
    time.sleep(0.002)
job.kill()
print(f"killed with {len(list(out.glob('part-*.csv')))} of {SIZE['rows'] // 50} parts on disk; exit status {job.wait()}")
print("started again; exit status", start_job().wait())

# %% tags=["reveal"]
with (out / "scores.csv").open(encoding="utf-8", newline="") as file:
    numbers = [int(row["text"].rsplit("[", 1)[1].rstrip("]")) for row in csv.DictReader(file)]
lost, doubled = SIZE["rows"] - len(set(numbers)), len(numbers) - len(set(numbers))
print(f"{len(numbers):,} rows out, {lost} lost, {doubled} doubled, in order: {numbers == sorted(numbers)}")

# %% [markdown]
# Recorded: killed twenty times at random moments, <!--r:06.rows_lost-->not run<!--/r--> rows lost and <!--r:06.rows_doubled-->not run<!--/r--> doubled. And the memory, up to a
# million rows:

# %% tags=["recorded"]
scale_up = "not run; the command: python benchmarks/studies/scale_out.py"
if "scoring_memory" in stored:
    points = stored["scoring_memory"]["value"]
    style.show(product_figures.memory(points), "Peak memory of the job stays level while the file grows a hundredfold.")
else:
    print(scale_up, "rows")
model_rate = stored.get("model_rows_a_second")
print("with the fine-tuned model:", f"{model_rate['value']:.1f} rows a second over {model_rate['n']:,} rows" if model_rate else f"{scale_up} model")

# %% [markdown]
# ### More training than one machine
#
# Two processes, each with a copy of the model, each with half of every batch. After each step they average what they learned. If the sum is done
# right, the loss is the same as with one process; only the clock differs. The training function is the very same one; `accelerate launch` starts it twice.
#
# **Predict first.** Same to how many digits?

# %% tags=["recorded", "reveal"]
if "ddp_losses" in stored:
    both = stored["ddp_losses"]["value"]
    style.show(product_figures.two_losses(both["one"], both["two"]), "The losses of one and of two processes lie on each other.")
    print(f"largest difference: {stored['ddp_loss_gap']['value']:.1e} nats a token")
else:
    print(scale_up, "ddp")

# %% [markdown]
# The largest difference was <!--r:06.ddp_loss_gap|.0e-->not run<!--/r-->. When the *model* does not fit one GPU, the weights themselves are cut into slices, one a GPU: *fully sharded data parallel*
# (FSDP). `benchmarks/fsdp.yaml` is such a configuration, line by line explained. It was never run here: these machines have one GPU or none.
#
# ## 9 · Sign off: evidence on paper
#
# Banks must be able to say what a model is for, how it was tested, where it fails and who watches it. US supervisors wrote it down in 2011 (SR 11-7):
# *development, validation, ongoing monitoring, governance*. Their guidance of April 2026 (SR 26-2) replaced that letter and leaves generative models out;
# risk teams still think in this order. Europe's AI Act asks for similar papers where private persons are scored. We gather the evidence.
#
# **Slices.** An average hides. By type of borrower and by scenario (recorded, notebook 04):

# %% tags=["recorded"]
from course_utils.product import governance, monitoring

credit = results.entries("04")
slices = {}
for field in ("type", "cluster"):
    groups = credit.get(f"by_{field}", {"value": {}})["value"]
    slices[f"By {field}"] = pd.DataFrame(groups, index=["rows", "right action", "cost, thousand EUR"]).T.rename_axis(field)
slices["By type"].round(2)

# %% [markdown]
# **Fairness by counterfactuals.** The same case with another company name, or another country. The policy ignores both. Does the model?

# %% tags=["recorded"]
fairness = {f"{what.title()} in the same case": [{"share of actions that move": f["value"], "from": f["low"], "to": f["high"], "cases": f["n"]}]
            for what in ("another name", "another place") if (f := stored.get(f"moved_by_{what.replace(' ', '_')}"))}
print(fairness or f"{STUDY} names")

# %% [markdown]
# **Drift.** Next year's cases will look different. The monitor compares new inputs with those of the training, before any outcome is known. The *stability
# index* is 0 for the same distribution; above 0.1 watch, above 0.25 act, unless chance explains it.
#
# **Predict first.** Three batches arrive: more cases from the same source; new borrowers with names never seen; shipping companies, a sector never
# seen. Which features ring the alarm, and for which batch should somebody get up?

# %% tags=["reveal"]
reference = cases[:600]
batches = {"the same source": cases[600:700], "new names": test[:100], "shipping": load("heldout_sector", 100)}
drifts_seen = {name: monitoring.drift(reference, rows) for name, rows in batches.items()}
for name, table in drifts_seen.items():
    print(f"--- {name}\n{table.to_string()}\n")

# %% [markdown]
# An alarm says: these inputs are new. It does not say that the answers are wrong: new names are no reason to answer otherwise, a new sector may be. That is
# for people to find out, on a sample.
#
# **The card.** Everything together, from recorded results. What was never measured is printed as *not run*. Nothing is left out because it is missing.

# %%
card = governance.Card(
    "Credit analyst, SmolLM2-135M with LoRA", START,
    purpose="Teaching. Drafts a stress analysis of one or two invented borrowers by the course's credit policy.",
    uses=["learning how such models are built, tested and refused"], not_uses=["any real credit decision"],
    data=["data/credit: generated cases, texts by a large language model; no real borrower"], data_licence="CC BY 4.0",
    soundness=["the model sets up sums, a calculator computes them", "every number can be checked against the policy"],
    metrics={f"04.{k}": words for k, words in (("heldout_action_calculator", "right action, new obligors"), ("required_arithmetic", "required sums right"),
                                               ("heldout_parse_rate", "answers that can be read"), ("gold_action_accuracy", "gold tasks"))},
    benchmarks={"04.heldout_action_best_simple": "best scorecard, right action", "04.heldout_action_answer_only": "trained on labels only"},
    cost=f"{credit['heldout_cost_calculator']['value']:.1f} thousand EUR a case" if "heldout_cost_calculator" in credit else "",
    memorisation={"A planted secret (notebook 05)": found["value"]} if (found := results.entries("05").get("privacy")) else {},
    slices=slices, fairness=fairness, drift=drifts_seen,
    limits=["English; the course's layouts and policy only", "fluent when wrong: read the sums, not the tone"],
    monitoring=["drift of the inputs, monthly", "a reviewer regrades 50 answers a month", "stop rule: unreadable answers above 2 %"],
    checksums=seal)

# %% tags=["reveal"]
page, sheet = governance.write(card, place / "card")
print(f"{runtime.short(page)}, {runtime.short(sheet)} ({sheet.stat().st_size / 1e3:.0f} kB)")
display(Markdown(page.read_text(encoding="utf-8").replace("\n# ", "\n### ").replace("\n## ", "\n#### ")))

# %% [markdown]
# **Read it as the validator.** Would you sign? The program lists what a validator would ask for next:

# %% tags=["reveal"]
print(governance.gaps(card) or "no gaps")

# %% [markdown]
# For discussion: compare *right action* with *best scorecard* on the card. The scorecard is the better decision maker, by far. Which of the seven stations
# was worth the work for this model? For which job in your firm would the answer be another?
#
# > **For instructors.** Sections 3, 5 and 9 make a 90-minute session. Let one half of the class play the desk, the other model risk; the card is the
# > only document that passes between them. Section 7 can be shown from your own machine; no student needs to reach it.
#
# ## 10 · Claims tested
#
# The course's sources make claims about this last mile. This notebook owns five of them.

# %%
from course_utils import ledger

statement = {row["id"]: row["claim"] for row in ledger.rows()}
ratio = seconds["merged"] / seconds["bare base"]
results.claim("L5", statement["L5"], ratio, "holds with a condition" if shape[0] == shape[1] and ratio < 1.15 else "not decided", "section 6",
              "times the base's time a prompt", f"the adapter beside it: {seconds['adapter beside'] / seconds['bare base']:.2f} times; largest drift of a "
              f"score {drifts['merged']:.0e} merged, {drifts['merged, 4 bits again']:.1f} after rounding to 4 bits again: measure again")
results.claim("P2", statement["P2"], float(same["loaded again"]), "holds with a condition" if same["loaded again"] else "wrong", "section 1",
              "share of answers equal after reloading", f"same software and same batch; asked one at a time: {'also' if same['one at a time'] else 'not'} equal")
results.claim("R7", statement["R7"], 1000 * swap["value"], "holds" if max(leak.values()) == 0 else "wrong", "section 5", "ms a swap",
              "three adapters on one base; no output number of one changes after the others were used")
for key in ("R5", "R6"):
    found = stored.get(f"claim_{key}") or {"value": None, "verdict": "not run", "said": "", "unit": "", "cell": "section 3"}
    results.claim(key, statement[key], found["value"], found["verdict"], found["cell"], found["unit"], found["said"])

# %% tags=["recorded", "reveal"]
results.claims_table("06")

# %% [markdown]
# ## 11 · Recorded beside yours

# %%
results.record("served_equal", same_words["share"], n=same_words["n"], method="greedy answers, word for word")
results.record("dpo_loss_gap", abs(ours - library), "nats", method="the notebook's DPO loss against the library's, one pair")
results.record("swap_milliseconds", 1000 * swap["value"], "ms", n=swap["n"])
results.record("leak", max(leak.values()), method="largest change of an output number")
results.record("merged_time_ratio", ratio, "times the base", n=len(some))
for clients, load_seen in zip((1, 4), loads):
    results.record(f"requests_a_second_{clients}", load_seen["requests a second"], "1/s", n=load_seen["requests"], method="8 tokens an answer")
results.record("live_rows_lost", lost + doubled, "rows", n=SIZE["rows"], method="killed once, restarted")
results.record("live_peak_memory", runtime.peak_memory() / 1e9, "GB")
results.recorded_beside_yours("served_equal", "dpo_loss_gap", "swap_milliseconds", "leak", "merged_time_ratio", "requests_a_second_1",
                              "requests_a_second_4", "live_rows_lost", "live_peak_memory", "laptop_minutes")

# %% tags=["summary"]
print(f"loaded again, same answers: {same['loaded again']}; served, same words: {same_words['share']:.0%}; rows lost {lost}, doubled {doubled}")
print(f"swap {1000 * swap['value']:.1f} ms, leak {max(leak.values())}; merged {ratio:.2f} times the base's time; model card: {runtime.short(page)}")

# %% [markdown]
# ## 12 · Exercises
#
# Each checks itself. A wrong answer gets a hint.

# %% tags=["exercise-checks"]
import numpy as np

from course_utils import exercises

exercises.exercise("06.1", lambda f: abs(f(-50, -60, -50, -60) - np.log(2)) < 1e-6 and abs(f(-40, -70, -50, -60) - np.log1p(np.exp(-4))) < 1e-6,
                   "How much has each side gained since the start? Subtract then from now.", "lead = beta x (gain of chosen - gain of rejected); loss = log(1 + exp(-lead)).")
exercises.exercise("06.2", lambda f: f(10, 270, 5) == (2700, 320) and f(1, 100, 10) == (100, 110),
                   "Merged: one whole model a desk.", "Shared: the base once, and one adapter a desk.")
exercises.exercise("06.3", lambda f: f(["decline", None, "approve", "approve"]) == "approve" and f([None, None]) is None,
                   "Leave out None, then count.", "collections.Counter(...).most_common(1) gives the commonest with its count.")
exercises.exercise("06.4", lambda f: f(10, 4, {0, 2}) == [1] and f(9, 3, set()) == [0, 1, 2] and f(1, 5, {0}) == [],
                   "How many parts are there? Round up.", "-(-rows // size) rounds up; keep the numbers that are not done.")
exercises.exercise("06.5", lambda f: abs(f([50, 50], [80, 20]) - 0.4159) < 1e-3 and f([30, 70], [60, 140]) == 0,
                   "Turn both counts into shares first.", "Add up (new - old) x log(new / old) over the bins.");

# %% [markdown]
# **Exercise 1.** The DPO loss from four log-probabilities, with beta = 0.2.

# %% tags=["exercise"]
import math

def my_dpo_loss(chosen_now, rejected_now, chosen_then, rejected_then):
    ### BEGIN SOLUTION
    lead = 0.2 * ((chosen_now - chosen_then) - (rejected_now - rejected_then))
    return math.log1p(math.exp(-lead))
    ### END SOLUTION

exercises.check("06.1", my_dpo_loss);

# %% [markdown]
# **Exercise 2.** Storage. A model has `model` MB, an adapter `adapter` MB. For a number of desks, return (MB with one merged model a desk, MB with one base
# and an adapter a desk).

# %% tags=["exercise"]
def storage(desks: int, model: float, adapter: float) -> tuple[float, float]:
    ### BEGIN SOLUTION
    return desks * model, model + desks * adapter
    ### END SOLUTION

exercises.check("06.2", storage);

# %% [markdown]
# **Exercise 3.** The majority among samples. `None` is an answer that cannot be read.

# %% tags=["exercise"]
from collections import Counter

def majority(actions: list):
    ### BEGIN SOLUTION
    read = [action for action in actions if action is not None]
    return Counter(read).most_common(1)[0][0] if read else None
    ### END SOLUTION

exercises.check("06.3", majority);

# %% [markdown]
# **Exercise 4.** A job over `rows` rows in parts of `size` was killed. `done` holds the numbers of the parts on disk. Which are still to do?

# %% tags=["exercise"]
def to_do(rows: int, size: int, done: set[int]) -> list[int]:
    ### BEGIN SOLUTION
    return [part for part in range(-(-rows // size)) if part not in done]
    ### END SOLUTION

exercises.check("06.4", to_do);

# %% [markdown]
# **Exercise 5.** The stability index between old and new counts, bin by bin.

# %% tags=["exercise"]
def stability(old: list[int], new: list[int]) -> float:
    ### BEGIN SOLUTION
    shares = [(o / sum(old), n / sum(new)) for o, n in zip(old, new)]
    return sum((n - o) * math.log(n / o) for o, n in shares)
    ### END SOLUTION

exercises.check("06.5", stability);

# %% [markdown]
# ## Where next
#
# - **07** does all this with your own firm's data: retail and luxury, brand voice, extraction.
# - **05** if you skipped it: was fine-tuning the right choice at all?
# - The model card in `runs/` is yours: fill in the gaps for a model that you would defend.
