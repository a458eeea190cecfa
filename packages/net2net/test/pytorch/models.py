"""
Exports a model from PyTorch, and writes what PyTorch computes for it in float64: the losses, every
gradient, and the parameters and running statistics after five optimizer steps.

Two things would make any two float32 implementations differ, and are dealt with here:

* Near a kink (the input of a ReLU within rounding of zero) the gradient depends on the last bit.
  A batch at which a change of the weights by 1e-5 makes the gradient jump is drawn again. (Seed 28
  of dense-block with AdamW has such a batch: one of 4,608 inputs of a ReLU is 1.1e-7 in float64 and
  -1.6e-7 from weights that differ by rounding; the gradient jumps by 1.8e-2 of its size.)
* The gradient of a bias before a BatchNorm is zero by nature (1e-17 in float64), and Adam divides
  the rounding errors that are left by their own size. For such parameters it is printed how far
  PyTorch's own float32 goes astray.

Usage: models.py OPTIMIZER EXPORTER OPSET MODEL[:SEED]..., EXPORTER being "older" or "newer", in the
folder that the results go to. One process exports many models, since starting PyTorch takes longer than exporting one.
"""
import copy
import json
import sys

import numpy
import torch
from torch import nn
from torch.nn import functional as F


def conv_bn(a, b, k, activation=nn.ReLU, **options):
    return nn.Sequential(
        nn.Conv2d(a, b, k, bias=False, **options), nn.BatchNorm2d(b), activation()
    )


class ResNetBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 8, 3, padding=1)
        self.conv1 = nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(12)
        self.conv2 = nn.Conv2d(12, 12, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(12)
        self.down = nn.Sequential(nn.Conv2d(8, 12, 1, stride=2, bias=False), nn.BatchNorm2d(12))
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        x = self.stem(x)
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)) + self.down(x))
        return self.head(F.adaptive_avg_pool2d(y, 1).flatten(1))


class InvertedResidual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv_bn(3, 8, 3, nn.ReLU6, stride=2, padding=1)
        self.expand = conv_bn(8, 24, 1, nn.ReLU6)
        self.depthwise = conv_bn(24, 24, 3, nn.Hardswish, padding=1, groups=24)
        self.squeeze = nn.Conv2d(24, 6, 1)
        self.excite = nn.Conv2d(6, 24, 1)
        self.project = nn.Sequential(nn.Conv2d(24, 8, 1, bias=False), nn.BatchNorm2d(8))
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        y = self.depthwise(self.expand(x))
        gate = F.hardsigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1)))))
        x = x + self.project(y * gate)
        return self.head(x.mean([2, 3]))


class DenseBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(4 + 4 * i), nn.ReLU(), nn.Conv2d(4 + 4 * i, 4, 3, padding=1)
            )
            for i in range(3)
        )
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.transition = nn.Sequential(nn.Conv2d(16, 8, 1), nn.AvgPool2d(2))
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return self.head(self.transition(torch.cat(features, 1)).mean((2, 3)))


class InceptionBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = conv_bn(3, 4, 1)
        self.three = nn.Sequential(conv_bn(3, 4, 1), conv_bn(4, 6, 3, padding=1))
        self.wide = nn.Sequential(
            conv_bn(3, 4, (1, 5), padding=(0, 2)), conv_bn(4, 4, (5, 1), padding=(2, 0))
        )
        self.pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv_bn(3, 4, 1))
        self.head = nn.Linear(18, 5)

    def forward(self, x):
        average = F.avg_pool2d(x, 3, stride=1, padding=1)
        parts = [self.one(x), self.three(x), self.wide(average), self.pool(x)]
        x = F.max_pool2d(torch.cat(parts, 1), 3, stride=2, ceil_mode=True)
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class UNet(nn.Module):
    def __init__(self, transposed=True):
        super().__init__()
        self.down1 = conv_bn(3, 6, 3, padding=1)
        self.down2 = conv_bn(6, 8, 3, padding=1)
        self.middle = conv_bn(8, 12, 3, padding=1)
        if transposed:
            self.up2 = nn.ConvTranspose2d(12, 8, 2, stride=2)
            self.up1 = nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1)
        else:
            self.up2 = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(12, 8, 1))
            self.up1 = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                nn.Conv2d(8, 6, 1),
            )
        self.merge2 = conv_bn(16, 8, 3, nn.LeakyReLU, padding=1)
        self.merge1 = conv_bn(12, 6, 3, nn.SiLU, padding=1)
        self.head = nn.Conv2d(6, 5, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.middle(F.max_pool2d(b, 2))
        b = self.merge2(torch.cat([self.up2(c), b], 1))
        a = self.merge1(torch.cat([self.up1(b), a], 1))
        return self.head(a)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (y.view(n, t, self.heads, -1).transpose(1, 2) for y in (q, k, v))
        weights = torch.softmax(q @ k.transpose(-2, -1) / (d // self.heads) ** 0.5, dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(n, t, d))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, stride=4)
        self.position = nn.Parameter(torch.randn(1, 6, 16) * 0.1)
        self.norm1 = nn.LayerNorm(16)
        self.attention = Attention(16, 4)
        self.norm2 = nn.LayerNorm(16)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        x = x + self.attention(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return self.head(x.mean(1))


class TorchEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(12, 16)
        self.encoder = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        n = x.shape[0]
        x = self.embed(x.reshape(n, 24, 12))
        return self.head(self.encoder(x)[:, 0])


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 10, 4, stride=4)
        self.norm1 = nn.LayerNorm(10)
        self.tokens = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 6))
        self.norm2 = nn.LayerNorm(10)
        self.channels = nn.Sequential(nn.Linear(10, 20), nn.GELU(), nn.Linear(20, 10))
        self.head = nn.Linear(10, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(self.norm2(x))
        return self.head(x.mean(dim=1))


def norms():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1),
        nn.GroupNorm(4, 8),
        nn.ELU(),
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2),
        nn.InstanceNorm2d(8, affine=True),
        nn.PReLU(8),
        nn.ZeroPad2d((0, 1, 1, 0)),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
        nn.Softplus(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )


