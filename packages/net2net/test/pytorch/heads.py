"""Attention of transformers, with every kind of position that is in use, as PyTorch exports it.

Writes MODEL.OPSET.onnx for each and prints their names as JSON.
"""
import contextlib
import io
import json
import logging
import warnings

import torch
from torch import nn
from torch.export import Dim

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
import transformers as T

WORDS = 37
common = dict(vocab_size=WORDS, attn_implementation="eager")
llama = dict(hidden_size=24, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2, intermediate_size=40, max_position_embeddings=16)


class Text(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, ids):
        return self.net(input_ids=ids, use_cache=False).logits


class Encoder(Text):
    def forward(self, ids):
        return self.net(input_ids=ids).last_hidden_state


class Picture(Text):
    def forward(self, x):
        return self.net(pixel_values=x).logits


NETS = {
    # One layer of queries, keys and values; learned positions.
    "gpt2": lambda: Text(T.GPT2LMHeadModel(T.GPT2Config(n_positions=16, n_embd=24, n_layer=1, n_head=4, **common))),
    "bert": lambda: Encoder(T.BertModel(T.BertConfig(hidden_size=24, num_hidden_layers=1, num_attention_heads=4, intermediate_size=40, max_position_embeddings=16, **common), add_pooling_layer=False)),
    # Rotated, with shared keys and values; norms of queries and keys; a part of the channels rotated.
    "llama": lambda: Text(T.LlamaForCausalLM(T.LlamaConfig(**llama, **common))),
    "qwen3": lambda: Text(T.Qwen3ForCausalLM(T.Qwen3Config(head_dim=8, **llama, **common))),
    "neox": lambda: Text(T.GPTNeoXForCausalLM(T.GPTNeoXConfig(hidden_size=24, num_hidden_layers=1, num_attention_heads=4, intermediate_size=40, max_position_embeddings=16, rotary_pct=0.34, **common))),
    # Linear biases.
    "bloom": lambda: Text(T.BloomForCausalLM(T.BloomConfig(hidden_size=24, n_layer=1, n_head=4, **common))),
    # Relative tables.
    "t5": lambda: Encoder(T.T5EncoderModel(T.T5Config(d_model=24, d_kv=6, d_ff=40, num_layers=1, num_heads=4, **common))),
    "swin": lambda: Picture(T.SwinForImageClassification(T.SwinConfig(image_size=16, patch_size=4, embed_dim=12, depths=[2], num_heads=[2], window_size=2, attn_implementation="eager"))),
}
# The operator Attention, and a sequence of any length.
WHOLE = {"llama": Text, "bert": Encoder}


def redraw(net):
    """Fresh networks hardly look at their queries."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            noise = torch.randn(parameter.shape, generator=generator) * (0.3 if parameter.dim() > 1 else 0.2)
            parameter.copy_(noise + (1 if parameter.dim() == 1 and parameter.mean() > 0.5 else 0))


def export(name, net, opset, **options):
    net.eval()
    redraw(net)
    args = (torch.randn(2, 3, 16, 16),) if name == "swin" else (torch.randint(0, WORDS, (2, 7)),)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        torch.onnx.export(net, args, f"{name}.{opset}.onnx", dynamo=True, external_data=False, opset_version=opset, **options)
    return f"{name}.{opset}"


torch.manual_seed(0)
names = [export(name, make(), 18) for name, make in NETS.items()]
common["attn_implementation"] = "sdpa"
for name in WHOLE:
    names.append(export(name, NETS[name](), 23, dynamic_shapes=({0: Dim("b"), 1: Dim("n")},)))
print(json.dumps(names))
