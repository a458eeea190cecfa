/** Training steps of networks that people define in PyTorch, against PyTorch. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { median, Starts } from './measure.ts'
import { exportNetworks } from './pytorch.ts'
import type { Section } from './report.ts'
import type { Settings } from './settings.ts'
import { comparison, measureStart, startsOf, startsSaid } from './training-steps.ts'

/** Networks of networks.py and their batches. */
const networks: Readonly<Record<string, number>> = {
  resnet18: 8,
  'resnet18+bn': 8,
  'mobilenet-v2': 8,
  'mobilenet-v2+bn': 8,
  unet: 8,
  'unet+bn': 8,
  convnext: 8,
  gpt: 8,
  vit: 8,
  mlp: 32,
  teacher: 32,
  wider: 32,
  deeper: 32,
  resnext: 8,
  efficientnet: 8,
  'dilated-unet': 8,
  'group-norm': 8,
  separable: 8,
  translation: 8,
  signals: 16,
  volumes: 8,
  'volume-unet+bn': 4,
  'adaptive+bn': 16,
  'gated-gpt': 8,
  'inception+bn': 8,
  'grouped+bn': 8,
  'mobilenet-v3+bn': 8,
  'regnet+bn': 8,
  lenet: 64,
  tutorial: 64,
  windows: 8,
  text: 32,
  'tabular+bn': 64,
  'lstm-64': 32,
  'lstm-128': 32,
  'lstm-256': 32,
  'bi-lstm-64': 32,
  'gru-128': 32,
}

export async function benchmarkNetworks(settings: Settings): Promise<Section> {
  const { quick, python, networks: chosen } = settings
  if (!python) throw new Error('The networks are PyTorch’s: without PyTorch there are none.')
  const names = chosen ?? Object.keys(networks)
  const unknown = names.filter((name) => !(name in networks))
  if (unknown.length > 0)
    throw new Error(
      `No network ${unknown.join(', ')}; there are ${Object.keys(networks).join(', ')}.`,
    )
  const optimizers = quick ? (['sgd'] as const) : (['sgd', 'adamw'] as const)
  const trainings = names.flatMap((name) =>
    optimizers.map((optimizer) => ({
      name,
      optimizer,
      batch: networks[name]!,
      starts: new Starts(),
      firstSteps: [] as number[],
    })),
  )
  const folder = mkdtempSync(path.join(tmpdir(), 'net2net-bench-'))
  try {
    const files = exportNetworks(python, folder, names)
    for (let start = 1; start <= startsOf(settings); start++)
      for (const { name, optimizer, batch, starts, firstSteps } of trainings) {
        const question = { file: files.get(name)!, batch, optimizer }
        firstSteps.push(await measureStart(starts, name, question, settings))
        process.stderr.write(
          `  ${name}, ${optimizer}, start ${start}: ${comparison(starts).measured}\n`,
        )
      }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return {
    title: 'Training steps of networks',
    method:
      'Forward, backward and update of one batch through the trainer’s own stepper, on networks that are defined in PyTorch ' +
      '(bench/networks.py; 64 × 64 images, 64 tokens) and exported with `torch.onnx.export(dynamo=True)`; PyTorch trains the definition in training mode, ' +
      `in both memory formats, of which the better one counts. Each side has a process of its own. ${startsSaid} ` +
      'The exporter folds batch normalizations into convolutions, so ours are without them ' +
      'but for the names that end in “+bn”, which are exported with `optimize=False`. A round in which a contestant took more than three times ' +
      'its own median is left out for all, and counted.',
    rows: trainings.map(({ name, optimizer, batch, starts, firstSteps }) => {
      const { ratio, measured, values } = comparison(starts)
      const first = median(firstSteps)
      return {
        figure: `${name}, ${optimizer}, batch ${batch}: as fast as PyTorch`,
        measured: `${measured}; first step after ${(first / 1000).toFixed(1)} s`,
        target: '≥ 1.0×',
        reached: ratio >= 1,
        values: { ...values, start: first },
      }
    }),
  }
}
