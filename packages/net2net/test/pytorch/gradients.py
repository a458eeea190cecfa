"""
Exports small modules of all kinds with PyTorch's exporter of today, and writes what PyTorch computes for
them in float64: the loss, the gradient of every parameter, and the running statistics after one
forward pass. For each number it also writes how far PyTorch's own float32 is from it.

Usage: gradients.py GROUP, in the folder that the results go to. Prints one JSON document.
"""
import copy
import json
import logging
import os
import sys
import warnings

import numpy
import torch
from torch import nn
from torch.nn import functional as F

# PyTorch begins with another seed in every process, and the cases below draw numbers while they are listed.
torch.manual_seed(int(os.environ.get("NET2NET_TEST_SEED", "0")))

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
torch.set_num_threads(1)

groups = {}


class Buffer:
    """A tensor that is no parameter."""

    def __init__(self, tensor):
        self.tensor = tensor


class Net(nn.Module):
    """A module from its parts and its forward pass, a function of the module and the inputs."""

    def __init__(self, run, **parts):
        super().__init__()
        self.run = run
        for name, part in parts.items():
            if isinstance(part, Buffer):
                self.register_buffer(name, part.tensor)
            else:
                setattr(self, name, part)

    def forward(self, *inputs):
        return self.run(self, *inputs)


def parameter(*shape, scale=1.0, shift=0.0):
    return nn.Parameter(torch.randn(shape) * scale + shift)


def case(group, name, build, *inputs, loss="mse", **options):
    """
    build makes the module, inputs are shapes of normal numbers or tensors. Options: optimize (of the
    exporter, default True), dynamic (a symbolic batch), refused (what the refusal must name),
    fresh (parameters as they are initialized), untrained (parameters that the file holds as something else,
    and that must be named), absent (parameters that the file does not hold at all), older (the exporter of before
    PyTorch 2.9, in training mode, with a symbolic batch).
    """
    groups.setdefault(group, {})[name] = (build, inputs, loss, options)


def ids(high, *shape, dtype=torch.int64):
    return torch.randint(0, high, shape, dtype=dtype)


# ------------------------------------------------------------------------------- convolutions


def conv_bn(a, b, k=3, act=nn.ReLU, **options):
    options.setdefault("padding", k // 2)
    return nn.Sequential(nn.Conv2d(a, b, k, bias=False, **options), nn.BatchNorm2d(b), act())


def image(group, name, build, size=(4, 3, 12, 12), **options):
    options.setdefault("optimize", False)
    case(group, name, build, size, loss="ce", **options)


def pooled(s, x):
    return s.head(x.mean((2, 3)))


def head(width, classes=5):
    return nn.Linear(width, classes)


image("convolution", "conv bn relu", lambda: Net(
    lambda s, x: pooled(s, s.body(x)), body=nn.Sequential(conv_bn(3, 8), conv_bn(8, 8)), head=head(8)))
image("convolution", "conv bn relu, fresh", lambda: Net(
    lambda s, x: pooled(s, s.body(x)), body=nn.Sequential(conv_bn(3, 8), conv_bn(8, 8)), head=head(8)), fresh=True)
image("convolution", "residual block", lambda: Net(
    lambda s, x: pooled(s, F.relu(s.b(F.relu(s.a(s.stem(x)))) + s.down(s.stem(x)))),
    stem=conv_bn(3, 8), a=conv_bn(8, 12, stride=2),
    b=nn.Sequential(nn.Conv2d(12, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12)),
    down=nn.Sequential(nn.Conv2d(8, 12, 1, stride=2, bias=False), nn.BatchNorm2d(12)), head=head(12)), dynamic=True)
image("convolution", "inverted residual with squeeze and excitation", lambda: Net(
    lambda s, x: pooled(s, s.project((h := s.depth(s.expand(x))) * F.hardsigmoid(
        s.excite(F.relu(s.squeeze(F.adaptive_avg_pool2d(h, 1))))))),
    expand=conv_bn(3, 12, 1, nn.Hardswish), depth=conv_bn(12, 12, 3, nn.Hardswish, groups=12),
    squeeze=nn.Conv2d(12, 4, 1), excite=nn.Conv2d(4, 12, 1), project=nn.Conv2d(12, 8, 1), head=head(8)))
image("convolution", "dense block", lambda: Net(
    lambda s, x: pooled(s, torch.cat([y := torch.cat([x, s.a(x)], 1), s.b(y)], 1)),
    a=nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3, padding=1)),
    b=nn.Sequential(nn.BatchNorm2d(7), nn.ReLU(), nn.Conv2d(7, 4, 3, padding=1)), head=head(11)))
image("convolution", "inception", lambda: Net(
    lambda s, x: pooled(s, torch.cat([s.one(x), s.three(x), s.wide(F.avg_pool2d(x, 3, 1, 1)),
                                     s.pool(F.max_pool2d(x, 3, 1, 1))], 1)),
    one=nn.Conv2d(3, 3, 1), three=nn.Conv2d(3, 3, 3, padding=1), wide=nn.Conv2d(3, 3, (1, 5), padding=(0, 2)),
    pool=nn.Conv2d(3, 3, 1), head=head(12)), optimize=True)
