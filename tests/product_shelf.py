"""A very small real base model on disk, known to the registry as `tiny`, with adapters that change its answers.

Merging, swapping and serving do not ask how an adapter came about: its weights are drawn by chance, which takes no training.
"""

import shutil

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from course_utils import models, registry, sentiment

WIDTHS = dict(vocab_size=49152, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
              num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True)
ROWS = [row for row in sentiment.own("train") if len(row["text"]) < 110][:24]


class Shelf:
    """Where the tiny base and its adapters lie. Each is made once a session, under `store`, and copied for each test."""

    def __init__(self, folder, store):
        self.folder, self.store, self.base = folder, store, folder / "base"
        if not (store / "base").exists():
            torch.manual_seed(0)
            tokenizer = AutoTokenizer.from_pretrained(registry.local_copy("smollm2-135m"))
            ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
            LlamaForCausalLM(LlamaConfig(**WIDTHS, **ends, initializer_range=0.2)).save_pretrained(store / "base")
            tokenizer.save_pretrained(store / "base")
        shutil.copytree(store / "base", self.base)

    def adapter(self, name: str, r: int = 4, seed: int = 0):
        """An adapter of rank r; another seed gives another one."""
        made = self.store / f"adapter-{r}-{seed}"
        if not made.exists():
            model = models.attach_lora(models.load("tiny", four_bit=False)[0], r=r, alpha=2 * r, seed=seed)
            for key, parameter in model.named_parameters():
                if "lora_B" in key:  # zeros at the start
                    parameter.data.normal_(std=0.1, generator=torch.Generator().manual_seed(seed))
            models.save_adapter(model, made, "tiny", seed=seed)
        return shutil.copytree(made, self.folder / name)


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def shelf(tmp_path, monkeypatch, store):
    made = Shelf(tmp_path / "shelf", store)
    monkeypatch.setitem(registry.CONFIGURATIONS, "tiny", ("LlamaConfig", WIDTHS))
    for module in (models, registry):
        monkeypatch.setattr(module, "where", lambda name, find=registry.where: str(made.base) if name == "tiny" else find(name))
    return made
