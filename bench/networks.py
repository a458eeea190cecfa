"""The networks that training steps are measured on, as people define them in PyTorch.

`python networks.py FOLDER [NAME ...]` exports them to ONNX with `torch.onnx.export(dynamo=True)`, the
batch dynamic. pytorch.py trains the same definitions in PyTorch.
"""

import sys
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F


# ------------------------------------------------------------------ convolutional networks


class BasicBlock(nn.Module):
    """He et al. 2016."""

    def __init__(self, channels, filters, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.shortcut = None
        if stride != 1 or channels != filters:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters)
            )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Bottleneck(nn.Module):
    """ResNet-50's block, with groups and a width of its own as in ResNeXt (Xie et al. 2017)."""

    def __init__(self, channels, width, filters, stride, groups):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1, groups=groups, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, filters, 1, bias=False),
            nn.BatchNorm2d(filters),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or channels != filters:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters)
            )

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def stem(filters):
    return [
        nn.Conv2d(3, filters, 7, 2, 3, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]


def head(channels, classes):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]


def resnet18(classes=1000):
    layers, channels = stem(64), 64
    for filters, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [BasicBlock(channels, filters, stride), BasicBlock(filters, filters, 1)]
        channels = filters
    return nn.Sequential(*layers, *head(channels, classes))


def resnext(classes=100):
    layers, channels = stem(64), 64
    for width, filters, stride in ((64, 128, 1), (128, 256, 2), (256, 512, 2)):
        layers += [
            Bottleneck(channels, width, filters, stride, 16),
            Bottleneck(filters, width, filters, 1, 16),
        ]
        channels = filters
    return nn.Sequential(*layers, *head(channels, classes))


