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


def fields(systems: list):
    """F1 by field, one mark a system. systems: `retail.scoring.Extraction`s on the same rows."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 4))
    tables = [system.by_field()["F1"] for system in systems]
    order = tables[-1].sort_values().index
    for i, (system, table) in enumerate(zip(systems, tables, strict=True)):
        axis.plot(table[order], range(len(order)), color=SERIES[i], marker=MARKERS[i], ls="", ms=9, label=system.system)
    axis.set_yticks(range(len(order)), order)
    axis.set(xlim=(-0.02, 1.02), xlabel="F1, a field right or wrong as a whole", title="Which facts are found?")
    axis.grid(axis="both")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def voices(scores: list):
    """Taken for the house against facts kept, one mark a system and house. scores: `retail.voice.VoiceScore`s."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6.5, 4.2))
    for i, one in enumerate(scores):
        look = {"color": SERIES[i % len(SERIES)], "marker": MARKERS[i % len(MARKERS)], "ls": "", "ms": 11}
        axis.plot(one.facts.mean(), one.style.mean(), **look, label=f"{one.system}, {one.house}")
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="facts kept", ylabel="taken for the house",
             title="Voice without facts is worthless, and the other way round")
    axis.legend(loc="lower left", fontsize=9)
    return figure
