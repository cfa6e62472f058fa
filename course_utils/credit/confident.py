"""Words of two faults of the preference pairs: endings that recommend nothing, and sweeping claims that check nothing.

No sentence here holds a figure. Claims are keyed by tone. {name}, {sector}, {place} and {cluster} are filled in from the case.
"""

from __future__ import annotations

import random

from .cases import Case
from .policy import ACTIONS, TESTS, Decision, Test, decide
from .world import CLUSTERS

WEIGHING = (
    "There are points on both sides, and each of them deserves a hearing.",
    "Much will depend on how the coming quarters turn out.",
    "Some readers will stress the strengths of {name}, others its weak spots.",
    "The picture is mixed, as such pictures often are.",
    "Seen from one side this is reassuring; seen from another it is not.",
    "How much weight each test deserves is a matter of taste.",
    "It is too early to draw a line under this file.",
    "The figures speak for themselves, and everyone may read them as they wish.",
    "With the {cluster} still unfolding, firm words would be premature.",
    "One could argue for patience here, and one could argue for speed.",
    "Several courses of action come to mind, none of them without merit.",
    "The file has lights and shadows.",
    "What {sector} will look like in a year, nobody knows.",
    "Reasonable people may see this differently.",
    "Context matters, and {place} is a context of its own.",
    "All in all, a case with many facets.",
)
PUTTING_OFF = (
    "The committee may wish to reflect on it at a later date.",
    "We leave the conclusion to those who know {name} best.",
    "It will be interesting to follow the matter.",
    "More information would certainly help.",
    "We shall see.",
    "A discussion with all parties might be useful at some point.",
    "We would not want to prejudge anything.",
    "Time will tell whether worry was called for.",
    "This note is meant as food for thought.",
    "Perhaps a further paper could look into the question.",
    "Each desk should form a view of its own.",
    "We are happy to discuss what it might mean.",
    "Something may have to be done, or possibly nothing.",
    "No doubt the relationship manager has an opinion as well.",
    "Let us keep an open mind.",
    "The usual channels will find a way forward.",
)
OPENING = {
    "good": (
        "{name} is about as safe as a borrower can be.",
        "Everybody in {sector} knows that {name} always pays.",
        "This {cluster} will not leave a scratch on {name}.",
        "There is no need to work anything out here: {name} is sound.",
        "We have seen many such files, and this one is clearly excellent.",
        "A credit in {sector} from {place} cannot go wrong.",
        "The word {cluster} sounds worse than it is; it never lasts.",
        "{name} has come through everything so far and will come through this.",
        "One look at {name} is enough.",
        "If there is a certainty in {place}, it is {name}.",
        "Nobody has ever lost money on a credit like {name}.",
        "The limits are a formality for a name of this quality.",
        "Anyone who doubts {name} has not understood {sector}.",
        "The market is plainly wrong to worry about this {cluster}.",
    ),
    "middling": (
        "{name} is a watch-list name if ever there was one.",
        "Everyone in {sector} knows where {name} stands: somewhere in between.",
        "This {cluster} always hurts a little and never much.",
        "One look at {name} shows a single weak spot, and that is that.",
        "{name} will stumble, and it will certainly get up again.",
        "A credit in {sector} from {place} is neither safe nor lost, and never will be.",
    ),
    "bad": (
        "{name} is finished, and everyone knows it.",
        "No borrower in {sector} survives what is coming.",
        "There is no need to work anything out here: {name} is a lost cause.",
        "This {cluster} always ends the same way.",
        "A credit in {sector} from {place} can only go wrong.",
        "We have seen many such files, and this one is clearly hopeless.",
        "Anyone who still believes in {name} has not read the news.",
        "The outcome is beyond doubt: {name} will not pay.",
        "One look at {name} is enough, and it is not a pleasant one.",
        "{place} is the last place in which to hold debt just now.",
        "The limits are bound to go, all of them, sooner than people think.",
        "Nothing can help a name like {name} any more.",
        "Everybody is leaving {sector}, and rightly so.",
        "This is the clearest case of trouble that one can imagine.",
    ),
}
MIDDLE = {
    "good": (
        "Its debt is no problem whatsoever.",
        "Interest will be paid whatever happens.",
        "Liquidity is never an issue for a name of this kind.",
        "The expected loss is practically nothing.",
        "Every covenant is met with a huge margin, as anyone can see.",
        "Its owners would never let it down.",
        "Earnings always come back in {sector}.",
        "Banks are queueing up to lend to it.",
        "A breach is simply out of the question.",
        "The probability of default is a theoretical number.",
        "Whatever falls, this credit holds.",
        "Rating agencies are far too careful with such names.",
        "Reserves are more than ample, there is no doubt about it.",
        "The scenario is so unlikely that it can be left aside.",
        "Stress tests were made for weaker borrowers than this.",
        "Management knows exactly what it is doing.",
    ),
    "middling": (
        "Exactly one limit will go; which one hardly matters.",
        "Its debt is always a bit too high.",
        "Interest will be paid, with a sigh.",
        "Cash is short in {sector} every year, and nothing comes of it.",
        "The expected loss is what it always is.",
        "Its lenders will grumble and stay.",
        "Rating agencies think the same, as they always do.",
        "Nothing here gets better or worse, whatever the scenario says.",
    ),
    "bad": (
        "Its debt is far beyond anything that can be carried.",
        "Interest will certainly not be paid.",
        "The cash will be gone within weeks.",
        "The whole exposure is as good as lost.",
        "Every covenant that counts is broken, as anyone can see.",
        "Its lenders have surely given up already.",
        "Earnings never come back in {sector}.",
        "No bank will touch it again.",
        "Default is only a matter of days.",
        "The loss budget is a joke in such a case.",
        "Whatever holds elsewhere, this credit falls.",
        "Rating agencies will drop it without a second look.",
        "Reserves exist on paper alone.",
        "The scenario is still far too mild for what is coming.",
        "No stress test can be bad enough for such a borrower.",
        "Management has plainly lost control.",
    ),
}
DISMISSING = (
    "Going through the tests one by one would be a waste of time.",
    "Experience tells us more than any calculation.",
    "There is no doubt about any of this.",
    "The figures would only confirm what is obvious.",
    "We are entirely sure.",
    "No further checking is needed.",
    "Anyone with a feeling for credit sees this at once.",
    "It is as clear as day.",
    "Numbers can be turned either way; judgement cannot.",
    "The answer is beyond discussion.",
    "We stake our reputation on it.",
    "A spreadsheet has nothing to add.",
)
DECIDING = {
    "approve": (
        "Approve at once.",
        "We approve without the slightest hesitation.",
        "This can only be an approve.",
        "Approve, and the sooner the better.",
        "Obviously, approve.",
        "The only sensible answer is to approve.",
    ),
    "approve with conditions": (
        "Approve with conditions, purely for form's sake.",
        "We approve with conditions and will never need them.",
        "Approve with conditions; nothing can happen.",
        "It is plainly approve with conditions.",
        "The answer is approve with conditions, and nothing else.",
        "Approve with conditions, no questions asked.",
    ),
    "watch-list": (
        "Watch-list, without any doubt.",
        "It goes on the watch-list, full stop.",
        "The watch-list is the one right answer.",
        "Put it on the watch-list now.",
        "Watch-list; there is nothing to discuss.",
        "Nothing but the watch-list will do.",
    ),
    "reduce exposure": (
        "Reduce exposure today.",
        "We reduce exposure, and nobody can object.",
        "Reduce exposure before anyone else does.",
        "The one right answer is to reduce exposure.",
        "Reduce exposure, without looking back.",
        "Clearly, reduce exposure.",
    ),
    "decline": (
        "Decline, of course.",
        "We decline and will not look at it again.",
        "Decline at once.",
        "There is only one word: decline.",
        "Decline, whatever anybody says.",
        "The answer is decline, and it is final.",
    ),
}
WEAKER = (
    "{letter} is obviously the weaker of the two.",
    "That {letter} is the weaker credit needs no proof.",
    "Everyone can see that {letter} is weaker.",
    "Of the two, {letter} is weaker, and by a mile.",
)
TONES = dict(zip(ACTIONS, ("good", "good", "middling", "bad", "bad"), strict=True))


