"""
Exports small networks of residual blocks into the current folder as NAME.EXPORTER.onnx, and prints the names of the files. Given
arguments, only the networks of these names.
"""
import io
import json
import sys
import warnings

import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")


class Attention(nn.Module):
    def __init__(self, d, heads, fused=True):
        super().__init__()
        self.heads, self.fused = heads, fused
        if fused:
            self.c_attn = nn.Linear(d, 3 * d)
        else:
            self.q, self.k, self.v = (nn.Linear(d, d, bias=False) for _ in range(3))
        self.c_proj = nn.Linear(d, d)

    def forward(self, x, mask=None, context=None):
        source = x if context is None else context
        if self.fused:
            q, k, v = self.c_attn(x).chunk(3, -1)
        else:
            q, k, v = self.q(x), self.k(source), self.v(source)
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        y = F.scaled_dot_product_attention(split(q), split(k), split(v), attn_mask=mask)
        return self.c_proj(y.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, d, hidden):
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(d, hidden), nn.Linear(hidden, d)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x)))


class Block(nn.Module):
    """GPT-2's: before each branch a norm."""

    def __init__(self, d, heads):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(d), Attention(d, heads)
        self.ln_2, self.mlp = nn.LayerNorm(d), Mlp(d, 2 * d)

    def forward(self, x, mask=None):
        x = x + self.attn(self.ln_1(x), mask)
        return x + self.mlp(self.ln_2(x))


class Gpt(nn.Module):
    def __init__(self, d=12, heads=3, layers=3, words=11, length=6):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(words, d), nn.Embedding(length, d)
        self.h = nn.ModuleList(Block(d, heads) for _ in range(layers))
        self.ln_f, self.head = nn.LayerNorm(d), nn.Linear(d, words, bias=False)
        self.register_buffer("mask", torch.full((length, length), -1e9).triu(1))
        self.head.weight = self.wte.weight

    def forward(self, ids):
        x = self.wte(ids) + self.wpe.weight
        for block in self.h:
            x = block(x, self.mask)
        return self.head(self.ln_f(x))