image("convolution", "fresh scales of one module, another that two modules share", lambda: (lambda block: Net(
    lambda s, x: pooled(s, s.blocks(x)), blocks=nn.Sequential(nn.Conv2d(3, 8, 1), block(), block()), head=head(8)))(
    lambda shared=nn.Parameter(torch.full((8, 1, 1), 0.5)): Net(
        lambda s, x: s.second * F.silu(s.first * x + s.low) + s.high + s.shared * x, shared=shared,
        first=nn.Parameter(torch.full((8, 1, 1), 0.1)), second=nn.Parameter(torch.full((8, 1, 1), 0.1)),
        low=nn.Parameter(torch.zeros(8, 1, 1)), high=nn.Parameter(torch.zeros(8, 1, 1)))), fresh=True, optimize=True)
image("convolution", "one normalization used twice", lambda: Net(
    lambda s, x: pooled(s, s.bn(s.b(F.silu(s.bn(s.a(x)))))),
    a=nn.Conv2d(3, 6, 3), b=nn.Conv2d(6, 6, 3), bn=nn.BatchNorm2d(6), head=head(6)))
image("convolution", "siamese network", lambda: Net(
    lambda s, x: s.head((s.body(x) - s.body(x.flip(3))).abs().mean((2, 3))), body=conv_bn(3, 8, act=nn.SiLU), head=head(8)))
image("convolution", "batch norm without scale and shift", lambda: Net(
    lambda s, x: pooled(s, F.silu(s.bn(s.a(x)))), a=nn.Conv2d(3, 6, 3), bn=nn.BatchNorm2d(6, affine=False), head=head(6)))
image("convolution", "batch norm without running statistics", lambda: Net(
    lambda s, x: pooled(s, F.silu(s.bn(s.a(x)))), a=nn.Conv2d(3, 6, 3),
    bn=nn.BatchNorm2d(6, track_running_stats=False), head=head(6)))


class ScaledStandardizedConv(nn.Conv2d):
    """As in NFNets: the weight is standardized by a batch norm of its own."""

    def __init__(self, a, b, k):
        super().__init__(a, b, k, padding=k // 2)
        self.gain = nn.Parameter(torch.randn(b, 1, 1, 1) * 0.1 + 1)

    def forward(self, x):
        o, fan = self.out_channels, self.weight[0].numel()
        w = F.batch_norm(self.weight.reshape(1, o, -1), None, None, weight=(self.gain * fan**-0.5).view(-1),
                         training=True, momentum=0.0, eps=1e-6).reshape_as(self.weight)
        return F.conv2d(x, w, self.bias, padding=self.padding)


class StandardizedConv(nn.Conv2d):
    def forward(self, x):
        variance, mean = torch.var_mean(self.weight, [1, 2, 3], keepdim=True, unbiased=False)
        return F.conv2d(x, (self.weight - mean) / (variance + 1e-5).sqrt(), self.bias)


image("convolution", "scaled weight standardization", lambda: Net(
    lambda s, x: pooled(s, s.b(F.silu(s.a(x)))), a=ScaledStandardizedConv(3, 6, 3),
    b=ScaledStandardizedConv(6, 6, 3), head=head(6)))
image("convolution", "weight standardization", lambda: Net(
    lambda s, x: pooled(s, F.silu(s.a(x))), a=StandardizedConv(3, 6, 3), head=head(6)))
image("convolution", "weight norm", lambda: Net(
    lambda s, x: pooled(s, s.a(x).tanh()), a=nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 6, 3)), head=head(6)))
image("convolution", "U-Net with transposed convolutions", lambda: Net(
    lambda s, x: pooled(s, s.up(torch.cat([s.mid(F.max_pool2d(y := s.down(x), 2)), F.avg_pool2d(y, 2)], 1))),
    down=conv_bn(3, 6, act=nn.SiLU), mid=nn.Conv2d(6, 6, 3, padding=1),
    up=nn.ConvTranspose2d(12, 6, 3, stride=2, padding=1, output_padding=1), head=head(6)))
for mode in ("nearest", "bilinear", "bicubic"):
    image("convolution", f"upsampling, {mode}", lambda mode=mode: Net(
        lambda s, x: pooled(s, s.b(F.interpolate(s.a(x), scale_factor=2, mode=mode))),
        a=nn.Conv2d(3, 6, 3, stride=2, padding=1), b=nn.Conv2d(6, 6, 3), head=head(6)), optimize=True)
for mode in ("nearest", "bilinear"):
    image("convolution", f"upsampling of a symbolic batch, {mode}", lambda mode=mode: Net(
        lambda s, x: pooled(s, s.b(torch.cat([F.interpolate(s.a(x), scale_factor=2.0, mode=mode), x], 1))),
        a=nn.Conv2d(3, 6, 3, stride=2, padding=1), b=nn.Conv2d(9, 6, 3), head=head(6)), dynamic=True, optimize=True)
image("convolution", "feature pyramid", lambda: Net(
    lambda s, x: pooled(s, s.smooth(s.lateral(x) + F.interpolate(s.top(x), size=(12, 12), mode="nearest"))),
    lateral=nn.Conv2d(3, 6, 1), top=nn.Conv2d(3, 6, 3, stride=2, padding=1), smooth=nn.Conv2d(6, 6, 3), head=head(6)),
    optimize=True, dynamic=True)
image("convolution", "dilated and grouped", lambda: Net(
    lambda s, x: pooled(s, s.b(s.a(x).sigmoid())), a=nn.Conv2d(4, 8, 3, dilation=2, padding=2, groups=2),
    b=nn.ConvTranspose2d(8, 8, 3, groups=4), head=head(8)), size=(4, 4, 12, 12), optimize=True)
