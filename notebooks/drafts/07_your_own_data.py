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
# # 07 · Your own data: retail and luxury as the worked example
#
# **Your firm has supplier mails, product texts and customer messages. What can a small model make of them, and what do you check before you train?**
#
# <!--badges-->[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/fine-tuning-course/fine-tuning-course/blob/main/notebooks/07_your_own_data.ipynb) · [source](https://github.com/fine-tuning-course/fine-tuning-course/blob/main/notebooks/07_your_own_data.py) · [slides](https://github.com/fine-tuning-course/fine-tuning-course/tree/main/slides)<!--/badges-->
#
# After this notebook you will be able to
#
# - audit a data set before a minute of training is spent, and say go, fix or stop,
# - turn free text into fields that a database accepts, and count what is right field by field,
# - judge a brand voice by two numbers that pull against each other,
# - tell a chart that is right from a chart that only looks right,
# - bring a file of your own, and leave with an adapter, a card and a plan for more rows.
#
# | runs on | model | minutes |
# |---|---|---|
# | 2-core laptop, 8 GB memory | SmolLM2, 135 million parameters | about 5 |
# | Colab, free T4 | Gemma 3, 1 billion parameters, for your own file | expected 12, not yet measured on one |

# %% tags=["setup"]
# Set-up: the same in every notebook. It finds the helper library, checks the machine and says what is missing.
import subprocess, sys
from pathlib import Path

NOTEBOOK, REPOSITORY = "07", "fine-tuning-course/fine-tuning-course"
home = next((p for p in (Path.cwd(), *Path.cwd().parents) if (p / "course_utils").is_dir()), None)
if home is None:  # opened alone, in Colab: fetch the rest of the course beside it
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"https://github.com/{REPOSITORY}", "course"], check=True)
    home = Path("course")
sys.path.insert(0, str(home))
from course_utils import runtime

machine = runtime.set_up(NOTEBOOK)

# %% [markdown]
# ## 1 · The business question: what does a wrong field cost?
#
# A buying team gets product texts from sixty suppliers: mails, spec sheets, care labels. Somebody types eight fields into the system. A model could do it.
# It makes two kinds of error, and they do not cost the same. A field **left out** is typed by hand, as today. A **wrong** field goes unnoticed, until a label
# has been printed with it.
#
# Put in your own numbers. Section 4 uses them.

# %% tags=["define"]
import numpy as np

MINUTES = {"typed": 0.5, "wrong": 6.0}  # to type one field; to find and repair one that is wrong
EUROS_AN_HOUR = 45

def repair_minutes(counts):
    """Minutes of work that an extraction leaves, a text. counts: (texts, fields, 3), 0 or 1 for right, given, wanted."""
    right, given, wanted = np.moveaxis(counts, 2, 0)
    wrong, left_out = given - right, wanted * (1 - given)
    return (MINUTES["wrong"] * wrong + MINUTES["typed"] * left_out).sum(1)

# %% [markdown]
# ## 2 · The first step is not to spin up GPUs
#
# One of the course's sources says so, and goes on: "but to audit and structure the datasets". We take it at its word. Here is a file as a shop's spreadsheet
# would export it: customer messages with semicolons, an invisible mark at the beginning, columns that nobody needs. The messages were written by a
# large language model; the shops are invented.

# %%
from course_utils.retail import data

place = runtime.runs_dir() / "07" / runtime.scale()
messages = [row for part in data.customers().values() for row in part]

def line(number, text, theme, mood):
    quoted = text.replace('"', '""')
    return f'{number};12.03.2025;chat;"{quoted}";{theme};{mood};;'

lines = ["Nr;Datum;Kanal;Nachricht;Thema;Stimmung;;Notiz"]
lines += [line(row["id"], row["text"], row["theme"], row["sentiment"]) for row in messages]
print(lines[0], lines[3], sep="\n")

# %% [markdown]
# Real files have faults. We put in five kinds: rows that occur twice, a label in two spellings, an empty message, a phone number with an address, and a cell
# that a spreadsheet would *execute*.

