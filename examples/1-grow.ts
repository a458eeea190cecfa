/**
 * Grow a network and prove that it still computes the same. Run it with: npx tsx examples/1-grow.ts
 * In a project of your own, import from 'net2net' and 'net2net/layers'.
 */

import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compare, deepen, inspect, load, save, widen } from 'net2net'
import { conv2d, dense, flatten, maxPool2d, sequential } from 'net2net/layers'

// Any ONNX file will do; this one is made here, so that the example needs nothing.
const folder = await mkdtemp(join(tmpdir(), 'net2net-example-'))
const network = sequential(
  [
    conv2d(8, 3, { padding: 'same', activation: 'relu', name: 'conv1' }),
    maxPool2d(2),
    conv2d(16, 3, { padding: 'same', activation: 'relu', name: 'conv2' }),
    flatten(),
    dense(10, { activation: 'softmax', name: 'out' }),
  ],
  { input: [1, 12, 16], seed: 1 },
)
await save(network, join(folder, 'teacher.onnx'))

const teacher = await load(join(folder, 'teacher.onnx'))
for (const { name, width, widen: able } of inspect(teacher).layers)
  console.log(`${name}: width ${width}, ${able === true ? 'can be widened' : `cannot: ${able}`}`)

const wider = widen(teacher, { conv1: 12, conv2: 'x2' }, { seed: 7 })
const student = deepen(wider, ['conv2'])
await save(student, join(folder, 'student.onnx'))

const { equal, outputs } = await compare(teacher, student)
console.log(`parameters: ${inspect(teacher).parameters} → ${inspect(student).parameters}`)
console.log(`equal: ${equal}, max |Δ| ${outputs[0]?.maxAbs}`)
