"""Colab's secrets as a JSON file named by FAKE_COLAB_SECRETS: {"HF_TOKEN": "..."}; or the name of the error to raise."""

import json
import os


class SecretNotFoundError(Exception):
    """No such secret."""


class NotebookAccessError(Exception):
    """The secret is there, but not for this notebook."""


class TimeoutException(Exception):
    """Colab's page did not answer."""


def get(key):
    said = os.environ.get("FAKE_COLAB_SECRETS", "SecretNotFoundError")
    if said in globals():
        raise globals()[said](f"Requesting secret {key}")
    with open(said, encoding="utf-8") as file:
        return json.load(file)[key]
