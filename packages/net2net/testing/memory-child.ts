/** Trains for 5,000 steps and prints the resident memory every 500, in bytes. */
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import { Training } from '../src/training/run/trainer.ts'
import { smallData, smallNetwork, smallOptions } from './small-training.ts'

const training = new Training(smallNetwork(), smallData(800), {
  ...smallOptions(),
  epochs: 50,
  runtime: nodeRuntime,
  onStep: ({ step }) => {
    if (step % 500 === 0) console.log(process.memoryUsage.rss())
  },
})
for await (const _epoch of training);
