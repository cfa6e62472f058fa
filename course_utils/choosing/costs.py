"""Floor 4: what an answer costs: a large-model API by the token, or a small model of one's own by the month.

The prices below are examples with a date, not facts. Check the provider's page and write your own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..runtime import CourseError


@dataclass(frozen=True)
class Price:
    """An API's list price in `currency` a million tokens, read and written. date: when it was looked up."""

    name: str
    read: float
    written: float
    currency: str = "USD"
    date: str = "2026-11"
    note: str = "edit me: check the provider's page"

    def answer(self, read: float, written: float) -> float:
        """The price of one answer that reads and writes so many tokens."""
        return (self.read * read + self.written * written) / 1e6


PRICES = {p.name: p for p in (
    Price("large API model", 5.00, 25.00),
    Price("medium API model", 1.00, 5.00),
    Price("small API model", 0.10, 0.40),
)}


@dataclass(frozen=True)
class Own:
    """A small model on one's own machine. Money in the same currency as the prices.

    hours: of work to set it up; wage: an hour of it, all costs included; training: bought computing for training;
    monthly: rent or write-off of the machine and its care; seconds: of computing an answer; watts and energy (a kWh): while it
    answers; months: over which the set-up is written off. All are examples to be edited.
    """

    hours: float = 60.0
    wage: float = 80.0
    training: float = 5.0
    monthly: float = 250.0
    seconds: float = 1.0
    watts: float = 60.0
    energy: float = 0.30
    months: float = 24.0

    @property
    def fixed(self) -> float:
        """What it costs a month before the first answer."""
        return (self.hours * self.wage + self.training) / self.months + self.monthly

    @property
    def answer(self) -> float:
        """What one more answer costs: electricity."""
        return self.watts * self.seconds / 3.6e6 * self.energy

    @property
    def capacity(self) -> float:
        """Answers that one machine can give in a month of 30 days, never resting."""
        return 30 * 24 * 3600 / self.seconds


def check(own: Own, read: float, written: float) -> None:
    """Raises CourseError for figures that no firm can have."""
    wrong = [name for name, value in {**vars(own), "tokens read": read, "tokens written": written}.items() if not value >= 0]
    if wrong or own.months <= 0 or own.seconds <= 0:
        raise CourseError(f"These figures cannot be: {', '.join(wrong) or 'months and seconds must be above 0'}.",
                          "use numbers of 0 or more; months and seconds above 0.")


def monthly(volume, read: float, written: float, own: Own, prices: dict[str, Price] | None = None) -> dict[str, np.ndarray]:
    """Cost a month of each way at `volume` questions a month (a number or an array). More machines are added when one is full."""
    check(own, read, written)
    volume = np.asarray(volume, float)
    machines = np.maximum(1, np.ceil(volume / own.capacity))
    lines = {name: volume * price.answer(read, written) for name, price in (prices or PRICES).items()}
    setup = own.fixed - own.monthly
    return {**lines, "own small model": setup + machines * own.monthly + volume * own.answer}


def break_even(price: Price, own: Own, read: float, written: float) -> float:
    """The fewest questions a month at which the own model costs no more than the API; infinity where it never does."""
    check(own, read, written)
    setup, gain = own.fixed - own.monthly, price.answer(read, written) - own.answer
    margin = own.capacity * gain - own.monthly  # what a machine at full work earns beyond its rent
    if gain <= 0 or margin < 0 or margin == 0 < setup:
        return float("inf")
    machines = max(1, int(np.ceil(setup / margin))) if margin else 1
    return (setup + machines * own.monthly) / gain


def ratios(read: float, written: float, own: Own, prices: dict[str, Price] | None = None) -> dict[str, float]:
    """How many times dearer one more answer is than with the own model (claim D4)."""
    return {name: price.answer(read, written) / own.answer for name, price in (prices or PRICES).items()}


