"""Stands in for Colab's own module in tests: secrets from a file, a Drive that is a folder."""
