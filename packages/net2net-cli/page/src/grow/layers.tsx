import { useSignal } from '@preact/signals'
import type { InspectedLayer } from 'net2net'
import { useEffect, useId } from 'preact/hooks'
import type { Cost } from '../engine/protocol.ts'
import { said, t } from '../text/text.ts'
import { count } from '../ui/format.ts'
import { useNumberDraft } from '../ui/number-draft.ts'
import { canRedo, canUndo, redo, undo } from './history.ts'
import { selectLayer } from './model.ts'
import { prices, wantPrices } from './prices.ts'
import { clear, growing, settings, setWidth, toggleDeeper } from './settings.ts'

/** Beyond this many layers the list is cut short, and a filter finds the others. */
const most = 120

/** What all names of the list begin with, up to the last slash: a path that says nothing here. */
function sharedPath(layers: readonly InspectedLayer[]): string {
  let path = layers[0]?.name ?? ''
  for (const { name } of layers) while (!name.startsWith(path)) path = path.slice(0, -1)
  path = path.slice(0, path.lastIndexOf('/') + 1)
  return layers.length > 1 ? path : ''
}

/** Every layer: its width to choose, whether a layer follows it, or why it cannot grow. */
export function LayerList({ layers }: { layers: readonly InspectedLayer[] }) {
  const filter = useSignal('')
  const wanted = filter.value.trim().toLowerCase()
  const { widths, deepen } = settings.value
  const path = sharedPath(layers)
  const found = layers.filter(
    ({ name, op }) =>
      `${name} ${op}`.toLowerCase().includes(wanted) || widths.has(name) || deepen.includes(name),
  )
  const shown = found.slice(0, most)
  const known = prices.value
  useEffect(
    () => wantPrices(shown.map(({ name }) => name)),
    [shown.map(({ name }) => name).join('\n'), known.size === 0],
  )
  return (
    <section class="layers" aria-label={t('Layers')}>
      <header class="side-head">
        <h2>{t('Layers')}</h2>
        <span class="row side-tools">
          <button
            type="button"
            class="icon quiet small"
            aria-label={t('Undo')}
            title={t('Undo (Ctrl+Z)')}
            disabled={!canUndo.value}
            onClick={undo}
          >
            ↶
          </button>
          <button
            type="button"
            class="icon quiet small"
            aria-label={t('Redo')}
            title={t('Redo (Ctrl+Y)')}
            disabled={!canRedo.value}
            onClick={redo}
          >
            ↷
          </button>
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
      <ul>
        {shown.map((layer) => (
          <LayerRow key={layer.name} layer={layer} path={path} />
        ))}
      </ul>
      {found.length > most ? (
        <p class="pad muted small">{t('And {0} more: filter by name.', found.length - most)}</p>
      ) : null}
    </section>
  )
}

function LayerRow({ layer, path }: { layer: InspectedLayer; path: string }) {
  const short = (full: string) => full.slice(path.length)
  const id = useId()
  const { widths, deepen, block } = settings.value
  const { name, op, width, group } = layer
  const members = [name, ...group]
  const owner = members.find((member) => widths.has(member))
  const wanted = owner === undefined ? undefined : widths.get(owner)
  const price = prices.value.get(name)
  const step = price?.next?.step ?? 1
  const draft = useNumberDraft(wanted ?? width ?? 0, (value) => {
    if (Number.isSafeInteger(value)) set(value)
  })
  return (
    <li class="layer" data-layer={name}>
      <div class="layer-head">
        <button
          type="button"
          class="layer-name"
          title={t('Show {0} in the graph', layer.name)}
          onClick={() => selectLayer(name)}
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
      {group.length > 0 && layer.widen === true ? (
        <p class="muted small together">
          {t('Grows together with {0}', group.slice(0, 4).map(short).join(', '))}
          {group.length > 4 ? ` ${t('and {0} more', group.length - 4)}` : ''}.
        </p>
      ) : null}
      {layer.deepen === true ? (
        <label class="check small">
          <input
            type="checkbox"
            checked={deepen.includes(name)}
            onChange={(event) => toggleDeeper(name, event.currentTarget.checked)}
          />
          <span>
            {block === 'residual'
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
    </li>
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
