/** An exploration: its networks by cost and quality, the front as a table, and who grew from whom; each opens on the Grow tab. */
import { type Signal, useComputed, useSignal } from '@preact/signals'
import type { Cost } from 'net2net/exploring'
import { useMemo } from 'preact/hooks'
import type { ExplorationContent } from '../../../src/server/api.ts'
import { t } from '../text/text.ts'
import { count, figure, seconds } from '../ui/format.ts'
import {
  costsOf,
  costTitle,
  type Dot,
  type DrawnNetwork,
  networksOf,
} from './exploration-networks.ts'
import { FrontChart } from './front-chart.tsx'
import { type Entry, growIt } from './model.ts'

export function ExplorationPanel({
  entry,
  content,
}: {
  entry: Entry
  content: ExplorationContent
}) {
  const { id, state } = entry
  const { objectives, spent } = content
  const networks = useMemo(() => networksOf(id, content), [id, content])
  const costs = costsOf(networks, objectives)
  const chosen = useSignal<Cost | undefined>(undefined)
  const pointed = useSignal<number | undefined>(undefined)
  const cost = chosen.value ?? costs[0] ?? 'parameters'
  const metric = objectives.metric === 'valLoss' ? t('validation loss') : objectives.metric
  return (
    <section class="panel exploration" aria-label={id} data-panel={id}>
      <header>
        <h2>{id}</h2>
        <span class="row">
          {costs.length > 1 ? (
            <label class="row small">
              <span class="muted">{t('Cost')}</span>
              <select
                value={cost}
                onChange={({ currentTarget: { value } }) => {
                  chosen.value = costs.find((name) => name === value)
                }}
              >
                {costs.map((name) => (
                  <option key={name} value={name}>
                    {costTitle(name)}
                  </option>
                ))}
              </select>
            </label>
          ) : null}
          <a
            class="button small"
            href={`./api/explorations/${encodeURIComponent(id)}`}
            target="_blank"
            rel="noopener"
          >
            {t('Report')}
          </a>
        </span>
      </header>
      <p class="pad small muted">
        {t(
          '{0} networks in {1} training steps, {2}.',
          count(spent.trials),
          count(spent.steps),
          seconds(spent.seconds),
        )}{' '}
        {state === 'running' ? t('It goes on: what is new appears here.') : ''}{' '}
        {t('The coloured line is the front: no network is better and costs less than one of it.')}
      </p>
      <FrontChart {...{ networks, cost, metric, pointed }} />
      <Pointed {...{ networks, cost, metric, pointed }} />
      <Front {...{ networks, costs, metric, pointed }} />
      <Tree {...{ networks, cost, pointed }} />
    </section>
  )
}

interface Shown {
  readonly networks: readonly DrawnNetwork[]
  readonly pointed: Signal<number | undefined>
}

/** What is pointed at, in words. */
function Pointed(props: Shown & { readonly cost: Cost; readonly metric: string }) {
  const { networks, cost, metric, pointed } = props
  const network = networks.find((each) => each.network === pointed.value)
  const last = network?.dots.at(-1)
  return (
    <p class="pad small muted pointed-text" aria-hidden="true">
      {network && last ? (
        <>
          <strong>{network.title}</strong> <code>{network.growth}</code>:{' '}
          {count(last.costs[cost] ?? Number.NaN)} {costTitle(cost)}, {metric} {figure(last.quality)}
        </>
      ) : (
        t(
          'Point at a network to read it; press it to grow it further. Of hollow ones no file is kept.',
        )
      )}
    </p>
  )
}

const point = ({ pointed }: Pick<Shown, 'pointed'>, network: number) => ({
  onMouseEnter: () => {
    pointed.value = network
  },
  onFocusIn: () => {
    pointed.value = network
  },
})

