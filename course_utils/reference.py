"""Floor 4: a well-kept library's model with the weights of notebook 01's GPT, to check ours against."""

from __future__ import annotations


def gpt_neox(model):
    """transformers' GPTNeoXForCausalLM with the weights of `model` (a notebook-01 GPT: rotary, untied, without look-back).

    GPT-NeoX (Black et al., 2022) has the same blocks, with biases; those are set to zero.
    """
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    shape = model.shape
    if shape.position != "rotary" or shape.look_back or shape.tied:
        raise ValueError("only a rotary, untied GPT without look-back has a counterpart in GPT-NeoX")
    config = GPTNeoXConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.width, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width, hidden_act="gelu", max_position_embeddings=shape.context, layer_norm_eps=1e-5,
        use_parallel_residual=False, rotary_pct=1.0, rotary_emb_base=1000.0, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0, "partial_rotary_factor": 1.0})
    theirs = GPTNeoXForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.zero_()
        core = theirs.gpt_neox
        core.embed_in.weight.copy_(model.embed.token.weight)
        core.final_layer_norm.weight.copy_(model.norm.weight)
        theirs.get_output_embeddings().weight.copy_(model.head.weight)
        for ours, layer in zip(model.blocks, core.layers, strict=True):
            layer.input_layernorm.weight.copy_(ours.norm1.weight)
            layer.post_attention_layernorm.weight.copy_(ours.norm2.weight)
            layer.attention.query_key_value.weight.copy_(ours.attention.query_key_value.weight)
            layer.attention.dense.weight.copy_(ours.attention.out.weight)
            layer.mlp.dense_h_to_4h.weight.copy_(ours.up.weight)
            layer.mlp.dense_4h_to_h.weight.copy_(ours.down.weight)
    return theirs
