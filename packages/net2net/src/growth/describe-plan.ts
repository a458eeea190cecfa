/** A growth plan as text. */
import { type GrowthPlan, rolesIn } from './growth-plan.ts'

/** Of one kind of changes of a plan: one change a row. */
export interface PlanTable {
  readonly head: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
}

/** What a plan does, as lines of text: the tables of `planTables`, with an empty line between two. */
export const describePlan = (plan: GrowthPlan): readonly string[] =>
  planTables(plan).flatMap((table, i) => [...(i > 0 ? [''] : []), ...aligned(table)])

/**
 * What a plan does, as tables: layers that grow or are inserted, and what follows from them for parameters, sizes and numbers. Kinds
 * of changes that the plan does not make have no table.
 */
export const planTables = (plan: GrowthPlan): readonly PlanTable[] =>
  kinds
    .map(({ head, rowsOf }) => ({ head, rows: rowsOf(plan) }))
    .filter(({ rows }) => rows.length > 0)

/** What a kind of change has to say: the columns of its table, and the rows of a plan. */
interface Kind {
  readonly head: PlanTable['head']
  rowsOf(plan: GrowthPlan): PlanTable['rows']
}

const kinds: readonly Kind[] = [
  {
    head: ['units of', 'from', 'to', 'initialization'],
    rowsOf: ({ units }) =>
      units.map(({ id, members, from, to, init, merged }) => [
        members.length === 0 ? id : members.join(', '),
        from,
        to,
        merged ? 'merged' : init,
      ]),
  },
  {
    head: ['new layer', 'after', 'nodes', 'initialization'],
    rowsOf: ({ inserted }) =>
      inserted.map(({ name, after, layer, init }) => [
        name,
        after,
        layer.nodes.map(({ opType }) => opType).join(' + '),
        init,
      ]),
  },
  {
    head: ['of', 'axis', 'from', 'to', 'found as'],
    rowsOf: ({ declared = [] }) =>
      declared.map(({ kind, name, axis, from, to, why = '' }) => [
        `${kind} ${name}`,
        axis,
        from,
        to,
        why,
      ]),
  },
  {
    head: ['new class'],
    rowsOf: ({ classes = [] }) => classes.map((name) => [name]),
  },
  {
    head: ['kernel', 'before', 'after', 'of'],
    rowsOf: ({ kernels = [] }) =>
      kernels.map(({ to, before, border, layers }) => [
        to,
        before.join('×'),
        before.map((size, axis) => size + 2 * (border[axis - 2] ?? 0)).join('×'),
        layers.map(({ name }) => name).join(', '),
      ]),
  },
  {
    head: ['adapter of', 'weight', 'rank', 'times', 'factors'],
    rowsOf: ({ adapters = [] }) =>
      adapters.map(({ layers, weight, dims, rank, scale, left, right }) => [
        layers.join(', '),
        `${weight} ${dims.join('×')}`,
        rank,
        scale,
        `${left}, ${right}`,
      ]),
  },
  {
    head: ['removed', 'nodes'],
    rowsOf: ({ removed = [] }) => removed.map(({ name, nodes }) => [name, nodes.join(', ')]),
  },
  {
    head: ['repeated', 'nodes', 'parameters', 'zero at first'],
    rowsOf: ({ repeated = [] }) =>
      repeated.map(({ blocks, nodes, parameters, gates }) => [
        blocks.join(', '),
        nodes.length,
        parameters.length + gates.length,
        [
          ...parameters.flatMap(({ start, to }) => (start === 'zero' ? [to] : [])),
          ...gates.map(({ name }) => name),
        ].join(', '),
      ]),
  },
  {
    head: ['parameter', 'before', 'after', 'how'],
    rowsOf: ({ parameters, positions }) => [
      ...parameters.map((change) => [
        ...changed(change),
        [
          ...change.axes.map(
            ({ axis, map, role }) => `axis ${axis} ${[...rolesIn(map, role)].join(' and ')}`,
          ),
          ...startOf(change),
          ...(change.factor === undefined ? [] : [`all times ${change.factor.toFixed(4)}`]),
          ...copyOf(change),
        ].join(', '),
      ]),
      ...positions.map((change) => [
        ...changed(change),
        ['positions counted anew', ...copyOf(change)].join(', '),
      ]),
    ],
  },
  {
    head: ['size', 'from', 'to'],
    rowsOf: ({ integers }) =>
      integers.map((change) => [
        'constant' in change
          ? `${change.constant}[${change.index}]`
          : `${change.attribute} of ${change.node}`,
        change.from,
        change.to,
      ]),
  },
  {
    head: ['attribute', 'from', 'to'],
    rowsOf: ({ floats = [] }) =>
      floats.map(({ node, attribute, from, to }) => [
        `${attribute} of ${node}`,
        from.toPrecision(6),
        to.toPrecision(6),
      ]),
  },
  {
    head: ['computed anew', 'for'],
    rowsOf: ({ copied }) =>
      copied.map(({ outputs, uses }) => [
        Object.keys(outputs).join(', '),
        uses.map(({ node }) => node).join(', '),
      ]),
  },
  {
    head: ['pinned number', 'at'],
    rowsOf: ({ pinned }) => pinned.map(({ to, elements }) => [to, elements.join(', ')]),
  },
]

type Change = GrowthPlan['positions'][number]

const changed = ({ to, before, after }: Pick<Change, 'to' | 'before' | 'after'>) => [
  to,
  before.join('×'),
  after.join('×'),
]

const copyOf = ({ name, to }: Pick<Change, 'name' | 'to'>) =>
  name === to ? [] : [`a copy of ${name}`]

const starts = {
  zero: 'zeros',
  random: 'random numbers',
  mean: 'the mean of the old ones',
  copy: 'those of an old one',
  values: 'as measured',
}

/** What the entries of added units begin with. */
function startOf({ added, axes }: GrowthPlan['parameters'][number]): readonly string[] {
  if (!added) return []
  const { start, shift, read } = added
  const roles = new Set(axes.flatMap(({ map, role }) => [...rolesIn(map, role)]))
  if (!roles.has('copied')) return [`new entries ${starts[read ?? 'zero']}`]
  const lowered = shift === undefined ? '' : ` minus ${(-shift).toFixed(2)} (unlikely)`
  return [`new entries ${starts[start]}${lowered}`]
}

/** Aligned columns, numbers to the right. */
function aligned({ head, rows }: PlanTable): readonly string[] {
  const lines = [head, ...rows.map((row) => row.map(String))]
  const widths = head.map((_, k) =>
    lines.reduce((most, line) => Math.max(most, line[k]!.length), 0),
  )
  return lines.map((line) =>
    line
      .map((text, k) =>
        typeof rows[0]![k] === 'number' ? text.padStart(widths[k]!) : text.padEnd(widths[k]!),
      )
      .join('  ')
      .trimEnd(),
  )
}
