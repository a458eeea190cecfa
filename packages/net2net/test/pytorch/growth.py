"""
Exports networks from PyTorch into the current folder as NAME.CONFIGURATION.onnx, and prints the
names of the files that could be exported.
"""
import io
import json
import warnings

import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")


def conv_bn(a, b, k, activation=nn.ReLU, **options):
    return nn.Sequential(
        nn.Conv2d(a, b, k, bias=False, **options), nn.BatchNorm2d(b), activation()
    )


class Residual(nn.Module):
    def __init__(self, body, shortcut=None, activation=F.relu):
        super().__init__()
        self.body, self.shortcut, self.activation = body, shortcut, activation

    def forward(self, x):
        return self.activation(self.body(x) + (self.shortcut(x) if self.shortcut else x))


def basic(a, b, stride=1):
    body = nn.Sequential(
        conv_bn(a, b, 3, stride=stride, padding=1),
        nn.Conv2d(b, b, 3, padding=1, bias=False), nn.BatchNorm2d(b),
    )
    same = stride == 1 and a == b
    shortcut = None if same else nn.Sequential(
        nn.Conv2d(a, b, 1, stride=stride, bias=False), nn.BatchNorm2d(b)
    )
    return Residual(body, shortcut)


def bottleneck(a, b, groups=1):
    body = nn.Sequential(
        conv_bn(a, b, 1), conv_bn(b, b, 3, padding=1, groups=groups),
        nn.Conv2d(b, 4 * b, 1, bias=False), nn.BatchNorm2d(4 * b),
    )
    return Residual(body, nn.Sequential(nn.Conv2d(a, 4 * b, 1, bias=False), nn.BatchNorm2d(4 * b)))


def inverted(a, expand):
    body = nn.Sequential(
        conv_bn(a, a * expand, 1, nn.ReLU6),
        conv_bn(a * expand, a * expand, 3, nn.ReLU6, padding=1, groups=a * expand),
        nn.Conv2d(a * expand, a, 1, bias=False), nn.BatchNorm2d(a),
    )
    return Residual(body, activation=nn.Identity())


class Squeeze(nn.Module):
    def __init__(self, a, b, gate):
        super().__init__()
        self.down, self.up, self.gate = nn.Conv2d(a, b, 1), nn.Conv2d(b, a, 1), gate

    def forward(self, x):
        return x * self.gate(self.up(F.relu(self.down(x.mean((2, 3), keepdim=True)))))


class SqueezeLinear(nn.Module):
    """The form with Linear layers and view, as the first implementations had it."""
    def __init__(self, a, b):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, a), nn.Sigmoid())

    def forward(self, x):
        n, c, _, _ = x.size()
        y = F.adaptive_avg_pool2d(x, 1).view(n, c)
        return x * self.fc(y).view(n, c, 1, 1).expand_as(x)