# %%
copies = [line(f"D{k}", row["text"], row["theme"], row["sentiment"]) for k, row in enumerate(messages[:12])]
spelling = [line(f"S{k}", f"{row['text']} Thanks.", row["theme"], row["sentiment"].title() + " ") for k, row in enumerate(messages[20:26])]
others = [line("E1", "", "delivery", "negative"),
          line("P1", "Still no parcel. Ring me on +49 30 1234567 or write to jo.berg@example.org", "delivery", "negative"),
          line("F1", '=HYPERLINK("http://prize.example","Your refund")', "returns and refunds", "neutral")]
place.mkdir(parents=True, exist_ok=True)
FILE = place / "export.csv"
FILE.write_text("\r\n".join(lines + copies + spelling + others), encoding="utf-8-sig")
print(f"{len(lines) - 1} good rows and {len(copies + spelling + others)} faulty ones")

# %% [markdown]
# **Predict first.** You open this file in a spreadsheet and scroll for two minutes. Which of the five faults would you see? Which one would make the
# test score of a model too high?

# %% tags=["reveal", "nbval-check-output"]
from course_utils.own import audit, checks, files, personal, report

TEXT, TARGET = "Nachricht", "Stimmung"  # the message, and the customer's mood: negative, neutral, positive
found = files.read(FILE, text=TEXT, target=TARGET)
first = audit.audit(found.rows, "export.csv", licence="CC BY 4.0, the course's own")
print(found, first, sep="\n\n")

# %% [markdown]
# Read the levels. **stop**: training on this would teach or measure the wrong thing. **fix**: repair it, then train. **note**: know it. The repeated rows are
# the dangerous ones: with a copy in the training part and one in the test part, the test measures memory. The formula was read as text. Nothing in
# the file was executed, changed or dropped in silence.

# %% tags=["reveal"]
from course_utils import style

for said, figure in report.pictures(first).items():
    style.show(figure, said)

# %% [markdown]
# The last picture shows for each message how much it shares with the one most like it. A healthy file has its weight on the left. Bars right of the dashed
# line are near-copies. The measure is simple enough to write down:

# %% tags=["define"]
def likeness(a: str, b: str) -> float:
    """Word pairs that two texts share, of all that either has (Jaccard): 0 is nothing, 1 is the same text."""
    def pairs(text):
        words = text.lower().split()
        return set(zip(words, words[1:]))

    both = pairs(a) | pairs(b)
    return len(pairs(a) & pairs(b)) / len(both) if both else 0.0

# %% tags=["nbval-check-output"]
TOLD = "the zip of my bag broke after two weeks and nobody answers my mails"
for other in (TOLD.replace("two", "three"), "the zip of my bag broke again", "where is my parcel"):
    print(f"{likeness(TOLD, other):.2f}  {other}")

# %% [markdown]
# Now the repair, one line a fault. Each line is a decision that somebody must be able to defend.

# %%
rows = [row | {"target": row["target"].strip().lower()} for row in found.rows]     # one spelling a label
rows = [row for row in rows if row["text"].strip()]                                # no empty messages
rows = [row for row in rows if not row["text"].startswith("=")]                    # no formulas
rows = list({checks.tidy(row["text"]): row for row in rows}.values())              # one of each
rows = [row for row in rows if not row["text"].endswith(" Thanks.")]               # the near-copies, after reading them
rows = [row | {"text": personal.masked(row["text"])} for row in rows]              # phone, address, names
clean = audit.audit(rows, "export.csv, repaired", licence="CC BY 4.0, the course's own")
print(f"{len(found.rows)} rows before, {len(rows)} after. Verdict: {first.verdict} before, {clean.verdict} after.")

# %% [markdown]
# What good looks like: *go*, with notes that you have read. An audit finds hints, not proof. What it does not find may still be there.
#
# ## 3 · From a mail to eight fields
#
# The course owns 435 product texts of sixty invented suppliers. The models train on forty of them; the other twenty are kept back. That is the
# question that matters: *does it work for the supplier who joins next month?*

# %% tags=["nbval-check-output"]
parts = data.products()
one = next(row for row in parts["test_suppliers"] if row["id"] == "3-001")
print(one["text"])

