"""Small networks of many kinds, exported in the ways in which people export today.

    exported_models.py FOLDER [PART ...]

writes FOLDER/MODEL.WAY.onnx for all whose name MODEL.WAY holds one of the parts (without parts: all), and prints a line of JSON for each: {"file"}, or {"file", "error"} where PyTorch itself cannot export it.
"""
import copy
import io
import contextlib
import json
import logging
import os
import sys
import warnings

import torch
from torch import nn
from torch.export import Dim
from torch.nn import functional as F

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)


def conv_bn(a, b, k=3, stride=1, groups=1, act=True):
    layers = [nn.Conv2d(a, b, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(b)]
    return nn.Sequential(*layers, nn.ReLU()) if act else nn.Sequential(*layers)


class Cnn(nn.Module):
    """Convolutions, norms, pooling, and a head behind a flattened image."""
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(conv_bn(3, 8), nn.MaxPool2d(2), conv_bn(8, 12), nn.MaxPool2d(2))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(12 * 4 * 4, 20), nn.ReLU(), nn.Dropout(0.1), nn.Linear(20, 5))

    def forward(self, x):
        return self.head(self.features(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 8)
        self.a, self.b = conv_bn(8, 8), conv_bn(8, 8, act=False)
        self.down, self.c, self.d = conv_bn(8, 12, 1, 2, act=False), conv_bn(8, 12, stride=2), conv_bn(12, 12, act=False)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(12, 5)

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(x + self.b(self.a(x)))
        x = torch.relu(self.down(x) + self.d(self.c(x)))
        return self.fc(self.pool(x).flatten(1))


class MobileNet(nn.Module):
    """Inverted residuals with squeeze and excitation."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish())
        self.expand, self.depth, self.project = conv_bn(8, 16, 1), conv_bn(16, 16, groups=16), conv_bn(16, 8, 1, act=False)
        self.down, self.up = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        h = self.depth(self.expand(x))
        s = F.hardsigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(h, 1)))))
        x = x + self.project(h * s)
        return self.fc(x.mean((2, 3)))


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(8 + 4 * i) for i in range(3)])
        self.convs = nn.ModuleList([nn.Conv2d(8 + 4 * i, 4, 3, padding=1) for i in range(3)])
        self.transition = nn.Conv2d(20, 10, 1)
        self.fc = nn.Linear(10, 5)

    def forward(self, x):
        x = self.stem(x)
        for norm, conv in zip(self.norms, self.convs):
            x = torch.cat([x, conv(F.relu(norm(x)))], 1)
        return self.fc(F.avg_pool2d(self.transition(x), 2).amax((2, 3)))


class ConvNext(nn.Module):
    """Norms and point-wise layers on the last axis, and a scale for each channel."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 4, 4)
        self.stem_norm = nn.LayerNorm(12)
        self.depth = nn.Conv2d(12, 12, 7, padding=3, groups=12)
        self.norm, self.up, self.down = nn.LayerNorm(12), nn.Linear(12, 24), nn.Linear(24, 12)
        self.gamma = nn.Parameter(torch.full((12,), 0.3))
        self.head_norm, self.head = nn.LayerNorm(12), nn.Linear(12, 5)

    def forward(self, x):
        x = self.stem_norm(self.stem(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        h = self.norm(self.depth(x).permute(0, 2, 3, 1))
        x = x + (self.gamma * self.down(F.gelu(self.up(h)))).permute(0, 3, 1, 2)
        x = F.adaptive_avg_pool2d(x, 1).permute(0, 2, 3, 1)
        return self.head(self.head_norm(x).flatten(1))


class UNet(nn.Module):
    def __init__(self, transposed=True):
        super().__init__()
        self.one, self.two, self.three = conv_bn(3, 6), conv_bn(6, 10), conv_bn(10, 14)
        self.up2 = nn.ConvTranspose2d(14, 10, 2, 2) if transposed else None
        self.up1 = nn.ConvTranspose2d(10, 6, 2, 2) if transposed else None
        self.back2 = conv_bn(20 if transposed else 24, 10)
        self.back1 = conv_bn(12 if transposed else 16, 6)
        self.out = nn.Conv2d(6, 2, 1)

    def forward(self, x):
        a = self.one(x)
        b = self.two(F.max_pool2d(a, 2))
        c = self.three(F.max_pool2d(b, 2))
        up = lambda layer, x, like: layer(x) if layer else F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
        b = self.back2(torch.cat([b, up(self.up2, c, b)], 1))
        return self.out(self.back1(torch.cat([a, up(self.up1, b, a)], 1)))


class Pyramid(nn.Module):
    """A feature pyramid with heads shared by its levels, whose boxes and classes are put together."""
    def __init__(self):
        super().__init__()
        self.stem, self.c3, self.c4 = conv_bn(3, 8, stride=2), conv_bn(8, 12, stride=2), conv_bn(12, 16, stride=2)
        self.l3, self.l4 = nn.Conv2d(12, 10, 1), nn.Conv2d(16, 10, 1)
        self.tower = nn.Sequential(nn.Conv2d(10, 10, 3, padding=1), nn.GroupNorm(2, 10), nn.SiLU())
        self.classes, self.boxes = nn.Conv2d(10, 3 * 2, 3, padding=1), nn.Conv2d(10, 4 * 2, 3, padding=1)

    def forward(self, x):
        c3 = self.c3(self.stem(x))
        c4 = self.c4(c3)
        p4 = self.l4(c4)
        p3 = self.l3(c3) + F.interpolate(p4, scale_factor=2.0, mode="nearest")
        classes, boxes = [], []
        for p in (p3, p4):
            t = self.tower(p)
            n = t.shape[0]
            classes.append(self.classes(t).permute(0, 2, 3, 1).reshape(n, -1, 3))
            boxes.append(self.boxes(t).view(n, 2, 4, -1).permute(0, 3, 1, 2).reshape(n, -1, 4))
        return torch.cat(classes, 1).sigmoid(), torch.cat(boxes, 1)


class Yolo(nn.Module):
    """Split and put together again (C2f), a pyramid of poolings, and a decoded grid."""
    def __init__(self):
        super().__init__()
        self.stem, self.one = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.SiLU()), nn.Conv2d(8, 12, 1)
        self.m = nn.Sequential(conv_bn(6, 6), conv_bn(6, 6))
        self.two = nn.Conv2d(18, 12, 1)
        self.cut, self.join = nn.Conv2d(12, 6, 1), nn.Conv2d(24, 12, 1)
        self.head = nn.Conv2d(12, 7, 1)

    def forward(self, x):
        y = list(self.one(self.stem(x)).chunk(2, 1))
        y.append(y[-1] + self.m(y[-1]))
        x = self.cut(F.silu(self.two(torch.cat(y, 1))))
        p = [x]
        for _ in range(3):
            p.append(F.max_pool2d(p[-1], 5, 1, 2))
        x = self.head(F.silu(self.join(torch.cat(p, 1))))
        b, _, h, w = x.shape
        gy, gx = torch.meshgrid(torch.arange(h, dtype=x.dtype), torch.arange(w, dtype=x.dtype), indexing="ij")
        x = x.flatten(2).transpose(1, 2)
        xy, wh, score = x.split([2, 2, 3], -1)
        return torch.cat([xy.sigmoid() + torch.stack([gx, gy], -1).view(1, -1, 2), wh.exp(), score.sigmoid()], -1)


class Pooled(nn.Module):
    """Adaptive pooling to several positions, as in VGG."""
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(6 * 9, 16), nn.Linear(16, 5)

    def forward(self, x):
        x = F.relu(self.two(F.relu(self.one(x))))
        return self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 3).flatten(1))))