image("convolution", "channel shuffle and pixel shuffle", lambda: Net(
    lambda s, x: pooled(s, s.b(F.pixel_shuffle(F.channel_shuffle(s.a(x), 2), 2))),
    a=nn.Conv2d(3, 8, 3, stride=2, padding=1), b=nn.Conv2d(2, 4, 3), head=head(4)), optimize=True)
image("convolution", "instance and group norm", lambda: Net(
    lambda s, x: pooled(s, s.gn(s.b(s.inorm(s.a(x)).relu()))), a=nn.Conv2d(3, 6, 3),
    inorm=nn.InstanceNorm2d(6, affine=True), b=nn.Conv2d(6, 6, 3), gn=nn.GroupNorm(3, 6), head=head(6)), optimize=True)
image("convolution", "instance norm without scale and shift", lambda: Net(
    lambda s, x: pooled(s, s.inorm(s.a(x)).tanh()), a=nn.Conv2d(3, 6, 3), inorm=nn.InstanceNorm2d(6), head=head(6)),
    optimize=True)
image("convolution", "fixed blur filter", lambda: Net(
    lambda s, x: pooled(s, F.conv2d(s.a(x), s.filt.expand(6, 1, 3, 3), stride=2, groups=6).tanh()),
    a=nn.Conv2d(3, 6, 3), filt=Buffer(torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])[None, None] / 16), head=head(6)))
image("convolution", "one channel of images scaled at the input", lambda: Net(
    lambda s, x: pooled(s, s.a((x - s.mean) / s.std).tanh()), a=nn.Conv2d(3, 6, 3),
    mean=Buffer(torch.tensor([0.4, 0.5, 0.6])[:, None, None]), std=Buffer(torch.tensor([0.2, 0.3, 0.2])[:, None, None]),
    head=head(6)), optimize=True)
case("convolution", "sequence", lambda: Net(
    lambda s, x: s.head(F.max_pool1d(s.b(s.bn(s.a(x)).relu()), 3, 2, 1).mean(2)), a=nn.Conv1d(3, 6, 5),
    bn=nn.BatchNorm1d(6), b=nn.Conv1d(6, 6, 3, padding=1), head=head(6)), (4, 3, 20), loss="ce", optimize=False)
case("convolution", "volume", lambda: Net(
    lambda s, x: s.head(F.avg_pool3d(s.a(x).tanh(), 2).mean((2, 3, 4))), a=nn.Conv3d(2, 4, 3), head=head(4)),
    (3, 2, 6, 6, 6), loss="ce")
case("convolution", "vectors with batch norm", lambda: Net(
    lambda s, x: s.b(s.bn(s.a(x)).relu()), a=nn.Linear(6, 8), bn=nn.BatchNorm1d(8), b=nn.Linear(8, 5)),
    (8, 6), loss="ce", optimize=False)
case("convolution", "segmentation", lambda: Net(
    lambda s, x: s.b(s.a(x).tanh()), a=nn.Conv2d(3, 6, 3, padding=1), b=nn.Conv2d(6, 4, 1)), (2, 3, 6, 6), loss="ce")

# ------------------------------------------------------------------------------- transformers


def attention(s, x, heads, mask=None, causal=False):
    n, t, d = x.shape
    q, k, v = s.qkv(x).reshape(n, t, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
    y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    return s.out(y.transpose(1, 2).reshape(n, t, d))


def explicit_attention(s, x, heads, scores=lambda a: a):
    n, t, d = x.shape
    q, k, v = s.qkv(x).reshape(n, t, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
    a = scores(q @ k.transpose(-2, -1) * (d // heads) ** -0.5).softmax(-1)
    return s.out((a @ v).transpose(1, 2).reshape(n, t, d))


def qkv(d=16):
    return dict(qkv=nn.Linear(d, 3 * d), out=nn.Linear(d, d))


sequence = (2, 6, 16)
for optimize in (True, False):
    suffix = "" if optimize else ", not optimized"
    case("transformer", "attention" + suffix, lambda: Net(lambda s, x: attention(s, x, 4), **qkv()), sequence,
         optimize=optimize)
    case("transformer", "causal attention" + suffix, lambda: Net(lambda s, x: attention(s, x, 4, causal=True), **qkv()),
         sequence, optimize=optimize)
    case("transformer", "encoder layers, fresh" + suffix, lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 4, 32, 0.0, F.gelu, batch_first=True), 2, enable_nested_tensor=False),
        sequence, fresh=True, optimize=optimize,
        # Its optimizer leaves a bias of zeros out of a Gemm.
        absent=[f"layers.{i}.self_attn.out_proj.bias" for i in (0, 1)] if optimize else [])
case("transformer", "decoder layer", lambda: nn.TransformerDecoderLayer(16, 2, 32, 0.0, batch_first=True),
     sequence, (2, 4, 16))
case("transformer", "explicit attention, symbolic batch", lambda: Net(lambda s, x: explicit_attention(s, x, 4), **qkv()),
     sequence, dynamic=True)
case("transformer", "mask as a buffer", lambda: Net(
    lambda s, x: explicit_attention(s, x, 4, lambda a: a + s.mask), **qkv(),
    mask=Buffer(torch.triu(torch.full((6, 6), -1e9), 1))), sequence)
case("transformer", "slopes as a buffer", lambda: Net(
    lambda s, x: explicit_attention(s, x, 4, lambda a: a + s.slopes[:, None, None] * s.distance), **qkv(),
    slopes=Buffer(torch.tensor([0.5, 0.25, 0.125, 0.0625])),
    distance=Buffer(-(torch.arange(6)[:, None] - torch.arange(6)).abs().float())), sequence)
relative = (torch.arange(6)[:, None] - torch.arange(6)) + 5
case("transformer", "table of relative positions", lambda: Net(
    lambda s, x: explicit_attention(s, x, 4, lambda a: a + s.table[s.offsets.view(-1)].view(6, 6, 4).permute(2, 0, 1)),
    **qkv(), table=parameter(11, 4), offsets=Buffer(relative)), sequence, optimize=False)
case("transformer", "table that the exporter gathers", lambda: Net(
    lambda s, x: explicit_attention(s, x, 4, lambda a: a + s.table[:, s.offsets]),
    **qkv(), table=parameter(4, 11), offsets=Buffer(relative)), sequence, untrained=["table"])


def called_again():
    return Net(
        lambda s, x: s.head(s.block(s.block(x)) + s.mix(x)).mean(1) + s.head(s.mix(2 * x)).mean(1),
        block=nn.Sequential(nn.Linear(36, 40), nn.GELU(), nn.Linear(40, 36)), mix=nn.Linear(36, 36), head=nn.Linear(36, 5))


case("transformer", "layers that are called more than once on sequences", called_again, (4, 7, 36), loss="ce")


def older(name, build, *inputs):
    case("older", name, build, *inputs, loss="ce", older=True)


older("layers that are called more than once on sequences", called_again, (4, 7, 36))
older("encoder layers behind a class token", lambda: Net(
    lambda s, x: s.head(s.body(torch.cat([s.token.expand(x.shape[0], -1, -1), s.embed(x)], 1) + s.places)[:, 0]),
    embed=nn.Linear(6, 16), token=parameter(1, 1, 16), places=parameter(1, 8, 16), head=nn.Linear(16, 5),
    body=nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 24, dropout=0.0, batch_first=True), 2, enable_nested_tensor=False)),
    (4, 7, 6))