# %% [markdown]
# **Predict first.** Take a pencil: article number, material with percentages, origin, colour, care, net price, size. There are at least three traps. (The
# rules stand in `data/retail/extraction_guide.md`.)

# %% tags=["reveal", "nbval-check-output"]
for field, value in one["gold"].items():
    print(f"{field:11s} {value}")

# %% [markdown]
# The old article number, the fleece from New Zealand and the retail price are wrong answers that stand in the text. `None` means: the text does not
# say. To leave such a field empty is right; to fill it is an error.
#
# **The rival first.** Some two hundred lines of regular expressions and word lists. How good can patterns be?

# %% tags=["reveal"]
from course_utils.retail import recorded, scoring

test = parts["test_products"] + parts["test_suppliers"]
systems = recorded.extractions(test)  # the rules, answered now; and every system that the study has on record
scoring.comparison([systems["rules"], systems["rules-train-words"]])

# %% [markdown]
# *Field F1* balances two shares: of the fields given, how many are right (precision); of the fields that the text holds, how many were found (recall). A field
# is right or wrong as a whole.
#
# **Why two lines?** Whoever wrote the word lists had seen which colours and countries occur in all texts, those of the unseen suppliers too. That is a
# head start: <!--r:07.extraction_f1_regex-->0.89<!--/r-->. With only the words of the training texts it is <!--r:07.extraction_f1_regex_train_words-->0.86<!--/r-->.
# The second line is the fair rival: a model has seen no more.
#
# ### What the model is shown
#
# The target is one line of JSON: eight keys, always in the same order, values copied as they stand where that is possible. Each of these choices makes the
# line shorter or easier to learn.

# %% tags=["nbval-check-output"]
from course_utils.retail import augment, extraction

task = extraction.ExtractionTask()
print(task.answer(one))

# %% [markdown]
# **Predict first.** There are only 230 texts to train on, so the model reads each of them five times. What could go wrong when it sees the same article
# number for the fifth time?

# %% tags=["reveal", "nbval-check-output"]
train = parts["train"]
passes = augment.variants(train, 3)
for k in range(3):
    print(passes[k * len(train) + 4]["text"][:150].replace("\n", " / "), "\n")

# %% [markdown]
# It could learn the values by heart instead of reading them. So each pass shows the same texts with **other values**, exchanged in the text and in the answer
# alike. This is called *data augmentation*. It costs nothing. Whether it helps is measured in section 4.

# %% [markdown]
# ## 4 · The fine-tuned model
#
# The adapter was trained in about half an hour on one core (`python benchmarks/studies/retail.py extraction`). Here it reads some suppliers that it has
# never met.

# %%
from course_utils import models
from course_utils.retail import writing

shelf = {name: recorded.adapter(name) for name in ("extraction", "voice-1", "voice-2")}
some = parts["test_suppliers"][:runtime.pick(quick=2, laptop=8, colab=16)]
live = None
if shelf["extraction"]:
    reader, tokenizer = models.merged_file(shelf["extraction"])
    live = scoring.Extraction("saved adapter, just now", some, writing.write(reader, tokenizer, task, some))
    print(f"{len(some)} texts, field F1 {live.f1:.2f}, valid JSON {live.valid.mean():.0%}")
else:
    print("The adapter is not here: the study has not been run on this copy. The sections below show what is on record.")

# %% tags=["reveal"]
import pandas as pd

tuned = systems.get(recorded.chosen_arm())
shown = live or tuned or systems["rules-train-words"]
found_fields = [{"field": name, "in the text": shown.rows[0]["gold"][name], shown.system: shown.found[0].get(name),
                 "": "right" if r == w and g == w else "wrong"} for name, (r, g, w) in zip(extraction.FIELDS, shown.counts[0])]
print(shown.rows[0]["text"])
pd.DataFrame(found_fields).set_index("field")

# %% [markdown]
# ### All systems on the same rows (recorded)
#
# 185 texts: unseen products of known suppliers, and suppliers never trained on. *Bound to the schema* means: while the model writes, every token that
# would break the form is forbidden. More on that below.

