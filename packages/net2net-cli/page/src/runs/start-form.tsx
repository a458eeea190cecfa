import { useSignal } from '@preact/signals'
import { t } from '../text/text.ts'
import { armTitle } from '../train/arm-names.ts'
import { allArmNames, defaultArmNames } from '../train/arms.ts'
import { ArmKey } from '../ui/key.tsx'
import { NumberField } from '../ui/number-field.tsx'
import { start } from './model.ts'

/** Starts a run in a process of its own, on the whole machine. */
export function StartForm() {
  const settings = useSignal({ epochs: 1, trainSize: 6000, testSize: 1000, batchSize: 32, seed: 0 })
  const arms = useSignal<readonly string[]>(defaultArmNames)
  const field = (label: string, key: keyof typeof settings.value, min: number, max: number) => (
    <NumberField
      label={label}
      value={settings.value[key]}
      min={min}
      max={max}
      onValue={(value) => {
        settings.value = { ...settings.value, [key]: value }
      }}
    />
  )
  return (
    <details class="start pad">
      <summary>{t('Start a run')}</summary>
      <div class="stack">
        <fieldset>
          <legend class="unseen">{t('Arms')}</legend>
          {allArmNames.map((name) => (
            <label key={name} class="check small">
              <input
                type="checkbox"
                checked={arms.value.includes(name)}
                onChange={(event) => {
                  const on = event.currentTarget.checked
                  arms.value = allArmNames.filter((other) =>
                    other === name ? on : arms.value.includes(other),
                  )
                }}
              />
              <ArmKey arm={name} />
              {armTitle(name)}
            </label>
          ))}
        </fieldset>
        <div class="fields">
          {field(t('Epochs'), 'epochs', 1, 1000)}
          {field(t('Training images'), 'trainSize', 1, 60_000)}
          {field(t('Test images'), 'testSize', 1, 10_000)}
          {field(t('Batch size'), 'batchSize', 1, 4096)}
          {field(t('Seed'), 'seed', 0, 0xffffffff)}
        </div>
        <button
          type="button"
          class="primary"
          disabled={arms.value.length === 0}
          onClick={() => void start({ arms: arms.value, ...settings.value })}
        >
          {t('Start')}
        </button>
      </div>
    </details>
  )
}
