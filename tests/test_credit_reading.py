"""A case is read from its text alone, in every layout; what is missing, contradictory or mixed is an error that names it."""

import re
from fractions import Fraction

import pytest

from course_utils.credit.judging import truth
from course_utils.credit.reading import read_case
from course_utils.runtime import CourseError

CASE = """Nordvik Inns | hotels | Portugal | EUR m
EBITDA | 120
Net debt | 380
Interest | 30
Floating-rate debt | 200
Cash | 40
Undrawn credit line | 25
Debt due within 12 months | 50
PD | 3%
LGD | 45%
EAD | 50
Loss budget | 1.2
Maximum net debt / EBITDA | 3.5x
Minimum interest cover | 2.5x
Scenario (rate shock): rates rise by 2 points; EBITDA falls by 15%; PD multiplied by 2.
Assess the credit under this scenario."""
# By hand: EBITDA 102, interest 34, liquidity 65, PD 6 %. Debt allowed 357 < 380 breach; asked 85 < 102 pass; 50 < 65 pass;
# expected loss 1.35 > 1.2 breach.
PROSE = """Valdoria is a sovereign in the Caribbean; amounts in USD m. GDP is 2400, government debt 1800,
government revenue 600 and interest 70. Foreign reserves of 300 stand beside short-term external debt of 220.
Exposure: PD 4%, LGD 50%, EAD 60, loss budget 1.5. Terms: maximum debt / GDP of 80%, minimum revenue / interest of 6x.
In the FX crisis scenario, government debt rises by 10% and foreign reserves fall by 60.
What does the policy ask for?"""
MEMO = """To: credit committee. Re: Harbour Gate Offices, office property, Germany (EUR m).
Pool: collateral value 400; notes outstanding 260; net cash flow 36; debt service 24. Reserve account 12; required reserve 9.
Exposure: probability of default 2%; loss given default 40%; exposure at default 80; accepted expected loss 1.
Terms: loan to value at most 70%; debt service cover at least 1.2x.
Scenario, real-estate repricing: collateral value down 15%; PD multiplied by 2.
Give your assessment under the scenario."""
SHEET = """Borrower: Nordvik Inns, hotels, Portugal. Currency: EUR m.
Leverage covenant: 3.5x. Cover covenant: 2.5x.
Operating profit: 90. Depreciation: 30. Net debt: 380. Interest: 30.
Cash: 40. Undrawn line: 25. Maturities within 12 months: 50.
PD: 3%. LGD: 45%. EAD: 50. Loss budget: 1.2.
Scenario (covenant breach): EBITDA down 15%, leverage limit cut to 3.2x.
Which action follows under the policy?"""
PAIR = """A: Nordvik Inns, hotels, Portugal
B: Kestrel Foods, food retail, Spain
EUR m | A | B
EBITDA | 120 | 95
Net debt | 300 | 320
Interest | 20 | 18
Cash | 40 | 30
Undrawn line | 25 | 20
Debt due within 12 months | 50 | 30
PD | 2% | 2%
LGD | 45% | 45%
EAD | 50 | 50
Loss budget | 1.2 | 1.2
Terms for both: maximum net debt / EBITDA 3.5x, minimum interest cover 2.5x.
Scenario (rate shock): EBITDA falls by 10%.
Which of the two is the weaker credit, and why?"""


def decided(text):
    """Action, rating, breaches and the verdicts of a case."""
    found = truth(text)
    return found.action, found.rating, found.breaches, [one.tests[name][2] for one in found.judged for name in one.tests]


@pytest.mark.parametrize("text, kind, expected", [
    (CASE, "corporate", ("reduce exposure", "one notch down", ("leverage", "loss"), ["breach", "pass", "pass", "breach"])),
    (PROSE, "sovereign", ("watch-list", "one notch down", ("leverage",), ["breach", "pass", "tight", "pass"])),
    (MEMO, "structured", ("reduce exposure", "one notch down", ("leverage", "loss"), ["breach", "pass", "pass", "breach"])),
    (SHEET, "corporate", ("watch-list", "one notch down", ("leverage",), ["breach", "pass", "pass", "pass"])),
])
def test_four_layouts_against_a_decision_made_by_hand(text, kind, expected):
    assert read_case(text).kind == kind
    assert decided(text) == expected


def test_figures_of_a_step_come_out_as_by_hand():
    steps = {step.name: step.value for step in truth(CASE).required}
    assert steps == {"B'": 102, "I'": 34, "S": 65, "PD'": 6, "L' x B'": 357, "C x I'": 85, "PD' x LGD x EAD": Fraction("1.35")}
    assert [step.name for step in truth(SHEET).required][:2] == ["B", "B'"]


