"""One of the networks of networks.py in PyTorch, as a worker: reads one JSON question per line.

{"network": "resnet18", "batch": 8, "optimizer": "sgd", "threads": 2}
{"contestant": "channels_last", "steps": 10}   makes training steps in this memory format; answers with the milliseconds of each
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

import networks


class Training:
    """A network in one memory format."""

    def __init__(self, format, network, batch, optimizer):
        self.x, self.y = networks.draw(network, batch)
        layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
        layout = torch.contiguous_format
        if format == "channels_last":
            layout = layouts.get(self.x.dim(), layout)
        self.model = networks.define(network).to(memory_format=layout).train()
        parameters = self.model.parameters()
        self.optimizer = (
            torch.optim.SGD(parameters, lr=0.001, momentum=0.9)
            if optimizer == "sgd"
            else torch.optim.AdamW(parameters, lr=0.0001)
        )
        self.x = self.x.to(memory_format=layout)
        self.step()

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        scores = self.model(self.x)
        loss = F.cross_entropy(scores.reshape(-1, scores.shape[-1]), self.y.reshape(-1))
        loss.backward()
        self.optimizer.step()

    def run(self, steps):
        found = []
        for _ in range(steps):
            start, used = time.perf_counter(), time.process_time()
            self.step()
            wall, processor = time.perf_counter() - start, time.process_time() - used
            found.append({"wall": 1000 * wall, "processor": 1000 * processor})
        settle()
        return found


def settle(seconds=0.005):
    """Waits until OpenMP's threads, which look for more work for a while, sleep: the cores are whoever's turn it is."""
    spent = seconds
    while spent > seconds / 10:
        used = time.process_time()
        time.sleep(seconds)
        spent = time.process_time() - used


def answer(found):
    print(json.dumps(found), flush=True)


question = json.loads(sys.stdin.readline())
torch.set_num_threads(question.pop("threads"))
torch.set_flush_denormal(True)
trainings = {
    format: Training(format, **question) for format in ("contiguous", "channels_last")
}
settle()
answer({"version": torch.__version__})
for line in sys.stdin:
    asked = json.loads(line)
    answer({"runs": trainings[asked["contestant"]].run(asked["steps"])})