def thousand(read: float, written: float, own: Own, volume: float, prices: dict[str, Price] | None = None) -> dict[str, float]:
    """Cost of 1,000 questions of each way at `volume` questions a month, the set-up's share included."""
    if not volume > 0:
        raise CourseError(f"The volume is {volume}.", "give the questions a month, 1 or more.")
    return {name: 1000 * float(cost) / volume for name, cost in monthly(volume, read, written, own, prices).items()}


def series(values: list[float], field: str, own: Own, read: float, written: float,
           prices: dict[str, Price] | None = None) -> list[dict]:
    """Break-even volumes while one figure moves: the data behind a slider. field: a field of Own, or "read" or "written"."""
    rows = []
    for value in values:
        tokens = {"read": read, "written": written, **({field: value} if field in ("read", "written") else {})}
        firm = replace(own, **({} if field in ("read", "written") else {field: value}))
        rows.append({field: value, **{name: break_even(p, firm, **tokens) for name, p in (prices or PRICES).items()}})
    return rows


# ---------------------------------------------------------------- pictures
def figure(own: Own, read: float, written: float, prices: dict[str, Price] | None = None):
    """Cost a month by questions a month, both logarithmic, with the break-even volumes marked."""
    import matplotlib.pyplot as plt

    from ..style import LINES, PALETTE, SERIES

    prices = prices or PRICES
    volume = np.logspace(2, 7, 400)
    picture, axis = plt.subplots(figsize=(8.5, 4.2))
    places = ["own small model", *prices]
    for place, name in enumerate(places):
        cost = monthly(volume, read, written, own, prices)[name]
        axis.plot(volume, cost, color=SERIES[place], ls=LINES[place], marker="", label=name)
        if name in prices and volume[0] < (point := break_even(prices[name], own, read, written)) < volume[-1]:
            height = float(monthly(point, read, written, own, prices)[name])
            axis.plot([point], [height], color=PALETTE["black"], marker="o", ls="")
            shown = round(point, 1 - int(np.log10(point)))  # two digits: the inputs are no better
            above = place % 2  # neighbours on different sides of the line
            axis.annotate(f"about {shown:,.0f}", (point, height), (-6, 8) if above else (6, -16), textcoords="offset points",
                          fontsize=10, ha="right" if above else "left",
                          bbox=dict(boxstyle="round,pad=0.1", facecolor="white", edgecolor="none"))
    currency = next(iter(prices.values())).currency
    axis.set(xscale="log", yscale="log", xlabel="questions a month", ylabel=f"{currency} a month",
             title="Where the lines cross, the own model begins to pay")
    axis.legend(loc="lower right")
    return picture


def told(own: Own, read: float, written: float, prices: dict[str, Price] | None = None) -> str:
    """The figure in one sentence, as its text alternative."""
    points = {name: break_even(p, own, read, written) for name, p in (prices or PRICES).items()}
    parts = [f"the {name} at {v:,.0f} questions a month" if np.isfinite(v) else f"the {name} never" for name, v in points.items()]
    return "Cost a month by volume. The own model becomes cheaper than " + ", ".join(parts) + "."


def explore(own: Own = Own(), read: float = 600, written: float = 30, prices: dict[str, Price] | None = None):  # noqa: B008 (frozen)
    """Sliders over the figure: tokens read and written, hours of set-up, monthly cost. Needs a live kernel."""
    import ipywidgets as widgets

    from ..style import show

    def slider(text, value, low, high, step):
        return widgets.FloatSlider(value=value, min=low, max=high, step=step, description=text, continuous_update=False,
                                   style={"description_width": "initial"}, layout={"width": "420px"})

    tools = {"read": slider("tokens read", read, 50, 5000, 50), "written": slider("tokens written", written, 5, 1000, 5),
             "hours": slider("hours of set-up", own.hours, 0, 500, 5),
             "month": slider("machine a month", own.monthly, 0, 2000, 10)}

    def draw(read, written, hours, month):
        firm = replace(own, hours=hours, monthly=month)
        show(figure(firm, read, written, prices), told(firm, read, written, prices))

    return widgets.VBox([*tools.values(), widgets.interactive_output(draw, tools)])