class Shuffle(nn.Module):
    """Channel shuffle, grouped convolutions, and pixel shuffle."""
    def __init__(self):
        super().__init__()
        self.stem, self.left = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1, groups=3)
        self.up, self.out = nn.Conv2d(12, 8 * 4, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.stem(x))
        a, b = x.chunk(2, 1)
        x = torch.cat([a, F.relu(self.left(b))], 1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.out(F.pixel_shuffle(F.leaky_relu(self.up(x)), 2))


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 8)
        self.a, self.b1, self.b2, self.c = conv_bn(8, 4, 1), conv_bn(8, 4, 1), conv_bn(4, 6), conv_bn(8, 4, 1)
        self.fc = nn.Linear(14, 5)

    def forward(self, x):
        x = self.stem(x)
        x = torch.cat([self.a(x), self.b2(self.b1(x)), self.c(F.avg_pool2d(x, 3, 1, 1))], 1)
        return self.fc(F.adaptive_max_pool2d(x, 1).flatten(1))


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ELU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ELU())
        self.code, self.back = nn.Linear(12 * 16, 10), nn.Linear(10, 12 * 16)
        self.dec = nn.Sequential(nn.ConvTranspose2d(12, 8, 4, 2, 1), nn.PReLU(8), nn.ConvTranspose2d(8, 3, 4, 2, 1))

    def forward(self, x):
        h = self.code(self.enc(x).flatten(1))
        return self.dec(F.relu(self.back(h)).unflatten(1, (12, 4, 4))), h