older("one encoder layer again and again", lambda: Net(
    lambda s, x: s.head(s.layer(s.layer(x)).mean(1)), head=nn.Linear(16, 5),
    layer=nn.TransformerEncoderLayer(16, 4, 24, dropout=0.0, batch_first=True, norm_first=True)), (4, 7, 16))
older("queries that attend to sequences", lambda: Net(
    lambda s, x: s.head(s.attend(s.queries.expand(x.shape[0], -1, -1) + s.mean(x.mean(1, keepdim=True)), x, x)[0].mean(1)),
    queries=parameter(1, 3, 16), mean=nn.Linear(16, 16), attend=nn.MultiheadAttention(16, 4, batch_first=True), head=nn.Linear(16, 5)), (4, 7, 16))


# The exporter rearranges gates and biases: a cell with neither is what it was.
def after(state):
    return Net(
        lambda s, x: s.head(torch.sigmoid(s.late + s.skip(x[:, -1]) + s.out(s.cell(x, s.first.expand(-1, x.shape[0], -1))[0][:, -1]))),
        cell=nn.RNN(6, 8, batch_first=True, bias=False), first=state(1, 1, 8),
        skip=nn.Linear(6, 8, bias=False), out=nn.Linear(8, 8, bias=False), late=parameter(8), head=nn.Linear(8, 5))


older("the state that a recurrence begins with, and a bias of a sum before a gate", lambda: after(parameter), (4, 7, 6))
older("a fixed state that a recurrence begins with", lambda: after(lambda *shape: Buffer(torch.zeros(shape))), (4, 7, 6))


def rotary(s, x, heads):
    n, t, d = x.shape
    q, k, v = s.qkv(x).reshape(n, t, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
    angles = torch.arange(t)[:, None] * s.frequencies
    cos, sin = torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()

    def turn(z):
        a, b = z[..., :2], z[..., 2:]
        return z * cos + torch.cat([-b, a], -1) * sin

    return s.out(F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True).transpose(1, 2).reshape(n, t, d))


for optimize in (True, False):
    case("transformer", "rotary positions" + ("" if optimize else ", not optimized"), lambda: Net(
        lambda s, x: rotary(s, x, 4), **qkv(), frequencies=Buffer(1 / 100 ** (torch.arange(2) / 2))), sequence,
        optimize=optimize)
case("transformer", "shared keys and values", lambda: Net(
    lambda s, x: s.out(F.scaled_dot_product_attention(
        s.q(x).view(2, 6, 4, 4).transpose(1, 2),
        s.k(x).view(2, 6, 2, 4).transpose(1, 2).repeat_interleave(2, 1),
        s.v(x).view(2, 6, 2, 4).transpose(1, 2).repeat_interleave(2, 1)).transpose(1, 2).reshape(2, 6, 16)),
    q=nn.Linear(16, 16), k=nn.Linear(16, 8), v=nn.Linear(16, 8), out=nn.Linear(16, 16)), sequence)


def gpt(tied, bias=False):
    table, scores = nn.Embedding(40, 16), nn.Linear(16, 40, bias=bias)
    if tied:
        scores.weight = table.weight
    return Net(lambda s, i: s.head(s.n2(attention(s, s.n1(s.table(i) + s.place(torch.arange(i.shape[1]))), 4, causal=True))),
               table=table, place=nn.Embedding(6, 16), n1=nn.LayerNorm(16), n2=nn.LayerNorm(16), head=scores, **qkv())


