"""The credit policy by hand and by property, the generated cases, and their texts."""

import itertools
import re
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.credit import calculator, layouts, policy, steps, world
from course_utils.credit.cases import sample
from course_utils.runtime import CourseError

HOTEL = dict(type="corporate", B=120, D=380, L=3.5, I=30, C=2.5, S=[40, 25], U=50, PD=3, LGD=45, EAD=50, K=1.2, F=200)
STATE = dict(type="sovereign", B=2400, D=1800, L=80, E=600, I=70, C=6, S=300, U=220, PD=4, LGD=50, EAD=60, K=1.5)
POOL = dict(type="structured", B=400, D=260, L=70, E=36, I=24, C=1.2, S=12, U=9, PD=2, LGD=40, EAD=80, K=1)
SHOCKS = ("b", "e", "d", "r", "i", "u", "s", "m")


def run(facts, **hit):
    return policy.four_tests(policy.stress(policy.facts(**facts), policy.shock(**hit)))


def verdicts(facts, **hit):
    return [t.verdict for t in run(facts, **hit)]


@pytest.fixture(scope="module")
def cases():
    return sample(300, seed=11)


# ---------------------------------------------------------------- the policy by hand
def test_a_corporate_worked_by_hand():
    """EBITDA 102; interest 30 + 4; limit 357 against 380; 85 against 102; 50 against 65; 6% x 45% x 50 = 1.35 against 1.2."""
    found = run(HOTEL, b=15, r=2, m=2)
    assert [(float(t.need), float(t.have), t.verdict) for t in found] == [
        (380, 357, "breach"), (85, 102, "pass"), (50, 65, "pass"), (1.35, 1.2, "breach")]
    assert policy.decide(found).block == "DECISION: reduce exposure | RATING: one notch down | BREACHES: leverage, loss"


def test_a_sovereign_and_a_pool_worked_by_hand():
    state = run(STATE, d=10, s=60)
    assert [(float(t.need), float(t.have)) for t in state] == [(1980, 1920), (420, 600), (220, 240), (1.2, 1.5)]
    assert [t.verdict for t in state] == ["breach", "pass", "tight", "pass"]
    pool = run(POOL, b=15, e=10, u=4, limit=65)
    assert [(float(t.need), float(t.have)) for t in pool] == [(260, 221), (28.8, 32.4), (13, 12), (0.64, 1)]


@pytest.mark.parametrize("breaches, tight, action", [
    (0, 0, "approve"), (0, 1, "approve with conditions"), (0, 4, "approve with conditions"), (1, 0, "watch-list"),
    (1, 3, "watch-list"), (2, 0, "reduce exposure"), (3, 0, "decline"), (4, 0, "decline")])
def test_actions_follow_the_count_of_breaches(breaches, tight, action):
    found = ["breach"] * breaches + ["tight"] * tight + ["pass"] * 4
    tests = tuple(policy.Test(n, Decimal(1), Decimal(1), v) for n, v in zip(policy.TESTS, found, strict=False))
    assert policy.decide(tests).action == action
    assert policy.decide(tests).rating == policy.RATINGS[min(breaches, 2)]


def test_rounding_is_half_away_from_zero():
    assert [str(policy.rounded(Decimal(x))) for x in ("0.05", "-0.05", "2.25", "0.04")] == ["0.1", "-0.1", "2.3", "0.0"]
    assert policy.written(Decimal("102.0")) == "102" and policy.written(Decimal("-0.0")) == "0" and policy.written(2400) == "2400"
    assert float(policy.stress(policy.facts(**HOTEL), policy.shock(b=0.125)).B) == 119.9  # 119.85


def test_the_weaker_of_two_by_breaches_then_tight_tests_then_loss():
    def found(*listed, loss=1):
        return tuple(policy.Test(n, Decimal(loss), Decimal(2), v) for n, v in zip(policy.TESTS, listed, strict=True))

    one, two = found("breach", "pass", "pass", "pass"), found("pass", "tight", "tight", "tight", loss=2)
    assert policy.weaker(one, two) == "A" and policy.weaker(two, one) == "B"
    tighter = found("breach", "tight", "pass", "pass")
    assert policy.weaker(one, tighter) == "B" and policy.weaker(tighter, one) == "A"
    dearer = found("pass", "breach", "pass", "pass", loss=Decimal("1.5"))
    assert policy.weaker(one, dearer) == "B" and policy.weaker(dearer, one) == "A" and policy.weaker(one, one) == "A"


