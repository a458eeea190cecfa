/**
 * Erfc, which is no operator of ONNX, as 1 − Erf: TensorFlow's converter writes it for the exact GELU of Keras, and no
 * runtime knows it.
 */
import type { Initializer, Model, Node } from '../model/model.ts'
import { NameSupply, valueNames } from '../model/names.ts'
import { inferModel } from '../operators/inference.ts'
import { float32 } from '../tensor/tensor.ts'

const isErfc = ({ opType, domain }: Node): boolean => opType === 'Erfc' && domain === ''

/** The same function without Erfc of float32; the model itself where it has none. */
export function withoutErfc(model: Model): Model {
  const { graph } = model
  if (!graph.nodes.some(isErfc)) return model
  const names = new NameSupply(valueNames(graph))
  const one = names.fresh('one')
  const initializers = new Map<string, Initializer>(graph.initializers)
  initializers.set(one, { tensor: float32([], [1]) })
  // What follows one Erfc has a type only when this one is known.
  let nodes = graph.nodes
  for (;;) {
    const values = inferModel({ ...model, graph: { ...graph, nodes, initializers } })
    const isKnown = (node: Node) =>
      isErfc(node) && values.get(node.inputs[0] ?? '')?.dtype === 'float32'
    if (!nodes.some(isKnown)) break
    nodes = nodes.flatMap((node) => {
      if (!isKnown(node)) return [node]
      const inner = names.fresh(`${node.outputs[0]}_erf`)
      const base = { ...node, attributes: new Map() }
      return [
        { ...base, name: `${node.name}/Erf`, opType: 'Erf', outputs: [inner] },
        { ...base, opType: 'Sub', inputs: [one, inner] },
      ]
    })
  }
  return nodes === graph.nodes ? model : { ...model, graph: { ...graph, nodes, initializers } }
}
