"""Short connecting words of the answers: how a sum is introduced, two figures compared, breaches counted, two credits ranked.

{need} and {have} are a test's figures, one of them with its sum; {v} is the verdict; single letters and {PD} name a figure.
"""

COMPACT = {
    "leverage": (
        "{have} allowed, {need} owed: {v}", "limit {have}, {D} {need}: {v}", "{D} {need} against {have}: {v}",
        "the limit allows {have}, {need} is owed: {v}", "up to {have} may be owed, {need} is: {v}",
        "room for {have}, in use {need}: {v}", "{have}, {D} {need}: {v}", "{need} of {D}, cap {have}: {v}",
        "cap {have}, owed {need}, {v}",
    ),
    "cover": (
        "{need} needed, {have} earned: {v}", "needed {need}, {E} {have}: {v}", "{E} {have} against {need}: {v}",
        "the limit asks for {need}, {have} comes in: {v}", "floor {need}, {E} {have}: {v}", "asked {need}, earned {have}: {v}",
        "{need} must be earned, {have} is: {v}", "{need}, {E} {have}: {v}", "required {need}, there {have}, {v}",
    ),
    "liquidity": (
        "{need} due, {have} at hand: {v}", "{U} {need}, {S} {have}: {v}", "{S} {have} against {need}: {v}",
        "{have} to meet {need}: {v}", "uses {need}, sources {have}: {v}", "{need} asked, {have} held: {v}",
        "{have} held for {need}: {v}", "need {need}, have {have}, {v}",
    ),
    "loss": (
        "{need} expected, {have} accepted: {v}", "{need} against a budget of {have}: {v}", "expected {need}, budget {have}: {v}",
        "{need} meets a budget of {have}: {v}", "{need}, budget {have}: {v}", "cost {need}, accepted {have}: {v}",
        "{need} likely lost, {have} budgeted: {v}", "expected loss {need}, set aside {have}, {v}",
    ),
}
HEADS = {  # before a sum that stands on its own
    "leverage": ("debt allowed: ", "debt capacity: ", "the limit carries ", "most that may be owed: "),
    "cover": ("{E} needed: ", "earnings needed: ", "the limit asks for ", "cover floor in money: "),
    "loss": ("expected loss: ", "loss to expect: ", "expected loss works out at ", "expected loss is "),
}
BECOMES = (
    "{name} becomes {sum}.", "{name} is now {sum}.", "new {name}: {sum}.", "we put {name} at {sum}.", "for {name} we get {sum}.",
    "{name} after the shock: {sum}.", "{name}, stressed: {sum}.", "{name} works out at {sum}.", "{name} goes to {sum}.",
)
ASK = {
    "leverage": ("Does the debt fit?", "Is leverage inside its limit?", "Leverage?", "Can it carry the debt?",
                 "How much debt is allowed?", "And the debt?"),
    "cover": ("Is the charge covered?", "Does cover hold?", "Cover?", "Can it pay the charge?", "How much must be earned?",
              "And earnings?"),
    "liquidity": ("Is there enough cash?", "Do sources meet uses?", "Liquidity?", "Can it meet what falls due?",
                  "How much must be found soon?", "And liquidity?"),
    "loss": ("Is the loss within budget?", "Does expected loss fit the budget?", "Loss?", "Can we bear the loss?",
             "How much do we expect to lose?", "And our loss?"),
}
USED = ("used", "share used", "in use", "taken up")
SUMMARY = {  # the names first, then how many: a count is read off the list
    "breach": (
        "In breach: {list}, which makes {count}.", "Breached: {list}, so {count} of four.",
        "Of the four tests {comma} in breach: {count}.",
        "The breaches are {list}: {count} in all.", "In breach: {comma}. Count: {count}.", "Breaches: {comma}; {count}.",
        "We count {list}: {count} breach{s}.", "Result: {comma} in breach, {count} together.",
        "The score: {comma}, hence {count} breach{s}.",
    ),
    "tight": (
        "No breach, but {list} {are} tight.", "Nothing is breached; tight: {list}.", "No breach; {count} tight: {comma}.",
        "All limits hold, {list} only just: tight.", "No breach. Tight: {comma}.", "Zero breaches, yet {list} {are} tight.",
        "We count no breach and {count} tight: {list}.", "Result: none in breach, {count} tight ({comma}).",
    ),
    "clear": (
        "No breach, nothing tight.", "All four tests pass.", "Four passes, no breach.", "Every test is a pass.",
        "No breach and no tight test.", "Result: none in breach, none tight.", "We count four passes.",
        "Zero breaches, zero tight.",
    ),
}
RATING = (
    ("Leverage and cover hold, so the rating view is affirm.", "Rating: affirm, as neither leverage nor cover fails.",
     "Neither of the two rating tests fails: affirm.", "With leverage and cover intact we affirm."),
    ("One of leverage and cover fails: one notch down.", "Rating: one notch down, for one of the two rating tests fails.",
     "Of leverage and cover one fails, which costs one notch down.", "A single rating test fails: one notch down."),
    ("Leverage and cover both fail: two notches down.", "Rating: two notches down, as both rating tests fail.",
     "Both rating tests fail, hence two notches down.", "With leverage and cover failing it is two notches down."),
)
WEAKER = {
    "breach": (
        "{w} has {more} in breach, {o} {less}: {w} is the weaker.",
        "With {more} against {less} in breach, {w} is the weaker credit.",
        "Breaches: {w} {more}, {o} {less}. {w} is weaker.",
        "{o} breaches {less}, {w} {more}, so {w} is the weaker of the two.",
        "The weaker credit is {w}: {more} in breach where {o} has {less}.",
        "{w} fails {more} tests and {o} {less}; {w} is weaker.",
    ),
    "tight": (
        "Breaches are equal at {same}; {w} has {more} tight, {o} {less}: {w} is the weaker.",
        "Both have {same} in breach. Tight tests: {w} {more}, {o} {less}, so {w} is weaker.",
        "Equal breaches ({same} each), but {w} is tight on {more} and {o} on {less}: {w} is the weaker credit.",
        "{w} is weaker: the breaches are level at {same}, its tight tests number {more}, those of {o} {less}.",
    ),
    "loss": (
        "Counts are level; expected loss to budget is {wneed} to {whave} for {w}, {oneed} to {ohave} for {o}: {w} is weaker.",
        "Counts are equal. {w} uses {wneed} of {whave} in its loss budget, {o} {oneed} of {ohave}, so {w} is the weaker.",
        "As many breaches, as many tight tests; loss decides: {w} {wneed} of {whave}, {o} {oneed} of {ohave}. {w} is weaker.",
        "Only the loss test separates them: {wneed} on {whave} for {w}, {oneed} on {ohave} for {o}, hence {w} is weaker.",
    ),
}