for name, build, options in (
    ("language model", lambda: gpt(False), {}),
    ("language model, fresh", lambda: gpt(False), dict(fresh=True)),
    ("language model, not optimized", lambda: gpt(False), dict(optimize=False)),
    ("language model with tied embedding", lambda: gpt(True), {}),
    ("language model with tied embedding, fresh", lambda: gpt(True), dict(fresh=True)),
    ("language model with tied embedding, not optimized", lambda: gpt(True), dict(optimize=False)),
    ("language model with tied embedding and bias", lambda: gpt(True, True), {}),
    ("language model, symbolic batch", lambda: gpt(True), dict(dynamic=True)),
):
    case("transformer", name, build, ids(40, 3, 6), loss="ce last", **options)
case("transformer", "language model, int32 ids", lambda: gpt(False), ids(40, 3, 6, dtype=torch.int32), loss="ce last")
case("transformer", "vision transformer", lambda: Net(
    lambda s, x: s.head(attention(s, s.norm(torch.cat(
        [s.token.expand(x.shape[0], -1, -1), s.patch(x).flatten(2).transpose(1, 2)], 1) + s.place), 4)[:, 0]),
    patch=nn.Conv2d(3, 16, 4, stride=4), token=parameter(1, 1, 16), place=parameter(1, 10, 16), norm=nn.LayerNorm(16),
    head=head(16), **qkv()), (2, 3, 12, 12), loss="ce", dynamic=True)


def windows(s, x):
    x = torch.roll(x, (-2, -2), (1, 2)).view(2, 2, 4, 2, 4, 16).permute(0, 1, 3, 2, 4, 5).reshape(8, 16, 16)
    x = explicit_attention(s, x, 4, lambda a: a + s.table[s.offsets.view(-1)].view(16, 16, 4).permute(2, 0, 1))
    x = x.view(2, 2, 2, 4, 4, 16).permute(0, 1, 3, 2, 4, 5).reshape(2, 8, 8, 16)
    return s.merge(torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 1::2]], -1))


case("transformer", "shifted windows", lambda: Net(
    windows, table=parameter(49, 4), offsets=Buffer(torch.randint(0, 49, (16, 16))), merge=nn.Linear(32, 8), **qkv()),
    (2, 8, 8, 16), optimize=False)
case("transformer", "mixer", lambda: Net(
    lambda s, x: s.b(s.n2(y := x + s.a(s.n1(x).transpose(1, 2)).transpose(1, 2))) * s.scale + y,
    n1=nn.LayerNorm(16), n2=nn.LayerNorm(16), a=nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 6)),
    b=nn.Sequential(nn.Linear(16, 8), nn.GELU("tanh"), nn.Linear(8, 16)), scale=parameter(16)), sequence)
case("transformer", "modern convolutional block", lambda: Net(
    lambda s, x: x + (s.gamma * s.b(F.gelu(s.a(s.norm(s.depth(x).permute(0, 2, 3, 1)))))).permute(0, 3, 1, 2),
    depth=nn.Conv2d(8, 8, 7, padding=3, groups=8), norm=nn.LayerNorm(8), a=nn.Linear(8, 16), b=nn.Linear(16, 8),
    gamma=parameter(8)), (2, 8, 8, 8))
case("transformer", "norms without scale and shift", lambda: Net(
    lambda s, x: s.b(F.layer_norm(s.a(F.layer_norm(x, (16,))), (16,))), a=nn.Linear(16, 16), b=nn.Linear(16, 8)), sequence)
case("transformer", "root mean square norm", lambda: Net(
    lambda s, x: s.b(s.n(x)) + s.b(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * s.w),
    n=nn.RMSNorm(16), w=parameter(16), b=nn.Linear(16, 8)), sequence)
case("transformer", "single numbers as parameters", lambda: Net(
    lambda s, x: s.a(x) * s.logit_scale.exp() + s.shift, a=nn.Linear(16, 8), logit_scale=parameter(), shift=parameter()), sequence, optimize=False)
case("transformer", "a single number that the exporter folds", lambda: Net(
    lambda s, x: s.a(x) * s.logit_scale.exp(), a=nn.Linear(16, 8), logit_scale=parameter()), sequence, untrained=["logit_scale"])
case("transformer", "mixture of experts", lambda: Net(
    lambda s, x: torch.einsum("nte,tnke->ntk", s.gate(x).softmax(-1), torch.stack(
        [s.a(x), s.b(x)], -1).permute(1, 0, 2, 3)), gate=nn.Linear(16, 2), a=nn.Linear(16, 8), b=nn.Linear(16, 8)), sequence)


def transformers_model(kind, **settings):
    def build():
        import transformers

        config = getattr(transformers, kind + "Config")(**settings)
        model = getattr(transformers, kind + ("LMHeadModel" if kind == "GPT2" else "ForCausalLM"))
        return Net(lambda s, i: s.net(input_ids=i, use_cache=False).logits, net=model._from_config(config))

    return build


small = dict(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=16)
case("transformers", "llama", transformers_model("Llama", intermediate_size=24, num_key_value_heads=1, **small),
     ids(40, 2, 6), loss="ce last", optimize=False)
case("transformers", "qwen2", transformers_model("Qwen2", intermediate_size=24, num_key_value_heads=1,
                                                 tie_word_embeddings=True, **small), ids(40, 2, 6), loss="ce last")
case("transformers", "gpt2", transformers_model(
    "GPT2", vocab_size=40, n_embd=16, n_layer=2, n_head=2, n_positions=6, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0),
    ids(40, 2, 6), loss="ce last")
