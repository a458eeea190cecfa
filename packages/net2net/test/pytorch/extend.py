"""
Exports networks whose outputs, inputs, vocabulary and positions are extended, or whose streams through norms get
other widths, into the current folder, with one of PyTorch's exporters or both. Prints as JSON the files that could be exported.
"""
import json
import warnings

import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = (
            y.view(n, t, self.heads, -1).transpose(1, 2) for y in self.qkv(self.first(x)).split(width, -1)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, width))
        return x + self.down(F.gelu(self.up(self.second(x))))


class Language(nn.Module):
    def __init__(self, tied, tokens=50, positions=16, width=24):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(tokens, width), nn.Embedding(positions, width)
        self.block, self.norm = Block(width, 4), nn.LayerNorm(width)
        self.head = nn.Linear(width, tokens, bias=False)
        if tied:
            self.head.weight = self.wte.weight

    def forward(self, x):
        h = self.wte(x) + self.wpe(torch.arange(x.shape[1]))
        return self.head(self.norm(self.block(h)))


class Several(nn.Module):
    """Logits, their logarithms, and boxes beside scores."""

    def __init__(self):
        super().__init__()
        self.hidden, self.classes, self.box = nn.Linear(6, 12), nn.Linear(12, 4), nn.Linear(12, 4)

    def forward(self, x):
        h = torch.relu(self.hidden(x))
        logits = self.classes(h)
        return logits, torch.log_softmax(logits, -1), torch.cat([self.box(h), torch.sigmoid(logits)], -1)


class Scaled(nn.Module):
    """An image that is standardized in the graph."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
        self.register_buffer("mean", torch.rand(1, 3, 1, 1))
        self.register_buffer("deviation", torch.rand(1, 3, 1, 1) + 0.5)

    def forward(self, x):
        return self.head(torch.tanh(self.conv((x - self.mean) / self.deviation)).mean((2, 3)))


class RootMeanSquare(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class InParts(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.rand(width) + 0.5), nn.Parameter(torch.randn(width))

    def forward(self, x):
        centred = x - x.mean(-1, keepdim=True)
        return self.weight * centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5) + self.bias


class Stream(nn.Module):
    def __init__(self, norm, after=False, width=20):
        super().__init__()
        self.stem, self.after, self.norm, self.last = nn.Embedding(30, width), after, norm(width), norm(width)
        self.up, self.down, self.head = nn.Linear(width, 40), nn.Linear(40, width), nn.Linear(width, 7)

    def forward(self, x):
        h = self.stem(x)
        block = lambda y: self.down(torch.tanh(self.up(y)))
        h = self.norm(h + block(h)) if self.after else h + block(self.norm(h))
        return self.head(self.last(h))


segmentation = nn.Sequential(
    nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 5, 1), nn.Upsample(scale_factor=2, mode="bilinear")
)
ids, image = torch.randint(0, 30, (2, 7)), torch.randn(2, 3, 8, 12)
models = {
    "tied": (Language(True), ids, 2),
    "untied": (Language(False), ids, 2),
    "segmentation": (segmentation, image, 1),
    "several": (Several(), torch.randn(2, 6), 1),
    "scaled": (Scaled(), image, 1),
    "layer-norm": (Stream(nn.LayerNorm), ids, 2),
    "layer-norm-after": (Stream(nn.LayerNorm, after=True), ids, 2),
    "layer-norm-in-parts": (Stream(InParts), ids, 2),
    "rms-norm": (Stream(nn.RMSNorm), ids, 2),
    "rms-norm-after": (Stream(nn.RMSNorm, after=True), ids, 2),
    "rms-norm-in-parts": (Stream(RootMeanSquare), ids, 2),
}
torch.manual_seed(0)
files = []
for name, (model, x, dynamic) in models.items():
    model.eval()
    for module in model.modules():
        if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
            nn.init.normal_(module.weight, 1, 0.3)
        if isinstance(module, nn.LayerNorm):
            nn.init.normal_(module.bias, 0, 0.3)
    # The newer exporter takes long: it writes one network, and what the older one cannot.
    for dynamo in [False, True]:
        if dynamo and name != "tied" and f"{name}.script.onnx" in files:
            continue
        file = f"{name}.{'dynamo' if dynamo else 'script'}.onnx"
        shapes = (
            {"dynamic_shapes": ({k: torch.export.Dim.AUTO for k in range(dynamic)},), "external_data": False, "verbose": False}
            if dynamo
            else {"dynamic_axes": {"x": {k: f"x{k}" for k in range(dynamic)}}}
        )
        try:
            torch.onnx.export(model, (x,), file, dynamo=dynamo, input_names=["x"], **shapes)
            files.append(file)
        except Exception:  # The older exporter does not know every operator.
            pass
print(json.dumps(files))
