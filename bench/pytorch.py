"""One of the experiment's networks in PyTorch, as a worker: reads one JSON command per line.

{"kind": "teacher", "batch": 32, "format": "channels_last", "threads": 2}   builds a network
{"steps": 10}   makes training steps; answers with the milliseconds of each
"""
import json
import sys
import time
from collections import OrderedDict

import torch
import torch.nn as nn
import torch.nn.functional as F


def network(kind):
    conv1, fc1 = (128, 128) if kind == "wider" else (64, 64)
    layers = [
        ("conv1", nn.Conv2d(1, conv1, 3, padding=1)),
        ("pool1", nn.MaxPool2d(2)),
        ("conv2", nn.Conv2d(conv1, 64, 3, padding=1)),
    ]
    if kind == "deeper":
        layers.append(("conv2-deeper", nn.Conv2d(64, 64, 3, padding=1)))
    layers += [
        ("pool2", nn.MaxPool2d(2)),
        ("flatten", nn.Flatten()),
        ("fc1", nn.Linear(64 * 7 * 7, fc1)),
        ("relu1", nn.ReLU()),
    ]
    if kind == "deeper":
        layers += [("fc1-deeper", nn.Linear(fc1, fc1)), ("relu2", nn.ReLU())]
    layers.append(("fc2", nn.Linear(fc1, 10)))
    return nn.Sequential(OrderedDict(layers))


class Worker:
    def build(self, kind, batch, format, threads):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        torch.manual_seed(0)
        layout = torch.channels_last if format == "channels_last" else torch.contiguous_format
        self.model = network(kind).to(memory_format=layout)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)
        images = torch.rand(batch, 1, 28, 28) * (torch.rand(batch, 1, 28, 28) < 0.2)
        self.x = images.to(memory_format=layout)
        self.y = torch.arange(batch) % 10
        return {"version": torch.__version__}

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.model(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        return loss

    def answer(self, command):
        if "kind" in command:
            return self.build(**command)
        found = []
        for _ in range(command["steps"]):
            start, used = time.perf_counter(), time.process_time()
            self.step()
            wall, processor = time.perf_counter() - start, time.process_time() - used
            found.append({"wall": 1000 * wall, "processor": 1000 * processor})
        return {"runs": found}


worker = Worker()
for line in sys.stdin:
    print(json.dumps(worker.answer(json.loads(line))), flush=True)