def regnet(classes=100):
    """Groups of eight channels, as in Radosavovic et al. 2020."""
    layers, channels = [convolution(3, 32, 3, 2, activation=nn.ReLU)], 32
    for width, stride in ((48, 1), (48, 1), (96, 2), (96, 1)):
        layers.append(Bottleneck(channels, width, width, stride, width // 8))
        channels = width
    return nn.Sequential(*layers, *head(channels, classes))


def convolution(channels, filters, kernel, stride=1, groups=1, activation=nn.ReLU6):
    return nn.Sequential(
        nn.Conv2d(
            channels, filters, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(filters),
        activation(),
    )


class InvertedResidual(nn.Module):
    """Sandler et al. 2018."""

    def __init__(self, channels, filters, stride, expansion):
        super().__init__()
        hidden = channels * expansion
        self.residual = stride == 1 and channels == filters
        self.body = nn.Sequential(
            *([convolution(channels, hidden, 1)] if expansion != 1 else []),
            convolution(hidden, hidden, 3, stride, hidden),
            nn.Conv2d(hidden, filters, 1, bias=False),
            nn.BatchNorm2d(filters),
        )

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


def mobilenet_v2(classes=1000):
    layers, channels = [convolution(3, 32, 3, 2)], 32
    for expansion, filters, count, stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for i in range(count):
            layers.append(InvertedResidual(channels, filters, stride if i == 0 else 1, expansion))
            channels = filters
    return nn.Sequential(*layers, convolution(channels, 1280, 1), *head(1280, classes))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeezed, activation=F.silu, gate=torch.sigmoid):
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)
        self.activation, self.gate = activation, gate

    def forward(self, x):
        s = self.activation(self.reduce(F.adaptive_avg_pool2d(x, 1)))
        return x * self.gate(self.expand(s))


class MBConv(nn.Module):
    """Tan and Le 2019; without squeeze and excitation, as in Howard et al. 2019, where that is none."""

    def __init__(self, channels, hidden, filters, kernel, stride, squeeze, activation=nn.SiLU):
        super().__init__()
        self.residual = stride == 1 and channels == filters
        expand = [convolution(channels, hidden, 1, activation=activation)]
        self.body = nn.Sequential(
            *(expand if hidden != channels else []),
            convolution(hidden, hidden, kernel, stride, hidden, activation),
            *([] if squeeze is None else [squeeze]),
            nn.Conv2d(hidden, filters, 1, bias=False),
            nn.BatchNorm2d(filters),
        )

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


def efficientnet(classes=100):
    layers, channels = [convolution(3, 32, 3, 2, activation=nn.SiLU)], 32
    for expansion, filters, count, stride, kernel in (
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5),
    ):
        for i in range(count):
            hidden = channels * expansion
            squeeze = SqueezeExcitation(hidden, channels // 4)
            layers.append(
                MBConv(channels, hidden, filters, kernel, stride if i == 0 else 1, squeeze)
            )
            channels = filters
    return nn.Sequential(*layers, *head(channels, classes))


def mobilenet_v3(classes=100):
    """The first stages of Howard et al. 2019: most of its channels are no multiples of sixteen."""
    layers, channels = [convolution(3, 16, 3, 2, activation=nn.Hardswish)], 16
    for kernel, hidden, filters, squeezed, activation, stride in (
        (3, 16, 16, None, nn.ReLU, 1),
        (3, 64, 24, None, nn.ReLU, 2),
        (3, 72, 24, None, nn.ReLU, 1),
        (5, 72, 40, 24, nn.ReLU, 2),
        (5, 120, 40, 32, nn.ReLU, 1),
        (3, 240, 80, None, nn.Hardswish, 2),
        (3, 200, 80, None, nn.Hardswish, 1),
        (3, 184, 80, None, nn.Hardswish, 1),
        (3, 480, 112, 120, nn.Hardswish, 1),
    ):
        squeeze = squeezed and SqueezeExcitation(hidden, squeezed, F.relu, F.hardsigmoid)
        layers.append(MBConv(channels, hidden, filters, kernel, stride, squeeze, activation))
        channels = filters
    return nn.Sequential(
        *layers, convolution(channels, 672, 1, activation=nn.Hardswish), *head(672, classes)
    )


def double_convolution(channels, filters, dilation=1):
    return nn.Sequential(
        nn.Conv2d(channels, filters, 3, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
        nn.Conv2d(filters, filters, 3, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """Ronneberger et al. 2015; the mean over positions of its output serves as logits."""

    def __init__(self, widths=(32, 64, 128), classes=10, dilation=1):
        super().__init__()
        self.down = nn.ModuleList()
        channels = 3
        for width in widths:
            self.down.append(double_convolution(channels, width, dilation))
            channels = width
        self.up, self.merge = nn.ModuleList(), nn.ModuleList()
        for width in reversed(widths[:-1]):
            self.up.append(nn.ConvTranspose2d(channels, width, 2, 2))
            self.merge.append(double_convolution(2 * width, width, dilation))
            channels = width
        self.out = nn.Conv2d(channels, classes, 1)

    def forward(self, x):
        kept = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.max_pool2d(x, 2))
            kept.append(x)
        kept.pop()
        for up, merge in zip(self.up, self.merge):
            x = merge(torch.cat([kept.pop(), up(x)], 1))
        return self.out(x).mean((2, 3))


class ConvNeXtBlock(nn.Module):
    """Liu et al. 2022."""

    def __init__(self, width):
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, 4 * width)
        self.project = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(1e-1 * torch.ones(width))

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.project(F.gelu(self.expand(y)))
        return x + y.permute(0, 3, 1, 2)


class ChannelNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def convnext(classes=100, widths=(48, 96, 192), depths=(2, 2, 4)):
    layers, channels = [], 3
    for width, depth in zip(widths, depths):
        if channels == 3:
            layers += [nn.Conv2d(3, width, 4, 4), ChannelNorm(width)]
        else:
            layers += [ChannelNorm(channels), nn.Conv2d(channels, width, 2, 2)]
        layers += [ConvNeXtBlock(width) for _ in range(depth)]
        channels = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(channels), nn.Linear(channels, classes)
    )


def group_norm_network(classes=10):
    """Large kernels, GroupNorm, other activations."""
    layers, channels = [], 3
    for filters, kernel, stride, activation in (
        (32, 5, 1, nn.SiLU()),
        (64, 5, 2, nn.Hardswish()),
        (96, 3, 2, nn.ELU()),
        (128, 3, 1, nn.LeakyReLU(0.1)),
    ):
        layers += [
            nn.Conv2d(channels, filters, kernel, stride, kernel // 2),
            nn.GroupNorm(8, filters),
            activation,
        ]
        channels = filters
    return nn.Sequential(*layers, *head(channels, classes))


class Separable(nn.Module):
    """A depthwise convolution with dilation, then one of single taps."""

    def __init__(self, channels, filters, stride, dilation):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(
                channels, channels, 5, stride, 2 * dilation, dilation=dilation, groups=channels
            ),
            nn.PReLU(channels),
            nn.Conv2d(channels, filters, 1),
            nn.GroupNorm(4, filters),
            nn.Mish(),
        )

    def forward(self, x):
        return self.body(x)


def separable(classes=10):
    """Channels that are no blocks, activations whose kernels are slow."""
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, 1, 1),
        Separable(24, 48, 2, 1),
        Separable(48, 96, 1, 2),
        Separable(96, 96, 2, 1),
        *head(96, classes),
    )