# %% tags=["recorded", "reveal"]
scoring.comparison(list(systems.values()))

# %% tags=["recorded", "reveal"]
from course_utils import retail_figures

bars = sorted([(s.system, s.f1, *s.interval()) for s in systems.values()], key=lambda bar: bar[1])
said = "; ".join(f"{bar[0]} {bar[1]:.2f}" for bar in bars)
style.show(retail_figures.intervals(bars, "field F1", tuned.system if tuned else "", wanted=0.85), f"Field F1 of each system: {said}.")

# %% tags=["recorded", "reveal"]
compared = [systems[name] for name in ("extraction-few", "rules-train-words", recorded.chosen_arm()) if name in systems]
said = f"F1 for each of the eight fields, one mark a system: {', '.join(s.system for s in compared)}."
style.show(retail_figures.fields(compared), said)
if tuned:
    gain = scoring.gain(tuned, systems["rules-train-words"])
    print(f"fine-tuned minus the fair rules: {gain['value']:+.2f}, 95 % interval {gain['low']:+.2f} to {gain['high']:+.2f}")

# %% [markdown]
# Overlapping intervals settle nothing. The last line compares text by text; if its interval contains 0, you cannot tell the two apart.
#
# **In money.** Section 1 said what a wrong field costs. By hand, every field is typed and none is wrong.

# %% tags=["recorded", "reveal"]
by_hand = MINUTES["typed"] * systems["rules"].counts[:, :, 2].sum(1).mean()
print(f"{'typing everything by hand':42s} {by_hand:5.2f} minutes a text")
for s in systems.values():
    minutes = repair_minutes(s.counts).mean()
    print(f"{s.system:42s} {minutes:5.2f} minutes, {minutes / 60 * EUROS_AN_HOUR * 1000:7,.0f} euros per 1,000 texts")

# %% [markdown]
# **This is the surprise of the section.** A system with a high F1 can cost more than typing, because one wrong field eats what many right ones save. So you
# do not automate *extraction*. You automate **fields**: those whose precision pays. Exercise 2 finds the line.

# %% tags=["recorded", "reveal"]
best = tuned or systems["rules-train-words"]
table = best.by_field()
table["minutes saved a text"] = [(MINUTES["typed"] * (g * w) - MINUTES["wrong"] * (g - r)).mean().round(2)
                                 for r, g, w in np.moveaxis(best.counts, 0, -1)]
print(best.system)
table.sort_values("minutes saved a text", ascending=False)

# %% [markdown]
# ### A schema guarantees form, never truth
#
# How can one force a model to write valid JSON? Before each token, a small program works out which tokens the schema allows. All others get
# probability zero.

# %% tags=["nbval-check-output"]
from course_utils import registry
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(registry.local_copy("smollm2-135m"))
grammar = writing.Grammar(tokenizer)
for so_far in ("", '{"sku":', '{"sku":null,"material":null,"grade":null,"origin":null,"colour":null,"care":["hand wash","'):
    may = grammar.next_tokens(tokenizer.encode(so_far))
    print(f"after {so_far[-24:]!r:28} {len(may):6,} of {len(tokenizer):,} tokens, such as", [tokenizer.decode([t]) for t in may[:5]])

# %% [markdown]
# Look in the table above at the untrained model, with and without the schema. The share of valid JSON jumps. Field F1 shows how much of it is true. A
# form filled in neatly with wrong facts is worse than an error message.
#
# ## 5 · Brand voice: two numbers that pull against each other
#
# Two invented houses. Maison Ardevaux names the gesture and never praises; Solenne & Figlie tells you about your aunt. Same kind of product, same bare
# facts:

# %% tags=["nbval-check-output"]
from course_utils.retail import voice

houses = data.voices()
for house, split in houses.items():
    print(f"{house}\n  facts: {split['train'][0]['plain']}\n  voice: {split['train'][0]['text']}\n")

# %% [markdown]
# How do you measure a voice? Not by taste. We train a **style classifier** on texts that no model is trained on. Names and facts are masked, so that it
# cannot cheat by the goods (silk: Naples; leather: Paris). On the houses' own unseen texts it is right in <!--r:07.style_classifier_on_house_texts|.0%-->100%<!--/r-->.
# Which words does it go by?

