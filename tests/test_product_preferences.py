"""Preference training against a fixed reference, and choosing among samples. The small model is real; so is its training."""

import copy
import math

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from course_utils import models, registry
from course_utils.credit.task import CreditTask, load
from course_utils.product import preferences, reranking
from course_utils.runtime import CourseError

ASK = [{"role": "system", "content": "Apply the policy."}]
ROWS = [{"prompt": [*ASK, {"role": "user", "content": f"Debt {n}, limit {n + 3}."}],
         "chosen": f"{n} against {n + 3}: pass. Approve.", "rejected": "It depends. Markets are markets."} for n in range(12)]
SETTINGS = preferences.Settings(learning_rate=2e-2, epochs=1, batch=2, accumulate=1, checkpoint_every=2, max_length=300, seed=1)


def tuned(tiny):
    """A model whose adapter is no longer at its start: B is not 0."""
    model, tokenizer = tiny
    model = models.attach_lora(model, r=4, seed=0)
    move(model, 0.3)
    return model, tokenizer


def move(model, by):
    """Adds noise to the adapter in use, as a training would change it."""
    for name, parameter in model.named_parameters():
        if "lora_B.default" in name:
            torch.manual_seed(len(name))
            parameter.data += by * torch.randn_like(parameter)


@pytest.fixture(scope="module")
def kit():
    """SmolLM2's tokenizer and a very small model's configuration, read once."""
    tokenizer = AutoTokenizer.from_pretrained(registry.local_copy("smollm2-135m"))
    widths = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2)
    return LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=512, bos_token_id=tokenizer.bos_token_id,
                       eos_token_id=tokenizer.eos_token_id, **widths), tokenizer


def fresh(kit):
    torch.manual_seed(0)
    return LlamaForCausalLM(copy.deepcopy(kit[0])), kit[1]


@pytest.fixture
def tiny(kit):
    return fresh(kit)


@pytest.fixture(scope="module")
def trained(kit):
    """(model, tokenizer, its adapter before, the run) after one preference training; for tests that only look."""
    model, tokenizer = tuned(fresh(kit))
    start = state(model, "default")
    assert preferences.library_loss(model, tokenizer, ROWS[0]) == pytest.approx(math.log(2), abs=1e-6), "no lead yet"
    return model, tokenizer, start, preferences.fit(model, tokenizer, ROWS, SETTINGS)


def state(model, adapter):
    return {n: p.detach().clone() for n, p in model.named_parameters() if f".{adapter}." in n}


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.values(), other.values(), strict=True))


def dpo_loss(model, tokenizer, pair, beta):
    """The loss by hand, from four sums of log-probabilities, as the notebook derives it."""
    now = [preferences.log_probability(model, tokenizer, pair, side) for side in ("chosen", "rejected")]
    with preferences.as_reference(model):
        then = [preferences.log_probability(model, tokenizer, pair, side) for side in ("chosen", "rejected")]
    lead = beta * ((now[0] - then[0]) - (now[1] - then[1]))
    return math.log1p(math.exp(-lead))


# ---------------------------------------------------------------- the loss
def test_the_loss_by_hand_is_the_librarys(trained):
    """At the start it is ln 2 for every pair (see `trained`); afterwards it is something else, and still the same to 1e-5."""
    model, tokenizer, *_ = trained
    for pair, beta in zip(ROWS[:2], (0.1, 0.5), strict=True):
        theirs = preferences.library_loss(model, tokenizer, pair, beta)
        assert dpo_loss(model, tokenizer, pair, beta) == pytest.approx(theirs, abs=1e-5)
        assert abs(theirs - math.log(2)) > 1e-3, "the policy must have moved, or this test shows nothing"


def test_log_probability_counts_the_answer_and_its_end(tiny):
    model, tokenizer = tuned(tiny)
    prompt, answer = preferences.pair_tokens(tokenizer, ROWS[0], "chosen")
    assert tokenizer.eos_token_id in answer and tokenizer.decode(answer).startswith(ROWS[0]["chosen"])
    ids, total = torch.tensor([prompt + answer]), 0.0
    with torch.no_grad():
        steps = model(ids).logits[0].log_softmax(-1)
    for k, token in enumerate(answer):
        total += float(steps[len(prompt) + k - 1, token])
    assert preferences.log_probability(model, tokenizer, ROWS[0], "chosen") == pytest.approx(total, abs=1e-4)