class Attention(nn.Module):
    def __init__(self, width=16, heads=4, causal=False):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=self.causal).transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    def __init__(self, width=16, causal=False):
        super().__init__()
        self.n1, self.n2, self.attention = nn.LayerNorm(width), nn.LayerNorm(width), Attention(width, causal=causal)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        x = x + self.attention(self.n1(x))
        return x + self.down(F.gelu(self.up(self.n2(x))))


class Vit(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.cls, self.pos = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(1, 17, 16))
        self.blocks = nn.Sequential(Block(), Block())
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        return self.head(self.norm(self.blocks(x))[:, 0])


class Nano(nn.Module):
    """A language model with a tied head."""
    def __init__(self):
        super().__init__()
        self.embed, self.position = nn.Embedding(50, 16), nn.Embedding(64, 16)
        self.blocks = nn.ModuleList([Block(causal=True), Block(causal=True)])
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 50, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        x = self.embed(ids) + self.position(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class Swin(nn.Module):
    """Attention within windows, shifted, with a table of relative positions; patches are merged."""
    def __init__(self):
        super().__init__()
        self.patch, self.norm = nn.Conv2d(3, 12, 2, 2), nn.LayerNorm(12)
        self.qkv, self.proj = nn.Linear(12, 36), nn.Linear(12, 12)
        self.table = nn.Parameter(torch.randn(49, 3))
        grid = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).flatten(1)
        rel = (grid[:, :, None] - grid[:, None] + 3).permute(1, 2, 0)
        self.register_buffer("positions", rel[..., 0] * 7 + rel[..., 1])
        self.merge_norm, self.merge, self.head = nn.LayerNorm(48), nn.Linear(48, 20, bias=False), nn.Linear(20, 5)

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        b, h, w, c = x.shape
        y = torch.roll(self.norm(x), (-2, -2), (1, 2))
        y = y.view(b, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        q, k, v = self.qkv(y).reshape(-1, 16, 3, 3, 4).permute(2, 0, 3, 1, 4)
        a = q @ k.transpose(-2, -1) * 0.5 + self.table[self.positions.view(-1)].view(16, 16, 3).permute(2, 0, 1)
        y = self.proj((a.softmax(-1) @ v).transpose(1, 2).reshape(-1, 16, c))
        y = y.view(b, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        x = x + torch.roll(y, (2, 2), (1, 2))
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1)
        return self.head(self.merge(self.merge_norm(x)).mean((1, 2)))


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 12, 4, 4)
        self.n1, self.n2, self.n3 = nn.LayerNorm(12), nn.LayerNorm(12), nn.LayerNorm(12)
        self.t1, self.t2, self.c1, self.c2 = nn.Linear(16, 20), nn.Linear(20, 16), nn.Linear(12, 24), nn.Linear(24, 12)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x + self.t2(F.gelu(self.t1(self.n1(x).transpose(1, 2)))).transpose(1, 2)
        x = x + self.c2(F.gelu(self.c1(self.n2(x))))
        return self.head(self.n3(x).mean(1))


class Experts(nn.Module):
    """A mixture of experts: each token goes through the two that its gate chooses, whose weights are gathered."""
    def __init__(self):
        super().__init__()
        self.into, self.gate = nn.Linear(8, 12), nn.Linear(12, 4)
        self.up, self.down = nn.Parameter(torch.randn(4, 12, 20) / 4), nn.Parameter(torch.randn(4, 20, 12) / 4)
        self.out = nn.Linear(12, 5)

    def forward(self, x):
        x = self.into(x)
        scores, chosen = self.gate(x).softmax(-1).topk(2, -1)
        h = torch.einsum("btd,btkdh->btkh", x, self.up[chosen])
        y = torch.einsum("btkh,btkhd->btkd", F.silu(h), self.down[chosen])
        return self.out(x + (y * scores.unsqueeze(-1)).sum(2))