# ---------------------------------------------------------------- edges
def test_no_charge_is_always_covered_and_negative_earnings_fail_the_rest():
    broke = HOTEL | dict(B=-20, F=0)
    assert verdicts(broke)[:2] == ["breach", "breach"]
    assert verdicts(broke | dict(I=0))[:2] == ["breach", "pass"]
    assert verdicts(HOTEL | dict(B=0))[:2] == ["breach", "breach"]


def test_sources_stop_at_zero_and_pd_at_one_hundred_percent():
    after = policy.stress(policy.facts(**HOTEL), policy.shock(s=500, m=90))
    assert after.sources == 0 and after.PD == 100


def test_bad_facts_are_named():
    with pytest.raises(CourseError, match="lacks PD"):
        policy.facts(**{k: v for k, v in HOTEL.items() if k != "PD"})
    with pytest.raises(CourseError, match="EBITDA is given as 120 and as 90"):
        policy.facts(**HOTEL, E=90)
    with pytest.raises(CourseError, match="Operating profit and depreciation make 100"):
        policy.facts(**HOTEL, parts=[60, 40])
    for wrong in (dict(PD=130), dict(K=0), dict(I=-1), dict(D="many"), dict(type="bank"), dict(Z=1), dict(D=float("nan"))):
        with pytest.raises(CourseError):
            policy.facts(**HOTEL | wrong)
    for wrong in (dict(b=-5), dict(q=5)):
        with pytest.raises(CourseError):
            policy.shock(**wrong)


def test_cost_matrix(tmp_path):
    matrix = policy.costs()
    assert matrix["decline", "approve"] == 120 and all(matrix[a, a] == 0 for a in policy.ACTIONS)
    (tmp_path / "cost.json").write_text('{"actions": [], "cost": []}')
    with pytest.raises(CourseError, match="cost matrix"):
        policy.costs(tmp_path / "cost.json")


# ---------------------------------------------------------------- properties
amount, percent = st.integers(1, 3000), st.integers(1, 60)


@st.composite
def any_facts(draw):
    kind = draw(st.sampled_from(policy.TYPES))
    limit = draw(st.sampled_from((1.5, 2.25, 3, 4.5))) if kind == "corporate" else draw(st.integers(30, 130))
    base = draw(amount)
    return policy.facts(
        type=kind, B=base, D=draw(amount), L=limit, E=base if kind == "corporate" else draw(amount), I=draw(st.integers(0, 300)),
        C=draw(st.sampled_from((1.1, 1.25, 2, 2.5, 6))), S=[draw(amount)], U=draw(st.integers(0, 3000)), PD=draw(percent),
        LGD=draw(percent), EAD=draw(amount), K=draw(st.sampled_from((0.3, 1, 4.5, 20, 90))), F=draw(st.integers(0, 500)))


@settings(max_examples=150, deadline=None)
@given(any_facts(), st.sampled_from(SHOCKS), st.integers(1, 45), st.integers(1, 45))
def test_a_larger_shock_never_improves_the_action(f, name, one, two):
    actions = [policy.ACTIONS.index(policy.judge((f,), policy.shock(**{name: size}))[0].action) for size in sorted((one, two))]
    assert actions == sorted(actions)


@settings(max_examples=80, deadline=None)
@given(any_facts(), st.integers(1, 30), st.integers(1, 30))
def test_a_lower_limit_never_improves_the_action(f, one, two):
    low, high = sorted((one, two))
    actions = [policy.ACTIONS.index(policy.judge((f,), policy.shock(limit=size))[0].action) for size in (high, low)]
    assert actions == sorted(actions)


@settings(max_examples=100, deadline=None)
@given(any_facts(), any_facts())
def test_the_weaker_one_does_not_depend_on_the_order(f, g):
    a, b = policy.four_tests(policy.stress(f, policy.shock())), policy.four_tests(policy.stress(g, policy.shock()))
    one, two = policy.weaker(a, b), policy.weaker(b, a)
    assert one != two or a[3].need / a[3].have == b[3].need / b[3].have