class Dense(nn.Module):
    def __init__(self, a, growth, count):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(a + growth * i), nn.ReLU(),
                nn.Conv2d(a + growth * i, 2 * growth, 1, bias=False),
                nn.BatchNorm2d(2 * growth), nn.ReLU(),
                nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False),
            )
            for i in range(count)
        )

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class Branches(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class UNet(nn.Module):
    def __init__(self, transposed):
        super().__init__()
        self.down1, self.down2 = conv_bn(3, 6, 3, padding=1), conv_bn(6, 8, 3, padding=1)
        self.middle = conv_bn(8, 12, 3, padding=1)
        if transposed:
            self.up2, self.up1 = nn.ConvTranspose2d(12, 8, 2, 2), nn.ConvTranspose2d(8, 6, 2, 2)
        else:
            self.up2 = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(12, 8, 1))
            self.up1 = nn.Sequential(
                nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
                nn.Conv2d(8, 6, 1),
            )
        self.merge2, self.merge1 = conv_bn(16, 8, 3, padding=1), conv_bn(12, 6, 3, padding=1)
        self.head = nn.Conv2d(6, 2, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.middle(F.max_pool2d(b, 2))
        up = self.up2(c)
        # Odd sizes: the smaller one is padded, as in many published U-Nets.
        dy, dx = b.size(2) - up.size(2), b.size(3) - up.size(3)
        up = F.pad(up, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        b = self.merge2(torch.cat([b, up], 1))
        return self.head(self.merge1(torch.cat([self.up1(b), a], 1)))


def shuffled(x, groups):
    n, c, h, w = x.size()
    x = x.view(n, groups, c // groups, h, w)
    return torch.transpose(x, 1, 2).contiguous().view(n, -1, h, w)


class ShuffleUnit(nn.Module):
    """ShuffleNet V2: half of the channels pass, the other half is worked on."""
    def __init__(self, a):
        super().__init__()
        half = a // 2
        self.branch = nn.Sequential(
            conv_bn(half, half, 1),
            nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False), nn.BatchNorm2d(half),
            conv_bn(half, half, 1),
        )

    def forward(self, x):
        x1, x2 = x.chunk(2, dim=1)
        return shuffled(torch.cat((x1, self.branch(x2)), dim=1), 2)


class GroupShuffle(nn.Module):
    """ShuffleNet V1: grouped convolutions with a shuffle between them."""
    def __init__(self, a, b, groups):
        super().__init__()
        self.first = conv_bn(a, b, 1, groups=groups)
        self.second = conv_bn(b, a, 1, nn.Identity, groups=groups)
        self.groups = groups

    def forward(self, x):
        return F.relu(x + self.second(shuffled(self.first(x), self.groups)))


class ChannelsLast(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.norm = nn.LayerNorm(size, eps=1e-6)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.depthwise = nn.Conv2d(size, size, 7, padding=3, groups=size)
        self.norm = nn.LayerNorm(size)
        self.up, self.down = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)
        self.scale = nn.Parameter(0.3 * torch.ones(size))

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.down(F.gelu(self.up(y)))
        return x + y.permute(0, 3, 1, 2)


class Tokens(nn.Module):
    """Patches as tokens [n, t, c], blocks, and the mean token."""
    def __init__(self, size, *blocks):
        super().__init__()
        self.patches = nn.Conv2d(3, size, 4, stride=4)
        self.blocks = nn.Sequential(*blocks)
        self.norm, self.head = nn.LayerNorm(size), nn.Linear(size, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.norm(self.blocks(x)).mean(1))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (d // self.heads) ** -0.5).softmax(dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(n, t, d))


class Encoder(nn.Module):
    def __init__(self, size, heads, gated=False):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(size), Attention(size, heads)
        self.norm2, self.gated = nn.LayerNorm(size), gated
        self.up, self.down = nn.Linear(size, 4 * size), nn.Linear((2 if gated else 4) * size, size)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        y = self.up(self.norm2(x))
        y = F.glu(y, -1) if self.gated else F.gelu(y)
        return x + self.down(y)


class Mixer(nn.Module):
    def __init__(self, tokens, size):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.tokens = nn.Sequential(nn.Linear(tokens, 9), nn.GELU(), nn.Linear(9, tokens))
        self.channels = nn.Sequential(nn.Linear(size, 20), nn.GELU(), nn.Linear(20, size))

    def forward(self, x):
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


def pooled(*layers, width):
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(width, 3)
    )


class Views(nn.Module):
    """x.view(x.size(0), -1) after a pooling, as most tutorials have it."""
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 8, 3)
        self.fc1, self.fc2 = nn.Linear(8 * 1 * 2, 10), nn.Linear(10, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, self.num_features(x))
        return F.log_softmax(self.fc2(F.relu(self.fc1(x))), dim=1)

    def num_features(self, x):
        return x.size(1) * x.size(2) * x.size(3)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 6, 5)
        self.lstm = nn.LSTM(6, 5, batch_first=True)
        self.gru = nn.GRU(5, 4, batch_first=True, bidirectional=True)
        self.hidden, self.head = nn.Linear(8, 7), nn.Linear(7, 3)

    def forward(self, x):
        y = F.relu(self.conv(x.flatten(2))).transpose(1, 2)
        y = self.gru(self.lstm(y)[0])[0]
        return self.head(F.relu(self.hidden(y[:, -1])))


class Decoder(nn.Module):
    """A class token, and queries that decode the patches: attention as PyTorch has it."""
    def __init__(self, size, heads, queries):
        super().__init__()
        self.patches, self.cls = nn.Conv2d(3, size, 4, stride=4), nn.Parameter(torch.randn(1, 1, size))
        self.queries = nn.Embedding(queries, size)
        self.decoder = nn.TransformerDecoderLayer(size, heads, 2 * size, 0.0, batch_first=True)
        self.head = nn.Linear(size, 3)

    def forward(self, x):
        n = x.shape[0]
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(n, -1, -1), x], 1)
        queries = self.queries.weight.unsqueeze(0).expand(n, -1, -1)
        return self.head(self.decoder(queries, x))


