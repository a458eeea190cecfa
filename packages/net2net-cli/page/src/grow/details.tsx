/** Everything about the chosen node, beside the graph. */

import { computed, useSignal } from '@preact/signals'
import type { GrownUnits, InspectedLayer } from 'net2net'
import { useEffect } from 'preact/hooks'
import type { NodeDiff, ParameterDiff } from '../engine/diff.ts'
import { models } from '../engine/model-client.ts'
import type { ParameterStatistics } from '../engine/protocol.ts'
import type { ModelView } from '../engine/view.ts'
import { statusWords } from '../graph/card.tsx'
import { said, t } from '../text/text.ts'
import { count } from '../ui/format.ts'
import { Histogram } from '../ui/histogram.tsx'
import { Mapping } from '../ui/mapping.tsx'
import { grown, opened, selected } from './model.ts'

const chosen = computed<NodeDiff | undefined>(() => {
  const key = selected.value
  const diff = grown.value?.diff ?? opened.value?.diff
  if (key === undefined || diff === undefined) return undefined
  return diff.nodes.find((node) => node.key === key)
})

export function Details() {
  const node = chosen.value
  const before = opened.value
  if (node === undefined || before === undefined) return null
  const after = grown.value
  const own = node.after ?? node.before
  return (
    <NodeDetails
      key={node.key}
      node={node}
      of="growth"
      before={before.view}
      after={after?.view}
      version={after}
      layer={before.layers.find((candidate) => candidate.name === own?.name)}
      units={after?.plans
        .flatMap((plan) => plan.units)
        .filter((group) => own !== undefined && group.members.includes(own.name))}
      onClose={() => {
        selected.value = undefined
      }}
    />
  )
}

interface NodeDetailsProps {
  readonly node: NodeDiff
  readonly of: 'growth' | 'comparison'
  readonly before: ModelView
  /** undefined: there is but one model. */
  readonly after: ModelView | undefined
  /** Changes when the parameters may have. */
  readonly version: unknown
  readonly layer?: InspectedLayer | undefined
  readonly units?: readonly GrownUnits[] | undefined
  readonly onClose: () => void
}

export function NodeDetails(props: NodeDetailsProps) {
  const { node, of, before: first, after: second, version, layer, units, onClose } = props
  const own = node.after ?? node.before
  const shapes = (second ?? first).shapes
  const before = first.shapes
  const close = () => {
    onClose()
    const card = `.card[data-key="${CSS.escape(node.key)}"]`
    document.querySelector<SVGElement>(card)?.focus()
  }
  return (
    <aside
      class="details"
      aria-label={`${node.op} ${node.name}`}
      onKeyDown={(event) => {
        if (event.key === 'Escape') close()
      }}
    >
      <header>
        <h2>
          {node.op} <code>{node.name}</code>
        </h2>
        <button
          type="button"
          class="quiet icon"
          aria-label={t('Close the details')}
          onClick={close}
        >
          ×
        </button>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys */}
      <section class="details-body stack" aria-label={t('Details')} tabIndex={0}>
        {second === undefined ? null : (
          <div>
            <span class={`badge ${node.status}`}>{t(statusWords[node.status])}</span>
          </div>
        )}
        {own === undefined ? (
          <p class="muted">
            {node.members !== undefined
              ? t('{0} nodes, which open with a double click, or with X.', node.members.length)
              : node.kind === 'input'
                ? t('An input of the network.')
                : t('An output of the network.')}
          </p>
        ) : (
          <dl class="facts">
            {own.inputs.map((name) => (
              <Value
                key={name}
                term={t('reads')}
                name={name}
                before={before.get(name)}
                after={shapes.get(name)}
              />
            ))}
            {own.outputs.map((name) => (
              <Value
                key={name}
                term={t('gives')}
                name={name}
                before={before.get(name)}
                after={shapes.get(name)}
              />
            ))}
          </dl>
        )}
        {layer !== undefined && layer.widen !== true ? (
          <p class="small">
            <span class="muted">{t('Not wider:')}</span> {said(layer.widen)}
          </p>
        ) : null}
        {units?.map((group) => (
          <section key={group.id}>
            <h3>{t('Units')}</h3>
            <Mapping units={group} />
          </section>
        ))}
        {node.parameters.map((parameter) => (
          <Parameter
            key={(parameter.after ?? parameter.before)!.name}
            parameter={parameter}
            of={of}
            two={second !== undefined}
            version={version}
          />
        ))}
        {own === undefined || own.attributes.length === 0 ? null : (
          <section>
            <h3>{t('Attributes')}</h3>
            <dl class="facts">
              {own.attributes.map(([name, text]) => (
                <>
                  <dt key={name}>{name}</dt>
                  <dd class="mono">{text}</dd>
                </>
              ))}
            </dl>
          </section>
        )}
      </section>
    </aside>
  )
}

function Value(props: {
  term: string
  name: string
  before: string | undefined
  after: string | undefined
}) {
  const { term, name, before, after } = props
  return (
    <>
      <dt>{term}</dt>
      <dd>
        <code>{name}</code>{' '}
        <span class="muted number">
          {before !== undefined && before !== after ? `${before} → ` : ''}
        </span>
        <span class={`number ${before !== undefined && before !== after ? 'grown-text' : 'muted'}`}>
          {after ?? ''}
        </span>
      </dd>
    </>
  )
}

function Parameter(props: {
  parameter: ParameterDiff
  of: 'growth' | 'comparison'
  two: boolean
  version: unknown
}) {
  const { parameter, of, two, version } = props
  const { before, after } = parameter
  const statistics = useSignal<ParameterStatistics | undefined>(undefined)
  const own = (after ?? before)!
  useEffect(() => {
    let current = true
    statistics.value = undefined
    models[of]
      .call('statistics', {
        of,
        ...(before === undefined ? {} : { before: before.name }),
        ...(!two || after === undefined ? {} : { after: after.name }),
      })
      .then((result) => {
        if (current) statistics.value = result
      })
      .catch(() => undefined)
    return () => {
      current = false
    }
  }, [before?.name, after?.name, version])
  const changed = before !== undefined && String(before.dims) !== String(own.dims)
  return (
    <section>
      <h3>
        {parameter.label}{' '}
        <span class="number muted">{changed ? `${before.dims.join('×')} → ` : ''}</span>
        <span class={`number ${changed ? 'grown-text' : 'muted'}`}>
          {own.dims.join('×') || t('scalar')}
        </span>
      </h3>
      <p class="muted small">
        <code>{own.name}</code>, {own.dtype},{' '}
        {t('{0} values', count(own.dims.reduce((a, b) => a * b, 1)))}
      </p>
      {statistics.value === undefined ? (
        <div class="histogram placeholder" />
      ) : (
        <Histogram statistics={statistics.value} label={own.name} />
      )}
    </section>
  )
}
