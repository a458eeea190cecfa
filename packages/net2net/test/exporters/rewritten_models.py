"""What other tools make of exported models: simplified (onnxsim, onnxslim), optimized by ONNX Runtime, quantized.

    rewritten_models.py FOLDER [PART OF A FILE NAME ...]

writes MODEL.WAY.TOOL.onnx beside each file whose name contains one of the parts; prints a line of JSON for each.
"""
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime


def inputs_of(path):
    """Random inputs in the sizes that the file declares; symbols become two."""
    random = np.random.default_rng(0)
    feeds = {}
    for value in onnxruntime.InferenceSession(path).get_inputs():
        shape = [size if isinstance(size, int) else 2 for size in value.shape]
        feeds[value.name] = random.integers(0, 3, shape).astype(np.int64) if value.type == "tensor(int64)" else random.standard_normal(shape).astype(np.float32)
    return feeds


def sim(path, out):
    import onnxsim
    model, fine = onnxsim.simplify(onnx.load(path))
    assert fine
    onnx.save(model, out)


def slim(path, out):
    import onnxslim
    onnx.save(onnxslim.slim(onnx.load(path)), out)


def optimized(path, out):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = out
    onnxruntime.InferenceSession(path, options)


def qdq(per_channel):
    def quantize(path, out):
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

        class Reader(CalibrationDataReader):
            left = 4

            def get_next(self):
                self.left -= 1
                return inputs_of(path) if self.left >= 0 else None

        quantize_static(path, out, Reader(), quant_format=QuantFormat.QDQ, per_channel=per_channel, weight_type=QuantType.QInt8)
    return quantize


def dynamic(path, out):
    from onnxruntime.quantization import quantize_dynamic
    quantize_dynamic(path, out)


tools = {"sim": sim, "slim": slim, "basic": optimized, "qdq": qdq(False), "qdq-channel": qdq(True), "int8": dynamic}

if __name__ == "__main__":
    folder, *parts = sys.argv[1:]
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".onnx") or name.count(".") != 2 or (parts and not any(part in name for part in parts)):
            continue
        for tool, make in tools.items():
            file = f"{name[:-5]}.{tool}.onnx"
            said = {"file": file}
            try:
                make(os.path.join(folder, name), os.path.join(folder, file))
            except Exception as error:
                said["error"] = f"{type(error).__name__}: {str(error)[:200]}"
            print(json.dumps(said), flush=True)