class GroupedQueries(nn.Module):
    """Two heads of queries to each head of keys, positions by rotation, as in Llama."""
    def __init__(self, size, depth):
        super().__init__()
        self.depth, self.weight = depth, nn.Parameter(torch.rand(size) + 0.5)
        self.q, self.k, self.v = (nn.Linear(size, n * depth, bias=False) for n in (4, 2, 2))
        self.out = nn.Linear(4 * depth, size, bias=False)
        self.gate, self.up = nn.Linear(size, 3 * size), nn.Linear(size, 3 * size)
        self.down = nn.Linear(3 * size, size)

    def norm(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))

    def rotated(self, x):
        t, d = x.shape[-2:]
        angles = torch.arange(t).float()[:, None] * (0.1 ** torch.arange(d // 2)).repeat(2)
        a, b = x[..., : d // 2], x[..., d // 2:]
        return x * angles.cos() + torch.cat([-b, a], -1) * angles.sin()

    def forward(self, x):
        n, t, _ = x.shape
        y = self.norm(x)
        q, k, v = (f(y).view(n, t, -1, self.depth).transpose(1, 2) for f in (self.q, self.k, self.v))
        q, k = self.rotated(q), self.rotated(k)
        k, v = (
            z[:, :, None].expand(n, 2, 2, t, self.depth).reshape(n, 4, t, self.depth)
            for z in (k, v)
        )
        weights = (q @ k.transpose(2, 3) / self.depth ** 0.5).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(n, t, -1))
        y = self.norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class ByHand(nn.Module):
    """An LSTM written out: four gates from one layer."""
    def __init__(self, size):
        super().__init__()
        self.size, self.x, self.h = size, nn.Linear(12, 4 * size), nn.Linear(size, 4 * size)
        self.head = nn.Linear(size, 3)

    def forward(self, x):
        x = x.reshape(x.size(0), 48, 12)
        h = c = x.new_zeros(x.size(0), self.size)
        for t in range(2):
            i, f, g, o = (self.x(x[:, t]) + self.h(h)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return self.head(h)


class Depth(nn.Module):
    def forward(self, x):
        return x.unsqueeze(2)


# Their weights are for one size of image.
ONE_SIZE = {"mixer", "tutorial", "three-dimensions", "by-hand"}

NETWORKS = {
    "basic": lambda: pooled(
        conv_bn(3, 6, 3, padding=1), basic(6, 6), basic(6, 9, stride=2), width=9
    ),
    "bottleneck": lambda: pooled(conv_bn(3, 6, 3, padding=1), bottleneck(6, 4), width=16),
    "resnext": lambda: pooled(conv_bn(3, 6, 3, padding=1), bottleneck(6, 8, groups=4), width=32),
    "inverted": lambda: pooled(conv_bn(3, 5, 3, nn.ReLU6), inverted(5, 3), width=5),
    "dense": lambda: pooled(nn.Conv2d(3, 4, 3), Dense(4, 3, 3), nn.Conv2d(13, 6, 1), width=6),
    "inception": lambda: pooled(
        Branches(
            conv_bn(3, 4, 1),
            nn.Sequential(conv_bn(3, 4, 1), conv_bn(4, 6, 3, padding=1)),
            nn.Sequential(
                conv_bn(3, 4, (1, 5), padding=(0, 2)), conv_bn(4, 5, (5, 1), padding=(2, 0))
            ),
            nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_bn(3, 4, 1)),
        ),
        conv_bn(19, 8, 1),
        width=8,
    ),
    "squeeze": lambda: pooled(
        conv_bn(3, 8, 3, nn.Hardswish), Squeeze(8, 4, F.hardsigmoid), Squeeze(8, 3, torch.sigmoid),
        width=8,
    ),
    "squeeze-linear": lambda: pooled(conv_bn(3, 8, 3, nn.SiLU), SqueezeLinear(8, 3), width=8),
    "unet": lambda: UNet(True),
    "unet-upsample": lambda: UNet(False),
    "shuffle-unit": lambda: pooled(conv_bn(3, 8, 3), ShuffleUnit(8), ShuffleUnit(8), width=8),
    # The second groups cut across the shuffled channels in the first of these, not in the other.
    "group-shuffle": lambda: pooled(conv_bn(3, 12, 3), GroupShuffle(12, 6, 3), width=12),
    "group-shuffle-even": lambda: pooled(conv_bn(3, 12, 3), GroupShuffle(12, 18, 3), width=12),
    "pixel-shuffle": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 5, padding=2), nn.PReLU(6), nn.Conv2d(6, 8, 3, padding=1), nn.PReLU(),
        nn.PixelShuffle(2), nn.Conv2d(2, 8, 3, padding=1), nn.PixelUnshuffle(2),
        nn.Conv2d(32, 4, 1), nn.Tanh(), nn.Conv2d(4, 4, 3, padding=1), nn.PixelShuffle(2),
    ),
    "group-norm": lambda: pooled(
        nn.Conv2d(3, 8, 3), nn.GroupNorm(4, 8), nn.ELU(), nn.Conv2d(8, 6, 3, padding=1, groups=2),
        nn.InstanceNorm2d(6, affine=True), nn.LeakyReLU(0.1), nn.Conv2d(6, 6, 1),
        nn.GroupNorm(1, 6), nn.Softplus(), width=6,
    ),
    "convnext": lambda: pooled(
        nn.Conv2d(3, 6, 2, 2), ChannelsLast(6), ConvNeXt(6), ConvNeXt(6), width=6
    ),
    "encoder": lambda: Tokens(8, Encoder(8, 2), Encoder(8, 2)),
    "gated": lambda: Tokens(8, Encoder(8, 2, gated=True)),
    "mixer": lambda: Tokens(10, Mixer(12, 10)),
    "decoder": lambda: Decoder(8, 2, 5),
    "grouped-queries": lambda: Tokens(8, GroupedQueries(8, 4)),
    "by-hand": lambda: ByHand(6),
    "tutorial": Views,
    "recurrent": Recurrent,
    "one-dimension": lambda: nn.Sequential(
        nn.Flatten(2), nn.Conv1d(3, 6, 5, dilation=2), nn.BatchNorm1d(6), nn.GELU(),
        nn.MaxPool1d(2), nn.ConvTranspose1d(6, 4, 4, stride=2), nn.ReflectionPad1d(2), nn.Mish(),
        nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(4, 3),
    ),
    "three-dimensions": lambda: nn.Sequential(
        Depth(), nn.Conv3d(3, 4, (1, 3, 3)), nn.ReLU(), nn.AvgPool3d((1, 2, 2)),
        nn.Conv3d(4, 5, 1), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 5 * 7, 3),
    ),
}

