"""Floor 4: texts to vectors with the packaged sentence-embedding model all-MiniLM-L6-v2 (22.7 million weights, English only).

Nothing is downloaded: the weights come with an installed package. There is no cache on disk: a vector gives away much of its
text, and the course's chunks take seconds.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

from .. import registry

SIZE = 384
MOST_TOKENS = 256  # the model's published limit; a longer text counts by its beginning only


@lru_cache
def _model():
    """(model, tokenizer, fingerprint); the weights are trained ones, the layers are transformers' BertModel."""
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(hidden_size=SIZE, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    with torch.device("meta"):
        model = BertModel(config, add_pooling_layer=False)
    weights = {name: w for name, w in registry.minilm_weights().items() if not name.startswith("pooler.")}
    digest = hashlib.sha256()
    for name, tensor in weights.items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    weights.pop("embeddings.position_ids", None)  # a counter that older files carry
    model.load_state_dict(weights, assign=True)
    positions = torch.arange(config.max_position_embeddings).unsqueeze(0)  # not weights, so not in the file
    model.embeddings.position_ids, model.embeddings.token_type_ids = positions, torch.zeros_like(positions)
    tokenizer = registry.minilm_tokenizer()
    tokenizer.enable_truncation(MOST_TOKENS)
    return model.eval().requires_grad_(False), tokenizer, digest.hexdigest()[:16]


def fingerprint() -> str:
    """The model's identity: 16 hex digits over its weights. Vectors of two models must never stand in one index."""
    return f"{_model()[2]}-{MOST_TOKENS}"


def embed(texts, batch: int = 32) -> np.ndarray:
    """Vectors of `texts`: (n, 384) float32 of length 1, so that a dot product is the cosine. On the CPU.

    The mean over a text's token vectors, then normalised, as the model was trained (Reimers and Gurevych, 2019). Texts of
    similar length share a batch, which spares padding; the order of the result is that of `texts`.
    """
    import torch

    model, tokenizer, _ = _model()
    tokens = [e.ids for e in tokenizer.encode_batch([str(t) for t in texts])]
    vectors = np.zeros((len(tokens), SIZE), np.float32)
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    for start in range(0, len(order), batch):
        rows = order[start:start + batch]
        width = max(len(tokens[i]) for i in rows)
        ids, mask = torch.zeros(len(rows), width, dtype=torch.long), torch.zeros(len(rows), width, dtype=torch.long)
        for row, i in enumerate(rows):
            ids[row, :len(tokens[i])], mask[row, :len(tokens[i])] = torch.tensor(tokens[i]), 1
        with torch.inference_mode():
            states = model(input_ids=ids, attention_mask=mask).last_hidden_state
            weight = mask.unsqueeze(-1).float()
            mean = (states * weight).sum(1) / weight.sum(1)
            vectors[rows] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return vectors


@lru_cache(maxsize=2000)
def embed_one(text: str) -> np.ndarray:
    """The vector of one text, (384,) and read-only; a question that was asked before is not computed again."""
    vector = embed([text])[0]
    vector.flags.writeable = False
    return vector