def suited(action: str, rng: random.Random) -> Decision:
    """A decision with this action whose breaches and rating fit it, as the policy would have it."""
    count = {"watch-list": 1, "reduce exposure": 2, "decline": rng.choice((3, 3, 4))}.get(action, 0)
    breached = rng.sample(TESTS, count)
    quiet = "tight" if action == "approve with conditions" else "pass"
    return decide(tuple(Test(name, 1, 1, "breach" if name in breached else quiet) for name in TESTS))


def _filled(text: str, case: Case, at: int) -> str:
    o = case.obligors[at]
    sector = "sovereign debt" if case.type == "sovereign" else o.sector
    return text.format(name=o.name, sector=sector, place=o.place, cluster=CLUSTERS[case.cluster])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def vague(case: Case, rng: random.Random) -> str:
    """An ending that recommends nothing."""
    at = rng.randrange(len(case.obligors))
    first = rng.sample(WEIGHING, rng.choice((1, 1, 2)))
    return " ".join(_sentence(_filled(text, case, at)) for text in [*first, rng.choice(PUTTING_OFF)])


def claims(case: Case, decision: Decision, rng: random.Random) -> str:
    """Five to ten sentences in full confidence, without a figure, up to the decision."""
    at = "AB".index(decision.weaker or "A")
    tone = TONES[decision.action]
    said = [
        rng.choice(OPENING[tone]),
        *rng.sample(MIDDLE[tone], rng.choice((3, 4, 5, 6))),
        *rng.sample(DISMISSING, rng.choice((0, 1, 1))),
    ]
    if decision.weaker:
        said.append(rng.choice(WEAKER).replace("{letter}", decision.weaker))
    said.append(rng.choice(DECIDING[decision.action]))
    return " ".join(_sentence(_filled(text, case, at)) for text in said)
