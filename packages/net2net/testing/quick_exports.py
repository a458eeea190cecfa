"""Runs scripts in which PyTorch makes its table of ONNX operators once.

    python quick_exports.py SCRIPT ARGUMENTS...

torch.onnx.export makes the table anew for every network: half of the time that a small one takes.
"""

import functools
import os
import runpy
import sys


@functools.cache
def make_table_once():
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry
    except ImportError:
        return  # No PyTorch, or one from before this exporter.
    ONNXRegistry.from_torchlib = staticmethod(functools.cache(ONNXRegistry.from_torchlib))


def run(script):
    """Runs a script as the program; its arguments are those of sys.argv."""
    make_table_once()
    sys.path[0] = os.path.dirname(script)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    del sys.argv[0]
    run(sys.argv[0])
