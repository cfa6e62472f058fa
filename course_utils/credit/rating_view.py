"""The widget of the blind rating tool: a thin view of `ratings.Session`, for ipywidgets 7.7 (Colab) and 8 (JupyterLab).

    tool = rating_view.RatingTool(pairs)
    tool.widget
"""

from __future__ import annotations

import html
from pathlib import Path

import ipywidgets

from ..runtime import CourseError, in_colab, short
from .ratings import CHOICES, Pair, Session
from .task import RUBRIC

SCALE = [("not rated", 0), *((str(mark), mark) for mark in range(1, 6))]
PREFERENCE = dict(zip(("answer 1", "no difference", "answer 2"), CHOICES, strict=True))
TEXT = ("white-space:pre-wrap; overflow-wrap:anywhere; word-break:normal; font:inherit; line-height:1.4; margin:0; "
        "background:none; color:inherit;")
FRAME = "border:1px solid #8c8c8c; border-radius:4px; padding:8px;"


def _text(text: str, label: str, frame: str = "", inner: str = "") -> str:
    """A text as it is, in a frame that the keyboard can scroll. `pre` keeps the page from reading formulas into it."""
    shown = html.escape(text) if text.strip() else "<em>(an empty answer)</em>"
    return (f'<div role="region" aria-label="{label}" tabindex="0" style="{FRAME} overflow-y:auto; {frame}">'
            f'<pre style="{TEXT} {inner}">{shown}</pre></div>')


class RatingTool:
    """Asks for a name, then shows one pair after the other.

    widget: what the notebook displays. session: the `ratings.Session`, None before a name is given.
    """

    def __init__(self, pairs: list[Pair], folder: Path | None = None, seed: int = 0):
        self.pairs, self.folder, self.seed, self.session = pairs, folder, seed, None
        self._showing = False  # True while the view itself moves sliders: such a move is no mark
        self.name = ipywidgets.Text(description="Your name or code", style={"description_width": "initial"},
                                    layout=ipywidgets.Layout(max_width="97%"))
        self.start = ipywidgets.Button(description="Start", button_style="primary")
        self.status = ipywidgets.HTML()
        self.body = ipywidgets.VBox([])
        self.start.on_click(lambda _: self._guarded(self._open))
        self.widget = ipywidgets.VBox([_row([self.name, self.start]), self.body, self.status])
        self._build()

    def _build(self):
        self.case = ipywidgets.HTML()
        self.texts = [ipywidgets.HTML(), ipywidgets.HTML()]
        self.sliders = {}
        panels = []
        for place, text in enumerate(self.texts, 1):
            lines = []
            for criterion in RUBRIC:
                slider = ipywidgets.SelectionSlider(options=SCALE, continuous_update=False,
                                                    layout=ipywidgets.Layout(flex="1 1 180px", width="auto", max_width="24em",
                                                                             margin="2px 8px 2px 10px"))
                name = ipywidgets.Label(criterion.replace("_", " "), layout=ipywidgets.Layout(flex="0 0 142px"))
                self.sliders[f"{criterion}_{place}"] = slider
                lines.append(_row([name, slider]))
            panels.append(ipywidgets.VBox([text, *lines], layout=ipywidgets.Layout(flex="1 1 290px", min_width="0")))
        self.preferred = ipywidgets.ToggleButtons(options=PREFERENCE, value=None, style={"button_width": "8.5em"})
        for column, control in (*self.sliders.items(), ("preferred", self.preferred)):
            control.observe(lambda change, column=column: self._given(column, change["new"]), "value")
        self.back = ipywidgets.Button(description="Back")
        self.next = ipywidgets.Button(description="Next", button_style="primary")
        self.back.on_click(lambda _: self._guarded(self._turn, "back"))
        self.next.on_click(lambda _: self._guarded(self._turn, "next"))
        self.panels = [self.case, _row(panels), ipywidgets.HTML("<b>Which one would you put before the credit committee?</b>"),
                       self.preferred, _row([self.back, self.next])]

    # ------------------------------------------------------------ what happens
    def _guarded(self, act, *given):
        """An error reaches the rater on the page; in a widget's callback it would only reach a log."""
        try:
            act(*given)
        except CourseError as error:
            self._say(f"Not done: {error.what} What to do next: {error.next_action}")

    def _open(self):
        self.session = Session(self.pairs, self.name.value, self.folder, self.seed)
        self._show()

    def _turn(self, way: str):
        getattr(self.session, way)()
        self._show()

    def _given(self, column: str, value):
        if self._showing or self.session is None:
            return
        self._guarded(self._save, column, value or None)

    def _save(self, column: str, value):
        self.session.rate(column, value)
        self._report()

    # ------------------------------------------------------------ what is shown
    def _show(self):
        """Puts the session's present pair, and the marks it has, on the page."""
        session = self.session
        self._showing = True
        try:
            case = _text(session.item.case, "the case", inner="columns:2 20em;")
            self.case.value = f"<b>Case {session.at + 1} of {len(session.items)}</b>{case}"
            for place, text in enumerate(session.item.texts, 1):
                answer = _text(text, f"answer {place}", "min-height:12em; max-height:40em;")
                self.texts[place - 1].value = f"<b>Answer {place}</b>{answer}<small>1 = poor, 5 = excellent</small>"
            marks = session.marks()
            for column, slider in self.sliders.items():
                slider.value = marks[column] or 0
            self.preferred.value = marks["preferred"]
            self.back.disabled = session.at == 0
            self.next.disabled = session.at == len(session.items) - 1
            self.body.children = self.panels
        finally:
            self._showing = False
        self._report()

    def _report(self):
        session, missing = self.session, self.session.missing()
        parts = [f"<b>Pair {session.at + 1} of {len(session.items)}</b>; {session.complete} complete.",
                 f"{missing} of {len(session.marks())} marks still missing here." if missing else "All marks given here."]
        if session.complete == len(session.items):
            parts = ["<b>All pairs are rated. Thank you.</b>"]
        parts.append(f"Saved after every mark, as {html.escape(session.rater)}, in {html.escape(short(session.place))}.")
        if session.dropped:
            parts.append(f"Of an earlier file {session.kept} rows were read; {session.dropped} damaged ones are left out, "
                         "and the file is kept beside the new one.")
        if in_colab():
            parts.append("Download that file from the Files panel before you close Colab.")
        self._say(" ".join(parts), escape=False)

    def _say(self, text: str, escape: bool = True):
        text = html.escape(text) if escape else text
        self.status.value = f'<p role="status" style="line-height:1.4; margin:4px 0; overflow-wrap:anywhere;">{text}</p>'


def _row(children: list) -> ipywidgets.Box:
    """Side by side where there is room, else one below the other."""
    return ipywidgets.Box(children, layout=ipywidgets.Layout(display="flex", flex_flow="row wrap", width="100%"))