class Translation(nn.Module):
    """Down and up again, as in Isola et al. 2017; the mean over positions serves as logits."""

    def __init__(self, classes=10):
        super().__init__()
        layers, channels = [], 3
        for filters in (32, 64, 128):
            layers.append(nn.Conv2d(channels, filters, 4, 2, 1))
            layers += [] if filters == 32 else [nn.InstanceNorm2d(filters, affine=True)]
            layers.append(nn.LeakyReLU(0.2))
            channels = filters
        self.body = nn.Sequential(
            *layers,
            nn.ConvTranspose2d(128, 64, 4, 2, 1),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(64, 32, 3, padding=1),
            nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.Conv2d(32, classes, 3, padding=1),
        )

    def forward(self, x):
        return self.body(x).mean((2, 3))


def signals(classes=20):
    layers, channels = [], 4
    for filters, kernel, stride in ((32, 9, 2), (64, 9, 2), (128, 5, 2), (128, 3, 1)):
        layers += [
            nn.Conv1d(channels, filters, kernel, stride, kernel // 2),
            nn.BatchNorm1d(filters),
            nn.ReLU(),
        ]
        channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(channels, classes))


def volumes(classes=10):
    layers, channels = [], 1
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        layers += [
            nn.Conv3d(channels, filters, 3, stride, 1),
            nn.BatchNorm3d(filters),
            nn.ReLU(),
        ]
        channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(channels, classes))


def convolutions3d(channels, filters):
    layers = []
    for given in (channels, filters):
        layers += [nn.Conv3d(given, filters, 3, 1, 1), nn.BatchNorm3d(filters), nn.ReLU()]
    return nn.Sequential(*layers)


class VolumeUNet(nn.Module):
    """U-Net of volumes, as in Cicek et al. 2016, with the mean over all places for each class."""

    def __init__(self, widths=(16, 32, 64), classes=10):
        super().__init__()
        narrow, middle, wide = widths
        self.down1 = convolutions3d(1, narrow)
        self.down2 = convolutions3d(narrow, middle)
        self.bottom = convolutions3d(middle, wide)
        self.enlarge2 = nn.ConvTranspose3d(wide, middle, 2, 2)
        self.up2 = convolutions3d(2 * middle, middle)
        self.enlarge1 = nn.ConvTranspose3d(middle, narrow, 2, 2)
        self.up1 = convolutions3d(2 * narrow, narrow)
        self.head = nn.Conv3d(narrow, classes, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool3d(a, 2))
        c = self.bottom(F.max_pool3d(b, 2))
        y = self.up2(torch.cat([self.enlarge2(c), b], 1))
        y = self.up1(torch.cat([self.enlarge1(y), a], 1))
        return self.head(y).mean((2, 3, 4))


def adaptive(places=5, classes=10):
    """A pooling whose windows overlap, as in front of the dense layers of VGG and AlexNet."""
    return nn.Sequential(
        convolution(3, 32, 3, 2, activation=nn.ReLU),
        convolution(32, 64, 3, activation=nn.ReLU),
        nn.MaxPool2d(2),
        convolution(64, 128, 3, activation=nn.ReLU),
        nn.AdaptiveAvgPool2d(places),
        nn.Flatten(),
        nn.Linear(128 * places * places, 128),
        nn.ReLU(),
        nn.Linear(128, classes),
    )


