"""Shared fixtures: a scratch place for runs, SmolLM2's real weights, and a very small real model for mechanics."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("COURSE_SCALE", "quick")
from course_utils import runtime  # noqa: E402

runtime.quiet()


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Every test writes its runs to a folder of its own."""
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    return tmp_path


@pytest.fixture(scope="session")
def smollm():
    """SmolLM2-135M in 4 bits with its tokenizer; tests must leave it without adapters."""
    from course_utils import models

    runtime.use_threads()
    return models.load("smollm2-135m")


@pytest.fixture
def tiny():
    """A Llama of two narrow layers with SmolLM2's tokenizer: real training in a second, for the mechanics."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from course_utils import registry

    tokenizer = AutoTokenizer.from_pretrained(registry.local_copy("smollm2-135m"))
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                         num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=512,
                         bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)
    return LlamaForCausalLM(config), tokenizer
