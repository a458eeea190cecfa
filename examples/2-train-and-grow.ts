/** Train on MNIST, grow in between, and go on from where the small network was. */

import { deepen, widen } from 'net2net'
import { loadMnist } from 'net2net/data'
import { conv2d, dense, flatten, maxPool2d, sequential } from 'net2net/layers'
import { evaluate, sgd, train } from 'net2net/training'

const mnist = await loadMnist()
// A small part, so that the example takes a few seconds.
const data = mnist.train.slice(0, 2000)
const validation = mnist.test.slice(0, 500)
const loss = 'softmax-cross-entropy'

const small = train(
  sequential(
    [
      conv2d(8, 3, { activation: 'relu', name: 'conv1' }),
      maxPool2d(2),
      flatten(),
      dense(16, { activation: 'relu', name: 'fc1' }),
      dense(10, { activation: 'softmax', name: 'fc2' }),
    ],
    { input: [1, 28, 28] },
  ),
  data,
  { loss, optimizer: sgd({ learningRate: 0.02, momentum: 0.9 }), epochs: 2, validation },
)
for await (const { epoch, valLoss } of small)
  console.log(`small, epoch ${epoch}: validation loss ${valLoss?.toFixed(4)}`)

const grown = deepen(widen(small.model, { conv1: 16, fc1: 32 }), ['fc1'])
const before = await evaluate(small.model, validation, { loss })
const after = await evaluate(grown, validation, { loss })
console.log(`grown: validation loss ${before.loss.toFixed(4)} → ${after.loss.toFixed(4)}`)

const large = train(grown, data, {
  loss,
  optimizer: sgd({ learningRate: 0.002, momentum: 0.9 }),
  validation,
})
for await (const { epoch, valLoss } of large)
  console.log(`grown, epoch ${epoch}: validation loss ${valLoss?.toFixed(4)}`)