# %% tags=["reveal"]
classifier = voice.StyleClassifier(houses)
vocabulary = classifier.model[0].get_feature_names_out()
for name, weights in zip(classifier.model.classes_, classifier.model[1].coef_):
    print(f"{name:20s}", ", ".join(vocabulary[np.argsort(weights)[-12:]]))

# %% [markdown]
# **Predict first.** A lazy system copies the plain description. What are its two numbers: the share taken for the house, and the share of facts kept?

# %% tags=["reveal"]
lazy = [voice.score("copies the facts", house, [r["plain"] for r in split["test"]], split["test"], classifier) for house, split in houses.items()]
scores = lazy + recorded.voices("few") + recorded.voices("tuned")
pd.DataFrame([score.line() for score in scores]).set_index(["system", "house"])

# %% tags=["reveal"]
said = "; ".join(f"{s.system}, {s.house}: style {s.style.mean():.2f}, facts {s.facts.mean():.2f}" for s in scores)
style.show(retail_figures.voices(scores), f"Taken for the house against facts kept. {said}.")

# %% [markdown]
# Only the upper right corner is worth money. The lazy copy keeps every fact and has no voice. A model that has learned the voice too well begins to invent:
# a nicer size, another town. Read one text with the checker's eyes:

# %% tags=["reveal"]
def tell(house, row, text):
    lost = [fact for name, fact in row["facts"].items() if not voice.facts_kept(text, row["facts"])[name]]
    print(f"{house}, facts lost: {', '.join(lost) or 'none'}; numbers invented: {', '.join(voice.new_numbers(text, row)) or 'none'}")
    print("  facts:", row["plain"], "\n  voice:", text, "\n")

for number, (house, split) in enumerate(houses.items(), 1):
    if shelf[f"voice-{number}"] and runtime.scale() != "quick":
        writer, tokenizer = models.merged_file(shelf[f"voice-{number}"])
        row, asked = split["test"][0], voice.VoiceTask(house)
        tell(house, row, writing.write(writer, tokenizer, asked, [row], max_new_tokens=130)[0])
    else:
        print(f"{house}: no saved adapter loaded here.")

# %% [markdown]
# **Ratings by people: not run.** A classifier knows whether a text is *typical*. Whether it is *good* only a reader knows. Notebook 04 has a tool for blind
# ratings; it works for these texts too.
#
# ## 6 · Customer pain points: a chart that looks right
#
# Ten themes, 330 messages. Which complaint comes most often? A word list and the classic answer in a second. The untrained and the tuned model are
# on record.

# %% tags=["reveal"]
from course_utils import evaluation
from course_utils.retail import customers

letters = data.customers()
quick = {"majority": evaluation.majority(letters["train"], letters["test"], customers.THEMES),
         "words": evaluation.word_list(customers.KEYWORDS, letters["test"], customers.THEMES, customers.most_common(letters["train"])),
         "tfidf": evaluation.tfidf(letters["train"], letters["test"], customers.THEMES)}
taggers = quick | recorded.themes()
table = evaluation.comparison(list(taggers.values())).drop(columns="parsed")
table["in the wrong bar"] = [f"{customers.misplaced(one):.0%}" for one in taggers.values()]
table

# %% [markdown]
# **Compare two columns.** *Accuracy* asks: did this message reach the right team? *In the wrong bar* asks: is the chart for the board right? TF-IDF sends most
# messages to the wrong team, and its chart is nearly right. Errors in both directions cancel.

# %% tags=["reveal"]
style.show(retail_figures.themes(customers.counted(taggers["tfidf"]), "TF-IDF: a chart that looks right"),
           "Bars of ten themes as counted by TF-IDF, with intervals; the true shares are marked at a tenth each.")

# %% [markdown]
# Here the themes are even on purpose, and whoever guesses evenly gets an even chart. So never judge a tagger by its chart. Draw fifty messages, read
# them, count.
#
# ## 7 · The co-pilot's question
#
# A source imagines a merchandiser who asks: *which line carries the highest risk, and why?* Here is such a question, with a stated rule.