# ---------------------------------------------------------------- training
def test_it_learns_and_the_reference_stays_bit_for_bit(trained):
    model, _, start, run = trained
    assert len(run.history) == 6 and run.history[-1]["margin"] > 0.1 and run.history[-1]["right"] == 1.0
    assert run.history[0]["loss"] == pytest.approx(math.log(2), abs=1e-3)
    assert equal(state(model, "ref"), start) and not equal(state(model, "default"), start)
    assert model.active_adapter == "default" and "forward" not in model.get_base_model().__dict__


@pytest.mark.slow
def test_running_the_cell_again_repeats_it(tiny):
    """TRL alone would take the trained adapter for the reference the second time, and drift a little further at each run."""
    model, tokenizer = tuned(tiny)
    first = preferences.fit(model, tokenizer, ROWS, SETTINGS)
    weights = state(model, "default")
    second = preferences.fit(model, tokenizer, ROWS, SETTINGS)
    assert [h["loss"] for h in first.history] == [h["loss"] for h in second.history]
    assert equal(weights, state(model, "default"))


@pytest.mark.slow
def test_resume_gives_the_same_curve(tiny, tmp_path):
    def stop(run):
        if run.history[-1]["step"] == 5:
            raise KeyboardInterrupt

    second = copy.deepcopy(tiny)
    whole = preferences.fit(*tuned(tiny), ROWS, SETTINGS)
    model, tokenizer = tuned(second)
    with pytest.raises(CourseError, match="interrupted; step 4 is saved"):
        preferences.fit(model, tokenizer, ROWS, SETTINGS, tmp_path, watch=stop)
    resumed = preferences.fit(model, tokenizer, ROWS, SETTINGS, tmp_path)
    assert resumed.resumed_at == 4
    assert [h["loss"] for h in resumed.history] == [h["loss"] for h in whole.history]
    assert {"margin", "right", "chosen", "rejected"} <= set(resumed.history[0])


@pytest.mark.slow
def test_a_loaded_adapter_can_be_trained_on(tiny, tmp_path):
    """peft loads adapters frozen: without a word, nothing would be learned."""
    base = copy.deepcopy(tiny[0])
    model, tokenizer = tuned(tiny)
    models.save_adapter(model, tmp_path / "a", "tiny")
    loaded = models.load_adapter(base, tmp_path / "a", "tiny")
    assert equal(state(loaded, "default"), state(model, "default"))
    run = preferences.fit(loaded, tokenizer, ROWS, SETTINGS)
    assert run.history[-1]["margin"] > 0.1


@pytest.mark.parametrize("row, says", [
    ({**ROWS[0], "rejected": ROWS[0]["chosen"] + " "}, "Pair 1 has the same answer on both sides"),
    ({**ROWS[0], "chosen": "long " * 400}, r"Pair 1 has 4\d\d tokens; training reads at most 300"),
])
def test_a_bad_pair_is_named(tiny, row, says):
    model, tokenizer = tuned(tiny)
    with pytest.raises(CourseError, match=says):
        preferences.fit(model, tokenizer, [ROWS[1], row], SETTINGS)


def test_no_pairs_and_no_reference(tiny):
    model, tokenizer = tuned(tiny)
    with pytest.raises(CourseError, match="no pairs to train on"):
        preferences.fit(model, tokenizer, [], SETTINGS)
    with pytest.raises(CourseError, match="no reference yet"), preferences.as_reference(model):
        pass


def test_the_courses_pairs_fit_both_arms():
    """Marked for the calculator, every chosen answer is the case's own calculator target, to the letter."""
    plain, marked = preferences.pairs("reasoning"), preferences.pairs("calculator")
    cases = {row["id"]: row for row in load("train")}
    assert all(pair["chosen"] == cases[pair["case"]]["calculator"] for pair in marked)
    faults = {pair["fault"] for pair in plain}
    assert {pair["fault"] for pair in marked} == faults - {"wrong arithmetic"} and len(marked) == len(plain) * 5 / 6
    assert plain[0]["prompt"][0]["role"] == "system" and "<<sum=" in marked[0]["prompt"][0]["content"]


