/**
 * A training that can be killed: `train-child.ts FOLDER [BOUNDARY]` trains a small network with
 * checkpoints in FOLDER, going on from the newest one, and writes what came of it to
 * FOLDER/result.json. With BOUNDARY it kills itself there: see `killAtBoundary`.
 */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CheckpointFolder } from '../src/checkpoints/checkpoint-folder.node.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import { Training } from '../src/training/run/trainer.ts'
import { killAtBoundary } from './kill-at-boundary.ts'
import { smallData, smallNetwork, smallOptions } from './small-training.ts'

const [folder, boundary] = process.argv.slice(2) as [string, string | undefined]
const checkpoints = new CheckpointFolder(folder, { fingerprint: 'small' })
const { checkpoint, skipped } = await checkpoints.latest()
if (boundary !== undefined) killAtBoundary(Number(boundary))
console.log(JSON.stringify({ resumed: checkpoint?.state.step ?? 0, skipped }))
const training = new Training(smallNetwork(), smallData(), {
  ...smallOptions(),
  runtime: nodeRuntime,
  ...(checkpoint ? { resume: checkpoint.state } : {}),
  checkpoint: {
    everySteps: 3,
    save: async (state) => {
      await checkpoints.save(state)
    },
  },
  onStep: ({ step }) => console.log(JSON.stringify({ step })),
})
for await (const _epoch of training);
const hash = createHash('sha256')
for (const [name, tensor] of training.state.tensors)
  hash.update(name).update(tensor.read(0, tensor.byteLength))
const { history } = training.state
const losses = history.map(({ loss, valLoss }) => [loss, valLoss])
writeFileSync(join(folder, 'result.json'), JSON.stringify({ hash: hash.digest('hex'), losses }))
