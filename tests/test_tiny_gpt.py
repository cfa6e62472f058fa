"""Notebook 01's own cells, tested as code, with the texts they read."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import instructions, notebooks, reference, shakespeare
from course_utils.runtime import CourseError

nb = notebooks.definitions("01")
TEXT = "ROMEO:\nBut, soft! what light through yonder window breaks?\n\n" * 40
TOKENS = nb.Characters(sorted(set(TEXT) | set("Q: A")))
IDS = torch.tensor(TOKENS.encode(TEXT))
SMALL = nb.Shape(len(TOKENS), context=32, layers=2, heads=2, width=32)


def batches(step):
    return nb.random_windows(IDS, 4, 32, seed=step)


# ---------------------------------------------------------------- tokens and counting
@given(st.text(alphabet=TOKENS.alphabet, max_size=200))
def test_characters_there_and_back(text):
    assert TOKENS.decode(TOKENS.encode(text)) == text


@given(st.text(alphabet="abc de", max_size=60))
@settings(deadline=None)
def test_byte_pairs_lose_nothing(text):
    merges = nb.learn_merges(text, 20)
    assert "".join(nb.bpe(text, merges)) == text.replace(" ", "▁")


def test_first_merge_is_the_most_frequent_pair():
    assert nb.learn_merges("banana banana", 1) == [("a", "n")] or nb.learn_merges("banana banana", 1) == [("n", "a")]
    assert nb.bpe("banana", [("a", "n")]) == ["b", "an", "an", "a"]


def test_unknown_character_is_named():
    with pytest.raises(ValueError, match="never seen .*€"):
        TOKENS.encode("10 €")


def test_counting_gives_probabilities():
    model = nb.CountingModel(IDS.tolist(), 3, len(TOKENS))
    for run in ([], [3], [5, 7], IDS[:2].tolist()):
        assert sum(model.probability(run, t) for t in range(len(TOKENS))) == pytest.approx(1, abs=1e-9)
    assert nb.CountingModel([], 1, 10).loss([1, 2, 3]) == pytest.approx(math.log(10))


# ---------------------------------------------------------------- the model
def test_same_as_the_library_s_gpt_neox():
    mine = nb.GPT(nb.Shape(50, context=32, layers=2, heads=4, width=32, look_back=False), seed=1)
    torch.nn.init.normal_(mine.head.weight, std=0.1)
    ids = torch.randint(50, (3, 32))
    torch.testing.assert_close(mine.eval()(ids), reference.gpt_neox(mine)(ids).logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("position", ["rotary", "learned", "sinusoidal", "none"])
def test_untrained_loss_is_the_logarithm_of_the_vocabulary(position):
    model = nb.GPT(nb.Shape(len(TOKENS), context=32, layers=1, heads=2, width=32, position=position))
    assert nb.held_loss(model, IDS[:200]) == pytest.approx(math.log(len(TOKENS)), abs=1e-4)


@pytest.mark.parametrize("look_back", [True, False])
def test_the_future_changes_nothing(look_back):
    model = nb.GPT(nb.Shape(len(TOKENS), context=32, layers=2, heads=2, width=32, look_back=look_back)).eval()
    torch.nn.init.normal_(model.head.weight)
    one, other = IDS[None, :20].clone(), IDS[None, :20].clone()
    other[0, 12:] = 0
    torch.testing.assert_close(model(one)[:, :12], model(other)[:, :12])


def test_attention_by_hand_is_the_fast_one():
    q, k, v = torch.randn(3, 2, 4, 10, 8).unbind(0)
    fast = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(nb.attend(q, k, v)[0], fast, atol=1e-5, rtol=1e-4)
    weights = nb.attend(q, k, v)[1]
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 10))


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 19))
@settings(deadline=None, max_examples=30)
def test_rotary_match_depends_on_the_distance_alone(a, b, shift):
    torch.manual_seed(0)
    q, k = torch.randn(8), torch.randn(8)

    def match(i, j):
        return nb.rotate(q.expand(40, 8))[i] @ nb.rotate(k.expand(40, 8))[j]

    torch.testing.assert_close(match(a, b), match(a + shift, b + shift), atol=1e-4, rtol=1e-4)


def test_held_loss_counts_every_token_once():
    model = nb.GPT(SMALL)
    torch.nn.init.normal_(model.head.weight, std=0.3)
    for n in (20, 33, 70, 97):
        ids, total = IDS[:n], 0.0
        for i in range(0, n - 1, 32):
            piece = ids[i:i + 33]
            scores = model.eval()(piece[None, :-1])[0]
            total += torch.nn.functional.cross_entropy(scores, piece[1:], reduction="sum").item()
        assert nb.held_loss(model, ids, batch=2) == pytest.approx(total / (n - 1), rel=1e-4)


# ---------------------------------------------------------------- training
def test_training_learns_and_a_resumed_run_is_the_same_run(tmp_path):
    """Stopped after 20 of 30 steps and called again, it must give the curve of the run that was never stopped."""
    shape = nb.Shape(len(TOKENS), context=32, layers=1, heads=2, width=32, dropout=0.1)
    whole, again, place = [], [], tmp_path / "run.pt"
    nb.train(nb.GPT(shape), batches, 30, watch=lambda s, loss: whole.append(loss))

    class Stopped(Exception):
        pass

    def stop_at_25(step, loss):
        if step == 25:
            raise Stopped
    with pytest.raises(Stopped):
        nb.train(nb.GPT(shape), batches, 30, watch=stop_at_25, checkpoint=place, every=10)
    nb.train(nb.GPT(shape, seed=9), batches, 30, watch=lambda s, loss: again.append(loss), checkpoint=place, every=10)
    assert again == pytest.approx(whole[20:], abs=1e-5)
    assert whole[-1] < 0.75 * whole[0]


def test_saved_and_reloaded_it_writes_the_same(tmp_path):
    model = nb.train(nb.GPT(SMALL), batches, 20)
    nb.keep(tmp_path / "m.pt", model=model.state_dict())
    again = nb.GPT(SMALL, seed=5).eval()
    again.load_state_dict(torch.load(tmp_path / "m.pt", weights_only=True)["model"])
    assert "".join(nb.write(model, TOKENS, "ROMEO", 60)) == "".join(nb.write(again, TOKENS, "ROMEO", 60))
    assert list(tmp_path.iterdir()) == [tmp_path / "m.pt"]


# ---------------------------------------------------------------- writing
def test_temperature_and_top_k():
    scores = torch.tensor([1.0, 3.0, 2.0])
    assert nb.next_probabilities(scores, 0).tolist() == [0, 1, 0]
    assert (nb.next_probabilities(scores, 1.0, top_k=2) > 0).tolist() == [False, True, True]
    assert nb.next_probabilities(scores, 0.5)[1] > nb.next_probabilities(scores, 2.0)[1]
    with pytest.raises(ValueError, match="temperature is -0.1"):
        nb.next_probabilities(scores, -0.1)


def test_prompts_longer_than_the_context_and_empty_ones():
    model = nb.GPT(SMALL).eval()
    torch.nn.init.normal_(model.head.weight)
    long = TEXT[:100]
    assert "".join(nb.write(model, TOKENS, long, 5)) == "".join(nb.write(model, TOKENS, long[-32:], 5))
    assert len(list(nb.write(model, TOKENS, "", 5))) == 5
    with pytest.raises(ValueError, match="33 tokens; this model reads 32"):
        model(IDS[None, :33])


def test_text_shorter_than_the_context():
    with pytest.raises(ValueError, match="10 tokens; with a context of 32 it needs 34"):
        nb.random_windows(IDS[:10], 2, 32, seed=0)


# ---------------------------------------------------------------- instructions
def test_only_the_answer_is_graded():
    row = {"instruction": "what light?", "answer": "soft"}
    inputs, targets = nb.lesson(row, TOKENS)
    graded = [t for t in targets if t != -100]
    assert TOKENS.decode(graded) == "soft\n" and len(inputs) == len(targets)
    assert TOKENS.decode(inputs).startswith("\nQ: what light?\nA: s")


def test_exact_match_is_what_greedy_writing_gives():
    rows = [{"instruction": w, "answer": w[::-1]} for w in ("soft", "light", "window", "but", "what", "through")]
    model = nb.train(nb.GPT(SMALL), lambda s: nb.lesson_batch(rows, TOKENS, 32), 60)
    for row, right in zip(rows, nb.exact_match(model, TOKENS, rows), strict=True):
        answer = "".join(nb.write(model, TOKENS, f"\nQ: {row['instruction']}\nA: ", 12, temperature=0)).split("\n")[0]
        assert (answer == row["answer"]) == right
    assert any(nb.exact_match(model, TOKENS, rows))


def test_instructions_are_unseen_and_answers_cannot_be_copied():
    parts = instructions.pairs()
    train = {r["instruction"] for r in parts["train"]}
    assert not train & {r["instruction"] for r in parts["test"] + parts["rule"]}
    words = instructions.LIKED + instructions.FEARED + instructions.RISES + instructions.FALLS

    def pair(text):
        return tuple(w for w in words if w in text.replace(":", " ").replace("?", " ").replace(".", " ").split())

    assert not {pair(r["instruction"]) for r in parts["rule"]} & {pair(text) for text in train}  # never together in training
    assert all(len(pair(r["instruction"])) == 2 for r in parts["rule"])
    for row in parts["train"] + parts["test"] + parts["rule"]:
        assert row["answer"] not in row["instruction"]
        assert len(row["instruction"]) + len(row["answer"]) + 8 <= 64
    assert {r["kind"] for r in parts["test"]} == {"mood", "move", "size", "grade"}


# ---------------------------------------------------------------- texts
def test_plays_are_clean_and_whole():
    train, held = shakespeare.plays()
    assert len(train) > 4_000_000 and len(held) > 400_000
    assert set(train + held) <= set(shakespeare.ALLOWED)
    assert "MACBETH:\n" in held and "MACBETH:\n" not in train and "_Enter" not in train
    assert "Double, double toil and trouble" in held


def test_kinds_cover_every_character():
    text = "KING HENRY V:\nWhat is thy name?\n"
    kinds = shakespeare.kinds(text)
    assert len(kinds) == len(text)
    assert [kinds[i] for i in (0, 13, 14, 15)] == ["speaker's name", "line end", "start of a word", "inside a word"]


@pytest.mark.parametrize("content, message", [
    (b"", "0 characters"), (b"short", "5 characters"), (b"\0" * 5000, "not a text file")])
def test_bad_text_files(tmp_path, content, message):
    path = tmp_path / "mine.txt"
    path.write_bytes(content)
    with pytest.raises(CourseError, match=message):
        shakespeare.from_file(path)


def test_missing_text_file_and_a_good_one(tmp_path):
    with pytest.raises(CourseError, match="no file"):
        shakespeare.from_file(tmp_path / "none.txt")
    (tmp_path / "mine.txt").write_bytes("Grüße aus Köln. ".encode("latin-1") * 100)
    train, held = shakespeare.from_file(tmp_path / "mine.txt")
    assert len(train) == 1440 and len(held) == 160 and "Grüße" in train