def test_what_the_calculator_wrote_is_not_counted(tiny):
    """Neither in the hand-made sums nor in the library's loss: another result leaves both as they were."""
    model, tokenizer = tuned(tiny)
    preferences.remember(model)
    move(model, 0.1)
    pair = ROWS[0] | {"chosen": "Debt <<2*3=6>>%: pass.", "rejected": "Debt <<2*3=6>>%: breach."}
    prompt, answer = preferences.pair_tokens(tokenizer, pair, "chosen")
    kept = [t for t, own in zip(answer, preferences.counted(tokenizer, pair["chosen"], answer), strict=True) if own]
    assert tokenizer.decode(kept).startswith("Debt <<2*3=%: pass.") and len(kept) < len(answer)
    theirs = preferences.library_loss(model, tokenizer, pair)
    assert dpo_loss(model, tokenizer, pair, 0.1) == pytest.approx(theirs, abs=1e-5) and abs(theirs - math.log(2)) > 1e-3


# ---------------------------------------------------------------- choosing among samples
def test_the_verifier_finds_the_right_one_and_the_ending_cannot():
    task, row = CreditTask("reasoning"), load("test", 1)[0]
    right = row["reasoning"]
    wrong = next(row["reasoning"].replace(f"= {x}", f"= {x}7") for x in "987654321" if f"= {x}" in right)
    vague = right.rsplit("\n", 1)[0] + "\nThe reader may decide."
    samples = [vague, wrong, right]
    assert reranking.by_own_check(row, samples) == 2
    assert reranking.by_ending(row, samples) == 1
    compared = reranking.compare(task, [row], [samples])
    assert compared[reranking.CEILING] == [1] and compared["its own sums support it"] == [1]
    assert compared["first sample"] == [0]


def test_the_verifier_reads_the_references_as_sound():
    """Every figure of a reference comes from its case, and its decision follows from its own four shares; in both arms."""
    rows = [row for row in load("test", 80) if "weaker credit" not in row["text"]]
    for style in ("reasoning", "calculator"):
        seen = [reranking.check(row, row[style]) for row in rows]
        assert all(s.right == 1 and s.decides and s.follows is not False for s in seen)
        assert np.mean([s.follows is True for s in seen]) > 0.9 and np.mean([s.grounded for s in seen]) > 0.97


def test_the_verifier_catches_a_decision_against_the_sums_and_a_figure_from_nowhere():
    row = next(r for r in load("test") if r["truth"]["action"] == "decline" and reranking.check(r, r["calculator"]).follows)
    kind = row["calculator"].replace("DECISION: decline", "DECISION: approve")
    assert reranking.check(row, kind).follows is False and reranking.by_own_check(row, [kind, row["calculator"]]) == 1
    strange = row["calculator"].replace("<<", "<<98765+", 1)
    assert reranking.check(row, strange).grounded < reranking.check(row, row["calculator"]).grounded


def test_the_majority_is_taken_among_answers_that_decide():
    row = load("test", 1)[0]
    said = ["who knows", "DECISION: decline", "DECISION: watch-list", "DECISION: watch-list"]
    assert reranking.by_majority(row, said) == 2 and reranking.by_majority(row, ["a", "b"]) == 0


def test_checks_need_no_solution():
    """A row without its truth can be checked: nothing of the policy's answer is read."""
    row = {"text": load("test", 1)[0]["text"]}
    seen = reranking.check(row, "Loss: 2 x 3 = 7.\nDebt 4 + 4 = 8.\nDECISION: decline | RATING: affirm | BREACHES: none")
    assert (seen.calculations, seen.right, seen.decides) == (2, 0.5, True)
    assert reranking.check(row, "").calculations == 0


def test_samples_differ_by_chance_and_repeat_by_seed(tiny):
    model, tokenizer = tiny
    rows = load("test", 2)
    model.config.max_position_embeddings = 4096
    ask = dict(task=CreditTask("reasoning"), rows=rows, n=3, max_new_tokens=5)
    a, b, c = (reranking.sample(model, tokenizer, seed=seed, **ask) for seed in (0, 0, 1))
    assert a == b != c and [len(texts) for texts in a] == [3, 3] and len(set(a[0])) > 1
    with pytest.raises(CourseError, match="nothing to choose from"):
        reranking.sample(model, tokenizer, temperature=0, **ask)


def test_a_tie_goes_to_the_first():
    row = load("test", 1)[0]
    assert reranking.by_own_check(row, [row["reasoning"]] * 3) == 0 == reranking.by_ending(row, ["x", "y"])
    assert np.isfinite(reranking.check(row, "no numbers").right)
