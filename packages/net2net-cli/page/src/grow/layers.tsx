import { useSignal } from '@preact/signals'
import type { InspectedLayer } from 'net2net'
import { useId } from 'preact/hooks'
import { selectLayer } from './model.ts'
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
  return (
    <section class="layers" aria-label="Layers">
      <header class="side-head">
        <h2>Layers</h2>
        <span class="muted small">
          {layers.filter((layer) => layer.widen === true).length} of {layers.length} can be widened
        </span>
        {growing.value ? (
          <button type="button" class="small" onClick={clear}>
            Reset
          </button>
        ) : null}
      </header>
      {layers.length === 0 ? (
        <p class="pad muted small">
          No node of this network has weights of its own: there is nothing to widen, and nothing to
          insert a layer after.
        </p>
      ) : null}
      {layers.length > 12 ? (
        <div class="layer-filter">
          <input
            type="search"
            placeholder="Filter layers"
            aria-label="Filter layers"
            value={filter}
            onInput={(event) => {
              filter.value = event.currentTarget.value
            }}
          />
        </div>
      ) : null}
      <ul>
        {found.slice(0, most).map((layer) => (
          <LayerRow key={layer.name} layer={layer} path={path} />
        ))}
      </ul>
      {found.length > most ? (
        <p class="pad muted small">And {found.length - most} more: filter by name.</p>
      ) : null}
    </section>
  )
}

function LayerRow({ layer, path }: { layer: InspectedLayer; path: string }) {
  const short = (full: string) => full.slice(path.length)
  const id = useId()
  const { widths, deepen, block } = settings.value
  const { name, op, width, group } = layer
  const residual = block === 'residual'
  const members = [name, ...group]
  const owner = members.find((member) => widths.has(member))
  const wanted = owner === undefined ? undefined : widths.get(owner)
  return (
    <li class="layer" data-layer={name}>
      <div class="layer-head">
        <button
          type="button"
          class="layer-name"
          title={`Show ${layer.name} in the graph`}
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
        <div class="layer-width-controls">
          <input
            type="range"
            aria-label={`Width of ${name}`}
            min={width}
            max={Math.max(width * 4, wanted ?? 0)}
            step={1}
            value={wanted ?? width}
            onInput={(event) => set(event.currentTarget.valueAsNumber)}
          />
          <input
            id={`${id}-width`}
            type="number"
            aria-label={`Width of ${name}, as a number`}
            min={width}
            step={1}
            value={wanted ?? width}
            aria-invalid={wanted !== undefined && wanted < width}
            onChange={(event) => {
              const { currentTarget: input } = event
              if (Number.isSafeInteger(input.valueAsNumber)) set(input.valueAsNumber)
              else input.value = String(wanted ?? width)
            }}
          />
        </div>
      ) : (
        <p class="why small">
          <span class="muted">Not wider:</span>{' '}
          {layer.widen === true ? 'width unknown' : layer.widen}
        </p>
      )}
      {group.length > 0 && layer.widen === true ? (
        <p class="muted small together">
          Grows together with {group.slice(0, 4).map(short).join(', ')}
          {group.length > 4 ? ` and ${group.length - 4} more` : ''}.
        </p>
      ) : null}
      {layer.deepen === true ? (
        <label class="check small">
          <input
            type="checkbox"
            checked={deepen.includes(name)}
            onChange={(event) => toggleDeeper(name, event.currentTarget.checked)}
          />
          Insert a {residual ? 'residual block' : 'layer'} after {short(name)}
        </label>
      ) : (
        <p class="why small">
          <span class="muted">Not deeper:</span> {layer.deepen}
        </p>
      )}
    </li>
  )

  function set(value: number) {
    setWidth(members, name, value === width ? undefined : value)
  }
}
