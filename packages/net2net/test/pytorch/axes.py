"""
Exports small networks whose shapes are computed in the many ways in which people write them.

Usage: axes.py OPSET DYNAMIC, in the folder that the files go to. DYNAMIC is `none`, `batch` or
`all` (every axis but the features). Prints the names of the networks as JSON.
"""
import json
import math
import sys
import warnings

import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")


class Net(nn.Module):
    def __init__(self, function, *modules):
        super().__init__()
        self.function = function
        self.parts = nn.ModuleList(modules)

    def forward(self, x):
        return self.function(self.parts, x)


def conv(inputs, outputs, kernel=1, **options):
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, **options)


linear = nn.Linear


def shuffle(x, groups, wanted=None):
    n, c, h, w = x.size()
    x = x.view(n, groups, c // groups, h, w).transpose(1, 2).contiguous()
    return x.view(n, wanted or c, h, w)


def shuffle_unit(m, x):
    y = m[0](x)
    branch = m[2](F.relu(m[1](y[:, 4:])))
    return m[3](shuffle(torch.cat([y[:, :4], branch], 1), 2))


def squeeze_excite(m, x):
    y = m[0](x)
    s = torch.sigmoid(m[2](F.relu(m[1](y.mean((2, 3))))))
    return m[3](y * s.view(y.size(0), y.size(1), 1, 1).expand_as(y))


def chunks(m, x):
    a, b = m[0](x).chunk(2, 1)
    return m[1](torch.cat([a, F.relu(b)], 1))


def res2(m, x):
    a, b, c = torch.split(F.relu(m[0](x)), 4, 1)
    b = F.relu(m[1](b))
    return m[3](torch.cat([a, b, F.relu(m[2](b + c))], 1))


def attention(m, x):
    n, length, width = x.shape
    q, k, v = [t.view(n, length, 2, width // 2).transpose(1, 2) for t in m[0](x).chunk(3, -1)]
    scores = (q @ k.transpose(-2, -1) / math.sqrt(width // 2)).softmax(-1)
    x = x + m[1]((scores @ v).transpose(1, 2).reshape(n, length, width))
    return m[4](x + m[3](F.gelu(m[2](m[5](x)))))


def windows(m, x):
    y = m[0](x).permute(0, 2, 3, 1)
    n, h, w, c = y.shape
    y = y.view(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, c)
    y = m[2](F.gelu(m[1](y)))
    y = y.view(n, h // 2, w // 2, 2, 2, -1).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, -1)
    return m[3](y)


def axial(m, x):
    rows = m[1](m[0](x).permute(0, 2, 1, 3).flatten(0, 1))
    return m[2](rows.view(x.size(0), x.size(2), -1, x.size(3)).permute(0, 2, 1, 3))


def upsample(m, x):
    y = m[0](x)
    small = m[1](F.max_pool2d(y, 2))
    return m[2](torch.cat([F.interpolate(small, size=x.shape[2:], mode="nearest"), y], 1))


def crop(m, x):
    a = m[0](x)
    b = F.interpolate(m[1](F.max_pool2d(a, 2)), scale_factor=2.0)
    d = (a.shape[2] - b.shape[2]) // 2
    return m[2](torch.cat([a[:, :, d : d + b.shape[2]], b], 1))


def detector(m, x):
    y = m[1](F.relu(m[0](x)))
    n, _, h, w = y.shape
    return y.view(n, 3, 4, h, w).permute(0, 1, 3, 4, 2).contiguous().view(n, -1, 4)


def coordinates(m, x):
    n, _, h, w = x.shape
    ramp = torch.linspace(-1, 1, w).view(1, 1, 1, -1).expand(n, 1, h, w)
    return m[1](torch.cat([m[0](x), ramp], 1))


image, sequence, vector = (2, 3, 8, 6), (2, 5, 8), (2, 8)
networks = {
    "shuffle": (lambda m, x: m[1](shuffle(m[0](x), 2)), [conv(3, 8), conv(8, 4)], image),
    "shuffle-open": (lambda m, x: m[1](shuffle(m[0](x), 2, -1)), [conv(3, 8), conv(8, 4)], image),
    "shuffle-unit": (
        shuffle_unit,
        [conv(3, 8), conv(4, 4), conv(4, 4, 3, groups=4), conv(8, 4)],
        image,
    ),
    "view": (
        lambda m, x: m[1](m[0](x).view(-1, 4 * 48)),
        [conv(3, 4), linear(192, 5)],
        image,
    ),
    "tokens": (
        lambda m, x: m[1](m[0](x).flatten(2).transpose(1, 2)),
        [conv(3, 4), linear(4, 5)],
        image,
    ),
    "squeeze-excite": (
        squeeze_excite,
        [conv(3, 8), linear(8, 4), linear(4, 8), conv(8, 4)],
        image,
    ),
    "chunks": (chunks, [conv(3, 8), conv(8, 4)], image),
    "res2": (res2, [conv(3, 12), conv(4, 4, 3), conv(4, 4, 3), conv(12, 4)], image),
    "glu": (lambda m, x: m[1](F.glu(m[0](x), 1)), [conv(3, 8), conv(4, 4)], image),
    "pixel-shuffle": (
        lambda m, x: m[1](F.pixel_shuffle(m[0](x), 2)),
        [conv(3, 8), conv(2, 4)],
        image,
    ),
    "upsample": (upsample, [conv(3, 8), conv(8, 4), conv(12, 3)], image),
    "crop": (crop, [conv(3, 8), conv(8, 8), conv(16, 4)], image),
    "detector": (detector, [conv(3, 6), conv(6, 12)], image),
    "coordinates": (coordinates, [conv(3, 8), conv(9, 2)], image),
    "windows": (windows, [conv(3, 4), linear(4, 12), linear(12, 4), linear(4, 2)], image),
    "axial": (axial, [conv(3, 8), nn.Conv1d(8, 6, 3, padding=1), conv(6, 2)], image),
    "group-norm": (
        lambda m, x: m[2](F.relu(m[1](m[0](x)))),
        [conv(3, 8), nn.GroupNorm(2, 8), conv(8, 4)],
        image,
    ),
    "reflect": (
        lambda m, x: m[1](F.pad(m[0](x), (1, 1, 2, 0), mode="reflect")),
        [conv(3, 8), conv(8, 4)],
        image,
    ),
    "padded-shortcut": (
        lambda m, x: m[2](F.relu(m[0](x) + F.pad(m[1](x), (0, 0, 0, 0, 2, 2)))),
        [conv(3, 8), conv(3, 4), conv(8, 2)],
        image,
    ),
    "attention": (
        attention,
        [linear(8, 24), linear(8, 8), linear(8, 16), linear(16, 8), linear(8, 3), nn.LayerNorm(8)],
        sequence,
    ),
    "maxout": (
        lambda m, x: m[1](m[0](x).view(-1, 6, 2).max(-1)[0]),
        [linear(8, 12), linear(6, 2)],
        vector,
    ),
    "split": (
        lambda m, x: (lambda p: m[1](p[0]) + m[2](p[1]))(m[0](x).split([4, 3], 1)),
        [linear(8, 7), linear(4, 2), linear(3, 2)],
        vector,
    ),
    "last-token": (
        lambda m, x: m[1](F.relu(m[0](x))[:, -1, :]),
        [linear(8, 6), linear(6, 2)],
        sequence,
    ),
    "stack": (
        lambda m, x: m[2](torch.stack([m[0](x), m[1](x)], 1).sum(1)),
        [linear(8, 6), linear(8, 6), linear(6, 2)],
        vector,
    ),
    "unflatten": (
        lambda m, x: m[1](F.relu(m[0](x)).view(-1, 4, 2, 3)),
        [linear(8, 24), conv(4, 3)],
        vector,
    ),
    "text": (
        lambda m, x: m[2](
            torch.cat([F.relu(m[k](x.transpose(1, 2))).max(-1)[0] for k in (0, 1)], 1)
        ),
        [nn.Conv1d(8, 4, 2), nn.Conv1d(8, 6, 3), linear(10, 2)],
        sequence,
    ),
    "repeat": (
        lambda m, x: m[1](m[0](x).unsqueeze(1).repeat(1, 3, 1)),
        [linear(8, 6), linear(6, 2)],
        vector,
    ),
    "outer": (
        lambda m, x: m[1](torch.matmul(m[0](x).unsqueeze(2), m[2](x).unsqueeze(1)).flatten(1)),
        [linear(8, 3), linear(12, 2), linear(8, 4)],
        vector,
    ),
    "mean-square": (
        lambda m, x: m[1](m[0](x).pow(2).mean((2, 3)).sqrt()),
        [conv(3, 8), linear(8, 2)],
        image,
    ),
}


def dynamic_axes(shape, mode):
    if mode == "none":
        return None
    if mode == "batch":
        return {"input": {0: "batch"}}
    features = 1 if shape == image else len(shape) - 1
    return {"input": {k: f"d{k}" for k in range(len(shape)) if k != features}}


opset, mode = int(sys.argv[1]), sys.argv[2]
for name, (function, modules, shape) in networks.items():
    torch.manual_seed(0)
    torch.onnx.export(
        Net(function, *modules).eval(),
        torch.randn(shape),
        f"{name}.onnx",
        opset_version=opset,
        input_names=["input"],
        output_names=["output"],
        dynamic_axes=dynamic_axes(shape, mode),
    )
print(json.dumps({name: shape for name, (_, _, shape) in networks.items()}))