class Inception(nn.Module):
    """Branches of several kernels, one behind a mean pooling, as in Szegedy et al. 2016."""

    def __init__(self, channels):
        super().__init__()

        def branch(*layers):
            return nn.Sequential(*(convolution(*layer, activation=nn.ReLU) for layer in layers))

        self.pointwise = branch((channels, 32, 1))
        self.twice = branch((channels, 24, 1), (24, 32, 3), (32, 32, 3))
        self.large = branch((channels, 16, 1), (16, 32, 5))
        self.pooled = nn.Sequential(nn.AvgPool2d(3, 1, 1), branch((channels, 32, 1)))

    def forward(self, x):
        branches = (self.pointwise, self.twice, self.large, self.pooled)
        return torch.cat([branch(x) for branch in branches], 1)


def inception(classes=10):
    return nn.Sequential(
        convolution(3, 32, 3, 2, activation=nn.ReLU),
        convolution(32, 64, 3, activation=nn.ReLU),
        Inception(64),
        Inception(128),
        nn.MaxPool2d(3, 2, 1),
        Inception(128),
        *head(128, classes),
    )


def grouped(classes=10):
    """Groups of 12, 16 and 32 channels on large images."""
    layers, channels = [], 3
    for filters, groups, stride in ((48, 4, 2), (128, 8, 1), (256, 8, 2)):
        layers += [
            convolution(channels, filters, 1, activation=nn.SiLU),
            convolution(filters, filters, 3, stride, groups, nn.SiLU),
            convolution(filters, filters, 3, 1, groups, nn.SiLU),
        ]
        channels = filters
    return nn.Sequential(*layers, *head(channels, classes))