class AllExperts(nn.Module):
    """A mixture of experts in which all compute, and the gate weighs them."""
    def __init__(self):
        super().__init__()
        self.into, self.gate = nn.Linear(8, 12), nn.Linear(12, 4)
        self.experts = nn.ModuleList([nn.Sequential(nn.Linear(12, 20), nn.GELU(), nn.Linear(20, 12)) for _ in range(4)])
        self.out = nn.Linear(12, 5)

    def forward(self, x):
        x = self.into(x)
        y = torch.stack([expert(x) for expert in self.experts], -2)
        return self.out(x + (self.gate(x).softmax(-1).unsqueeze(-1) * y).sum(-2))


class Audio(nn.Module):
    """Dilated causal convolutions with weight norm and gates, on a spectrogram that convolutions compute."""
    def __init__(self):
        super().__init__()
        self.register_buffer("dft", torch.randn(2 * 9, 1, 16) / 4)
        self.into = nn.Conv1d(9, 12, 1)
        norm = nn.utils.parametrizations.weight_norm
        self.gates = nn.ModuleList([norm(nn.Conv1d(12, 24, 3, dilation=2 ** i)) for i in range(2)])
        self.outs = nn.ModuleList([nn.Conv1d(12, 12, 1) for _ in range(2)])
        self.head = nn.Linear(12, 5)

    def forward(self, wave):
        s = F.conv1d(wave.unsqueeze(1), self.dft, stride=8)
        re, im = s.chunk(2, 1)
        x = self.into(torch.log(re * re + im * im + 1e-3))
        for i, (gate, out) in enumerate(zip(self.gates, self.outs)):
            a, b = gate(F.pad(x, (2 * 2 ** i, 0))).chunk(2, 1)
            x = x + out(torch.tanh(a) * torch.sigmoid(b))
        return self.head(F.relu(x).mean(-1))


class Diffusion(nn.Module):
    """A residual block with a time embedding, group norms and attention over positions."""
    def __init__(self):
        super().__init__()
        self.stem, self.time = nn.Conv2d(3, 12, 3, padding=1), nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Linear(16, 24))
        self.n1, self.c1, self.n2, self.c2 = nn.GroupNorm(3, 12), nn.Conv2d(12, 12, 3, padding=1), nn.GroupNorm(3, 12), nn.Conv2d(12, 12, 3, padding=1)
        self.n3, self.qkv, self.proj = nn.GroupNorm(3, 12), nn.Conv1d(12, 36, 1), nn.Conv1d(12, 12, 1)
        self.out = nn.Conv2d(12, 3, 3, padding=1)

    def forward(self, x, t):
        freqs = torch.exp(-torch.arange(4, dtype=torch.float32))
        e = t[:, None].float() * freqs[None]
        scale, shift = self.time(torch.cat([e.sin(), e.cos()], -1))[:, :, None, None].chunk(2, 1)
        x = self.stem(x)
        h = self.c1(F.silu(self.n1(x)))
        x = x + self.c2(F.silu(self.n2(h) * (1 + scale) + shift))
        b, c, hh, ww = x.shape
        q, k, v = self.qkv(self.n3(x).reshape(b, c, hh * ww)).chunk(3, 1)
        a = torch.softmax(torch.bmm(q.transpose(1, 2), k) * c ** -0.5, -1)
        return self.out(x + self.proj(torch.bmm(v, a.transpose(1, 2))).reshape(b, c, hh, ww))


class Recommender(nn.Module):
    """Embedded categories with a table for each, numbers, and products of pairs."""
    def __init__(self):
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(n, 8) for n in (10, 20, 30)])
        self.bottom = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU())
        self.top = nn.Sequential(nn.Linear(8 + 6, 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, 1))

    def forward(self, numbers, ids):
        d = self.bottom(numbers)
        z = torch.stack([d] + [table(ids[:, i]) for i, table in enumerate(self.tables)], 1)
        rows, columns = torch.tril_indices(4, 4, -1)
        pairs = (z @ z.transpose(1, 2))[:, rows, columns]
        return self.top(torch.cat([d, pairs], 1)).sigmoid()