@pytest.mark.parametrize("factor", [2, 7, 10])
def test_scale_does_not_matter(cases, factor):
    """All amounts times a factor: the same decision (generated cases need no rounding)."""
    def scaled(f):
        given = f.as_dict()
        for name in ("B", "D", "E", "I", "U", "EAD", "K", "F"):
            given[name] = policy.number(given.get(name, 0)) * factor
        return policy.facts(**given | {"S": [s * factor for s in f.S], "parts": [p * factor for p in f.parts]})

    for case in cases[:100]:
        hit = case.shock.as_dict() | {k: getattr(case.shock, k) * factor for k in "ius"}
        assert policy.judge(tuple(scaled(o.facts) for o in case.obligors), policy.shock(**hit))[0] == case.judged()[0]


# ---------------------------------------------------------------- cases
def test_cases_are_even_over_clusters_and_actions(cases):
    assert set(Counter(c.cluster for c in cases).values()) == {30}
    assert Counter(c.judged()[0].action for c in cases) == {a: 60 for a in policy.ACTIONS}
    assert 15 < sum(len(c.obligors) == 2 for c in cases) < 60
    assert {c.type for c in cases} == set(policy.TYPES)


def test_skew_gives_a_cluster_its_share():
    found = Counter(c.cluster for c in sample(200, 3, skew={"fx_crisis": 0.5}))
    assert found["fx_crisis"] == 100 and all(found[c] >= 10 for c in world.CLUSTERS)


def test_figures_keep_away_from_borders_and_need_no_rounding(cases):
    for case in cases:
        for o, tests in zip(case.obligors, case.judged()[1], strict=True):
            for t in tests:
                room = max(t.have / 100, Decimal("0.1"))
                assert all(abs(t.need - border) >= room for border in (t.have, t.have * Decimal("0.9"))), (o.name, t)
            for calc in steps.sheet(o.facts, case.shock).required:
                exact = calculator.value(calc.expression.replace("%", "") if calc.percent else calc.expression)
                assert exact == calc.result, (o.name, calc)


def test_pairs_share_limits_and_differ_in_who_they_are(cases):
    for a, b in (c.obligors for c in cases if len(c.obligors) == 2):
        assert (a.facts.L, a.facts.C) == (b.facts.L, b.facts.C) and a.name.split()[0] != b.name.split()[0]


def test_the_world_is_as_wide_as_promised():
    assert len(world.TYPE_OF) == 17 and len(world.PLACES) >= 12 and len(world.CLUSTERS) == 10
    pools = [set(world.stems(kind, pool)) for kind in ("corporate", "sovereign") for pool in world.POOLS]
    assert sum(map(len, pools[:3])) > 500 and sum(map(len, pools[3:])) > 150
    assert all(not a & b for a, b in itertools.combinations(pools, 2))
    assert {(c, k) for c, kinds in world.EFFECTS.items() for k in kinds} == set(itertools.product(world.CLUSTERS, policy.TYPES))


# ---------------------------------------------------------------- case texts
def test_every_label_stands_in_the_vocabulary():
    page = (policy.FOLDER / "vocabulary.md").read_text(encoding="utf-8").replace("\\|", "|")
    for table in (*layouts.LABELS.values(), layouts.EXPOSURE):
        for phrase in itertools.chain(*(p.split("|") for p in table.values())):
            assert re.search(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])", page), phrase
    assert all(f"`{name}`" in page for name in world.CLUSTERS.values())


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_a_text_holds_every_figure_once_and_in_the_right_part(cases, layout):
    import random

    for case in cases[:80]:
        text = layouts.render(case, layout, random.Random(1))
        before, after = re.split("scenario", text, maxsplit=1, flags=re.I)
        figures = Counter(re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:%|x)?", before))
        wanted = Counter(v for o in case.obligors for v in layouts.figures(o.facts).values())
        wanted += Counter(layouts.limits(case.obligors[0].facts).values())
        wanted["12"] += len(re.findall("within 12 months", before))
        assert figures == wanted, text
        assert text.count(f"{case.currency} m") == 1
        assert len(re.findall(r"\d+(?:\.\d+)?", after.replace("within 12 months", ""))) == len(case.shock.as_dict())
        assert text.splitlines()[-1] in (*layouts.QUESTIONS, layouts.PAIR_QUESTION)
