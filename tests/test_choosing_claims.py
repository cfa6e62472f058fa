"""The verdicts of notebook 05: each follows its rule, and nothing unmeasured gets a verdict."""

import pytest

from course_utils import ledger, results
from course_utils.choosing import claims


def entry(value, half=0.05):
    return {"value": value, "low": value - half, "high": value + half}


def verdicts(**stored):
    return {case.key: case.verdict for case in claims.cases(stored, 50.0, 135_000_000)}


def test_the_twelve_claims_are_those_of_the_ledger():
    owned = {row["id"] for row in ledger.rows() if row["notebook"] == "05"}
    found = claims.cases({}, 50.0, 135_000_000)
    assert {case.key for case in found} == owned and len(found) == 12
    assert all(case.verdict in results.VERDICTS and case.holds_if and case.unit for case in found)


def test_without_results_only_prices_and_sizes_have_a_verdict():
    found = verdicts()
    assert {key for key, verdict in found.items() if verdict != "not run"} == {"D4", "S3"}
    assert all(case.value is None for case in claims.cases({}, 50.0, 1) if case.verdict == "not run")


@pytest.mark.parametrize("value, verdict", [(0.2, "holds"), (0.02, "not decided"), (-0.2, "wrong")])
def test_a_difference_needs_an_interval_on_one_side_of_nought(value, verdict):
    assert verdicts(forgetting_points=entry(value))["F1"] == verdict
    found = verdicts(rag_fine_tuned_minus_rag=entry(0.3), rag_fine_tuned_minus_fine_tuned=entry(value))
    assert found["S7"] == verdict


def test_half_a_claim_is_a_condition():
    fresh = {"freshness_rag_fine_tuned": entry(0.9), "freshness_trained_in": entry(0.1)}
    form = {"fine_tuned_in_format": entry(0.95, 0.02), "zero_shot_in_format": entry(0.1)}
    same = {"fine_tuned_in_format": entry(0.5), "zero_shot_in_format": entry(0.5)}
    assert next(c for c in claims.cases(fresh, 50.0, 1) if c.key == "S6").value is None
    assert verdicts(**fresh)["S6"] == "not run" and verdicts(**fresh)["S5"] == "holds with a condition"
    assert verdicts(**fresh, **form)["S6"] == "holds"
    assert verdicts(**fresh, **same)["S6"] == "holds with a condition"


@pytest.mark.parametrize("known, against, verdict", [
    (0.9, 0.2, "holds"), (0.9, -0.1, "holds with a condition"), (0.2, -0.6, "wrong"), (0.5, -0.3, "not decided")])
def test_knowledge_by_training(known, against, verdict):
    assert verdicts(knowledge_2_new=entry(known), knowledge_minus_rag=entry(against))["N5"] == verdict


@pytest.mark.parametrize("saving, gap, verdict", [
    (0.4, 0.0, "holds with a condition"), (0.4, -0.2, "wrong"), (-0.1, 0.0, "wrong"), (0.02, 0.0, "not decided")])
def test_a_cascade_must_save_time_at_the_same_accuracy(saving, gap, verdict):
    assert verdicts(cascade_saving={"value": saving}, cascade_accuracy_gap=entry(gap))["N6"] == verdict


def test_a_secret_that_can_be_had_out_limits_the_claim():
    def rows(exposure):
        return {"value": [{"repeats": 16, "epochs": 3, "exposure": exposure}]}

    assert verdicts(privacy=rows(7.0))["P1"] == "holds with a condition" and verdicts(privacy=rows(1.0))["P1"] == "holds"


def test_routing_and_sure_nonsense():
    good, words = {"routing_tuned": entry(0.95)}, {"routing_tfidf": entry(0.94)}
    assert verdicts(**good, **words, routing_tuned_minus_tfidf=entry(0.01))["N7"] == "holds with a condition"
    assert verdicts(**good, **words, routing_tuned_minus_tfidf=entry(0.1))["N7"] == "holds"
    assert verdicts(routing_tuned=entry(0.6), routing_tuned_minus_tfidf=entry(-0.1))["N7"] == "wrong"
    assert verdicts(confident_out_of_domain_closed=entry(0.8))["F2"] == "holds"
    assert verdicts(confident_out_of_domain_closed=entry(0.2))["F2"] == "wrong"