def test_two_obligors_are_read_apart_and_the_weaker_found():
    first, second = read_case(PAIR)
    assert (first.debt, second.debt, first.sources, second.sources) == (300, 320, (40, 25), (30, 20))
    found = truth(PAIR)
    assert (found.weaker, found.action, found.breaches) == ("B", "watch-list", ("leverage",))
    swapped = re.sub(r"(?m)\| (\S+) \| (\S+)$", r"| \2 | \1", PAIR).replace("| B | A", "| A | B")
    assert truth(swapped).weaker == "A"


def test_names_places_and_layout_change_nothing():
    assert decided(CASE) == decided(CASE.replace("Nordvik Inns", "Zelkova Palace").replace("Portugal", "Chile"))
    assert decided(CASE) == decided(CASE.replace(" | ", ": ").upper().replace("3.5X", "3.5x").replace("2.5X", "2.5x"))


@pytest.mark.parametrize("label, field", [("Net debt | 380\n", "net debt"), ("LGD | 45%\n", "lgd"), ("Cash | 40\n", "cash"),
                                          ("Floating-rate debt | 200\n", "floating-rate debt"),
                                          ("Loss budget | 1.2\n", "loss budget"),
                                          ("Minimum interest cover | 2.5x\n", "minimum interest cover")])
def test_a_missing_field_is_named(label, field):
    with pytest.raises(CourseError, match=f"'{field}'.* missing"):
        read_case(CASE.replace(label, ""))


@pytest.mark.parametrize("change, message", [
    (lambda t: t.replace("Cash | 40", "Cash | 40\nCash | 44"), "'cash' is given twice"),
    (lambda t: t.replace("EUR m", "EUR m, partly in USD"), "mixes two currencies: EUR and USD"),
    (lambda t: t.replace("EUR m", "m"), "names no currency"),
    (lambda t: t.replace("Scenario (rate shock)", "Outlook").replace("scenario", "outlook"), "no scenario"),
    (lambda t: t.replace("Scenario (rate shock)", "Outlook"), "names no shock"),
    (lambda t: t.replace("EBITDA falls by 15%", "EBITDA shrinks to 85"), "fits no shock"),
    (lambda t: t.replace("EBITDA falls by 15%", "EBITDA falls by 15%; EBITDA down 20%"), "given twice"),
    (lambda t: t.replace("Net debt | 380", "Net debt | 380%"), "'net debt' should be an amount"),
    (lambda t: t.replace("PD | 3%", "PD | 130%"), "'pd' is 130"),
    (lambda t: t.replace("Interest | 30", "Interest | 30\nGDP | 900"), "type of the obligor is not clear"),
])
def test_contradictions_and_nonsense_are_errors_that_say_what(change, message):
    assert change(CASE) != CASE
    with pytest.raises(CourseError, match=message):
        read_case(change(CASE))


def test_a_percentage_without_its_sign_is_read_and_reported():
    share, points = read_case(CASE.replace("PD | 3%", "PD | 0.03")), read_case(CASE.replace("PD | 3%", "PD | 5"))
    assert share.pd == 3 and points.pd == 5
    assert "read as 3 %" in share.warnings[0] and "read as 5 %" in points.warnings[0]
    assert read_case(CASE).warnings == ()
    fall = read_case(CASE.replace("by 15%", "by 0.15"))
    assert fall.shocks["base"] == 15 and fall.warnings


def test_edges_of_the_policy():
    negative = truth(CASE.replace("EBITDA | 120", "EBITDA | -20"))
    assert negative.judged[0].tests["leverage"][1] == Fraction("-59.5") and {"leverage", "cover"} <= set(negative.breaches)
    assert {"leverage", "cover"} <= set(truth(CASE.replace("EBITDA | 120", "EBITDA | 0")).breaches)
    free = truth(CASE.replace("Interest | 30", "Interest | 0").replace("rates rise by 2 points; ", "").replace("| 120", "| -20"))
    assert free.judged[0].tests["cover"][2] == "pass"
    assert truth(CASE.replace("PD | 3%", "PD | 60%")).judged[0].tests["loss"][0] == Fraction("22.5")  # PD stops at 100 %
    drained = PROSE.replace("fall by 60", "fall by 900")
    assert truth(drained).judged[0].tests["liquidity"][1] == 0
    assert read_case(CASE.replace("2 points", "200 basis points")).shocks["rate"] == 2