case("transformers", "gpt neox", transformers_model("GPTNeoX", intermediate_size=24, **small), ids(40, 2, 6), loss="ce last")
case("transformers", "opt", transformers_model(
    "OPT", vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, ffn_dim=24, max_position_embeddings=16,
    dropout=0.0, word_embed_proj_dim=16, pad_token_id=None), ids(40, 2, 6), loss="ce last", optimize=False)

# -------------------------------------------------------------------------------- arithmetic

equations = (
    ("matrices", "nij,jk->nik", (2, 3, 4), (4, 5)),
    ("a broadcast axis in the parameter", "bij,bjk->bik", (4, 3, 2), (1, 2, 5)),
    ("a broadcast axis in the other operand", "bij,bjk->bik", (1, 3, 2), (4, 2, 5)),
    ("a summed broadcast axis", "bij,bkj->bik", (2, 3, 4), (2, 5, 1)),
    ("an ellipsis", "...ij,jk->...ik", (2, 3, 2, 4), (4, 5)),
    ("two ellipses", "...i,...i->...", (2, 1, 4), (1, 3, 4)),
    ("a repeated letter", "bii,ij->bj", (2, 3, 3), (3, 4)),
    ("a repeated letter in the parameter", "bi,ii->bi", (2, 3), (3, 3)),
    ("a letter of one operand alone", "bij,k->bi", (2, 3, 4), (5,)),
    ("a letter of the parameter alone", "bi,ijk->bj", (2, 3), (3, 4, 5)),
)
for name, equation, a, b in equations:
    case("arithmetic", f"einsum as it is written: {name}", None, a, b, loss=equation, whole=True)


def together(group, name, functions, size):
    """
    One module with many functions, each of parameters of its own, side by side in the output. functions: name
    to a function of the input and the part's module, and the parts to build the module from.
    """

    def run(s, x):
        return torch.cat([function(x, s.get_submodule(key)).flatten() for key, (function, _) in functions.items()])

    case(group, name, lambda: Net(run, **{key: Net(None, **parts()) for key, (_, parts) in functions.items()}), size)


case("arithmetic", "einsum", lambda: Net(
    lambda s, x: torch.cat([torch.einsum(equation, s.get_parameter(f"a{k}") * x[0], s.get_parameter(f"w{k}")).flatten()
                            for k, (_, equation, _, _) in enumerate(equations)]),
    **{f"{kind}{k}": parameter(*shape) for k, (_, _, a, b) in enumerate(equations) for kind, shape in (("a", a), ("w", b))}),
    (1,))
broadcasting = (
    ("add", lambda x, w: x + w, (4, 1)), ("subtract", lambda x, w: w - x, (5,)), ("multiply", lambda x, w: x * w, (3, 1, 1)),
    ("divide", lambda x, w: x / w, (1, 5)), ("divide into", lambda x, w: w / (x.abs() + 1), (3, 1, 5)),
    ("power", lambda x, w: (x.abs() + 0.5) ** w, (4, 5)), ("maximum", lambda x, w: torch.maximum(x, w), (4, 1)),
    ("minimum", lambda x, w: torch.minimum(w, x), (1,)), ("choice", lambda x, w: torch.where(x > 0, w, x * w), (5,)),
    ("clamp", lambda x, w: x.clamp(-0.5, 0.5) * w, (5,)), ("a larger parameter", lambda x, w: x[:1] * w, (7, 1, 4, 1)),
 ("outer", lambda x, w: x[..., None] * w, (2,)),
    ("matmul with broadcast batches", lambda x, w: x @ w, (3, 5, 2)), ("vector times matrix", lambda x, w: x @ w, (5,)),
    ("linear combination", lambda x, w: torch.lerp(x, w, 0.3), (4, 5)), ("addcmul", lambda x, w: torch.addcmul(x, x, w), (5,)),
)
together("arithmetic", "broadcasting", {
    name.replace(" ", "_"): (
        lambda x, part, run=run: run(x * part.a, part.w), lambda shape=shape: dict(w=parameter(*shape, scale=0.2, shift=1.5), a=parameter(2, 3, 4, 5)))
    for name, run, shape in broadcasting}, (2, 3, 4, 5))

activations = dict(
    gelu=F.gelu, gelu_tanh=lambda x: F.gelu(x, approximate="tanh"), silu=F.silu, mish=F.mish, softplus=F.softplus, elu=F.elu,
    selu=F.selu, celu=lambda x: F.celu(x, 0.5), leaky=F.leaky_relu, hardswish=F.hardswish, hardtanh=F.hardtanh,
    softsign=F.softsign, logsigmoid=F.logsigmoid, tanhshrink=F.tanhshrink, relu6=F.relu6, softmax=lambda x: x.softmax(1),
    log_softmax=lambda x: x.log_softmax(-1), erf=torch.erf, glu=lambda x: F.glu(x, 1), sin=torch.sin,
    norm=lambda x: F.normalize(x, dim=1), logsumexp=lambda x: x.logsumexp(1), std=lambda x: x.std(1), var=lambda x: x.var(-1),
    cumsum=lambda x: x.cumsum(1), prod=lambda x: x.prod(1), amax=lambda x: x.amax(1), topk=lambda x: x.topk(3, 1).values,
    sort=lambda x: x.sort(1).values, flip=lambda x: x.flip(1), roll=lambda x: x.roll(2, 1), repeat=lambda x: x.repeat(2, 1, 3),
    reflect=lambda x: F.pad(x, (1, 2), "reflect"), replicate=lambda x: F.pad(x, (1, 2), "replicate"),
    circular=lambda x: F.pad(x, (1, 2), "circular"), tril=lambda x: x.tril(), unfold=lambda x: x.unfold(1, 2, 2),
    norm1=lambda x: x.norm(p=1, dim=1), sqrt=lambda x: (x.abs() + 0.1).sqrt(), rsqrt=lambda x: (x.abs() + 0.1).rsqrt(),
    log1p=lambda x: x.abs().log1p(), diff=lambda x: x[:, 1:] - x[:, :-1], steps=lambda x: x[:, ::2], masked=lambda x: x.masked_fill(x > 1, 0.0),
)
names = list(activations)
for start in range(0, len(names), 12):
    together("functions", f"from {names[start]} on", {
        name: (lambda x, part, function=activations[name]: function(part.a(x).transpose(1, 2)), lambda: dict(a=nn.Linear(5, 6)))
        for name in names[start : start + 12]}, (2, 4, 5))
