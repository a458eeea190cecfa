"""Trains the network of input.npz on its batches as each case of cases.json says; prints the losses as JSON.

The optimizers, schedules, clipping, label smoothing and averages are PyTorch's own. Two are not in it: Lion, which is
the update of its authors' code, and the warm-up with a stable part, which is written as its paper has it.
"""

import json
from functools import partial

import numpy as np
import torch
from torch.optim import lr_scheduler as schedulers
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

torch.set_num_threads(1)


class Lion(torch.optim.Optimizer):
    """https://github.com/google/automl/blob/master/lion/lion_pytorch.py"""

    def __init__(self, params, lr, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                p.mul_(1 - group["lr"] * group["weight_decay"])
                average = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                update = average * beta1 + p.grad * (1 - beta1)
                p.add_(torch.sign(update), alpha=-group["lr"])
                average.mul_(beta2).add_(p.grad, alpha=1 - beta2)


# Muon of PyTorch computes its iteration in bfloat16, which is a matter of speed: in float32 it can be compared.
torch.Tensor.bfloat16 = torch.Tensor.float


class MuonWithAdamW:
    """PyTorch's Muon for the matrices of hidden layers; all else is AdamW's, as its author has it."""

    def __init__(self, groups, lr, weight_decay=0.1):
        self.parts = []
        for hidden, make in [
            (True, partial(torch.optim.Muon, adjust_lr_fn="match_rms_adamw")),
            (False, torch.optim.AdamW),
        ]:
            own = [dict(g, params=[p for p in g["params"] if p.is_hidden == hidden]) for g in groups]
            own = [g for g in own if g["params"]]
            self.parts.append(make(own, lr=lr, weight_decay=weight_decay))


OPTIMIZERS = {
    "sgd": lambda groups, lr: torch.optim.SGD(groups, lr),
    "momentum": lambda groups, lr: torch.optim.SGD(groups, lr, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda groups, lr: torch.optim.SGD(groups, lr, momentum=0.9, nesterov=True),
    "adam": lambda groups, lr: torch.optim.Adam(groups, lr, weight_decay=0.01),
    "adamw": lambda groups, lr: torch.optim.AdamW(groups, lr, weight_decay=0.1),
    "rmsprop": lambda groups, lr: torch.optim.RMSprop(groups, lr),
    "rmsprop with momentum": lambda groups, lr: torch.optim.RMSprop(
        groups, lr, momentum=0.9, weight_decay=0.01
    ),
    "adagrad": lambda groups, lr: torch.optim.Adagrad(groups, lr, weight_decay=0.01),
    "lion": lambda groups, lr: Lion(groups, lr, weight_decay=0.1),
    "adafactor": lambda groups, lr: torch.optim.Adafactor(groups, lr, weight_decay=0.1),
    "muon": lambda groups, lr: MuonWithAdamW(groups, lr),
}

EPOCHS, BATCHES = 4, 5
STEPS = EPOCHS * BATCHES


def stable_decay(step):
    left = 1 - step / STEPS
    return min(1, left / 0.2)


def warmed(optimizer):
    rise = schedulers.LinearLR(optimizer, start_factor=1 / 6, total_iters=5)
    return schedulers.ChainedScheduler([rise, schedulers.CosineAnnealingLR(optimizer, STEPS)])


# What a scheduler is made by, and whether it goes on after every step or every epoch.
SCHEDULES = {
    "constant": (lambda o, lr: schedulers.ConstantLR(o, factor=1), "step"),
    "step": (lambda o, lr: schedulers.StepLR(o, step_size=1, gamma=0.5), "epoch"),
    "cosine": (lambda o, lr: schedulers.CosineAnnealingLR(o, STEPS, eta_min=lr / 10), "step"),
    "wsd": (lambda o, lr: schedulers.LambdaLR(o, stable_decay), "step"),
    "one-cycle": (
        lambda o, lr: schedulers.OneCycleLR(o, lr, total_steps=STEPS, cycle_momentum=False),
        "step",
    ),
    "warm-up": (lambda o, lr: warmed(o), "step"),
    "plateau": (
        lambda o, lr: schedulers.ReduceLROnPlateau(o, factor=0.1, patience=0, threshold=0),
        "watched",
    ),
}


def network(arrays):
    model = torch.nn.Sequential(torch.nn.Linear(6, 10), torch.nn.Tanh(), torch.nn.Linear(10, 4))
    with torch.no_grad():
        for layer, name in [(model[0], "hidden"), (model[2], "scores")]:
            layer.weight.copy_(torch.from_numpy(arrays[f"{name}.weight"]))
            layer.bias.copy_(torch.from_numpy(arrays[f"{name}.bias"]))
    for p in model.parameters():
        p.is_hidden = p is model[0].weight
    return model


def train(case, arrays):
    model = network(arrays)
    parameters = list(model.parameters())
    rate = case["rate"]
    if case.get("decayOnly"):
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2]},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
    else:
        groups = [{"params": parameters}]
    whole = OPTIMIZERS[case["optimizer"]](groups, rate)
    parts = getattr(whole, "parts", [whole])
    make, after = SCHEDULES[case["schedule"]]
    rates = [make(part, rate) for part in parts]
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=case.get("smoothing", 0.0))
    average = None
    if "ema" in case:
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(case["ema"]))
        average.update_parameters(model)
    accumulate = case.get("accumulate", 1)
    batches = list(
        zip(torch.from_numpy(arrays["x"]).chunk(BATCHES), torch.from_numpy(arrays["y"]).chunk(BATCHES))
    )
    losses = []
    for epoch in range(EPOCHS):
        for x, y in batches:
            loss = loss_of(model(x), y)
            losses.append(loss.item())
            (loss / accumulate).backward()
            if len(losses) % accumulate == 0:
                if "clip" in case:
                    torch.nn.utils.clip_grad_norm_(parameters, case["clip"])
                for part in parts:
                    part.step()
                for p in parameters:
                    p.grad = None
                if average is not None:
                    average.update_parameters(model)
            if after == "step":
                for each in rates:
                    each.step()
        for each in rates:
            if after == "epoch":
                each.step()
            if after == "watched":
                each.step(sum(losses[-BATCHES:]) / BATCHES)
    x, y = batches[0]
    with torch.no_grad():
        last = loss_of(model(x), y).item()
        averaged = loss_of(average.module(x), y).item() if average is not None else None
    return {"losses": losses + [last], "averaged": averaged}


arrays = dict(np.load("input.npz"))
cases = json.load(open("cases.json"))
print(json.dumps([train(case, arrays) for case in cases]))
