"""
Exports attention in the ways in which people write it, into the current folder, as
NAME.CONFIGURATION.onnx. Prints as JSON what could be exported, and why the rest could not.
Tokens are [2, 5, 12]; two heads of 6.
"""
import io
import json
import math
import warnings

import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")

WIDTH, HEADS, DEPTH = 12, 2, 6


def attend(q, k, v):
    return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1) @ v


def joined(x):
    n, h, t, d = x.shape
    return x.transpose(1, 2).reshape(n, t, h * d)


class Separate(nn.Module):
    """Layers of their own; what is done to queries and keys is given."""
    def __init__(self, treat=None):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.treat = treat or nn.Identity()

    def forward(self, x):
        q, k, v = (f(x).view(*x.shape[:2], HEADS, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        return x + self.out(joined(attend(self.treat(q), self.treat(k), v)))


class Columns(nn.Module):
    """One layer, its columns in three chunks, as in GPT-2."""
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = (
            y.view(*x.shape[:2], HEADS, DEPTH).transpose(1, 2) for y in self.qkv(x).chunk(3, -1)
        )
        return x + self.out(joined(attend(q, k, v)))


class Entries(nn.Module):
    """One layer, its columns as entries of an axis, as in vision transformers."""
    def __init__(self, heads_first):
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.heads_first = heads_first

    def forward(self, x):
        n, t, _ = x.shape
        if self.heads_first:
            q, k, v = self.qkv(x).view(n, t, HEADS, 3, DEPTH).permute(3, 0, 2, 1, 4)
        else:
            q, k, v = self.qkv(x).view(n, t, 3, HEADS, DEPTH).permute(2, 0, 3, 1, 4).unbind(0)
        return x + self.out(joined(attend(q, k, v)))


class Multihead(nn.Module):
    def __init__(self, batch_first, other=False):
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=batch_first)
        self.memory = nn.Linear(WIDTH, WIDTH) if other else None

    def forward(self, x):
        memory = x if self.memory is None else torch.relu(self.memory(x))
        return x + self.attention(x, memory, memory, need_weights=False)[0]


class Grouped(nn.Module):
    """Two heads of queries to one of keys and values."""
    def __init__(self):
        super().__init__()
        self.q, self.out = nn.Linear(WIDTH, 4 * DEPTH), nn.Linear(4 * DEPTH, WIDTH)
        self.k, self.v = nn.Linear(WIDTH, 2 * DEPTH), nn.Linear(WIDTH, 2 * DEPTH)

    def forward(self, x):
        n, t, _ = x.shape
        q, k, v = (f(x).view(n, t, -1, DEPTH).transpose(1, 2) for f in (self.q, self.k, self.v))
        k, v = (
            z[:, :, None].expand(n, 2, 2, t, DEPTH).reshape(n, 4, t, DEPTH) for z in (k, v)
        )
        return x + self.out(joined(attend(q, k, v)))


class Rotated(nn.Module):
    """Rotary positions, by halves."""
    def __init__(self):
        super().__init__()
        angles = torch.arange(5.0)[:, None] * (0.1 ** torch.arange(DEPTH // 2)).repeat(2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cos + torch.cat([-b, a], -1) * self.sin


class Einsum(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x):
        q, k, v = (f(x).view(*x.shape[:2], HEADS, DEPTH) for f in (self.q, self.k, self.v))
        weights = (torch.einsum("bihd,bjhd->bhij", q, k) / DEPTH ** 0.5).softmax(-1)
        return x + self.out(torch.einsum("bhij,bjhd->bihd", weights, v).reshape(*x.shape[:2], -1))


class Distance(nn.Module):
    """A sum of products, element by element: Mul and ReduceSum."""
    def __init__(self):
        super().__init__()
        self.q, self.k = nn.Linear(WIDTH, 6), nn.Linear(WIDTH, 6)

    def forward(self, x):
        return x + (self.q(x) * torch.tanh(self.k(x))).sum(-1, keepdim=True)


class Whole(nn.Module):
    """Between the first layer and the head the tokens are ours to widen."""
    def __init__(self, block):
        super().__init__()
        self.stem, self.block, self.head = nn.Linear(3, WIDTH), block, nn.Linear(WIDTH, 3)

    def forward(self, x):
        return self.head(self.block(torch.tanh(self.stem(x))))


NETWORKS = {
    "separate": lambda: Separate(),
    "squashed": lambda: Separate(nn.Tanh()),
    "rotated": lambda: Separate(Rotated()),
    "columns": Columns,
    "entries": lambda: Entries(False),
    "heads-first": lambda: Entries(True),
    "multihead": lambda: Multihead(True),
    "multihead-time-first": lambda: Multihead(False),
    "multihead-memory": lambda: Multihead(True, other=True),
    "grouped": Grouped,
    "einsum": Einsum,
    "distance": Distance,
}
CONFIGURATIONS = {
    "opset-12": dict(opset_version=12, do_constant_folding=False),
    "opset-14": dict(opset_version=14, dynamic_axes={"x": {0: "batch"}}),
    "opset-17": dict(opset_version=17),
}

torch.manual_seed(4)
torch.set_num_threads(1)
x = torch.randn(2, 5, 3)
exported, failed = [], {}
for name, make in NETWORKS.items():
    model = Whole(make()).eval()
    for configuration, options in CONFIGURATIONS.items():
        buffer = io.BytesIO()
        try:
            torch.onnx.export(model, x, buffer, input_names=["x"], output_names=["y"], **options)
        except Exception as error:  # an operator that this opset does not have
            failed[f"{name}.{configuration}"] = f"{type(error).__name__}: {str(error)[:150]}"
            continue
        with open(f"{name}.{configuration}.onnx", "wb") as handle:
            handle.write(buffer.getvalue())
        exported.append(f"{name}.{configuration}")
print(json.dumps({"exported": exported, "failed": failed}))
