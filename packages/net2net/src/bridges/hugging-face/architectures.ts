/** The architectures that need no mapping file, by their `model_type`. */
import type { ArchitectureMapping } from './architecture.ts'

const postNorm =
  'its layers normalize what they have added (post-norm), so that none can be added that changes nothing'

const bertLayers = {
  'attention.self.query': 'num_attention_heads*head_dim, hidden_size',
  'attention.self.key': 'num_attention_heads*head_dim, hidden_size',
  'attention.self.value': 'num_attention_heads*head_dim, hidden_size',
  'attention.output.dense': 'hidden_size, num_attention_heads*head_dim',
  'attention.output.LayerNorm': 'hidden_size',
  'intermediate.dense': 'intermediate_size, hidden_size',
  'output.dense': 'hidden_size, intermediate_size',
  'output.LayerNorm': 'hidden_size',
  'pooler.dense': 'hidden_size, hidden_size',
  'embeddings.*_embeddings': '_, hidden_size',
  'embeddings.LayerNorm': 'hidden_size',
  qa_outputs: '_, hidden_size',
}

export const architectures: Readonly<Record<string, ArchitectureMapping>> = {
  gpt2: {
    ffn: ['n_inner'],
    heads: ['n_head'],
    hidden: ['n_embd'],
    defaults: { n_inner: '4*n_embd' },
    computed: { head_dim: 'n_embd/n_head' },
    aliases: { hidden_size: 'n_embd', num_attention_heads: 'n_head', num_hidden_layers: 'n_layer' },
    entries: {
      wte: '_, n_embd',
      wpe: '_, n_embd',
      'ln_*': 'n_embd',
      'attn.c_attn.weight': 'n_embd, 3*n_head*head_dim',
      'attn.c_attn.bias': '3*n_head*head_dim',
      'attn.c_proj.weight': 'n_head*head_dim, n_embd',
      'attn.c_proj.bias': 'n_embd',
      'mlp.c_fc.weight': 'n_embd, n_inner',
      'mlp.c_fc.bias': 'n_inner',
      'mlp.c_proj.weight': 'n_inner, n_embd',
      'mlp.c_proj.bias': 'n_embd',
      lm_head: '_, n_embd',
      score: '_, n_embd',
      classifier: '_, n_embd',
      qa_outputs: '_, n_embd',
    },
    tied: { entries: { 'lm_head.weight': 'transformer.wte.weight' }, byDefault: true },
    layers: [
      {
        count: 'n_layer',
        name: 'h.{}',
        adds: { 'attn.c_proj': 0, 'mlp.c_proj': 0 },
        byNumber: { scale_attn_by_inverse_layer_idx: true },
      },
    ],
  },
  llama: {
    ffn: ['intermediate_size'],
    heads: ['num_attention_heads', 'num_key_value_heads'],
    hidden: ['hidden_size'],
    defaults: {
      num_key_value_heads: 'num_attention_heads',
      head_dim: 'hidden_size/num_attention_heads',
    },
    multiples: { hidden_size: 'num_attention_heads' },
    entries: {
      embed_tokens: '_, hidden_size',
      norm: 'hidden_size',
      '*_layernorm': 'hidden_size',
      'self_attn.q_proj': 'num_attention_heads*head_dim, hidden_size',
      'self_attn.k_proj': 'num_key_value_heads*head_dim, hidden_size',
      'self_attn.v_proj': 'num_key_value_heads*head_dim, hidden_size',
      'self_attn.o_proj': 'hidden_size, num_attention_heads*head_dim',
      'mlp.gate_proj': 'intermediate_size, hidden_size',
      'mlp.up_proj': 'intermediate_size, hidden_size',
      'mlp.down_proj': 'hidden_size, intermediate_size',
      lm_head: '_, hidden_size',
      score: '_, hidden_size',
      qa_outputs: '_, hidden_size',
    },
    tied: { entries: { 'lm_head.weight': 'model.embed_tokens.weight' }, byDefault: false },
    layers: [
      {
        count: 'num_hidden_layers',
        name: 'layers.{}',
        adds: { 'self_attn.o_proj': 0, 'mlp.down_proj': 0 },
        lists: ['layer_types'],
      },
    ],
  },
  mistral: { like: 'llama', multiples: {} },
  qwen2: {
    like: 'llama',
    multiples: {},
    layers: [
      {
        count: 'num_hidden_layers',
        name: 'layers.{}',
        adds: { 'self_attn.o_proj': 0, 'mlp.down_proj': 0 },
        lists: ['layer_types'],
        byNumber: { use_sliding_window: true },
      },
    ],
  },
  qwen3: {
    like: 'qwen2',
    entries: { 'self_attn.q_norm': 'head_dim', 'self_attn.k_norm': 'head_dim' },
  },
  gemma: {
    like: 'llama',
    multiples: {},
    timesRoot: { 'embed_tokens.weight': 'hidden_size' },
    tied: { entries: { 'lm_head.weight': 'model.embed_tokens.weight' }, byDefault: true },
  },
  gemma2: {
    like: 'gemma',
    multiples: { hidden_size: 'num_attention_heads' },
    layers: [
      {
        count: 'num_hidden_layers',
        name: 'layers.{}',
        // These norms multiply by 1 + weight.
        adds: { post_attention_layernorm: -1, post_feedforward_layernorm: -1 },
        lists: ['layer_types'],
        byNumber: { layer_types: null },
      },
    ],
  },
  gemma3_text: {
    like: 'gemma2',
    entries: { 'self_attn.q_norm': 'head_dim', 'self_attn.k_norm': 'head_dim' },
  },
  bert: {
    ffn: ['intermediate_size'],
    heads: ['num_attention_heads'],
    hidden: ['hidden_size'],
    computed: { head_dim: 'hidden_size/num_attention_heads' },
    entries: {
      ...bertLayers,
      'predictions.transform.dense': 'hidden_size, hidden_size',
      'predictions.transform.LayerNorm': 'hidden_size',
      'predictions.decoder': '_, hidden_size',
      'cls.seq_relationship': '_, hidden_size',
      classifier: '_, hidden_size',
    },
    tied: {
      entries: {
        'cls.predictions.decoder.weight': 'bert.embeddings.word_embeddings.weight',
        'cls.predictions.decoder.bias': 'cls.predictions.bias',
      },
      byDefault: true,
    },
    layers: postNorm,
  },
  roberta: {
    like: 'bert',
    entries: {
      ...bertLayers,
      'lm_head.dense': 'hidden_size, hidden_size',
      'lm_head.layer_norm': 'hidden_size',
      'lm_head.decoder': '_, hidden_size',
      'classifier.dense': 'hidden_size, hidden_size',
      'classifier.out_proj': '_, hidden_size',
    },
    tied: {
      entries: {
        'lm_head.decoder.weight': 'roberta.embeddings.word_embeddings.weight',
        'lm_head.decoder.bias': 'lm_head.bias',
      },
      byDefault: true,
    },
  },
  distilbert: {
    ffn: ['hidden_dim'],
    heads: ['n_heads'],
    hidden: ['dim'],
    computed: { head_dim: 'dim/n_heads' },
    aliases: { hidden_size: 'dim', num_attention_heads: 'n_heads', num_hidden_layers: 'n_layers' },
    entries: {
      'embeddings.*_embeddings': '_, dim',
      'embeddings.LayerNorm': 'dim',
      'attention.q_lin': 'n_heads*head_dim, dim',
      'attention.k_lin': 'n_heads*head_dim, dim',
      'attention.v_lin': 'n_heads*head_dim, dim',
      'attention.out_lin': 'dim, n_heads*head_dim',
      'ffn.lin1': 'hidden_dim, dim',
      'ffn.lin2': 'dim, hidden_dim',
      '*_layer_norm': 'dim',
      vocab_transform: 'dim, dim',
      vocab_projector: '_, dim',
      pre_classifier: 'dim, dim',
      classifier: '_, dim',
      qa_outputs: '_, dim',
    },
    tied: {
      entries: { 'vocab_projector.weight': 'distilbert.embeddings.word_embeddings.weight' },
      byDefault: true,
    },
    layers: postNorm,
  },
  vit: {
    ffn: ['intermediate_size'],
    heads: ['num_attention_heads'],
    hidden: ['hidden_size'],
    defaults: { pooler_output_size: 'hidden_size' },
    computed: { head_dim: 'hidden_size/num_attention_heads' },
    entries: {
      'embeddings.cls_token': '_, _, hidden_size',
      'embeddings.mask_token': '_, _, hidden_size',
      'embeddings.position_embeddings': '_, _, hidden_size',
      'patch_embeddings.projection': 'hidden_size, _, _, _',
      'attention.attention.query': 'num_attention_heads*head_dim, hidden_size',
      'attention.attention.key': 'num_attention_heads*head_dim, hidden_size',
      'attention.attention.value': 'num_attention_heads*head_dim, hidden_size',
      'attention.output.dense': 'hidden_size, num_attention_heads*head_dim',
      'intermediate.dense': 'intermediate_size, hidden_size',
      'output.dense': 'hidden_size, intermediate_size',
      layernorm: 'hidden_size',
      'layernorm_*': 'hidden_size',
      'pooler.dense': 'pooler_output_size, hidden_size',
      classifier: '_, hidden_size',
    },
    layers: [
      {
        count: 'num_hidden_layers',
        name: 'layer.{}',
        adds: { 'attention.output.dense': 0, 'output.dense': 0 },
      },
    ],
  },
  t5: {
    ffn: ['d_ff'],
    heads: ['num_heads'],
    hidden: ['d_model'],
    defaults: { num_decoder_layers: 'num_layers' },
    aliases: {
      hidden_size: 'd_model',
      num_attention_heads: 'num_heads',
      num_hidden_layers: 'num_layers',
      head_dim: 'd_kv',
    },
    entries: {
      shared: '_, d_model',
      embed_tokens: '_, d_model',
      lm_head: '_, d_model',
      '*Attention.q': 'num_heads*d_kv, d_model',
      '*Attention.k': 'num_heads*d_kv, d_model',
      '*Attention.v': 'num_heads*d_kv, d_model',
      '*Attention.o': 'd_model, num_heads*d_kv',
      '*Attention.relative_attention_bias': '_, num_heads',
      'DenseReluDense.wi': 'd_ff, d_model',
      'DenseReluDense.wi_*': 'd_ff, d_model',
      'DenseReluDense.wo': 'd_model, d_ff',
      layer_norm: 'd_model',
      final_layer_norm: 'd_model',
    },
    tied: {
      entries: {
        'encoder.embed_tokens.weight': 'shared.weight',
        'decoder.embed_tokens.weight': 'shared.weight',
        'lm_head.weight': 'shared.weight',
      },
      byDefault: true,
      always: 'transformers ties the embeddings of every T5',
    },
    layers: [
      {
        count: 'num_layers',
        name: 'encoder.block.{}',
        adds: { 'SelfAttention.o': 0, 'DenseReluDense.wo': 0 },
        onlyFirst: ['relative_attention_bias'],
      },
      {
        count: 'num_decoder_layers',
        name: 'decoder.block.{}',
        adds: { 'SelfAttention.o': 0, 'EncDecAttention.o': 0, 'DenseReluDense.wo': 0 },
        onlyFirst: ['relative_attention_bias'],
      },
    ],
  },
  whisper: {
    ffn: ['encoder_ffn_dim', 'decoder_ffn_dim'],
    heads: ['encoder_attention_heads', 'decoder_attention_heads'],
    hidden: ['d_model'],
    computed: {
      encoder_head_dim: 'd_model/encoder_attention_heads',
      decoder_head_dim: 'd_model/decoder_attention_heads',
    },
    aliases: {
      hidden_size: 'd_model',
      num_attention_heads: 'encoder_attention_heads',
      num_hidden_layers: 'encoder_layers',
    },
    entries: {
      'encoder.conv1': 'd_model, _, _',
      'encoder.conv2': 'd_model, d_model, _',
      embed_positions: '_, d_model',
      embed_tokens: '_, d_model',
      '*layer_norm': 'd_model',
      ...whisperLayers('encoder', 'self_attn'),
      ...whisperLayers('decoder', 'self_attn'),
      ...whisperLayers('decoder', 'encoder_attn'),
      proj_out: '_, d_model',
      projector: '_, d_model',
    },
    tied: { entries: { 'proj_out.weight': 'model.decoder.embed_tokens.weight' }, byDefault: true },
    layers: [
      {
        count: 'encoder_layers',
        name: 'encoder.layers.{}',
        adds: { 'self_attn.out_proj': 0, fc2: 0 },
      },
      {
        count: 'decoder_layers',
        name: 'decoder.layers.{}',
        adds: { 'self_attn.out_proj': 0, 'encoder_attn.out_proj': 0, fc2: 0 },
      },
    ],
  },
}

function whisperLayers(stack: 'encoder' | 'decoder', attention: string) {
  const layer = `${stack}.layers.{}`
  const heads = `${stack}_attention_heads*${stack}_head_dim`
  return {
    [`${layer}.${attention}.q_proj`]: `${heads}, d_model`,
    [`${layer}.${attention}.k_proj`]: `${heads}, d_model`,
    [`${layer}.${attention}.v_proj`]: `${heads}, d_model`,
    [`${layer}.${attention}.out_proj`]: `d_model, ${heads}`,
    [`${layer}.fc1`]: `${stack}_ffn_dim, d_model`,
    [`${layer}.fc2`]: `d_model, ${stack}_ffn_dim`,
  }
}
