/** Train on arrays of your own: a small regression, with early stopping. */
import { ArrayDataset, split } from 'net2net/data'
import { dense, sequential } from 'net2net/layers'
import { adam, train } from 'net2net/training'

const count = 1000
const x = new Float32Array(2 * count)
const y = new Float32Array(count)
for (let i = 0; i < count; i++) {
  const [a, b] = [Math.cos(0.7 * i), Math.sin(1.3 * i)]
  x.set([a, b], 2 * i)
  y[i] = a * b
}
const all = new ArrayDataset(
  { input: { dtype: 'float32', dims: [2], data: x } },
  { dtype: 'float32', dims: [1], data: y },
)
const { train: data, test: validation } = split(all, 0.2)

const training = train(
  sequential([dense(24, { activation: 'tanh' }), dense(1)], { input: [2] }),
  data,
  {
    loss: 'mse',
    optimizer: adam({ learningRate: 0.02 }),
    epochs: 60,
    validation,
    earlyStopping: { patience: 8, restoreBest: true },
  },
)
let best = Number.POSITIVE_INFINITY
for await (const { valLoss = Number.NaN } of training) best = Math.min(best, valLoss)
console.log(`best validation error: ${best.toFixed(5)}`)
