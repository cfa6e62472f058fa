"""Floor 5: the pictures of notebook 04: what errors cost, drift while training, arms side by side, learning curves."""

from __future__ import annotations

import numpy as np

from .style import LINES, MARKERS, PALETTE, SERIES

SHORT = {"approve": "approve", "approve with conditions": "conditions", "watch-list": "watch", "reduce exposure": "reduce",
         "decline": "decline", None: "unreadable"}


def cost_matrix(costs: dict):
    """What each wrong action costs. costs: (policy, answer) -> thousand EUR. Rows: what the policy says; columns: the answer."""
    import matplotlib.pyplot as plt

    actions = list(dict.fromkeys(a for a, _ in costs))
    table = np.array([[costs[a, b] for b in actions] for a in actions], float)
    figure, axis = plt.subplots(figsize=(6.4, 3.6))
    axis.imshow(np.sqrt(table), cmap="Blues", aspect="auto")
    for (i, j), value in np.ndenumerate(table):
        axis.text(j, i, f"{value:g}", ha="center", va="center", color="white" if value > 40 else "black",
                  weight="bold" if value >= 25 else None)
    axis.set_xticks(range(len(actions)), [SHORT[a] for a in actions])
    axis.set_yticks(range(len(actions)), [SHORT[a] for a in actions])
    axis.set_xlabel("what was answered")
    axis.set_ylabel("what the policy says")
    axis.set_title("Cost of an answer, thousand EUR a case")
    axis.grid(False)
    return figure


def drift(checks: list[dict]):
    """The same cases answered again and again while the model trains: one row a case, one column a check.

    checks: dicts with `step` and `answers`, a list of dicts with `id`, `action`, `right`, `arithmetic`.
    """
    import matplotlib.pyplot as plt

    cases = [a["id"] for a in checks[0]["answers"]]
    figure, axis = plt.subplots(figsize=(1.9 + 1.6 * len(checks), 0.9 + 0.85 * len(cases)))
    for x, check in enumerate(checks):
        for y, answer in enumerate(check["answers"]):
            colour = PALETTE["green"] if answer["right"] else PALETTE["orange"] if answer["action"] else PALETTE["grey"]
            mark = "✓" if answer["right"] else "✗" if answer["action"] else "?"
            axis.add_patch(plt.Rectangle((x - 0.46, y - 0.42), 0.92, 0.84, facecolor=colour + "40", edgecolor=colour, lw=1.5))
            axis.text(x, y - 0.13, f"{mark} {SHORT[answer['action']]}", ha="center", va="center")
            axis.text(x, y + 0.2, f"sums {answer['arithmetic']:.0%}", ha="center", va="center", fontsize=8)
    axis.set_xlim(-0.55, len(checks) - 0.45)
    axis.set_ylim(len(cases) - 0.5, -0.5)
    axis.set_xticks(range(len(checks)), ["before" if not c["step"] else f"step {c['step']}" for c in checks])
    axis.set_yticks(range(len(cases)), [f"case {k + 1}" for k in range(len(cases))])
    axis.set_title("The same cases, answered while the model learns")
    axis.grid(False)
    return figure


def arms(values: dict[str, dict[str, dict]], lines: dict[str, float]):
    """Share of right actions by split, one colour an arm, with intervals.

    values: arm -> split -> entry with `value`, `low`, `high`. lines: baseline -> accuracy, dashed.
    """
    import matplotlib.pyplot as plt

    splits = list(next(iter(values.values())))
    figure, axis = plt.subplots(figsize=(8.4, 3.8))
    width = 0.8 / len(values)
    for k, (arm, by_split) in enumerate(values.items()):
        at = np.arange(len(splits)) + (k - (len(values) - 1) / 2) * width
        mean = np.array([by_split[s]["value"] for s in splits])
        low, high = (np.array([by_split[s][end] for s in splits]) for end in ("low", "high"))
        axis.bar(at, mean, width * 0.92, color=SERIES[k], label=arm)
        axis.errorbar(at, mean, [mean - low, high - mean], fmt="none", ecolor="black", capsize=3, lw=1)
    for k, (name, value) in enumerate(lines.items()):
        axis.axhline(value, color=PALETTE["grey"], ls=LINES[(k + 1) % len(LINES)], lw=1.2)
        axis.text(len(splits) - 0.48, value, f" {name} {value:.2f}", va="center", fontsize=9)
    axis.set_xticks(range(len(splits)), splits)
    axis.set_ylim(0, 1)
    axis.set_xlim(-0.5, len(splits) - 0.5)
    axis.set_ylabel("right action")
    axis.legend(ncols=len(values), loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False)
    return figure


def learning_curve(curves: dict[str, list[dict]], lines: dict[str, float]):
    """Right actions against training cases, on a log axis. curves: name -> dicts with `cases`, `value`, `low`, `high`."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 3.8))
    for k, (name, points) in enumerate(curves.items()):
        x, y = [p["cases"] for p in points], [p["value"] for p in points]
        axis.plot(x, y, color=SERIES[k], marker=MARKERS[k], ls=LINES[k % len(LINES)], label=name)
        axis.fill_between(x, [p["low"] for p in points], [p["high"] for p in points], color=SERIES[k], alpha=0.15)
    for name, value in lines.items():
        axis.axhline(value, color=PALETTE["grey"], ls="--", lw=1)
        axis.text(0.99, value + 0.01, name, fontsize=9, ha="right", transform=axis.get_yaxis_transform())
    axis.set_xscale("log")
    ticks = sorted({p["cases"] for points in curves.values() for p in points})
    axis.set_xticks(ticks, [f"{t:,}" for t in ticks])
    axis.minorticks_off()
    axis.set_ylim(0, 1)
    axis.set_xlabel("training cases")
    axis.set_ylabel("right action")
    axis.legend(frameon=False)
    return figure


def cost_by(groups: dict[str, tuple[int, float, float]], overall: float, rival: tuple[str, float] | None = None):
    """Expected cost by group. groups: name -> (cases, accuracy, cost a case in thousand EUR); the dearest on top."""
    import matplotlib.pyplot as plt

    names = sorted(groups, key=lambda g: groups[g][2])
    figure, axis = plt.subplots(figsize=(8, 0.8 + 0.32 * len(names)))
    axis.barh(range(len(names)), [groups[g][2] for g in names], color=PALETTE["sky"])
    for y, name in enumerate(names):
        n, accuracy, cost = groups[name]
        axis.text(cost + 0.15, y, f"{cost:.1f}   ({accuracy:.0%} right of {n})", va="center", fontsize=9,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    lines = [("all", overall, "black", "-"), *([(*rival, "orange", "--")] if rival else [])]
    for name, value, colour, way in lines:
        axis.axvline(value, color=PALETTE[colour], ls=way, lw=1.5, zorder=0.5)
        smaller = value == min(line[1] for line in lines)  # the two labels lean away from each other
        axis.text(value, len(names) - 0.4, f" {name} {value:.1f} ", ha="right" if smaller and rival else "left", fontsize=9)
    axis.set_ylim(-0.6, len(names) + 0.1)
    axis.set_yticks(range(len(names)), names)
    axis.set_xlim(0, 1.5 * max(1.0, *(g[2] for g in groups.values())))
    axis.set_yticklabels([name.replace("_", " ") for name in names])
    axis.set_xlabel("expected cost, thousand EUR a case")
    axis.grid(False)
    return figure
