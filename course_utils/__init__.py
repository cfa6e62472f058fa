"""Helper library of the course: the plumbing behind the notebooks. The lesson itself stands in the notebooks' own cells."""

__version__ = "0.1.0"
