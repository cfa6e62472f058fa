"""Scoring: metrics against scikit-learn, baselines, and label scoring against plain forward passes."""

import numpy as np
import pytest
import torch

from course_utils import evaluation, sentiment
from course_utils.runtime import CourseError

ROWS = [{"text": t, "label": y} for t, y in (
    ("Profit rose to EUR 3.1 mn", "positive"), ("Sales fell", "negative"), ("The plant is in Oulu", "neutral"),
    ("The loss widened after two customers left and the bank cut its credit line by half", "negative"))]


def test_unparsed_answers_count_as_wrong():
    """Rivals drop unparsed answers, or call them neutral. Here they stay in the denominator and in the cost."""
    e = evaluation.Evaluation("x", ("a", "b"), ["a", "a", "b"], ["a", None, "b"])
    assert e.accuracy == pytest.approx(2 / 3) and e.parse_rate == pytest.approx(2 / 3)
    cost = {("a", "a"): 0, ("a", "b"): 4, ("b", "a"): 1, ("b", "b"): 0}
    assert e.cost(cost) == pytest.approx(4 / 3)
    assert e.confusion().to_numpy().sum() == 3 and evaluation.UNPARSED in e.confusion().columns


def test_macro_f1_by_hand():
    truth, guess = ["a", "a", "b", "c"], ["a", "b", "b", "b"]
    by_hand = (2 / 3 + 2 * (1 / 3 * 1) / (1 / 3 + 1) + 0) / 3
    assert evaluation.macro_f1(truth, guess, ("a", "b", "c")) == pytest.approx(by_hand)


@pytest.mark.parametrize("text, expected", [
    ("positive", "positive"), (" Negative.", "negative"), ("The sentiment is neutral", "neutral"),
    ("positive or negative", None), ("", None), ("good news", None)])
def test_parse(text, expected):
    assert sentiment.TASK.parse(text) == expected


def test_baselines_learn_only_from_training_rows():
    train = [{"text": "good up", "label": "positive"}] * 3 + [{"text": "bad down", "label": "negative"}] * 2
    test = [{"text": "bad down", "label": "negative"}, {"text": "good up", "label": "positive"}]
    assert evaluation.majority(train, test, sentiment.LABELS).guess == ["positive", "positive"]
    assert evaluation.tfidf(train, test, sentiment.LABELS).accuracy == 1.0
    assert evaluation.word_list(sentiment.WORDS, test, sentiment.LABELS, "neutral").guess == ["negative", "positive"]


def test_comparison_refuses_different_rows():
    a, b = (evaluation.Evaluation("x", ("a",), t, ["a"]) for t in (["a"], ["b"]))
    with pytest.raises(ValueError, match="different rows"):
        evaluation.comparison([a, b])


def test_label_prior_is_the_mean_leaning():
    scores = np.log(np.array([[0.6, 0.2], [0.1, 0.1]]))
    assert np.exp(evaluation.label_prior(scores)) == pytest.approx([(0.75 + 0.5) / 2, (0.25 + 0.5) / 2])


def test_scores_equal_one_plain_forward_pass_a_row(smollm):
    """Batching, padding and the re-used prompt must not change an answer."""
    model, tokenizer = smollm
    plain = []
    for row in ROWS:
        ids = torch.tensor([evaluation.prompt_tokens(tokenizer, sentiment.TASK, row)])
        with torch.no_grad():
            plain.append(model(input_ids=ids).logits[0, -1].log_softmax(-1)[evaluation.label_tokens(tokenizer, sentiment.TASK)])
    for reuse in (True, False):
        scores = evaluation.label_scores(model, tokenizer, sentiment.TASK, ROWS, batch=3, reuse=reuse)
        np.testing.assert_allclose(scores, torch.stack(plain).numpy(), atol=2e-3)


def test_a_single_row_and_no_row(smollm):
    model, tokenizer = smollm
    assert evaluation.label_scores(model, tokenizer, sentiment.TASK, []).shape == (0, 3)
    assert evaluation.label_scores(model, tokenizer, sentiment.TASK, ROWS[:1]).shape == (1, 3)


def test_labels_that_begin_alike_are_refused(smollm):
    task = evaluation.LabelTask("x", ("positive", "positive outlook"), "Which?")
    with pytest.raises(CourseError, match="begin with the same token"):
        evaluation.label_tokens(smollm[1], task)


def test_a_prompt_longer_than_the_context_is_refused(tiny):
    model, tokenizer = tiny
    with pytest.raises(CourseError, match="the model reads 512"):
        evaluation.label_scores(model, tokenizer, sentiment.TASK, [{"text": "word " * 600, "label": "neutral"}])


def test_generating_parses_or_counts_as_unparsed(smollm):
    model, tokenizer = smollm
    out = evaluation.classify_by_generating(model, tokenizer, sentiment.TASK, ROWS[:2])
    assert out.n == 2 and set(out.guess) <= {*sentiment.LABELS, evaluation.UNPARSED}