def lenet(classes=10):
    """LeCun et al. 1998."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, classes),
    )


def tutorial(classes=10):
    """A network of which tutorials are made: ten and twenty filters, pooled by their maxima."""
    return nn.Sequential(
        nn.Conv2d(1, 10, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(10, 20, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(320, 50),
        nn.ReLU(),
        nn.Linear(50, classes),
    )


class TextConvolutions(nn.Module):
    """Convolutions over words and a maximum over time, as in Kim 2014."""

    def __init__(self, width=64, classes=10):
        super().__init__()
        self.token = nn.Embedding(1000, width)
        self.windows = nn.ModuleList(nn.Conv1d(width, width, size) for size in (3, 4, 5))
        self.head = nn.Linear(3 * width, classes)

    def forward(self, x):
        words = self.token(x).transpose(1, 2)
        return self.head(torch.cat([F.relu(each(words)).amax(2) for each in self.windows], 1))


# ------------------------------------------------------------------ recurrent networks


class Recurrent(nn.Module):
    """Recurrent layers, of which the last step is read."""

    def __init__(self, kind, width, features=64, classes=10, layers=1, both_ways=False):
        super().__init__()
        self.layer = kind(features, width, layers, batch_first=True, bidirectional=both_ways)
        self.head = nn.Linear(2 * width if both_ways else width, classes)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


def steps(batch):
    return torch.randn(batch, 64, 64)


# ------------------------------------------------------------------ transformers


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width, heads, causal, approximate):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(approximate=approximate),
            nn.Linear(4 * width, width),
        )

    def forward(self, x):
        batch, length, width = x.shape
        parts = self.qkv(self.norm1(x)).split(width, 2)
        q, k, v = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in parts
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.project(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """GPT-2's shape: learned positions, the head tied to the embedding."""

    def __init__(self, width=128, depth=4, heads=4, vocabulary=1000, length=64):
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Embedding(length, width)
        self.blocks = nn.Sequential(*[Block(width, heads, True, "tanh") for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.token.weight, std=0.02)

    def forward(self, x):
        positions = torch.arange(x.shape[1], device=x.device)
        y = self.token(x) + self.position(positions)
        return self.norm(self.blocks(y)) @ self.token.weight.T


class ViT(nn.Module):
    """Dosovitskiy et al. 2021."""

    def __init__(self, width=192, depth=6, heads=3, patch=8, size=64, classes=100):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(0.02 * torch.randn(1, (size // patch) ** 2 + 1, width))
        self.blocks = nn.Sequential(*[Block(width, heads, False, "none") for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.cls.expand(x.shape[0], -1, -1), y], 1) + self.position
        return self.head(self.norm(self.blocks(y))[:, 0])


class RootMeanSquare(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return self.scale * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class GatedBlock(nn.Module):
    """Rotary positions, RMSNorm and a gated feed-forward layer, as in Touvron et al. 2023."""

    def __init__(self, width, heads, length):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = RootMeanSquare(width), RootMeanSquare(width)
        self.q, self.k, self.v, self.project = (
            nn.Linear(width, width, False) for _ in range(4)
        )
        hidden = 8 * width // 3 // 16 * 16
        self.gate, self.up = nn.Linear(width, hidden, False), nn.Linear(width, hidden, False)
        self.down = nn.Linear(hidden, width, False)
        size = width // heads
        angles = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, size, 2) / size)[None]
        angles = torch.cat([angles, angles], -1)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def rotate(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cos + torch.cat([-b, a], -1) * self.sin

    def forward(self, x):
        batch, length, width = x.shape
        y = self.norm1(x)
        q, k, v = (
            layer(y).view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        y = F.scaled_dot_product_attention(self.rotate(q), self.rotate(k), v, is_causal=True)
        x = x + self.project(y.transpose(1, 2).reshape(batch, length, width))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class GatedGPT(nn.Module):
    def __init__(self, width=128, depth=4, heads=4, vocabulary=1000, length=64):
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.blocks = nn.Sequential(*[GatedBlock(width, heads, length) for _ in range(depth)])
        self.norm = RootMeanSquare(width)
        self.head = nn.Linear(width, vocabulary, False)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.token(x))))


class WindowBlock(nn.Module):
    """Attention within windows of 4 × 4 patches, every other time shifted by half a window, as in Liu et al. 2021."""

    def __init__(self, width, heads, shift):
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(heads, 16, 16))
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.heads, self.shift = heads, shift

    def attend(self, x):
        batch, height, width, channels = x.shape
        size = channels // self.heads
        cells = x.reshape(batch, height // 4, 4, width // 4, 4, channels)
        windows = cells.permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, channels)
        parts = self.qkv(windows).reshape(-1, 16, 3, self.heads, size)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) * size**-0.5 + self.bias).softmax(-1)
        found = self.out((weights @ v).transpose(1, 2).reshape(-1, 16, channels))
        cells = found.reshape(batch, height // 4, width // 4, 4, 4, channels)
        return cells.permute(0, 1, 3, 2, 4, 5).reshape(x.shape)

    def forward(self, x):
        y = self.before(x)
        if self.shift:
            y = torch.roll(self.attend(torch.roll(y, (-2, -2), (1, 2))), (2, 2), (1, 2))
        else:
            y = self.attend(y)
        x = x + y
        return x + self.feed(self.between(x))


class Windows(nn.Module):
    def __init__(self, width=64, heads=4, classes=10):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.fine = nn.Sequential(*(WindowBlock(width, heads, shift) for shift in (False, True)))
        self.merge = nn.Linear(4 * width, 2 * width, False)
        self.coarse = nn.Sequential(
            *(WindowBlock(2 * width, heads, shift) for shift in (False, True))
        )
        self.norm, self.head = nn.LayerNorm(2 * width), nn.Linear(2 * width, classes)

    def forward(self, x):
        x = self.fine(self.patches(x).permute(0, 2, 3, 1))
        quarters = [x[:, i::2, j::2] for j in range(2) for i in range(2)]
        x = self.coarse(self.merge(torch.cat(quarters, -1)))
        return self.head(self.norm(x).mean((1, 2)))


def tabular(features=40, classes=10):
    """A perceptron with batch normalizations."""
    layers, width = [], features
    for units, activation in ((512, nn.SELU()), (512, nn.Tanh()), (256, nn.SiLU())):
        layers += [nn.Linear(width, units), nn.BatchNorm1d(units), activation]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, classes))


def mlp():
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 1024),
        nn.ReLU(),
        nn.Linear(1024, 1024),
        nn.ReLU(),
        nn.Linear(1024, 10),
    )


# ------------------------------------------------------------------ the experiment


def experiment(kind):
    conv1, fc1 = (128, 128) if kind == "wider" else (64, 64)
    deeper = kind == "deeper"
    return nn.Sequential(
        nn.Conv2d(1, conv1, 3, padding=1),
        nn.MaxPool2d(2),
        nn.Conv2d(conv1, 64, 3, padding=1),
        *([nn.Conv2d(64, 64, 3, padding=1)] if deeper else []),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, fc1),
        nn.ReLU(),
        *([nn.Linear(fc1, fc1), nn.ReLU()] if deeper else []),
        nn.Linear(fc1, 10),
    )