# %% tags=["nbval-check-output"]
from course_utils.retail import copilot

risk = data.rows("copilot")[14]
print(copilot.question(risk))

# %% [markdown]
# **Predict first.** Decide for yourself. Then see what the checker needs: it recomputes every sum, asks whether the needed ones are there, and whether the
# conclusion follows. A right answer for wrong reasons does not count as sound.

# %% tags=["reveal", "nbval-check-output"]
reference = copilot.CopilotTask().answer(risk)
print(reference, "\n")
for name, answer in {"reference": reference, "one sum wrong": reference.replace("= 65", "= 66"),
                     "bare conclusion": reference.splitlines()[-1]}.items():
    told = copilot.check(risk, answer)
    print(f"{name:16s} conclusion right: {told.right}; needed sums right: {told.arithmetic:.0%}; sound: {told.sound}")

# %% tags=["recorded", "reveal"]
tasks = {row["id"]: row for row in data.copilot()["test"]}
for arm, name in (("zero", "untrained"), ("few", "untrained, two examples")):
    told = [copilot.check(tasks[key], text) for key, text in recorded.copilot_answers(arm).items()]
    print(f"{name:24s}", f"right {sum(t.right for t in told)}, sound {sum(t.sound for t in told)}, of {len(told)}" if told else "not run")

# %% [markdown]
# There are several lines to choose from, so some conclusions are right by luck. *Sound* takes the luck out. Where the rule is written down, a spreadsheet
# answers for certain, as in notebook 04. A language model earns its place in front of the spreadsheet: it reads the question.
#
# ## 8 · Now your file
#
# One call does it all: audit, split, train, test against baselines, save. On a laptop it reads about 30,000 tokens, some two minutes of training. We take the
# repaired export. Its target is the customer's mood.
#
# **Predict first.** About 230 messages to train on, three moods, six in ten *negative*. Which will be ahead on unseen messages: TF-IDF, or a
# model that has read the web before it read these messages? And will 66 test messages be enough to say so?
#
# While it trains: put your own file's name into a copy of the next cell, and name its two columns.

# %% tags=["reveal"]
from course_utils import training
from course_utils.own import card, pipeline

outcome = pipeline.run(rows, name="messages", instruction="Name the customer's mood: negative, neutral or positive.",
                       licence="CC BY 4.0, the course's own", watch=training.progress(5))

# %% tags=["reveal"]
print(card.lines(outcome))
gain = outcome["scores"][-1]["gain"]
print(f"against {gain['over']}: {gain['value']:+.2f}, 95 % interval {gain['low']:+.2f} to {gain['high']:+.2f}")

# %% [markdown]
# Read the last line before the others. If its interval contains 0, you cannot tell the two apart on so few test rows, and the simpler method is the better
# buy, today. The card in the zip says that too:

# %% tags=["reveal"]
zipped = runtime.ROOT / outcome["zip"]
print((zipped.parent / "README.md").read_text(encoding="utf-8")[:1500])

# %% [markdown]
# ### How many rows do I need?
#
# Nobody knows beforehand, but your own rows give a hint: train the classic on a few, on more, on all, and extend the curve. The band is the honest part. It
# widens fast beyond the rows that you have.

# %% tags=["reveal"]
from course_utils.own import planning

plan = planning.plan(rows, repeats=4)
style.show(plan.figure(), f"Accuracy of TF-IDF against rows to train on, with a widening band beyond {plan.sizes[-1]} rows.")
print(plan.rows_for(0.70), plan.rows_for(0.85), sep="\n")

# %% [markdown]
# Flat curve? More rows of the same kind will not help *this* method. Then better labels, a model that has read more, or an easier question will.
#
# ### Files that cannot be used
#
# Each gets a sentence that says what is wrong, and the one next action.

# %% tags=["nbval-check-output"]
from course_utils.runtime import CourseError

for name, content in {"stock.csv": b"\xd0\xcf\x11\xe0 old Excel", "empty.csv": b"", "notes.csv": b"text\nonly one column\n"}.items():
    try:
        files.from_bytes(name, content)
    except CourseError as error:
        print(error)