EVAL, TRAINING = torch.onnx.TrainingMode.EVAL, torch.onnx.TrainingMode.TRAINING
EVERYTHING = {0: "batch", 2: "height", 3: "width"}
CONFIGURATIONS = {
    "opset-9": dict(opset_version=9, training=EVAL, do_constant_folding=False),
    "opset-11": dict(opset_version=11, training=EVAL, dynamic_axes={"x": {0: "batch"}}),
    "opset-13": dict(opset_version=13, training=EVAL, dynamic_axes={"x": EVERYTHING}),
    "opset-17": dict(opset_version=17, training=EVAL, keep_initializers_as_inputs=True),
    "training": dict(
        opset_version=14, training=TRAINING, do_constant_folding=False,
        dynamic_axes={"x": {0: "batch"}},
    ),
}

torch.manual_seed(4)
torch.set_num_threads(1)
x = torch.randn(2, 3, 12, 16)
exported, failed = [], {}
for name, make in NETWORKS.items():
    model = make().train()
    for _ in range(3):
        model(torch.randn(4, 3, 12, 16))  # running statistics move
    for configuration, options in CONFIGURATIONS.items():
        if name in ONE_SIZE and options.get("dynamic_axes", {}).get("x") is EVERYTHING:
            options = dict(options, dynamic_axes={"x": {0: "batch"}})
        file = f"{name}.{configuration}.onnx"
        buffer = io.BytesIO()
        try:
            model.train(options["training"] == TRAINING)
            torch.onnx.export(
                model, x, buffer, input_names=["x"], output_names=["y"], verbose=False, **options
            )
        except Exception as error:  # an operator that this opset does not have
            failed[file] = f"{type(error).__name__}: {str(error)[:150]}"
            continue
        with open(file, "wb") as handle:
            handle.write(buffer.getvalue())
        exported.append(file)
print(json.dumps({"exported": exported, "failed": failed}))