case("functions", "prelu", lambda: Net(lambda s, x: s.p(s.a(x)) + s.q(x), a=nn.Conv2d(3, 3, 3, padding=1), p=nn.PReLU(3), q=nn.PReLU()), (2, 3, 5, 5))
case("functions", "bilinear", lambda: nn.Bilinear(4, 5, 3), (6, 4), (6, 5), optimize=False)
case("functions", "cosine similarity", lambda: Net(lambda s, x: F.cosine_similarity(s.a(x), s.b(x), -1), a=nn.Linear(5, 4), b=nn.Linear(5, 4)), (6, 5))
case("functions", "embedding bag", lambda: Net(lambda s, i: s.t(i).mean(1), t=nn.Embedding(7, 5)), ids(7, 4, 9))
case("functions", "index_add", lambda: Net(
    lambda s, x: x.new_zeros(3, 4).index_add(0, s.index, s.a(x)), a=nn.Linear(5, 4), index=Buffer(ids(3, 8))), (8, 5))
case("functions", "index_put", lambda: Net(
    lambda s, x: s.base.index_put((s.index,), s.a(x), accumulate=True), a=nn.Linear(5, 4), base=parameter(3, 4), index=Buffer(ids(3, 8))), (8, 5), optimize=False)
case("functions", "scatter_add", lambda: Net(
    lambda s, x: x.new_zeros(3, 4).scatter_add(0, s.index, s.a(x)), a=nn.Linear(5, 4), index=Buffer(ids(3, 8, 4))), (8, 5))
case("functions", "gather", lambda: Net(
    lambda s, x: s.a(x).gather(1, s.index), a=nn.Linear(5, 4), index=Buffer(ids(4, 8, 6))), (8, 5))
case("functions", "grid of positions as a buffer", lambda: Net(
    lambda s, x: s.a(torch.cat([x, s.grid.expand(x.shape[0], -1, -1, -1)], 1)).tanh(), a=nn.Conv2d(5, 4, 3),
    grid=Buffer(torch.stack(torch.meshgrid(torch.linspace(-1, 1, 6), torch.linspace(-1, 1, 6), indexing="ij"))[None])), (2, 3, 6, 6))
case("functions", "frozen parameter in the program", lambda: Net(
    lambda s, x: s.b(s.a(x).tanh()), a=nn.Linear(5, 4), b=nn.Linear(4, 3)), (8, 5))
case("functions", "low-rank weight", lambda: Net(lambda s, x: F.linear(x, s.u @ s.v), u=parameter(4, 2), v=parameter(2, 5)), (8, 5), optimize=False)
recurrent = dict(
    lstm=(nn.LSTM, {}), stacked=(nn.LSTM, dict(num_layers=2)), both=(nn.LSTM, dict(bidirectional=True)),
    unbiased=(nn.LSTM, dict(bias=False)), gru=(nn.GRU, {}), gru_both=(nn.GRU, dict(bidirectional=True, num_layers=2)),
)
# Not optimized: the optimizer puts the gates into ONNX's order, and writes the biases into one tensor.
for name, (kind, options) in recurrent.items():
    case("recurrent", name, lambda kind=kind, options=options: Net(
        lambda s, x: s.out(s.r(s.first(x))[0]), first=nn.Linear(5, 5), r=kind(5, 4, batch_first=True, **options),
        out=nn.Linear(4 * (2 if options.get("bidirectional") else 1), 3)), (2, 6, 5), optimize=False)
case("recurrent", "last state", lambda: Net(
    lambda s, x: s.out(s.r(s.first(x))[1][0][-1]), first=nn.Linear(5, 5), r=nn.LSTM(5, 4, batch_first=True), out=nn.Linear(4, 3)), (2, 6, 5), optimize=False)
case("recurrent", "learned initial states", lambda: Net(
    lambda s, x: s.r(x, (s.h.expand(-1, x.shape[0], -1).contiguous(), s.c.expand(-1, x.shape[0], -1).contiguous()))[0],
    r=nn.LSTM(5, 4, batch_first=True), h=parameter(1, 1, 4), c=parameter(1, 1, 4)), (2, 6, 5), optimize=False)
case("functions", "chunks as a sequence", lambda: Net(
    lambda s, x: torch.cat([part.tanh() for part in s.a(x).chunk(2, -1)]), a=nn.Linear(5, 4)), (2, 3, 5), optimize=False)