# %% [markdown]
# **With buttons.** The same path as a form, in JupyterLab and in Colab: choose a file, choose two columns, audit, train. The file stays on the machine that
# runs the notebook: on your laptop that is your laptop, in Colab it is Google's.

# %% tags=["nbval-skip"]
from course_utils.own.form import Form

Form()

# %% [markdown]
# **For teachers.** Let each group bring a file of its own firm or hobby, at most 400 rows. Ten minutes for the audit alone are well spent: most files that
# people bring get *fix*. Ask before: may these texts be in this room? If in doubt, take the export above.
#
# ## 9 · Claims tested
#
# The course's sources make two claims that this notebook owns.

# %%
from course_utils import results

stored = results.entries("07")

def value(name):
    return stored[name]["value"] if name in stored else None

f1, base, valid = value("extraction_f1_suppliers"), value("extraction_f1_base_suppliers"), value("valid_json")
rival = stored.get("tuned_minus_regex_train_words")
better = f1 is not None and base is not None and f1 > base
said = "not run" if f1 is None else "holds" if better and f1 >= 0.85 and rival["low"] > 0 else "holds with a condition" if better else "wrong"
results.claim("B2", "a fine-tuned small model extracts material, origin and article number", f1, said, "section 4", "field F1, unseen suppliers",
              f"untrained {base}; valid JSON {valid}; regular expressions with the same knowledge are close" if f1 else "");

# %%
voiced, kept = value("style_accuracy"), value("facts_kept")
good = voiced is not None and voiced >= 0.85
said = "not run" if voiced is None else "holds" if good and kept >= 0.90 else "holds with a condition" if good else "wrong"
results.claim("B1", "a small adapter learns a brand's voice", voiced, said, "section 5", "share taken for the house",
              f"facts kept: {kept:.2f}; ratings by people were not run" if voiced is not None else "");

# %% tags=["recorded", "reveal"]
results.claims_table("07")

# %% [markdown]
# ## 10 · Recorded beside yours

# %%
mine = outcome["scores"][-1]
results.record("live_mood_accuracy", mine["accuracy"], n=mine["n"], low=mine["low"], high=mine["high"], method="Wilson 95 %",
               split="the repaired export, test rows")
results.record("live_mood_best_simple", mine["accuracy"] - gain["value"], n=mine["n"], split="the repaired export, test rows")
results.record("live_train_seconds", outcome["train_seconds"], "s", n=outcome["rows"])
results.record("live_peak_memory", runtime.peak_memory() / 1e9, "GB")
if live:
    results.record("live_extraction_f1", live.f1, n=live.n, split="suppliers never trained on, the first ones")
results.recorded_beside_yours("extraction_f1", "extraction_f1_regex", "extraction_f1_regex_train_words", "valid_json", "style_accuracy",
                              "facts_kept", "live_extraction_f1", "live_mood_accuracy", "live_mood_best_simple", "live_train_seconds",
                              "live_peak_memory", "laptop_minutes")

# %% tags=["reveal", "summary"]
print(f"audit: {first.verdict} before the repair, {clean.verdict} after")
print(card.lines(outcome))

# %% [markdown]
# ## 11 · Exercises
#
# Each checks itself. A wrong answer gets a hint.

# %% tags=["exercise-checks"]
from course_utils import exercises

exercises.exercise("07.1", lambda f: abs(f(8, 10, 12) - 8 / 11) < 1e-9 and f(0, 0, 5) == 0,
                   "Precision is right / given, recall is right / wanted.", "F1 is 2 x right / (given + wanted). Mind the case of nothing given.")
exercises.exercise("07.2", lambda f: abs(f(0.5, 6.0) - 11 / 12) < 1e-9 and abs(f(1.0, 4.0) - 0.75) < 1e-9,
                   "A field filled in saves the typing. With chance 1 - precision it costs the repair.",
                   "Saving equals cost where typed = (1 - precision) x wrong.")
