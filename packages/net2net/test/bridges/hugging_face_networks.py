"""Small networks of transformers, saved and exported, and their grown folders opened again.

    hugging_face_networks.py make       writes for each network the folder NAME and the export NAME.onnx
    hugging_face_networks.py open CASES for each case {"name", "folder"} opens both with from_pretrained; prints how far their logits are
                                        apart, relative to the largest, and what from_pretrained says of missing and other weights
"""
import json
import logging
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers as tf

tf.logging.set_verbosity_error()
tf.utils.logging.disable_progress_bar()
logging.disable(logging.WARNING)

words = dict(vocab_size=40, max_position_embeddings=16)
none = dict(bos_token_id=None, eos_token_id=None, pad_token_id=None)
decoder = dict(words, **none, hidden_size=24, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
               num_key_value_heads=2, head_dim=8)
encoder = dict(words, hidden_size=24, intermediate_size=20, num_hidden_layers=2, num_attention_heads=3, num_labels=3)


def ids(*names):
    return lambda: {name: torch.randint(3, 40, (2, 7 - i)) for i, name in enumerate(names or ["input_ids"])}


# Class, config, sample, whether the export is optimized.
networks = {
    "gpt2": (tf.GPT2LMHeadModel, tf.GPT2Config(vocab_size=40, n_positions=16, n_embd=24, n_layer=2, n_head=3, **none), ids(), True),
    "llama": (tf.LlamaForCausalLM, tf.LlamaConfig(**decoder), ids(), False),
    "mistral": (tf.MistralForCausalLM, tf.MistralConfig(**decoder, sliding_window=4), ids(), True),
    "qwen2": (tf.Qwen2ForCausalLM, tf.Qwen2Config(**{k: v for k, v in decoder.items() if k != "head_dim"}), ids(), True),
    "qwen3": (tf.Qwen3ForCausalLM, tf.Qwen3Config(**decoder, tie_word_embeddings=True), ids(), False),
    "gemma": (tf.GemmaForCausalLM, tf.GemmaConfig(**dict(decoder, num_key_value_heads=1)), ids(), True),
    "gemma2": (tf.Gemma2ForCausalLM, tf.Gemma2Config(**decoder, query_pre_attn_scalar=8, sliding_window=4), ids(), False),
    "gemma3": (tf.Gemma3ForCausalLM, tf.Gemma3TextConfig(**decoder, query_pre_attn_scalar=8, sliding_window=4), ids(), True),
    "bert": (tf.BertForMaskedLM, tf.BertConfig(**encoder), ids(), True),
    "roberta": (tf.RobertaForSequenceClassification, tf.RobertaConfig(**encoder), ids(), True),
    "distilbert": (tf.DistilBertForSequenceClassification, tf.DistilBertConfig(
        **words, n_layers=2, n_heads=3, dim=24, hidden_dim=20, num_labels=3), ids(), True),
    "vit": (tf.ViTForImageClassification, tf.ViTConfig(
        **{k: v for k, v in encoder.items() if k not in words}, image_size=12, patch_size=4),
        lambda: {"pixel_values": torch.randn(2, 3, 12, 12)}, True),
    "t5": (tf.T5ForConditionalGeneration, tf.T5Config(
        vocab_size=40, d_model=24, d_kv=8, d_ff=20, num_layers=2, num_heads=3, decoder_start_token_id=0),
        ids("input_ids", "decoder_input_ids"), False),
    "whisper": (tf.WhisperForAudioClassification, tf.WhisperConfig(
        vocab_size=40, num_mel_bins=8, encoder_layers=2, encoder_attention_heads=3, decoder_layers=1, decoder_attention_heads=3,
        decoder_ffn_dim=20, encoder_ffn_dim=20, d_model=24, max_source_positions=10, num_labels=3, classifier_proj_size=10,
        pad_token_id=0, bos_token_id=1, eos_token_id=2), lambda: {"input_features": torch.randn(2, 8, 20)}, True),
    # As it is initialized: biases of zeros and norms of ones, of which the exporter makes one for all layers.
    "fresh": (tf.BertForSequenceClassification, tf.BertConfig(**dict(encoder, intermediate_size=24)), ids(), True),
    "half": (tf.LlamaForCausalLM, tf.LlamaConfig(**decoder, dtype="bfloat16"), ids(), True),
}


class Logits(torch.nn.Module):
    def __init__(self, network, names):
        super().__init__()
        self.network = network
        self.names = names

    def forward(self, *inputs):
        return self.network(**dict(zip(self.names, inputs)), return_dict=True).logits


def make():
    for name, (build, config, sample, optimize) in networks.items():
        torch.manual_seed(0)
        if name != "vit":
            config.use_cache = False
        # The exporter cannot take apart the other implementation of T5's attention.
        config._attn_implementation = "eager" if name == "t5" else None
        network = build(config).eval()
        with torch.no_grad():
            for parameter in network.parameters():
                if name != "fresh":
                    parameter.add_(torch.randn_like(parameter) * 0.05)
        if name == "half":
            network.bfloat16()
        network.save_pretrained(name, **({"max_shard_size": "20KB"} if name == "mistral" else {}))
        if name == "qwen2":  # As older versions wrote it.
            torch.save(network.state_dict(), f"{name}/pytorch_model.bin")
            os.remove(f"{name}/model.safetensors")
        network.float()
        torch.manual_seed(1)
        inputs = sample()
        torch.onnx.export(Logits(network, list(inputs)).eval(), tuple(inputs.values()), f"{name}.onnx", dynamo=True,
                          optimize=optimize, external_data=False, verbose=False)
    with open("mistral/tokenizer.json", "w") as file:
        file.write("{}")


def logits(name, folder):
    build, _, sample, _ = networks[name]
    network, info = build.from_pretrained(folder, output_loading_info=True, dtype=torch.float32)
    torch.manual_seed(5)
    with torch.no_grad():
        return network.eval()(**sample()).logits, network, {key: str(value) for key, value in info.items() if value}


def opened(name, folder):
    before, _, _ = logits(name, name)
    after, network, complaints = logits(name, folder)
    difference = ((before - after).abs().max() / before.abs().max()).item()
    return {"difference": difference, "complaints": complaints, "parameters": network.num_parameters()}


if sys.argv[1] == "make":
    make()
else:
    print(json.dumps([opened(**case) for case in json.loads(sys.argv[2])]))
