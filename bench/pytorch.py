"""One of the networks of networks.py in PyTorch, as a worker: reads one JSON command per line.

{"network": "resnet18", "batch": 8, "format": "channels_last", "optimizer": "sgd", "threads": 2}
{"steps": 10}   makes training steps; answers with the milliseconds of each
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

import networks


class Worker:
    def build(self, network, batch, format, optimizer, threads):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
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
        return {"version": torch.__version__}

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        scores = self.model(self.x)
        loss = F.cross_entropy(scores.reshape(-1, scores.shape[-1]), self.y.reshape(-1))
        loss.backward()
        self.optimizer.step()
        return loss

    def answer(self, command):
        if "network" in command:
            return self.build(**command)
        found = []
        for _ in range(command["steps"]):
            start, used = time.perf_counter(), time.process_time()
            self.step()
            wall, processor = time.perf_counter() - start, time.process_time() - used
            found.append({"wall": 1000 * wall, "processor": 1000 * processor})
        settle()
        return {"runs": found}


def settle(seconds=0.005):
    """Waits until OpenMP's threads, which look for more work for a while, sleep: the cores are whoever's turn it is."""
    spent = seconds
    while spent > seconds / 10:
        used = time.process_time()
        time.sleep(seconds)
        spent = time.process_time() - used


worker = Worker()
for line in sys.stdin:
    print(json.dumps(worker.answer(json.loads(line))), flush=True)
