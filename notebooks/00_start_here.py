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
# # 00 · Start here
#
# **What is in this course, will my machine do it, and do I need fine-tuning at all?**
#
# <!--badges-->[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/fine-tuning-course/fine-tuning-course/blob/main/notebooks/00_start_here.ipynb) · [source](https://github.com/fine-tuning-course/fine-tuning-course/blob/main/notebooks/00_start_here.py) · [slides](https://github.com/fine-tuning-course/fine-tuning-course/tree/main/slides)<!--/badges-->
#
# After this notebook you will know
#
# - whether your machine is ready, and how long each notebook will take on it,
# - what fine-tuning does, from one example before and after,
# - whether your own problem calls for fine-tuning, for something simpler, or for something else,
# - what you know already: a quiz of twelve questions, asked again at the end.
#
# | runs on | minutes |
# |---|---|
# | 2-core laptop, 8 GB memory | about 2 |
# | Colab, free T4 or no GPU | about 3, not yet measured there |

# %% tags=["setup"]
# Set-up: the same in every notebook. It finds the course's library, installs what is missing and checks the machine.
import io, sys, urllib.request, zipfile
from pathlib import Path

NOTEBOOK, REPOSITORY = "00", "fine-tuning-course/fine-tuning-course"
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
# Each line above is a check. `[FAIL]` comes with one thing to do. All `[OK]`? Then nothing more will be downloaded on a laptop.
#
# ## 1 · How long will it take here?
#
# The recorded minutes come from one machine. We time one second of plain arithmetic on yours and scale them. It is a rough guide: memory and
# other programs count too.

# %%
from course_utils import results, runtime

speed = runtime.arithmetic_speed()
reference = results.entries("00").get("arithmetic_speed", {"value": speed, "device": "this machine"})
print(f"this machine: {speed:.0f} billion multiplications and additions a second; the recorded one: {reference['value']:.0f}")

# %% tags=["reveal"]
import pandas as pd

from course_utils.diagrams import COURSE

rows = []
for number, title in list(COURSE.items())[1:]:
    found = results.entries(number).get("laptop_minutes")
    minutes = found["value"] if found else None
    scaled = minutes and minutes * max(1, reference["value"] / speed)
    here = f"{scaled:.0f} to {2 * scaled:.0f}" if minutes else "in the making"
    rows.append({"notebook": number, "question": title, "recorded minutes": round(minutes, 1) if minutes else "-", "here, roughly": here})
pd.DataFrame(rows).set_index("notebook")

# %% [markdown]
# ## 2 · Before and after, in a minute
#
# A desk wants each sentence of the news marked: good for a holder of the share, bad, or neither. Here is a model that has read trillions of words and
# was never told about this job. And the same model after a few minutes of training on sentences that the course wrote.
#
# **Predict first.** Which of these will the untrained one get right?

# %%
SENTENCES = [
    "Losses narrowed to EUR 2 million from EUR 9 million a year earlier.",
    "The company will publish its half-year report on Thursday.",
    "Operating profit fell short of what analysts had expected.",
    "The plant will close in March, and 300 jobs will go.",
    "Orders rose by a fifth, and margins held.",
    "The annual meeting takes place in Lyon.",
]

# %% tags=["reveal"]
from course_utils import evaluation, models, sentiment

adapter = runtime.ROOT / "data" / "adapters" / "sentiment"
untrained, tokenizer = models.load("smollm2-135m", four_bit=False)
trained, _ = models.merged_file(adapter)
asked = [{"text": text, "label": "neutral"} for text in SENTENCES]
first, then = (evaluation.classify(model, tokenizer, sentiment.TASK, asked).guess for model in (untrained, trained))
table = pd.DataFrame({"sentence": SENTENCES, "before": first, "after": then}).set_index("sentence")
table

# %% [markdown]
# What good looks like: the column *after* follows the sense, not single words. "Losses narrowed" is good news. The saved file that makes the
# difference has a few megabytes; the model itself was not touched.
#
# **Your own sentence.** Type one and press the button.

# %% tags=["nbval-skip"]
#@title Your own sentence { display-mode: "form" }
import ipywidgets as widgets

box = widgets.Text(value="Sales rose, but the outlook was cut.", description="Sentence", layout={"width": "90%"})
button, said = widgets.Button(description="Before and after"), widgets.HTML()

def ask(_=None):
    one = [{"text": box.value, "label": "neutral"}]
    answers = [evaluation.classify(model, tokenizer, sentiment.TASK, one).guess[0] for model in (untrained, trained)]
    said.value = f"before: <b>{answers[0]}</b> &nbsp; after: <b>{answers[1]}</b>"

button.on_click(ask)
widgets.VBox([box, button, said])

