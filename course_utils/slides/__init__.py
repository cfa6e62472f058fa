"""Floors 5 and 6: the class sessions' slides: pictures, theme, building, checks. `python -m course_utils.slides build`."""