class Shuffle(nn.Module):
    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        n, c, h, w = x.shape
        return x.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def shuffle():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.PixelShuffle(2),
        nn.Tanh(),
        nn.Conv2d(2, 4, 3, stride=2),
        Shuffle(2),
        nn.Sigmoid(),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Flatten(),
        nn.LazyLinear(5),
    )


MODELS = {
    "mlp": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(288, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 12),
        nn.Tanh(), nn.Linear(12, 5), nn.LogSoftmax(-1),
    ),
    "resnet": ResNetBlock,
    "inverted-residual": InvertedResidual,
    "dense-block": DenseBlock,
    "inception": InceptionBlock,
    "unet": UNet,
    "unet-upsample": lambda: UNet(transposed=False),
    "encoder": Encoder,
    "torch-encoder": TorchEncoder,
    "mixer": Mixer,
    "norms": norms,
    "shuffle": shuffle,
}


def optimizer_of(model, name):
    return {
        "sgd": lambda: torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9),
        "adam": lambda: torch.optim.Adam(model.parameters(), lr=0.01, eps=1e-4),
        "adamw": lambda: torch.optim.AdamW(
            model.parameters(), lr=0.01, weight_decay=0.1, eps=1e-4
        ),
    }[name]()


def named(model):
    statistics = {k: v for k, v in model.named_buffers() if "running" in k}
    return {**dict(model.named_parameters()), **statistics}


def compute(model, x, t):
    """The loss; the gradients are left in the parameters."""
    model.zero_grad()
    loss = F.cross_entropy(model(x), t)
    loss.backward()
    return loss.item()


def has_kink(model, x, t):
    """Does the gradient jump, seen from the weights to both sides of them?"""

    def gradients(shift):
        moved = copy.deepcopy(model)
        with torch.no_grad():
            for p, d in zip(moved.parameters(), shift):
                p += d
        compute(moved, x, t)
        return [p.grad for p in moved.parameters()]

    here = gradients([0] * len(list(model.parameters())))
    overall = max(g.abs().max() for g in here)
    for _ in range(3):
        shift = [1e-5 * p.abs().max() * torch.randn_like(p) for p in model.parameters()]
        there, opposite = gradients(shift), gradients([-d for d in shift])
        for g, a, b in zip(here, there, opposite):
            if (a + b - 2 * g).abs().max() > 3e-5 * max(g.abs().max(), 1e-3 * overall):
                return True
    return False


def write(model, example, file, exporter, opset):
    """With the newer exporter as it is used to keep normalizations: not optimized, and in evaluation."""
    names = dict(input_names=["x"], output_names=["y"], opset_version=opset)
    if exporter == "newer":
        shapes = dict(dynamic_shapes=({0: torch.export.Dim("batch")},))
        torch.onnx.export(
            model.eval(), (example,), file, dynamo=True, optimize=False, external_data=False, verbose=False,
            **shapes, **names
        )
        return
    torch.onnx.export(
        model,
        example,
        file,
        dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}},
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        **names,
    )


def export(name, seed, optimizer_name, exporter, opset):
    """Writes the model; what PyTorch computes for it, and what is said of that."""
    torch.manual_seed(int(seed) if seed else 100 * len(name) + opset)
    model = MODELS[name]().train()
    example = torch.randn(4, 3, 8, 12)
    model(example)  # lazy layers take their shapes; running statistics move
    outputs = model(example)
    write(model, example, f"{name}.onnx", exporter, opset)
    model.train()
    exact = copy.deepcopy(model).double()

    arrays, losses, redrawn, largest = {}, [], 0, {}
    optimizer, exact_optimizer = optimizer_of(model, optimizer_name), optimizer_of(exact, optimizer_name)
    for i in range(5):
        while True:
            x = torch.randn(4, 3, 8, 12)
            t = torch.randint(0, 5, (4,) + tuple(outputs.shape[2:]))
            if not has_kink(exact, x.double(), t):
                break
            redrawn += 1
            assert redrawn < 100, "every batch has a kink"
        arrays[f"x{i}"], arrays[f"t{i}"] = x.numpy(), t.numpy()
        compute(model, x, t)
        losses.append(compute(exact, x.double(), t))
        for key, value in exact.named_parameters():
            largest[key] = max(largest.get(key, 0), value.grad.abs().max().item())
            if i == 0:
                arrays[f"gradient {key}"] = value.grad.numpy().copy()
        optimizer.step()
        exact_optimizer.step()
    own = named(model)
    for key, value in named(exact).items():
        arrays[f"final {key}"] = value.detach().numpy()
    astray = {
        key: (own[key].double() - named(exact)[key]).abs().max().item()
        for key, value in largest.items()
        if value <= 1e-12 * max(largest.values())
    }
    return arrays, {"losses": losses, "redrawn": redrawn, "astray": astray}


optimizer_name, exporter, opset, *wanted = sys.argv[1:]
torch.set_num_threads(1)
results, printed = {}, {}
for each in wanted:
    name, _, seed = each.partition(":")
    arrays, printed[name] = export(name, seed, optimizer_name, exporter, int(opset))
    results.update({f"{name} {key}": value for key, value in arrays.items()})
numpy.savez("output.npz", **results)
print(json.dumps(printed))
