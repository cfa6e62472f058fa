"""Floor 5: the pictures of notebook 07. Each takes measured values and returns a matplotlib figure."""

from __future__ import annotations

from .style import MARKERS, PALETTE, SERIES


def themes(table, title: str = "What customers write about"):
    """True against counted shares by theme. table: what `retail.customers.counted` returns."""
    import matplotlib.pyplot as plt

    table = table.sort_values("counted share")
    figure, axis = plt.subplots(figsize=(8, 0.38 * len(table) + 1.3))
    for place, (_, row) in enumerate(table.iterrows()):
        axis.barh(place, row["counted share"], color=PALETTE["sky"], height=0.62, label="counted" if not place else None)
        axis.plot([row["low"], row["high"]], [place, place], color=PALETTE["black"], lw=1.3, marker="|", ls="-")
        axis.plot(row["true share"], place, color=PALETTE["orange"], marker="D", ls="", label="true" if not place else None)
    axis.set_yticks(range(len(table)), table.index)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.set(xlabel="share of messages (line: 95 % interval of the count)", title=title)
    axis.grid(axis="y", visible=False)
    axis.legend(loc="lower right")
    return figure


def intervals(lines: list[tuple[str, float, float, float]], xlabel: str, highlight: str = "", wanted: float | None = None):
    """Bars with 95 % intervals. lines: (system, value, low, high), best last. wanted: a target to draw as a dashed line."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 0.5 * len(lines) + 1.2))
    for place, (system, value, low, high) in enumerate(lines):
        axis.barh(place, value, color=PALETTE["orange" if system == highlight else "blue"], height=0.6)
        axis.plot([low, high], [place, place], color=PALETTE["black"], lw=1.5, marker="|", ls="-", ms=9)
        axis.text(min(high + 0.015, 1.02), place, f"{value:.2f}", va="center", fontsize=11)
    if wanted is not None:
        axis.axvline(wanted, color=PALETTE["grey"], ls="--", lw=1.5, marker="")
    axis.set_yticks(range(len(lines)), [system for system, *_ in lines])
    axis.set(xlim=(0, 1.1), xlabel=f"{xlabel} (line: 95 % interval)")
    axis.grid(axis="y", visible=False)
    return figure


def fields(systems: list):
    """F1 by field, one mark a system. systems: `retail.scoring.Extraction`s on the same rows."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 4.4))
    tables = [system.by_field()["F1"] for system in systems]
    order = tables[-1].sort_values().index
    for i, (system, table) in enumerate(zip(systems, tables, strict=True)):
        axis.plot(table[order], range(len(order)), color=SERIES[i], marker=MARKERS[i], ls="", ms=9, label=system.system)
    axis.set_yticks(range(len(order)), order)
    axis.set(xlim=(-0.02, 1.02), xlabel="F1, a field right or wrong as a whole", title="Which facts are found?")
    axis.grid(axis="both")
    figure.legend(loc="outside lower center", ncols=2, fontsize=10)
    return figure


def voices(scores: list):
    """Taken for the house against facts kept, one mark a system and house. scores: `retail.voice.VoiceScore`s."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 4.8))
    for i, one in enumerate(scores):
        look = {"color": SERIES[i % len(SERIES)], "marker": MARKERS[i % len(MARKERS)], "ls": "", "ms": 11}
        axis.plot(one.facts.mean(), one.style.mean(), **look, label=f"{one.system}, {one.house}")
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="facts kept", ylabel="taken for the house",
             title="Voice and facts: both are needed")
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    return figure
