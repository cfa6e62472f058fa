"""Google Drive as an ordinary folder; refuses when FAKE_COLAB_DRIVE is `refused`."""

import os


def mount(place):
    if os.environ.get("FAKE_COLAB_DRIVE") == "refused":
        raise ValueError("mount failed")
    print(f"Mounted at {place}")