exercises.exercise("07.3", lambda f: f(["a b", "C d"], ["c  D", "e"]) == ["c  D"] and f([], ["x"]) == [],
                   "Compare texts in lower case and with single spaces: ' '.join(text.lower().split()).",
                   "Put the training texts, so treated, into a set; keep the test texts that are in it.")
exercises.exercise("07.4", lambda f: f([0.5, 0.5], [0.5, 0.5]) == 0 and abs(f([1, 0], [0.4, 0.6]) - 0.6) < 1e-9,
                   "Add up the sizes of the differences, bar by bar.", "Each misplaced message is missing in one bar and too much in another: halve the sum.")

# %% [markdown]
# **Exercise 1.** Write field F1 yourself, from three counts: fields right, fields given, fields wanted.

# %% tags=["exercise"]
def my_f1(right, given, wanted):
    ### BEGIN SOLUTION
    return 2 * right / (given + wanted) if given + wanted else 0.0
    ### END SOLUTION

exercises.check("07.1", my_f1);

# %% [markdown]
# **Exercise 2.** From which precision on does it pay to automate a field? Typing takes `typed` minutes, a wrong field costs `wrong` minutes.

# %% tags=["exercise"]
def break_even_precision(typed, wrong):
    ### BEGIN SOLUTION
    return 1 - typed / wrong
    ### END SOLUTION

exercises.check("07.2", break_even_precision);

# %%
if "07.2" in exercises.SOLVED:
    line_at = break_even_precision(MINUTES["typed"], MINUTES["wrong"])
    worth = [name for name, p in best.by_field()["precision"].items() if p > line_at]
    print(f"{best.system}: automate what is right in more than {line_at:.0%}: {', '.join(worth) or 'nothing yet'}")
else:
    print("solve exercise 2 first")

# %% [markdown]
# **Exercise 3.** A colleague split the rows by hand. Which test texts also stand in the training part, capitals and spaces aside?

# %% tags=["exercise"]
def leaked(train_texts, test_texts):
    ### BEGIN SOLUTION
    known = {" ".join(text.lower().split()) for text in train_texts}
    return [text for text in test_texts if " ".join(text.lower().split()) in known]
    ### END SOLUTION

exercises.check("07.3", leaked);

# %% [markdown]
# **Exercise 4.** How wrong is a chart? Given the counted and the true shares, return the share of messages that stand in the wrong bar.

# %% tags=["exercise"]
def in_wrong_bar(counted, true):
    ### BEGIN SOLUTION
    return sum(abs(c - t) for c, t in zip(counted, true)) / 2
    ### END SOLUTION

exercises.check("07.4", in_wrong_bar);

# %% [markdown]
# **For discussion.** The regular expressions took an afternoon, cost nothing to run and can be read line by line. The model took half an hour of training
# and will take any language. The next supplier writes in Portuguese. What would you buy, and which number would change your mind?
#
# ## 12 · What do you know now?
#
# The twelve questions of notebook 00 once more, in other words.

# %% tags=["nbval-skip"]
from course_utils import quiz

quiz.view(quiz.Quiz("B"))

# %%
print(quiz.before_and_after() if (runtime.runs_dir() / "quiz").exists() else "The quiz was not taken yet.")

# %% [markdown]
# ## Where next
#
# - **04** does for reasoning what section 7 only sketches, with a checker for every number.
# - **05** asks whether you need fine-tuning at all, or a prompt or retrieval would do.
# - **06** takes an adapter such as yours into a product: serving, governance, removal of a row.
#
# ## Appendix · Two more files, brought as they are (recorded)
#
# The same call on 165 chats as JSON Lines, whose answers are free texts, and on FinancialPhraseBank's zip (CC BY-NC-SA 3.0, not part of this course; the
# all-agree rows, the easy subset). Nobody prepared either for it.

# %% tags=["recorded"]
for name in ("own_chats", "own_phrasebank"):
    entry = stored.get(name)
    print(f"{name}: not run" if entry is None else f"{name}: audit says {entry['verdict']}, {entry['rows']} rows trained on")
    for s in entry["scores"] if entry else ():
        print(f"    {s['system']:40s} {s['accuracy']:.2f}   95 %: {s['low']:.2f} to {s['high']:.2f}, {s['n']} rows")