# %% [markdown]
# ## 3 · Do I need fine-tuning at all?
#
# Often not. Six questions lead to a recommendation, with its reasons and with the measured rows of notebook 05 behind them. Where a reason
# is judgement it says so. Here is the answer for one firm; change the lists below for yours.

# %% tags=["reveal", "nbval-check-output"]
from course_utils.choosing import decision

EXAMPLE = {"output": "facts", "change": "monthly", "volume": "some", "examples": "dozens", "privacy": "no", "error": "checked"}
print(decision.told(decision.recommend(EXAMPLE)))

# %% tags=["nbval-skip"]
decision.helper(EXAMPLE)

# %% [markdown]
# ## 4 · What would it cost?
#
# A large model behind an API costs by the question. A small one of your own costs by the month. Where the lines cross, the own one begins to pay. The
# prices are examples with a date: edit them.

# %% tags=["reveal"]
from course_utils import style
from course_utils.choosing import costs

for price in costs.PRICES.values():
    print(f"{price.name}: {price.read} {price.currency} a million tokens read, {price.written} written ({price.date}; {price.note})")
style.show(costs.figure(costs.Own(), read=600, written=30), costs.told(costs.Own(), read=600, written=30))

# %% tags=["nbval-skip"]
costs.explore()

# %% [markdown]
# ## 5 · The map of the course
#
# The four in the middle are the core. Each stands on its own; together they tell one story.

# %%
from course_utils import diagrams

style.show(diagrams.course_map(), "Seven notebooks as boxes: 01 to 04 are the core, 05 to 07 build on them; 00 leads to all.")

# %% [markdown]
# - **An hour**: this notebook, then 03.
# - **An afternoon**: 00, 01, 02, 03.
# - **A weekend**: all of them, in order.
# - **A question from your firm**: 00, then 05, then 07.
#
# ## 6 · What do you know already?
#
# Twelve questions. They are asked again, in other words, at the end of notebook 07, so that you can see what changed. Guessing is allowed.

# %% tags=["nbval-skip"]
from course_utils import quiz

quiz.view(quiz.Quiz("A"))

# %%
print(quiz.before_and_after() if (runtime.runs_dir() / "quiz").exists() else "The quiz was not taken yet.")

# %% [markdown]
# ## 7 · The words of the trade
#
# Forty-odd terms in business language. You will meet each in the notebook named in the last column.

# %%
import json

terms = json.loads((runtime.ROOT / "data" / "course" / "glossary.json").read_text())
glossary = pd.DataFrame(terms).rename(columns={"plain": "in plain words", "why_it_matters": "why it matters", "where": "notebook"})
glossary.set_index("term").style.set_properties(**{"text-align": "left", "white-space": "pre-wrap"})

# %% [markdown]
# ## 8 · Recorded beside yours

# %%
results.record("arithmetic_speed", speed, "billion operations a second", method="float32 matrix product, one second")
results.recorded_beside_yours("arithmetic_speed", "laptop_minutes")

# %% [markdown]
# ## 9 · Claims tested
#
# The course's sources make claims that can be checked; each of the other notebooks tests its own. This one tests none. All of them, with what was
# measured and the verdict, stand on one page: `CLAIMS.md`. Where a claim was not tested, that page says so.
#
# ## 10 · Exercises

# %% tags=["exercise-checks"]
from course_utils import exercises

exercises.exercise("00.1", lambda f: abs(f(1000, 600, 30, 5.0, 25.0) - 3.75) < 1e-9,
                   "Tokens read times their price, plus tokens written times theirs, a million at a time.", "Do not forget the number of questions.")
exercises.exercise("00.2", lambda f: f(["neutral"] * 62 + ["positive"] * 38) == 0.62 and f(["a"]) == 1,
                   "Count each label; take the largest count.", "Divide by the number of labels.");

# %% [markdown]
# **Exercise 1.** What do `n` questions cost, when each reads and writes so many tokens, at prices a million tokens?

# %% tags=["exercise"]
def api_cost(n, read, written, price_read, price_written):
    ### BEGIN SOLUTION
    return n * (read * price_read + written * price_written) / 1e6
    ### END SOLUTION

exercises.check("00.1", api_cost);

# %% [markdown]
# **Exercise 2.** Before you admire an accuracy: what does *always the most frequent label* reach?

# %% tags=["exercise"]
def always_the_most_frequent(labels):
    ### BEGIN SOLUTION
    return max(labels.count(label) for label in labels) / len(labels)
    ### END SOLUTION

exercises.check("00.2", always_the_most_frequent);

# %% [markdown]
# **Where next:** notebook 01, if you want to know how a language model works. Notebook 03, if you want to see one learn.