class Perceiver(nn.Module):
    """Learned queries that read a sequence; a mask of padding."""
    def __init__(self):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(5, 12))
        self.embed = nn.Linear(6, 16)
        self.attention = nn.MultiheadAttention(12, 3, kdim=16, vdim=16, batch_first=True)
        self.mlp = nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 24), nn.GELU(), nn.Linear(24, 12))
        self.out = nn.Linear(12, 5)

    def forward(self, x, mask):
        q = self.latents.expand(x.shape[0], -1, -1)
        k = self.embed(x)
        y = q + self.attention(q, k, k, key_padding_mask=mask, need_weights=False)[0]
        return self.out((y + self.mlp(y)).mean(1))


class Graph(nn.Module):
    """Messages along edges, summed where they arrive."""
    def __init__(self):
        super().__init__()
        self.into, self.message, self.update, self.out = nn.Linear(6, 10), nn.Linear(20, 14), nn.Linear(24, 10), nn.Linear(10, 3)

    def forward(self, x, edges):
        x = F.relu(self.into(x))
        source, target = edges[0], edges[1]
        m = F.relu(self.message(torch.cat([x[source], x[target]], -1)))
        sums = torch.zeros(x.shape[0], 14).index_add(0, target, m)
        return self.out(F.relu(self.update(torch.cat([x, sums], -1))))


class TorchTransformer(nn.Module):
    """PyTorch's own encoder and decoder layers."""
    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(20, 16), nn.Embedding(20, 16)
        self.transformer = nn.Transformer(16, 4, 1, 1, 24, batch_first=True, norm_first=True, dropout=0.0)
        self.out = nn.Linear(16, 20)

    def forward(self, source, target):
        mask = torch.triu(torch.full((target.shape[1], target.shape[1]), float("-inf")), 1)
        return self.out(self.transformer(self.source(source), self.target(target), tgt_mask=mask))


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(3, 8), nn.MaxPool2d(2), conv_bn(8, 10))
        self.embed = nn.Linear(10, 6)

    def forward(self, a, b):
        a, b = (F.normalize(self.embed(self.body(x).mean((2, 3))), dim=1) for x in (a, b))
        return (a * b).sum(1)