const GrowButton = ({ network, dot }: { network: DrawnNetwork; dot: Dot | undefined }) => {
  const { address } = dot ?? {}
  return address === undefined ? null : (
    <button
      type="button"
      class="small"
      aria-label={t('Grow {0}', network.title)}
      onClick={() => growIt(address)}
    >
      {t('Grow')}
    </button>
  )
}

function Front(props: Shown & { readonly costs: readonly Cost[]; readonly metric: string }) {
  const { networks, costs, metric } = props
  const front = networks
    .flatMap((network) =>
      network.dots.filter(({ isOnFront }) => isOnFront).map((dot) => ({ network, dot })),
    )
    .sort((a, b) => (a.dot.costs.parameters ?? 0) - (b.dot.costs.parameters ?? 0))
  if (front.length === 0) return null
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys
    <section class="scroll" aria-label={t('The front')} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t('On the front')}</th>
            <th scope="col">{t('Grown by')}</th>
            <th scope="col" class="number">
              {metric}
            </th>
            {costs.map((cost) => (
              <th key={cost} scope="col" class="number">
                {costTitle(cost)}
              </th>
            ))}
            <th scope="col">{t('Take along')}</th>
          </tr>
        </thead>
        <tbody>
          {front.map(({ network, dot }) => (
            <tr
              key={`${dot.network}:${dot.rung}`}
              data-front={dot.network}
              {...point(props, dot.network)}
            >
              <th scope="row">
                {network.title}
                {network.dots.length > 1 ? (
                  <span class="small">, {t('rung {0}', dot.rung)}</span>
                ) : null}
              </th>
              <td>
                <code>{network.growth || '–'}</code>
              </td>
              <td class="number">{figure(dot.quality)}</td>
              {costs.map((cost) => (
                <td key={cost} class="number">
                  {costText(cost, dot.costs[cost])}
                </td>
              ))}
              <td>
                <GrowButton network={network} dot={dot} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

const costText = (cost: Cost, value: number | undefined): string =>
  value === undefined ? '–' : cost === 'latency' ? value.toPrecision(3) : count(value)

/** Generations further in than this are not indented more. */
const deepest = 8

function Tree(props: Shown & { readonly cost: Cost }) {
  const { networks, cost, pointed } = props
  return (
    <section class="tree" aria-label={t('Who grew from whom')}>
      <h3>{t('Who grew from whom')}</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys */}
      <ul tabIndex={0} aria-label={t('Networks, each behind the one that it grew from')}>
        {networks.map((network) => (
          <TreeRow key={network.network} {...{ network, cost, pointed }} />
        ))}
      </ul>
    </section>
  )
}

function TreeRow(props: Omit<Shown, 'networks'> & { network: DrawnNetwork; cost: Cost }) {
  const { network, cost, pointed } = props
  const { depth, title, growth, dots, parent, reason, isOnFront } = network
  const last = dots.at(-1)
  const openable = dots.findLast(({ address }) => address !== undefined)
  const isPointed = useComputed(() => pointed.value === network.network).value
  return (
    <li
      data-network={network.network}
      class={isPointed ? 'pointed' : ''}
      style={{ paddingLeft: `${1.4 + 1.8 * Math.min(depth, deepest)}rem` }}
      {...point(props, network.network)}
    >
      <span class="tree-name">
        {parent === null ? null : (
          <span class="muted" aria-hidden="true">
            ↳
          </span>
        )}{' '}
        <span class={isOnFront ? 'best' : ''}>{title}</span> <code>{growth}</code>{' '}
        {isOnFront ? <span class="badge widened">{t('front')}</span> : null}
      </span>
      <span class="muted small number">
        {last
          ? `${figure(last.quality)}, ${costText(cost, last.costs[cost])} ${costTitle(cost)}`
          : (reason ?? t('not trained yet'))}
        {last && parent !== null && depth > deepest ? `, ${t('from network {0}', parent)}` : ''}
      </span>
      <GrowButton network={network} dot={openable} />
    </li>
  )
}
