/** A growth plan is plain data: look at it, keep it, apply it later. */
import { applyPlan, compare, planWiden } from 'net2net'
import { batchNorm, conv2d, dense, flatten, relu, residual, sequential } from 'net2net/layers'

// Both `stem` and `branch` write into one residual stream: they can only grow together.
const teacher = sequential(
  [
    conv2d(6, 3, { padding: 'same', name: 'stem' }),
    residual([
      conv2d(4, 1, { name: 'squeeze' }),
      batchNorm({ name: 'norm' }),
      relu(),
      conv2d(6, 3, { padding: 'same', name: 'branch' }),
    ]),
    flatten(),
    dense(5, { name: 'out' }),
  ],
  { input: [3, 5, 7] },
)

const plan = planWiden(teacher, { stem: 9, squeeze: 6 }, { seed: 3 })
for (const { members, from, to, map } of plan.units)
  console.log(
    `${members.join(' and ')}: ${from} → ${to} units, the new ones copy ${map.slice(from)}`,
  )
for (const { name, before, after } of plan.parameters)
  console.log(`${name}: [${before}] → [${after}]`)

const stored = JSON.parse(JSON.stringify(plan)) as typeof plan
const student = applyPlan(teacher, stored)
console.log(`equal: ${(await compare(teacher, student)).equal}`)