class Rms(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class LlamaBlock(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.input_layernorm, self.post_attention_layernorm = Rms(d), Rms(d)
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nn.Linear(d, d, bias=False) for _ in range(4)
        )
        self.gate_proj, self.up_proj = nn.Linear(d, 2 * d, bias=False), nn.Linear(d, 2 * d, bias=False)
        self.down_proj = nn.Linear(2 * d, d, bias=False)

    def forward(self, x, cos, sin):
        h = self.input_layernorm(x)
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        rotate = lambda t: torch.cat((-t[..., t.shape[-1] // 2:], t[..., : t.shape[-1] // 2]), -1)
        q, k, v = split(self.q_proj(h)), split(self.k_proj(h)), split(self.v_proj(h))
        q, k = q * cos + rotate(q) * sin, k * cos + rotate(k) * sin
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o_proj(y.transpose(1, 2).flatten(2))
        h = self.post_attention_layernorm(x)
        return x + self.down_proj(F.silu(self.gate_proj(h)) * self.up_proj(h))


class Llama(nn.Module):
    """The rotary tables are computed once, outside of the blocks."""

    def __init__(self, d=16, heads=2, layers=2, words=11):
        super().__init__()
        self.embed_tokens = nn.Embedding(words, d)
        self.layers = nn.ModuleList(LlamaBlock(d, heads) for _ in range(layers))
        self.norm, self.lm_head = Rms(d), nn.Linear(d, words, bias=False)
        self.register_buffer("inverse", 1 / 100 ** (torch.arange(0, d // heads, 2) / (d // heads)))

    def forward(self, ids):
        x = self.embed_tokens(ids)
        angles = torch.arange(ids.shape[1])[:, None] * self.inverse
        angles = torch.cat((angles, angles), -1)
        cos, sin = angles.cos(), angles.sin()
        for layer in self.layers:
            x = layer(x, cos, sin)
        return self.lm_head(self.norm(x))


class Parallel(nn.Module):
    """GPT-J's: attention and MLP side by side."""

    def __init__(self, d=12, layers=2):
        super().__init__()
        self.stem, self.head = nn.Linear(5, d), nn.Linear(d, 4)
        self.h = nn.ModuleList(
            nn.ModuleDict({"ln": nn.LayerNorm(d), "attn": Attention(d, 2), "mlp": Mlp(d, 20)})
            for _ in range(layers)
        )

    def forward(self, x):
        x = self.stem(x)
        for i, b in enumerate(self.h):
            y = b["ln"](x)
            x = b["attn"](y) + b["mlp"](y) + x if i == 0 else x + b["attn"](y) + b["mlp"](y)
        return self.head(x)


class Shared(nn.Module):
    """ALBERT's, pre-norm: one block, applied again and again."""

    def __init__(self, d=12):
        super().__init__()
        self.stem, self.block, self.head = nn.Linear(5, d), Block(d, 2), nn.Linear(d, 4)

    def forward(self, x):
        x = self.stem(x)
        for _ in range(3):
            x = self.block(x)
        return self.head(x)


class Decoder(nn.Module):
    """Cross-attention: the blocks read a memory from outside."""

    def __init__(self, d=12):
        super().__init__()
        self.stem, self.memory, self.head = nn.Linear(5, d), nn.Linear(3, d), nn.Linear(d, 4)
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "n1": nn.LayerNorm(d), "self": Attention(d, 2),
                    "n2": nn.LayerNorm(d), "cross": Attention(d, 2, fused=False),
                    "n3": nn.LayerNorm(d), "mlp": Mlp(d, 20),
                }
            )
            for _ in range(2)
        )

    def forward(self, x, y):
        x, memory = self.stem(x), self.memory(y)
        for b in self.layers:
            x = x + b["self"](b["n1"](x))
            x = x + b["cross"](b["n2"](x), context=memory)
            x = x + b["mlp"](b["n3"](x))
        return self.head(x)


def norm_statistics(net):
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return net


class Basic(nn.Module):
    def __init__(self, a, b, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        self.downsample = None
        if stride != 1 or a != b:
            self.downsample = nn.Sequential(
                nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b)
            )

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if self.downsample else x))


class PreAct(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(a), nn.Conv2d(a, a, 3, 1, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(a), nn.Conv2d(a, a, 3, 1, 1, bias=False)

    def forward(self, x):
        return x + self.conv2(F.relu(self.bn2(self.conv1(F.relu(self.bn1(x))))))


class ConvNeXt(nn.Module):
    def __init__(self, d, scale):
        super().__init__()
        self.dw, self.norm = nn.Conv2d(d, d, 7, padding=3, groups=d), nn.LayerNorm(d)
        self.pw1, self.pw2 = nn.Linear(d, 2 * d), nn.Linear(2 * d, d)
        self.gamma = nn.Parameter(torch.full((d,), 0.3)) if scale else None

    def forward(self, x):
        y = self.pw2(F.gelu(self.pw1(self.norm(self.dw(x).permute(0, 2, 3, 1)))))
        if self.gamma is not None:
            y = y * self.gamma
        return x + y.permute(0, 3, 1, 2)


class MixerBlock(nn.Module):
    def __init__(self, patches, d):
        super().__init__()
        self.norm1, self.tokens = nn.LayerNorm(d), Mlp(patches, 9)
        self.norm2, self.channels = nn.LayerNorm(d), Mlp(d, 2 * d)

    def forward(self, x):
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


class Mean(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return x.mean(self.dim)


class Squeeze(nn.Module):
    """A branch that ends with a gate of the image's own: no layer is last."""

    def __init__(self, a):
        super().__init__()
        self.conv, self.gate = nn.Conv2d(a, a, 3, padding=1), nn.Conv2d(a, a, 1)

    def forward(self, x):
        y = F.relu(self.conv(x))
        return x + y * torch.sigmoid(self.gate(y))


def images(*body, out=4):
    return nn.Sequential(*body, Mean((2, 3)), nn.Linear(out, 5))


image = (torch.randn(2, 3, 12, 10),)
ids = (torch.randint(0, 11, (2, 6)),)
rows = (torch.randn(2, 7, 5),)
post = nn.TransformerEncoderLayer(12, 2, 20, batch_first=True, dropout=0)
networks = {
    "gpt": (Gpt(), ids),
    "llama": (Llama(), ids),
    "parallel": (Parallel(), rows),
    "shared": (Shared(), rows),
    "decoder": (Decoder(), (*rows, torch.randn(2, 4, 3))),
    "pre-norm": (nn.Sequential(nn.Linear(5, 12), *(
        nn.TransformerEncoderLayer(12, 2, 20, batch_first=True, dropout=0, norm_first=True)
        for _ in range(2)), nn.Linear(12, 4)), rows),
    "post-norm": (nn.Sequential(nn.Linear(5, 12), post, post, nn.Linear(12, 4)), rows),
    "resnet": (images(nn.Conv2d(3, 4, 3), nn.ReLU(), Basic(4, 4), Basic(4, 6, 2), Basic(6, 6), out=6), image),
    "pre-activation": (images(nn.Conv2d(3, 4, 3), PreAct(4), PreAct(4), nn.BatchNorm2d(4), nn.ReLU()), image),
    "convnext": (images(nn.Conv2d(3, 4, 2, 2), ConvNeXt(4, True), ConvNeXt(4, False)), image),
    "mixer": (nn.Sequential(nn.Conv2d(3, 8, 3, 3), nn.Flatten(2), nn.Linear(12, 12),
                            *(MixerBlock(8, 12) for _ in range(2)), Mean(1), nn.Linear(12, 4)), image),
    "squeeze": (images(nn.Conv2d(3, 4, 3), Squeeze(4)), image),
}

# What the older exporter writes otherwise: sizes, merged norms, and names.
scripted = ["gpt", "post-norm", "resnet"]
wanted = sys.argv[1:] or list(networks)
files, failed = [], {}
for name in wanted:
    torch.manual_seed(1)
    net, inputs = networks[name]
    norm_statistics(net).eval()
    for parameter in net.parameters():
        # Fresh norms are all alike, and would hide a mistake.
        if parameter.ndim == 1 and parameter.numel() > 1 and parameter.unique().numel() == 1:
            with torch.no_grad():
                parameter.add_(0.2 * torch.randn_like(parameter))
    for kind in ("dynamo", "script") if name in scripted else ("dynamo",):
        try:
            if kind == "dynamo":
                batch = torch.export.Dim("batch", min=2, max=64)
                torch.onnx.export(net, inputs, f"{name}.{kind}.onnx", dynamo=True, verbose=False,
                                  external_data=False, dynamic_shapes=tuple({0: batch} for _ in inputs))
            else:
                torch.onnx.export(net, inputs, f"{name}.{kind}.onnx", dynamo=False, opset_version=17)
            files.append(f"{name}.{kind}.onnx")
        except Exception as error:
            failed[f"{name}.{kind}"] = str(error)[:300]
print(json.dumps({"exported": files, "failed": failed}))
