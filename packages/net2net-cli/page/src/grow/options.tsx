import type { NoiseKind } from 'net2net'
import { t } from '../text/text.ts'
import { NumberField } from '../ui/number-field.tsx'
import { change, largestSeed, settings } from './settings.ts'

const noises: readonly { readonly id: NoiseKind; readonly label: string }[] = [
  { id: 'zero-sum', label: 'sums to zero (exact)' },
  { id: 'paper', label: 'as in the paper' },
  { id: 'none', label: 'none' },
]

const kernels = [1, 3, 5, 7]

/** How to widen and to insert; `hasKernels`: whether a layer is a convolution. */
export function Options({ hasKernels }: { hasKernels: boolean }) {
  const current = settings.value
  const { kernel } = current
  return (
    <section class="options pad" aria-label={t('How to grow')}>
      <h2>{t('How to grow')}</h2>
      <div class="fields">
        <Choice
          label={t('New units')}
          value={current.init}
          options={[
            ['net2wider', t('copies (net2wider)')],
            ['random-pad', t('random (baseline)')],
          ]}
          onChoose={(value) => change({ init: value === 'random-pad' ? value : 'net2wider' })}
        />
        <Choice
          label={t('Noise on copies')}
          value={current.noise}
          disabled={current.init === 'random-pad'}
          options={noises.map(({ id, label }) => [id, t(label)] as const)}
          onChoose={(value) =>
            change({ noise: noises.find(({ id }) => id === value)?.id ?? 'zero-sum' })
          }
        />
        <Choice
          label={t('Insert')}
          value={current.block}
          options={[
            ['identity', t('layers')],
            ['residual', t('residual blocks')],
          ]}
          onChoose={(value) => change({ block: value === 'residual' ? value : 'identity' })}
        />
        {hasKernels ? (
          <Choice
            label={t('Their kernels')}
            value={String(kernel ?? '')}
            options={[
              ['', t('as the layer before')],
              ...[...new Set([...kernels, kernel ?? 1])]
                .sort((a, b) => a - b)
                .map((size) => [String(size), `${size}×${size}`] as const),
            ]}
            onChoose={(value) => change({ kernel: value === '' ? undefined : Number(value) })}
          />
        ) : null}
        <Choice
          label={t('New layers')}
          value={current.deepInit}
          options={[
            [
              'net2deeper',
              current.block === 'residual' ? t('zero branch') : t('identity (net2deeper)'),
            ],
            ['random-init', t('random (baseline)')],
          ]}
          onChoose={(value) => change({ deepInit: value === 'random-init' ? value : 'net2deeper' })}
        />
        <NumberField
          label={t('Seed')}
          value={current.seed}
          min={0}
          max={largestSeed}
          onValue={(seed) => change({ seed })}
        />
      </div>
    </section>
  )
}

function Choice(props: {
  readonly label: string
  readonly value: string
  readonly disabled?: boolean
  readonly options: readonly (readonly [id: string, label: string])[]
  readonly onChoose: (id: string) => void
}) {
  const { label, value, disabled, options, onChoose } = props
  return (
    <label class="field">
      <span>{label}</span>
      <select
        value={value}
        disabled={disabled}
        onChange={(event) => onChoose(event.currentTarget.value)}
      >
        {options.map(([id, text]) => (
          <option key={id} value={id}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
}
