/** Everything about the chosen node, beside the graph. */

import { type ReadonlySignal, type Signal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { ParameterDiff } from '../engine/diff.ts'
import { models } from '../engine/model-client.ts'
import type { NodeFacts, Pair, ParameterStatistics } from '../engine/protocol.ts'
import { statusWords } from '../graph/card.tsx'
import { said, t } from '../text/text.ts'
import { count } from '../ui/format.ts'
import { Histogram } from '../ui/histogram.tsx'
import { Mapping } from '../ui/mapping.tsx'
import { grown, openedBy, selected } from './model.ts'

export function Details() {
  const version = `${openedBy.value} ${grown.value?.number}`
  return (
    <NodeDetails
      of="growth"
      selected={selected}
      two={grown.value !== undefined}
      version={version}
    />
  )
}

interface NodeDetailsProps {
  readonly of: Pair
  readonly selected: Signal<string | undefined>
  /** Whether there are two models. */
  readonly two: boolean
  /** Changes when what is known of nodes may have. */
  readonly version: string
}

/** What is known of the chosen node, as soon as the worker has told. */
export function NodeDetails(props: NodeDetailsProps) {
  const { of, selected: chosen, two, version } = props
  const key = chosen.value
  const facts = useFacts(of, key, version)
  const known = facts.value
  if (key === undefined || known === undefined) return null
  return (
    <FactsOfNode
      key={known.node.key}
      {...{ of, two, version }}
      facts={known}
      onClose={() => {
        chosen.value = undefined
      }}
    />
  )
}

/** What the worker says of a node; until it has answered, what it said before. */
function useFacts(
  of: Pair,
  key: string | undefined,
  version: string,
): ReadonlySignal<NodeFacts | undefined> {
  const facts = useSignal<NodeFacts | undefined>(undefined)
  useEffect(() => {
    let isCurrent = true
    if (key === undefined) facts.value = undefined
    else
      models[of].call('node', { of, key }).then(
        (found) => {
          if (isCurrent) facts.value = found
        },
        () => undefined,
      )
    return () => {
      isCurrent = false
    }
  }, [of, key, version])
  return facts
}

function FactsOfNode(
  props: Omit<NodeDetailsProps, 'selected'> & {
    readonly facts: NodeFacts
    readonly onClose: () => void
  },
) {
  const { of, facts, two, version, onClose } = props
  const { node, before, after: shapes, refusal, units } = facts
  const own = node.after ?? node.before
  const aside = useRef<HTMLElement>(null)
  const close = () => {
    const card = `.card[data-key="${CSS.escape(node.key)}"]`
    aside.current?.closest('.stage')?.querySelector<SVGElement>(card)?.focus()
    onClose()
  }
  return (
    <aside
      ref={aside}
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
        {!two ? null : (
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
        {refusal === undefined ? null : (
          <p class="small">
            <span class="muted">{t('Not wider:')}</span> {said(refusal)}
          </p>
        )}
        {units.map((group) => (
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
            two={two}
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

function Parameter(props: { parameter: ParameterDiff; of: Pair; two: boolean; version: string }) {
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
