import type { NoiseKind } from 'net2net'
import { NumberField } from '../ui/number-field.tsx'
import { change, largestSeed, settings } from './settings.ts'

const noises: readonly { readonly id: NoiseKind; readonly label: string }[] = [
  { id: 'zero-sum', label: 'sums to zero (exact)' },
  { id: 'paper', label: 'as in the paper' },
  { id: 'none', label: 'none' },
]

export function Options() {
  const current = settings.value
  return (
    <section class="options pad" aria-label="How to grow">
      <div class="fields">
        <label class="field">
          <span>New units</span>
          <select
            value={current.init}
            onChange={(event) => {
              const { value } = event.currentTarget
              change({ init: value === 'random-pad' ? value : 'net2wider' })
            }}
          >
            <option value="net2wider">copies (net2wider)</option>
            <option value="random-pad">random (baseline)</option>
          </select>
        </label>
        <label class="field">
          <span>Noise on copies</span>
          <select
            value={current.noise}
            disabled={current.init === 'random-pad'}
            onChange={(event) => {
              const { value } = event.currentTarget
              change({ noise: noises.find(({ id }) => id === value)?.id ?? 'zero-sum' })
            }}
          >
            {noises.map(({ id, label }) => (
              <option key={id} value={id}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>Insert</span>
          <select
            value={current.block}
            onChange={(event) => {
              const { value } = event.currentTarget
              change({ block: value === 'residual' ? value : 'identity' })
            }}
          >
            <option value="identity">layers</option>
            <option value="residual">residual blocks</option>
          </select>
        </label>
        <label class="field">
          <span>New layers</span>
          <select
            value={current.deepInit}
            onChange={(event) => {
              const { value } = event.currentTarget
              change({ deepInit: value === 'random-init' ? value : 'net2deeper' })
            }}
          >
            <option value="net2deeper">
              {current.block === 'residual' ? 'zero branch' : 'identity (net2deeper)'}
            </option>
            <option value="random-init">random (baseline)</option>
          </select>
        </label>
        <NumberField
          label="Seed"
          value={current.seed}
          min={0}
          max={largestSeed}
          onValue={(seed) => change({ seed })}
        />
      </div>
    </section>
  )
}