def images(channels=3, size=64):
    return lambda batch: torch.randn(batch, channels, size, size)


def digits(batch):
    return torch.rand(batch, 1, 28, 28) * (torch.rand(batch, 1, 28, 28) < 0.2)


def tokens(batch):
    return torch.randint(0, 1000, (batch, 64))


def rows(batch):
    return torch.randn(batch, 40)


# The exporter folds batch normalizations into the convolutions before them unless it is told not to
# optimize. Names with this ending are exported so that they keep them.
KEPT = "+bn"

# name: (definition, inputs of a batch, classes, batch size)
NETWORKS = {
    "resnet18": (resnet18, images(), 1000, 8),
    "mobilenet-v2": (mobilenet_v2, images(), 1000, 8),
    "unet": (UNet, images(), 10, 8),
    "convnext": (convnext, images(), 100, 8),
    "gpt": (GPT, tokens, 1000, 8),
    "vit": (ViT, images(), 100, 8),
    "mlp": (mlp, digits, 10, 32),
    "teacher": (lambda: experiment("teacher"), digits, 10, 32),
    "wider": (lambda: experiment("wider"), digits, 10, 32),
    "deeper": (lambda: experiment("deeper"), digits, 10, 32),
    "resnext": (resnext, images(), 100, 8),
    "efficientnet": (efficientnet, images(), 100, 8),
    "dilated-unet": (lambda: UNet((24, 48), 10, 2), images(), 10, 8),
    "group-norm": (group_norm_network, images(), 10, 8),
    "separable": (separable, images(), 10, 8),
    "translation": (Translation, images(), 10, 8),
    "signals": (signals, lambda batch: torch.randn(batch, 4, 512), 20, 16),
    "volumes": (volumes, lambda batch: torch.randn(batch, 1, 16, 32, 32), 10, 8),
    "volume-unet": (VolumeUNet, lambda batch: torch.randn(batch, 1, 16, 32, 32), 10, 4),
    "adaptive": (adaptive, images(), 10, 16),
    "gated-gpt": (GatedGPT, tokens, 1000, 8),
    "inception": (inception, images(), 10, 8),
    "grouped": (grouped, images(), 10, 8),
    "mobilenet-v3": (mobilenet_v3, images(), 100, 8),
    "regnet": (regnet, images(), 100, 8),
    "lenet": (lenet, digits, 10, 64),
    "tutorial": (tutorial, digits, 10, 64),
    "windows": (Windows, images(), 10, 8),
    "text": (TextConvolutions, tokens, 10, 32),
    "tabular": (tabular, rows, 10, 64),
    "lstm-64": (lambda: Recurrent(nn.LSTM, 64), steps, 10, 32),
    "lstm-128": (lambda: Recurrent(nn.LSTM, 128), steps, 10, 32),
    "lstm-256": (lambda: Recurrent(nn.LSTM, 256), steps, 10, 32),
    "bi-lstm-64": (lambda: Recurrent(nn.LSTM, 64, layers=2, both_ways=True), steps, 10, 32),
    "gru-128": (lambda: Recurrent(nn.GRU, 128), steps, 10, 32),
}


def draw(name, batch):
    """A batch of inputs and of classes, one per prediction, the same in every process."""
    definition, inputs, classes, _ = NETWORKS[name.removesuffix(KEPT)]
    torch.manual_seed(1)
    x = inputs(batch)
    predicts_tokens = definition in (GPT, GatedGPT)
    return x, torch.randint(0, classes, x.shape if predicts_tokens else (batch,))


def define(name):
    torch.manual_seed(0)
    return NETWORKS[name.removesuffix(KEPT)][0]()


def export(name, file):
    x, _ = draw(name, 2)
    program = torch.onnx.export(
        define(name).eval(),
        (x,),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        input_names=["input"],
        output_names=["logits"],
        verbose=False,
        optimize=not name.endswith(KEPT),
    )
    program.save(file)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or NETWORKS:
        export(name, folder / f"{name}.onnx")
    print("exported")
