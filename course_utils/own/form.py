"""A form around `pipeline`, for JupyterLab (ipywidgets 8), Colab (ipywidgets 7) and anything between."""

from __future__ import annotations

import html

from .. import runtime, training
from ..runtime import CourseError
from . import card, files, pipeline, report


def uploaded(value) -> tuple[str, bytes]:
    """Name and content of one uploaded file, from what FileUpload holds in ipywidgets 7 (a dict) or 8 (a tuple of dicts).

    Raises CourseError when nothing was uploaded.
    """
    if not value:
        raise CourseError("No file was chosen yet.", "press the upload button and pick a CSV or JSONL file.")
    if isinstance(value, dict):
        name, one = next(iter(value.items()))
        return one.get("metadata", {}).get("name", name), bytes(one["content"])
    return value[-1]["name"], bytes(value[-1]["content"])


def from_colab() -> tuple[str, bytes]:
    """Asks for a file through Colab's own dialogue."""
    from google.colab import files as dialogue

    chosen = dialogue.upload()
    return uploaded({name: {"content": content} for name, content in chosen.items()})


class Form:
    """Upload, choose the two columns, audit, train. `outcome` holds the last run's result, `file` the file as read."""

    def __init__(self):
        import ipywidgets as w

        self.file, self.outcome = None, None
        self.upload = w.FileUpload(accept=".csv,.tsv,.txt,.jsonl,.json", multiple=False)
        self.colab = w.Button(description="Choose a file (Colab)")
        self.text, self.target = w.Dropdown(description="text"), w.Dropdown(description="target")
        self.told = w.Text(description="instruction", placeholder="what the model is asked to do (may stay empty)")
        self.licence = w.Text(description="rights", placeholder="who owns these texts, and may you train on them?")
        self.look, self.train = w.Button(description="Audit"), w.Button(description="Train", disabled=True)
        self.out = w.Output()
        self.upload.observe(lambda _: self._guarded(lambda: self.take(*uploaded(self.upload.value))), names="value")
        self.colab.on_click(lambda _: self._guarded(lambda: self.take(*from_colab())))
        self.look.on_click(lambda _: self._guarded(self.audit))
        self.train.on_click(lambda _: self._guarded(self.run))
        first = self.colab if runtime.in_colab() else self.upload
        menus, buttons = w.HBox([self.text, self.target]), w.HBox([self.look, self.train])
        self.box = w.VBox([first, menus, self.told, self.licence, buttons, self.out])

    def _guarded(self, work) -> None:
        with self.out:
            self.out.clear_output()
            try:
                work()
            except CourseError as error:
                print(error)

    def take(self, name: str, content: bytes) -> None:
        """Reads a file and fills the two menus with its columns."""
        self.file, self.content = files.from_bytes(name, content), content
        for menu, chosen in zip((self.text, self.target), self.file.chosen, strict=True):
            menu.options = self.file.columns
            menu.value = chosen
        print(self.file)

    def chosen(self) -> files.OwnFile:
        """The file, read with the columns of the menus."""
        if self.file is None:
            raise CourseError("No file was chosen yet.", "press the upload button and pick a CSV or JSONL file.")
        if self.text.value == self.target.value:
            raise CourseError("Text and target are the same column.", "choose two different ones.")
        return files.from_bytes(self.file.name, self.content, self.text.value, self.target.value)

    def audit(self) -> None:
        """Shows the audit's page."""
        from IPython.display import HTML, display

        job = pipeline.prepare(self.chosen(), licence=self.licence.value)
        page = html.escape(report.page(job.audit), quote=True)
        display(HTML(f'<iframe title="audit" style="width:100%;height:38em;border:0" srcdoc="{page}"></iframe>'))
        self.train.disabled = job.audit.verdict == "stop"

    def run(self) -> None:
        """Trains and tests; prints the card and where the zip is."""
        self.outcome = pipeline.run(self.chosen(), instruction=self.told.value, licence=self.licence.value,
                                    watch=training.progress(10))
        print(card.lines(self.outcome))

    def _ipython_display_(self):
        from IPython.display import display

        display(self.box)
