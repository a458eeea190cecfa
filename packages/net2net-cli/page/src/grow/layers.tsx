import { computed, useComputed, useSignal } from '@preact/signals'
import { useId, useMemo } from 'preact/hooks'
import type { Cost, ListedLayer } from '../engine/protocol.ts'
import { said, t } from '../text/text.ts'
import { count } from '../ui/format.ts'
import { LongList } from '../ui/long-list.tsx'
import { firstOf } from '../ui/names.ts'
import { useNumberDraft } from '../ui/number-draft.ts'
import { canRedo, canUndo, redo, undo } from './history.ts'
import { opened, selectLayer } from './model.ts'
import { prices, wantPrices } from './prices.ts'
import { clear, growing, settings, setWidth, toggleDeeper } from './settings.ts'

/** What all names of the list begin with, up to the last slash: a path that says nothing here. */
function sharedPath(layers: readonly ListedLayer[]): string {
  let path = layers[0]?.name ?? ''
  for (const { name } of layers) while (!name.startsWith(path)) path = path.slice(0, -1)
  path = path.slice(0, path.lastIndexOf('/') + 1)
  return layers.length > 1 ? path : ''
}

/** Widths that are chosen, by the layers that grow together. */
const widthsOfGroups = computed(() => {
  const { widths } = settings.value
  const found = new Map<readonly string[], number>()
  if (widths.size > 0)
    for (const { name, members } of opened.value?.layers ?? []) {
      const width = widths.get(name)
      if (width !== undefined && !found.has(members)) found.set(members, width)
    }
  return found
})
const deepened = computed(() => new Set(settings.value.deepen))
const insertsBlocks = computed(() => settings.value.block === 'residual')

/** Every layer: its width to choose, whether a layer follows it, or why it cannot grow. */
export function LayerList({ layers }: { layers: readonly ListedLayer[] }) {
  const filter = useSignal('')
  const wanted = filter.value.trim().toLowerCase()
  const path = useMemo(() => sharedPath(layers), [layers])
  const row = useMemo(() => (layer: ListedLayer) => <LayerRow layer={layer} path={path} />, [path])
  const found =
    wanted === ''
      ? layers
      : layers.filter(
          ({ name, op }) =>
            `${name} ${op}`.toLowerCase().includes(wanted) ||
            settings.value.widths.has(name) ||
            deepened.value.has(name),
        )
  return (
    <section class="layers" aria-label={t('Layers')}>
      <Head layers={layers} />
      {layers.length === 0 ? (
        <p class="pad muted small">
          {t(
            'No node of this network has weights of its own: there is nothing to widen, and nothing to insert a layer after.',
          )}
        </p>
      ) : null}
      {layers.length > 12 ? (
        <div class="layer-filter">
          <input
            type="search"
            placeholder={t('Filter layers')}
            aria-label={t('Filter layers')}
            value={filter}
            onInput={(event) => {
              filter.value = event.currentTarget.value
            }}
          />
        </div>
      ) : null}
      <LongList
        items={found}
        keyOf={nameOf}
        usual={128}
        attributesOf={attributesOf}
        onRows={wantPricesOf}
      >
        {row}
      </LongList>
    </section>
  )
}

const nameOf = ({ name }: ListedLayer) => name
const wantPricesOf = (layers: readonly ListedLayer[]) => wantPrices(layers.map(nameOf))
const attributesOf = ({ name }: ListedLayer) => ({ class: 'layer', 'data-layer': name })

/** A button that goes through the changes, back or on. */
const HistoryButton = (props: {
  readonly name: string
  readonly title: string
  readonly sign: string
  readonly able: boolean
  readonly act: () => void
}) => (
  <button
    type="button"
    class="icon quiet small"
    aria-label={props.name}
    title={props.title}
    disabled={!props.able}
    onClick={props.act}
  >
    {props.sign}
  </button>
)

