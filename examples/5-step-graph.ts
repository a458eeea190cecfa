/**
 * A training step is one ONNX model: any ONNX Runtime, in any language, can run it. Here it is
 * run by hand, without the trainer.
 */
import { encodeModel, type Model, Tensor } from 'net2net'
import { dense, sequential } from 'net2net/layers'
import { nodeRuntime } from 'net2net/runtime'
import { buildStep, sgd } from 'net2net/training'

const model = sequential([dense(1, { name: 'fc' })], { input: [1] })
const step = buildStep(model, {
  loss: 'mse',
  optimizer: sgd({ learningRate: 0.1, momentum: 0.5 }),
})

// y = 3x + 2
const input = new Tensor('float32', [4, 1], Float32Array.from([-1, 0, 1, 2]))
const target = new Tensor('float32', [4, 1], Float32Array.from([-1, 2, 5, 8]))
const learning_rate = new Tensor('float32', [], Float32Array.of(0.1))

const session = await nodeRuntime.createSession(encodeModel(withPlainInputs(step.model)))
let state: Record<string, Tensor> = Object.fromEntries(step.state)
for (let i = 0; i < 100; i++) {
  const results = await session.run({ input, target, learning_rate, ...state })
  state = Object.fromEntries(
    Object.keys(state).map((name) => [name, results[`${name}.next`] as Tensor]),
  )
}
await session.release()
const [weight, bias] = ['fc.weight', 'fc.bias'].map((name) => Number(state[name]?.data[0]))
console.log(`y = ${weight?.toFixed(2)} x + ${bias?.toFixed(2)}`)

/** ONNX Runtime's JavaScript API, unlike others, cannot override an input's default value. */
function withPlainInputs({ graph, ...rest }: Model): Model {
  const initializers = new Map(graph.initializers)
  for (const { name } of graph.inputs) initializers.delete(name)
  return { ...rest, graph: { ...graph, initializers } }
}