class Rotary(nn.Module):
    """A decoder's block by hand: root mean squares, rotary positions, grouped queries, a gated feed-forward part."""
    def __init__(self):
        super().__init__()
        self.embed, self.norm1, self.norm2 = nn.Embedding(50, 16), nn.RMSNorm(16), nn.RMSNorm(16)
        self.q, self.k, self.v, self.o = (nn.Linear(16, n, bias=False) for n in (16, 8, 8, 16))
        self.gate, self.up, self.down = nn.Linear(16, 24, bias=False), nn.Linear(16, 24, bias=False), nn.Linear(24, 16, bias=False)
        self.head = nn.Linear(16, 50, bias=False)

    def rotate(self, x, cos, sin):
        a, b = x.chunk(2, -1)
        return x * cos + torch.cat([-b, a], -1) * sin

    def forward(self, ids):
        b, t = ids.shape
        x = self.embed(ids)
        h = self.norm1(x)
        q, k, v = (f(h).view(b, t, -1, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        angles = torch.arange(t).float()[:, None] * torch.tensor([1.0, 0.1])[None]
        angles = torch.cat([angles, angles], -1)
        q, k = (self.rotate(y, angles.cos(), angles.sin()) for y in (q, k))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.o(y.transpose(1, 2).reshape(b, t, -1))
        h = self.norm2(x)
        return self.head(x + self.down(F.silu(self.gate(h)) * self.up(h)))


def image(*size):
    return lambda: (torch.randn(2, 3, *(size or (16, 16))),)


def ids(n=50, t=9):
    return lambda: (torch.randint(0, n, (2, t)),)


B = {0: Dim("batch", max=64)}
SEQ = {0: Dim("batch", max=64), 1: Dim("sequence", min=2, max=64)}


def area(k=1):
    """Heights and widths that are multiples of k."""
    side = lambda name: (k * Dim(name, min=2, max=64)) if k > 1 else Dim(name, min=6, max=200)
    return {0: Dim("batch", max=64), 2: side("height"), 3: side("width")}


# By name: what makes the module, what makes its inputs, the dynamic axes of each input.
models = {
    "cnn": (Cnn, image(), [B]),
    "resnet": (ResNet, image(), [area()]),
    "mobilenet": (MobileNet, image(), [area()]),
    "densenet": (DenseNet, image(), [area()]),
    "convnext": (ConvNext, image(), [area(4)]),
    "unet": (UNet, image(), [area(4)]),
    "unet-interpolated": (lambda: UNet(False), image(), [area()]),
    "pyramid": (Pyramid, image(32, 32), [area(8)]),
    "yolo": (Yolo, image(), [area()]),
    "pooled": (Pooled, image(), [area()]),
    "shuffle": (Shuffle, image(8, 8), [area()]),
    "inception": (Inception, image(), [area()]),
    "autoencoder": (Autoencoder, image(), [B]),
    "vit": (Vit, image(), [B]),
    "nano": (Nano, ids(), [SEQ]),
    "swin": (Swin, image(), [B]),
    "mixer": (Mixer, image(), [B]),
    "experts": (Experts, lambda: (torch.randn(2, 6, 8),), [SEQ]),
    "all-experts": (AllExperts, lambda: (torch.randn(2, 6, 8),), [SEQ]),
    "audio": (Audio, lambda: (torch.randn(2, 160),), [{0: Dim("batch", max=64), 1: 8 * Dim("frames", min=8, max=64)}]),
    "diffusion": (Diffusion, lambda: (torch.randn(2, 3, 8, 8), torch.randint(0, 100, (2,))), [area(), {0: Dim("batch", max=64)}]),
    "recommender": (Recommender, lambda: (torch.randn(2, 6), torch.randint(0, 10, (2, 3))), [B, B]),
    "perceiver": (Perceiver, lambda: (torch.randn(2, 7, 6), torch.zeros(2, 7, dtype=torch.bool)), [SEQ, SEQ]),
    "graph": (Graph, lambda: (torch.randn(8, 6), torch.randint(0, 8, (2, 15))), [{0: Dim("nodes", min=4, max=99)}, {1: Dim("edges", min=4, max=99)}]),
    "torch-transformer": (TorchTransformer, lambda: (torch.randint(0, 20, (2, 7)), torch.randint(0, 20, (2, 5))), [B, B]),
    "siamese": (Siamese, lambda: (torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16)), [area(2), area(2)]),
    "rotary": (Rotary, ids(), [SEQ]),
}


class Logits(nn.Module):
    """What a model of transformers computes first, without its wrapping and without a cache."""
    def __init__(self, model, names, cached):
        super().__init__()
        self.model, self.names = model, names
        self.options = {"return_dict": True, **({"use_cache": False} if cached else {})}

    def forward(self, *inputs):
        return self.model(**dict(zip(self.names, inputs)), **self.options)[0]


def hugging(config, kind, inputs, dims, names=("input_ids",), cached=False, **settings):
    def make():
        import transformers
        model = getattr(transformers, kind)(getattr(transformers, config)(**settings))
        for _, p in model.named_parameters():
            p.data += 0.02 * torch.randn_like(p)
        return Logits(model, names, cached)
    return (make, inputs, dims)


decoder = dict(vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=4, max_position_embeddings=32)
encoder = dict(vocab_size=50, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=40, pad_token_id=0)
vision = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, image_size=16, patch_size=4)
models.update({
    "gpt2": hugging("GPT2Config", "GPT2LMHeadModel", ids(), [SEQ], cached=True, vocab_size=50, n_positions=32, n_embd=16, n_layer=2, n_head=4),
    "llama": hugging("LlamaConfig", "LlamaForCausalLM", ids(), [SEQ], cached=True, **decoder),
    "qwen3": hugging("Qwen3Config", "Qwen3ForCausalLM", ids(), [SEQ], cached=True, **decoder),
    "gemma": hugging("GemmaConfig", "GemmaForCausalLM", ids(), [SEQ], cached=True, **decoder),
    "mixtral": hugging("MixtralConfig", "MixtralForCausalLM", ids(), [SEQ], cached=True, **decoder, num_local_experts=4),
    "bert": hugging("BertConfig", "BertForMaskedLM", ids(), [SEQ], **encoder),
    "roberta": hugging("RobertaConfig", "RobertaForSequenceClassification", ids(), [SEQ], **encoder),
    "distilbert": hugging("DistilBertConfig", "DistilBertForSequenceClassification", ids(), [SEQ], vocab_size=50, dim=16, hidden_dim=24, n_layers=2, n_heads=4, max_position_embeddings=32),
    "t5": hugging("T5Config", "T5ForConditionalGeneration", lambda: (torch.randint(0, 50, (2, 7)), torch.randint(0, 50, (2, 5))), [B, B], names=("input_ids", "decoder_input_ids"), cached=True,
                  vocab_size=50, d_model=16, d_kv=4, d_ff=24, num_layers=2, num_heads=4),
    "hf-vit": hugging("ViTConfig", "ViTForImageClassification", image(), [B], names=("pixel_values",), **vision),
    "segformer": hugging("SegformerConfig", "SegformerForSemanticSegmentation", image(32, 32), [B], names=("pixel_values",), num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1],
                         hidden_sizes=[8, 16], patch_sizes=[7, 3], strides=[4, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2], decoder_hidden_size=12),
    "wav2vec2": hugging("Wav2Vec2Config", "Wav2Vec2ForCTC", lambda: (torch.randn(2, 400),), [B], names=("input_values",), vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=4,
                        intermediate_size=24, conv_dim=[8, 8], conv_stride=[5, 2], conv_kernel=[10, 3], num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2),
    "whisper-encoder": hugging("WhisperConfig", "WhisperModel", lambda: (torch.randn(2, 8, 20), torch.randint(0, 50, (2, 5))), [B, B], names=("input_features", "decoder_input_ids"), cached=True, vocab_size=50,
                               num_mel_bins=8, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=24, decoder_ffn_dim=24,
                               max_source_positions=10, max_target_positions=12, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, suppress_tokens=[]),
    "convnextv2": hugging("ConvNextV2Config", "ConvNextV2ForImageClassification", image(32, 32), [B], names=("pixel_values",), hidden_sizes=[8, 12], depths=[1, 1], num_stages=2),
})


