/** The table of operators: to support a new one is to add its file and one line here. */
import type { Node } from '../model/model.ts'
import { neuralNetworkOperators } from './neural-network.ts'
import type { Operator } from './operator.ts'

const families: readonly (readonly Operator[])[] = [neuralNetworkOperators]

const table: ReadonlyMap<string, Operator> = new Map(
  families.flat().map((operator) => [keyOf(operator.domain ?? '', operator.name), operator]),
)

function keyOf(domain: string, name: string): string {
  return `${domain === 'ai.onnx' ? '' : domain}:${name}`
}

/** All supported operators, in the order of the table. */
export const operators: readonly Operator[] = [...table.values()]

/** The operator that a node applies, if we know it. */
export const operatorOf = (node: Pick<Node, 'domain' | 'opType'>): Operator | undefined =>
  table.get(keyOf(node.domain, node.opType))