/** What can be taken back, and how many there are. */
function Head({ layers }: { layers: readonly ListedLayer[] }) {
  return (
    <header class="side-head">
      <h2>{t('Layers')}</h2>
      <span class="row side-tools">
        <HistoryButton
          name={t('Undo')}
          title={t('Undo (Ctrl+Z)')}
          sign="↶"
          able={canUndo.value}
          act={undo}
        />
        <HistoryButton
          name={t('Redo')}
          title={t('Redo (Ctrl+Y)')}
          sign="↷"
          able={canRedo.value}
          act={redo}
        />
        {growing.value ? (
          <button type="button" class="small" onClick={clear}>
            {t('Reset')}
          </button>
        ) : null}
      </span>
      <span class="muted small side-count">
        {t(
          '{0} of {1} can be widened',
          layers.filter((layer) => layer.widen === true).length,
          layers.length,
        )}
      </span>
    </header>
  )
}

/** One layer. It is drawn anew only when something of it changes. */
function LayerRow({ layer, path }: { layer: ListedLayer; path: string }) {
  const short = (full: string) => full.slice(path.length)
  const id = useId()
  const { name, op, width, members } = layer
  const others = members.filter((member) => member !== name)
  const wanted = useComputed(
    () => settings.value.widths.get(name) ?? widthsOfGroups.value.get(members),
  ).value
  const isDeepened = useComputed(() => deepened.value.has(name)).value
  const price = useComputed(() => prices.value.get(name)).value
  const step = price?.next?.step ?? 1
  const draft = useNumberDraft(wanted ?? width ?? 0, (value) => {
    if (Number.isSafeInteger(value)) set(value)
  })
  return (
    <>
      <div class="layer-head">
        <button
          type="button"
          class="layer-name"
          title={t('Show {0} in the graph', layer.name)}
          onClick={() => void selectLayer(name)}
        >
          <code>{short(name)}</code>
        </button>
        <span class="muted small">{op}</span>
        <span class="layer-width number">
          {width ?? '?'}
          {wanted !== undefined && wanted !== width ? (
            <strong class="grown-text"> → {wanted}</strong>
          ) : null}
        </span>
      </div>
      {layer.widen === true && width !== null ? (
        <>
          <div class="layer-width-controls">
            <input
              type="range"
              aria-label={t('Width of {0}', name)}
              min={width}
              max={Math.max(width + Math.ceil((width * 3) / step) * step, wanted ?? 0)}
              step={step}
              value={wanted ?? width}
              onInput={(event) => set(event.currentTarget.valueAsNumber)}
            />
            <input
              type="number"
              id={`${id}-width`}
              aria-label={t('Width of {0}, as a number', name)}
              min={width}
              step={step}
              {...draft}
              aria-invalid={wanted !== undefined && wanted < width}
            />
          </div>
          {price?.wider ? (
            <p class="muted small price-line number">
              {step === 1
                ? t('A unit more: {0}', costText(price.wider))
                : t('{0} units more at a time: {1}', step, costText(price.wider))}
            </p>
          ) : null}
        </>
      ) : (
        <p class="why small">
          <span class="muted">{t('Not wider:')}</span>{' '}
          {layer.widen === true ? t('width unknown') : said(layer.widen)}
        </p>
      )}
      {others.length > 0 && layer.widen === true ? (
        <p class="muted small together">
          {t('Grows together with {0}.', firstOf(others.map(short)))}
        </p>
      ) : null}
      {layer.deepen === true ? (
        <label class="check small">
          <input
            type="checkbox"
            checked={isDeepened}
            onChange={(event) => toggleDeeper(name, event.currentTarget.checked)}
          />
          <span>
            {insertsBlocks.value
              ? t('Insert a residual block after {0}', short(name))
              : t('Insert a layer after {0}', short(name))}
            {price?.deeper ? <span class="muted number"> {costText(price.deeper)}</span> : null}
          </span>
        </label>
      ) : (
        <p class="why small">
          <span class="muted">{t('Not deeper:')}</span> {said(layer.deepen)}
        </p>
      )}
    </>
  )

  function set(value: number) {
    setWidth(members, name, value === width ? undefined : value)
  }
}

/** `+578 parameters, +0.45 M multiply-adds`. */
function costText({ parameters, multiplyAdds }: Cost): string {
  const first = t('+{0} parameters', count(parameters))
  return multiplyAdds === null || multiplyAdds === 0
    ? first
    : `${first}, ${t('+{0} multiply-adds', count(multiplyAdds))}`
}