def warmed(make, inputs):
    """The module with weights and statistics as if it had been trained, ready to be exported."""
    torch.manual_seed(0)
    module = make()
    for each in module.modules():
        if isinstance(each, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)) and each.weight is not None:
            each.weight.data.uniform_(0.5, 1.5)
            each.bias.data.normal_(0, 0.3)
        if getattr(each, "running_mean", None) is not None:
            each.running_mean.normal_(0, 0.3)
            each.running_var.uniform_(0.5, 1.5)
    return module.eval(), inputs()


def dynamo(**options):
    def export(module, inputs, dims, path, is_dynamic=False):
        shapes = tuple(dims)
        # The inputs of a variadic forward are one list.
        shapes = (shapes,) if isinstance(module, Logits) else shapes
        torch.onnx.export(module, inputs, path, dynamo=True, verbose=False, dynamic_shapes=shapes if is_dynamic else None,
                          **{"external_data": False, **options})
    return export


def legacy(opset):
    def export(module, inputs, dims, path, is_dynamic=False):
        names = [f"input{i}" for i in range(len(inputs))]
        axes = {name: {k: f"{name}_{k}" for k in d} for name, d in zip(names, dims)} if is_dynamic else None
        torch.onnx.export(module, inputs, path, dynamo=False, opset_version=opset, input_names=names, dynamic_axes=axes)
    return export


def half(module, inputs, dims, path, is_dynamic=False):
    half_inputs = tuple(x.half() if x.is_floating_point() else x for x in inputs)
    dynamo(opset_version=18)(copy.deepcopy(module).half(), half_inputs, dims, path, is_dynamic)


ways = {
    "d18": (dynamo(opset_version=18), False),
    "d20-dynamic": (dynamo(opset_version=20), True),
    "d21": (dynamo(opset_version=21), False),
    "d22-raw-dynamic": (dynamo(opset_version=22, optimize=False), True),
    "d18-raw": (dynamo(opset_version=18, optimize=False), False),
    "d23": (dynamo(opset_version=23), False),
    "d23-dynamic": (dynamo(opset_version=23), True),
    "d24-raw": (dynamo(opset_version=24, optimize=False), False),
    "d18-external": (dynamo(opset_version=18, external_data=True), True),
    "legacy": (legacy(17), False),
    "legacy-dynamic": (legacy(14), True),
    "half": (half, False),
}


def make(folder, parts):
    for name, (build, inputs, dims) in models.items():
        for way, (export, is_dynamic) in ways.items():
            if parts and not any(part in f"{name}.{way}." for part in parts):
                continue
            file = f"{name}.{way}.onnx"
            said = {"file": file}
            try:
                module, given = warmed(build, inputs)
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), torch.no_grad():
                    export(module, given, dims, os.path.join(folder, file), is_dynamic)
            except Exception as error:
                lines = str(error).strip().splitlines()
                said["error"] = f"{type(error).__name__}: {lines[0][:300] if lines else ''}"
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2:])
