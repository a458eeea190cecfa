/** Brings models of older operator sets to the one that gradients are written in. */
import { inputError, refusedError } from '../errors.ts'
import { withSubgraphs } from '../model/attributes.ts'
import { EMITTED_IR_VERSION, EMITTED_OPSET } from '../model/builder.ts'
import type { Graph, Initializer, Model, Node } from '../model/model.ts'
import { opsetOf } from '../model/model.ts'
import { describeNode, NameSupply, valueNames } from '../model/names.ts'
import type { UpgradedNode } from '../operators/contract/facets.ts'
import type { ValueInfo } from '../operators/contract/infer.ts'
import { inferModel } from '../operators/inference.ts'
import { operatorOf } from '../operators/table.ts'
import type { LazyTensor } from '../tensor/tensor.ts'

/** The oldest operator set that can be brought up to date. */
export const OLDEST_OPSET = 7

/**
 * The same model in `EMITTED_OPSET`; a model of that set or a newer one as it is. Operators that
 * changed since rewrite their nodes (the `upgrade` facet).
 *
 * @throws input for operator sets before 7, refused for operators that we do not know
 */
export function upgrade(model: Model): Model {
  const from = opsetOf(model)
  if (from >= EMITTED_OPSET) return model
  if (from < OLDEST_OPSET)
    throw inputError(
      `The model is of operator set ${from}; sets from ${OLDEST_OPSET} on can be trained. Export it with a newer one.`,
    )
  const names = new NameSupply(valueNames(model.graph))
  const graph = upgradeGraph(model.graph, from, inferModel(model), names)
  const opsets = new Map(model.opsets)
  opsets.delete('ai.onnx')
  opsets.set('', EMITTED_OPSET)
  return { ...model, graph, opsets, irVersion: Math.max(model.irVersion, EMITTED_IR_VERSION) }
}

function upgradeGraph(
  graph: Graph,
  from: number,
  infos: ReadonlyMap<string, ValueInfo>,
  names: NameSupply,
): Graph {
  const initializers = new Map<string, Initializer>(graph.initializers)
  const upgradeNode = (node: Node): UpgradedNode => {
    if (node.domain !== '' && node.domain !== 'ai.onnx') return node
    const operator = operatorOf(node)
    if (!operator)
      throw refusedError(
        `${describeNode(node)} cannot be brought from operator set ${from} to ${EMITTED_OPSET}: the operator ${node.opType} is not supported.`,
        {
          where: describeNode(node),
          hint: `Export the model with operator set ${EMITTED_OPSET} or newer.`,
        },
      )
    const upgrade = operator.training?.upgrade
    if (!upgrade) return node
    return upgrade({
      node,
      from,
      shape: (i) => infos.get(node.inputs[i] ?? '')?.shape,
      tensor: (i) => infos.get(node.inputs[i] ?? '')?.constant,
      constant(tensor: LazyTensor) {
        const name = names.fresh('constant')
        initializers.set(name, { tensor })
        return name
      },
      fresh: (hint) => names.fresh(hint),
    })
  }
  const nodes = graph.nodes
    .map((node) => withSubgraphs(node, (inner) => upgradeGraph(inner, from, infos, names)))
    .flatMap(upgradeNode)
  return { ...graph, nodes, initializers }
}