case("functions", "grid_sample", lambda: Net(
    lambda s, x: F.grid_sample(s.a(x), s.grid, align_corners=False), a=nn.Conv2d(3, 4, 1), grid=Buffer(torch.rand(2, 4, 4, 2) * 2 - 1)),
    (2, 3, 6, 6))


# --------------------------------------------------------------------------------- reference


def loss_of(kind, y, target):
    if kind == "mse":
        return F.mse_loss(y, target)
    return F.cross_entropy(y.movedim(-1, 1) if kind == "ce last" else y, target)


def computed(module, inputs, kind, target, dtype):
    """Loss, gradients and running statistics of one training step in this precision."""
    module = copy.deepcopy(module).to(dtype).train()
    cast = lambda value: value.to(dtype) if value.is_floating_point() else value
    y = module(*[cast(value) for value in inputs])
    loss = loss_of(kind, y, cast(target))
    loss.backward()
    found = {"loss": loss.detach()}
    for name, value in module.named_parameters():
        found[f"gradient {name}"] = torch.zeros_like(value) if value.grad is None else value.grad
    for name, value in module.named_buffers():
        if "running_" in name:
            found[f"next {name}"] = value
    return {key: value.double().numpy() for key, value in found.items()}


def einsum_model(equation, a, b):
    """One Einsum as PyTorch never writes it, between two parameters that layers would call weights."""
    import onnx
    from onnx import TensorProto, helper

    x = torch.randn(a, dtype=torch.float64).float()
    w = torch.randn(b, dtype=torch.float64).float()
    y = torch.einsum(equation, x, w)
    names = [helper.make_tensor_value_info("input0", TensorProto.FLOAT, list(a))]
    model = helper.make_model(helper.make_graph(
        [helper.make_node("Einsum", ["x", "w"], ["y"], equation=equation),
         helper.make_node("Add", ["input0", "v"], ["x"])][::-1], "einsum", names,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(y.shape))],
        [helper.make_tensor("w", TensorProto.FLOAT, list(b), w.flatten().tolist()),
         helper.make_tensor("v", TensorProto.FLOAT, list(a), torch.zeros(a).flatten().tolist())]),
        opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return model, Net(lambda s, z: torch.einsum(equation, z + s.v, s.w), w=nn.Parameter(w), v=nn.Parameter(torch.zeros(a)))


def run(group):
    arrays, listed = {}, []
    for position, (name, (build, shapes, kind, options)) in enumerate(groups[group].items()):
        torch.manual_seed(position)
        file = f"{position}.onnx"
        entry = {"name": name, "file": file, "loss": kind, "untrained": options.get("untrained", []),
                 "absent": options.get("absent", [])}
        try:
            if options.get("whole"):
                import onnx

                model, module = einsum_model(kind, *shapes)
                shapes, entry["loss"], entry["trainOnly"] = shapes[:1], "mse", ["w", "v"]
                kind = "mse"
                onnx.save(model, file)
            else:
                module = build()
            inputs = [value if torch.is_tensor(value) else torch.randn(*value) for value in shapes]
            if not options.get("fresh") and not options.get("whole"):
                with torch.no_grad():
                    for value in module.parameters():
                        value.add_(torch.randn_like(value) * 0.1)
            module.train()
            with torch.no_grad():
                y = copy.deepcopy(module)(*inputs)
            if kind == "mse":
                target = torch.randn_like(y)
            else:
                classes = y.shape[-1] if kind == "ce last" else y.shape[1]
                shape = y.shape[:-1] if kind == "ce last" else (y.shape[0], *y.shape[2:])
                target = torch.randint(0, classes, shape)
            if not options.get("whole"):
                shapes_given = tuple({0: torch.export.Dim.DYNAMIC} for _ in inputs) if options.get("dynamic") else None
                if shapes_given is not None:
                    shapes_given = (shapes_given,)
                names = [f"input{i}" for i in range(len(inputs))]
                if options.get("older"):
                    torch.onnx.export(
                        copy.deepcopy(module), tuple(inputs), file, dynamo=False, input_names=names,
                        training=torch.onnx.TrainingMode.PRESERVE, dynamic_axes={each: {0: "batch"} for each in names})
                else:
                    torch.onnx.export(
                        copy.deepcopy(module).eval(), tuple(inputs), file, dynamo=True, external_data=False, verbose=False,
                        optimize=options.get("optimize", True), dynamic_shapes=shapes_given, input_names=names)
            first = {id(value): name for name, value in reversed(list(module.named_parameters()))}
            entry["aliases"] = {name: first[id(value)] for name, value in module.named_parameters(remove_duplicate=False)}
            if "refused" in options:
                entry["refused"] = options["refused"]
            exact = computed(module, inputs, kind, target, torch.float64)
            rough = computed(module, inputs, kind, target, torch.float32)
            for key, value in exact.items():
                arrays[f"{position} {key}"] = value
                arrays[f"{position} error {key}"] = numpy.abs(rough[key] - value).max(initial=0)[None]
            for i, value in enumerate(inputs):
                arrays[f"{position} input{i}"] = value.numpy()
            arrays[f"{position} target"] = target.numpy()
        except Exception as error:  # A module that cannot be exported is no judgement of ours.
            entry["failed"] = f"{type(error).__name__}: {str(error)[:500]}"
        listed.append(entry)
    numpy.savez("output.npz", **arrays)
    print(json.dumps(listed))


if __name__ == "__main__":
    run(sys.argv[1])
